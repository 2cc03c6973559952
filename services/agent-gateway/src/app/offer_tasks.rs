//! A RunbookSolutions agent asks what it has to run.

use super::App;
use super::end_leases::failed;
use super::together::all_or_each;
use crate::domain::operations::Plan;
use crate::error::Error;
use crate::store::leases::{Lost, Terms};
use crate::store::offers::{self, Look, Offer};
use crate::store::tasks::{self, NewTaskRow};
use crate::store::tokens::Known;
use crate::store::{mig_mail, plugins, runbook};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::Conn;
use time::OffsetDateTime;
use types::messages::CommandDelivered;
use types::messages::command::DeliveredCommand;
use types::{AgentId, CommandId, TaskId};
use uuid::Uuid;

/// How many tasks that run once one answer carries; the rest comes a sync later.
const AT_ONCE: i64 = 64;
/// How many commands of signed actions become tasks at once.
const MAIL_AT_ONCE: i64 = 16;

impl App {
    /// Gives an agent its tasks: those by the clock each time, those that run once under a lease. Nothing is written
    /// when there is nothing new.
    pub(crate) async fn offer_tasks(self: &Arc<Self>, agent: Known) -> Result<Vec<Offer>, Error> {
        let Known { number: agent, open: true, .. } = agent else { return Ok(Vec::new()) };
        let terms = self.task_terms();
        let look = |agents: Vec<AgentId>| {
            let store = self.store.clone();
            async move {
                let looked = offers::tasks_look(&mut *store.get().await?, &agents, terms).await?;
                // one that asks twice at a time is told the same both times
                let told = |agent| looked.get(agent).cloned().unwrap_or_default();
                Ok(agents.iter().map(told).collect())
            }
        };
        let Look { known, news } = self.looks.ask(&self.tasks, agent, look).await?;
        if !news {
            return Ok(known);
        }
        let offer = |agents: Vec<AgentId>| {
            let app = Arc::clone(self);
            all_or_each(agents, move |some| {
                let app = Arc::clone(&app);
                async move { app.offer_to(&some).await }
            })
        };
        let mut offered = self.offers.ask(&self.tasks, agent, offer).await??;
        offered.extend(known);
        offered.sort_by_key(|offer| offer.id);
        offered.dedup_by_key(|offer| offer.id);
        Ok(offered)
    }

    /// Says how tasks are handed out now.
    pub(super) fn task_terms(&self) -> Terms {
        let now = self.clock.now();
        Terms { now, until: now + self.config.task_lease, attempts: self.config.task_attempts }
    }

    /// Leases what waits for these agents; one that asks twice at a time is given it once.
    async fn offer_to(&self, agents: &[AgentId]) -> Result<Vec<Vec<Offer>>, Error> {
        let terms = self.task_terms();
        let each: BTreeSet<AgentId> = agents.iter().copied().collect();
        let each: Vec<AgentId> = each.into_iter().collect();
        let mut offered = self
            .store
            .tx(async |conn| {
                self.unpack_mail(conn, &each, terms).await?;
                Ok::<_, Error>(offers::tasks_offer(conn, &each, terms, AT_ONCE).await?)
            })
            .await?;
        self.bus.wake();
        Ok(agents.iter().map(|agent| offered.remove(agent).unwrap_or_default()).collect())
    }

    /// Makes tasks of the commands of signed actions that wait for these agents, and fails those that they cannot do.
    async fn unpack_mail(
        &self,
        conn: &mut Conn,
        agents: &[AgentId],
        terms: Terms,
    ) -> Result<(), Error> {
        let mail = offers::mailbox_take(conn, agents, terms.now, MAIL_AT_ONCE).await?;
        if mail.is_empty() {
            return Ok(());
        }
        let Sorted { possible, impossible } = sort_mail(conn, mail).await?;
        let steps: Vec<NewTaskRow> =
            possible.iter().flat_map(|(mail, plan)| steps_of(mail, plan)).collect();
        let delivered = possible.iter().map(|(mail, _)| DeliveredCommand {
            id: mail.command,
            action: Some(mail.action),
            at: terms.now,
        });
        let delivered: Vec<DeliveredCommand> = delivered.collect();
        tasks::tasks_insert(conn, &steps, terms.now).await?;
        self.bus.put_all(conn, terms.now, &CommandDelivered::many(&delivered)).await?;
        self.fail_mail(conn, impossible, terms.now).await
    }

