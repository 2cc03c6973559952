//! Moves executions: what the machine says is done in the transaction that keeps the new state.

use super::App;
use super::ask_step::{fits, requested};
use crate::domain::execution::{Execution, StepRun};
use crate::domain::machine::{Effect, Failure, Machine};
use crate::domain::playbook::{Playbook, StepKind};
use crate::error::Error;
use crate::store::executions::{
    ExecutionRow, execution_lock, execution_lock_child, execution_save, steps_open, steps_save,
};
use crate::store::playbooks::document_get;
use std::collections::VecDeque;
use std::sync::Arc;
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::messages::{ActionProposed, ManualRequested, ManualWithdrawn};
use types::{ActionId, ExecutionId, StepRunId};
use uuid::Uuid;

/// Is an execution that this transaction has locked.
pub(super) struct Held {
    pub(super) row: ExecutionRow,
    pub(super) execution: Execution,
    pub(super) playbook: Arc<Playbook>,
    /// What its steps were when it was locked.
    before: Vec<StepRun>,
}

impl Held {
    pub(super) fn new(row: ExecutionRow, execution: Execution, playbook: Arc<Playbook>) -> Self {
        Self { row, before: execution.steps.clone(), execution, playbook }
    }
}

impl App {
    /// Locks an execution.
    pub(super) async fn hold(&self, conn: &mut Conn, id: Uuid) -> Result<Option<Held>, Error> {
        match execution_lock(conn, id).await? {
            Some(row) => self.held(conn, row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads the rest of an execution that is locked.
    pub(super) async fn held(&self, conn: &mut Conn, row: ExecutionRow) -> Result<Held, Error> {
        let execution = row.with(steps_open(conn, row.id).await?)?;
        let playbook = self.playbook(conn, &row.digest).await?;
        Ok(Held::new(row, execution, playbook))
    }

    /// Gives a playbook that was checked when it came; what is wrong by rules that came later is told again.
    pub(super) async fn playbook(
        &self,
        conn: &mut Conn,
        digest: &[u8],
    ) -> Result<Arc<Playbook>, Error> {
        if let Some(known) = self.playbooks.get(digest) {
            return Ok(known);
        }
        let document = document_get(conn, digest).await?;
        let size = document.len();
        // beside the event loops: it takes a while
        let read = web::cpu(move || Playbook::parse(document.as_bytes())).await;
        let read = Arc::new(read.map_err(|_busy| Error::NotYet("the processors are busy"))??);
        self.playbooks.put(digest, &read, size);
        Ok(read)
    }

    /// Tells an execution of an event, carries out what follows, and writes everything down.
    pub(super) async fn advance(
        &self,
        conn: &mut Conn,
        mut held: Held,
        now: OffsetDateTime,
        event: impl FnOnce(&mut Machine<'_>),
    ) -> Result<(), Error> {
        let effects = self.turn(&mut held, now, event);
        self.carry_out(conn, held, effects, now).await
    }

    /// Tells an execution of an event.
    pub(super) fn turn(
        &self,
        held: &mut Held,
        now: OffsetDateTime,
        event: impl FnOnce(&mut Machine<'_>),
    ) -> Vec<Effect> {
        let playbook = Arc::clone(&held.playbook);
        let mut machine = Machine::new(&playbook, &mut held.execution, now, self.limits());
        event(&mut machine);
        machine.effects
    }

    /// Carries out effects, of this execution and of those that it ends, and writes them all down.
    pub(super) async fn carry_out(
        &self,
        conn: &mut Conn,
        held: Held,
        effects: Vec<Effect>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let mut work = VecDeque::from([(held, effects)]);
        while let Some((mut held, effects)) = work.pop_front() {
            let mut effects = VecDeque::from(effects);
            while let Some(effect) = effects.pop_front() {
                let more = match effect {
                    Effect::Begin(step) => match self.begin_child(conn, &held, step, now).await? {
                        Ok(()) => vec![],
                        Err(failure) => {
                            self.turn(&mut held, now, |machine| machine.ended(step, Err(failure)))
                        }
                    },
                    Effect::CancelChild(step) => {
                        if let Some(child) = self.cancel_child(conn, step, now).await? {
                            work.push_back(child);
                        }
                        vec![]
                    }
                    other => self.simple(conn, &mut held, other, now).await?,
                };
                effects.extend(more);
            }
            self.save(conn, &held, now).await?;
        }
        Ok(())
    }

    /// Carries out an effect that needs no other execution.
    async fn simple(
        &self,
        conn: &mut Conn,
        held: &mut Held,
        effect: Effect,
        now: OffsetDateTime,
    ) -> Result<Vec<Effect>, Error> {
        match effect {
            Effect::Ask(step) => {
                let message = requested(held, step, now, self.config.manual_timeout);
                return self.ask(conn, held, step, message, now).await;
            }
            Effect::Withdraw(step) => {
                let reason = held.execution.reason.clone();
                let message = ManualWithdrawn {
                    step: StepRunId(step),
                    execution_id: ExecutionId(held.execution.id),
                    reason: reason.unwrap_or_else(|| "the execution goes on without it".into()),
                };
                self.bus.put(conn, now, &message).await?;
            }
            Effect::Prepare(step) => {
                let message = Self::prepare_action(held, step, now);
                return self.ask(conn, held, step, message, now).await;
            }
            Effect::Propose(step) => {
                if let Some(document) =
                    held.execution.open(step).and_then(|run| run.document.clone())
                {
                    let execution_id = ExecutionId(held.execution.id);
                    let message = ActionProposed { document, execution_id, step: StepRunId(step) };
                    match fits(message) {
                        Ok(message) => self.bus.put(conn, now, &message).await?,
                        Err(detail) => return Ok(self.fail_step(held, step, detail, now)),
                    }
                }
            }
            Effect::CancelAction(action) => {
                let why = format!("the playbook {} was ended", held.row.playbook_id);
                self.cancel_action(conn, ActionId(action), why, now).await?;
            }
            Effect::Begin(_) | Effect::CancelChild(_) => {}
        }
        Ok(vec![])
    }

    /// Puts a step before people; one that cannot be asked for has failed.
    async fn ask(
        &self,
        conn: &mut Conn,
        held: &mut Held,
        step: Uuid,
        message: Result<ManualRequested, String>,
        now: OffsetDateTime,
    ) -> Result<Vec<Effect>, Error> {
        match message.and_then(fits) {
            Ok(message) => self.bus.put(conn, now, &message).await?,
            Err(detail) => return Ok(self.fail_step(held, step, detail, now)),
        }
        Ok(vec![])
    }

    fn fail_step(
        &self,
        held: &mut Held,
        step: Uuid,
        detail: String,
        now: OffsetDateTime,
    ) -> Vec<Effect> {
        let failure = Failure::new(detail);
        self.turn(held, now, |machine| machine.ended(step, Err(failure)))
    }

    async fn begin_child(
        &self,
        conn: &mut Conn,
        held: &Held,
        step: Uuid,
        now: OffsetDateTime,
    ) -> Result<Result<(), Failure>, Error> {
        let call = held.execution.open(step).and_then(|run| held.playbook.steps.get(&run.step_id));
        let Some(StepKind::Playbook(call)) = call.map(|step| &step.kind) else {
            return Ok(Err(Failure::new("the step calls no playbook")));
        };
        let scope = held.execution.scope(step);
        let given =
            call.in_args.iter().filter_map(|name| Some((name.clone(), scope.get(name)?.clone())));
        let given = given.collect();
        self.child(conn, (&held.row, step), call, given, now).await
    }

    async fn cancel_child(
        &self,
        conn: &mut Conn,
        step: Uuid,
        now: OffsetDateTime,
    ) -> Result<Option<(Held, Vec<Effect>)>, Error> {
        let Some(row) = execution_lock_child(conn, step).await? else { return Ok(None) };
        let mut child = self.held(conn, row).await?;
        if child.execution.state.is_over() {
            return Ok(None);
        }
        let effects = self.turn(&mut child, now, |machine| {
            machine.cancel("the playbook that began it was ended");
        });
        Ok(Some((child, effects)))
    }

    /// Writes down where an execution is.
    async fn save(&self, conn: &mut Conn, held: &Held, now: OffsetDateTime) -> Result<(), Error> {
        let changed: Vec<_> =
            held.execution.steps.iter().filter(|step| !held.before.contains(step)).collect();
        steps_save(conn, &changed).await?;
        let mut look = held.execution.look(now);
        if look.is_some_and(|look| look <= now) && self.idle.available_permits() == 0 {
            // somebody else may have a hand free; it is looked at again when one is free here
            look = Some(now + Duration::seconds(1));
        }
        execution_save(conn, &held.execution, look.filter(|_| !held.execution.state.is_over()))
            .await?;
        if held.execution.state.is_over() {
            tracing::info!(
                execution.id = %held.execution.id,
                execution.state = held.execution.state.name(),
                reason = held.execution.reason,
                "a playbook ended"
            );
        }
        Ok(())
    }
}