    /// Fails commands, each for its reason.
    pub(super) async fn fail_mail(
        &self,
        conn: &mut Conn,
        impossible: BTreeMap<String, Vec<Lost>>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        for (reason, lost) in impossible {
            let commands: Vec<CommandId> = lost.iter().map(|lost| lost.command).collect();
            offers::mailbox_drop(conn, &commands).await?;
            self.bus.put_all(conn, now, &failed(&lost, &reason, now)).await?;
        }
        Ok(())
    }
}

/// Is what RunbookSolutions agents can do of what they are asked.
#[derive(Default)]
pub(super) struct Sorted {
    /// Each with how.
    possible: Vec<(Lost, Arc<Plan>)>,
    /// The others by the reason.
    pub(super) impossible: BTreeMap<String, Vec<Lost>>,
}

/// Parts commands into those that their agents can do with the plugins that they have now, and the others.
pub(super) async fn sort_mail(conn: &mut Conn, mail: Vec<Lost>) -> Result<Sorted, Error> {
    let agents: BTreeSet<AgentId> = mail.iter().map(|mail| mail.agent).collect();
    let agents: Vec<AgentId> = agents.into_iter().collect();
    let has = runbook::agents_runbook(conn, &agents).await?;
    let actions: BTreeSet<i64> = mail.iter().map(|mail| mail.action.0).collect();
    let actions: Vec<i64> = actions.into_iter().collect();
    let documents = mig_mail::documents_find(conn, &actions).await?;
    let plans: BTreeMap<i64, Result<Arc<Plan>, String>> =
        documents.iter().map(|of| (of.action, Plan::of(&of.text).map(Arc::new))).collect();
    let keys = plans.values().flatten().flat_map(|plan| plan.keys().cloned()).collect();
    let parameters = plugins::parameters_of(conn, &keys).await?;
    let misfits: BTreeMap<i64, String> = plans
        .iter()
        .filter_map(|(action, plan)| Some((*action, plan.as_ref().ok()?.misfit(&parameters)?)))
        .collect();
    let (mut sorted, nothing) = (Sorted::default(), BTreeSet::new());
    for mail in mail {
        let can = has.get(&mail.agent).unwrap_or(&nothing);
        let plan = match plans.get(&mail.action.0) {
            Some(Ok(plan)) => {
                let misfit = || misfits.get(&mail.action.0).cloned();
                plan.lacking(can).or_else(misfit).map_or(Ok(plan), Err)
            }
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("the action's document is gone".to_owned()),
        };
        match plan {
            Ok(plan) => sorted.possible.push((mail, Arc::clone(plan))),
            Err(reason) => sorted.impossible.entry(reason).or_default().push(mail),
        }
    }
    Ok(sorted)
}

/// Says of which of these RunbookSolutions agents an action asks what they cannot do, and why; others are passed over.
pub(super) async fn find_impossible(
    conn: &mut Conn,
    document: &str,
    agents: &[AgentId],
) -> Result<BTreeMap<AgentId, String>, Error> {
    let runbook = runbook::agents_runbook(conn, agents).await?;
    if runbook.is_empty() {
        return Ok(BTreeMap::new());
    }
    let plan = Plan::of(document);
    let misfit = match &plan {
        Ok(plan) => {
            let keys = plan.keys().cloned().collect();
            plan.misfit(&plugins::parameters_of(conn, &keys).await?)
        }
        Err(_) => None,
    };
    let impossible = runbook.into_iter().filter_map(|(agent, has)| {
        let reason = match &plan {
            Ok(plan) => plan.lacking(&has).or_else(|| misfit.clone())?,
            Err(reason) => reason.clone(),
        };
        Some((agent, reason))
    });
    Ok(impossible.collect())
}

/// Gives a command's operations as tasks.
fn steps_of(mail: &Lost, plan: &Plan) -> Vec<NewTaskRow> {
    let steps = (0..).zip(&plan.steps).map(|(operation, step)| NewTaskRow {
        id: TaskId(Uuid::now_v7()),
        agent: mail.agent,
        plugin: step.key.plugin,
        command: step.key.name.clone(),
        cron: None,
        arguments: step.arguments.clone(),
        created_by: None,
        mail: Some((mail.command, operation)),
    });
    steps.collect()
}
