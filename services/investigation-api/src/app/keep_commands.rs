//! Keeps what the scheduler and agent-gateway tell of runs, commands and agents.

use super::App;
use crate::error::Error;
use crate::store::actions::{actions_change, actions_here, actions_lock};
use crate::store::commands::{
    commands_deliver, commands_insert, commands_known, commands_plan, commands_return,
    commands_withdraw,
};
use messaging::inbox;
use std::collections::{BTreeSet, HashSet};
use types::Envelope;
use types::messages::command::ReturnedCommand;
use types::messages::{
    ActionChanged, CommandDelivered, CommandIssued, CommandPlanned, CommandReturned,
    CommandWithdrawn,
};
use uuid::Uuid;

/// Holds a batch of the stream of runs and commands, by kind, each in the order of arrival.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) planned: Vec<Envelope<CommandPlanned>>,
    pub(crate) issued: Vec<Envelope<CommandIssued>>,
    pub(crate) delivered: Vec<Envelope<CommandDelivered>>,
    pub(crate) withdrawn: Vec<Envelope<CommandWithdrawn>>,
    pub(crate) returned: Vec<Envelope<CommandReturned>>,
    pub(crate) changed: Vec<Envelope<ActionChanged>>,
}

impl Told {
    fn ids(&self) -> Vec<Uuid> {
        let planned = self.planned.iter().map(|event| event.id);
        let issued = self.issued.iter().map(|event| event.id);
        let delivered = self.delivered.iter().map(|event| event.id);
        let withdrawn = self.withdrawn.iter().map(|event| event.id);
        let returned = self.returned.iter().map(|event| event.id);
        planned.chain(issued).chain(delivered).chain(withdrawn).chain(returned).collect()
    }
}

impl App {
    /// Takes a batch in one transaction: commands first, then what happened to them. Something told of a command that
    /// is not here yet waits for it; answers to an action that is here no more are passed over, as what is kept of an
    /// action goes as a whole, and every action is here before its commands.
    pub(crate) async fn keep_commands(&self, told: Told) -> Result<(), Error> {
        let now = self.clock.now();
        let ids = told.ids();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new = inbox::admit(conn, "investigation-api.runs", &ids, now).await?;
                let planned = fresh(&told.planned, &new);
                let issued = fresh(&told.issued, &new);
                let delivered = fresh(&told.delivered, &new);
                let withdrawn = fresh(&told.withdrawn, &new);
                let answers: Vec<_> = fresh(&told.returned, &new)
                    .into_iter()
                    .flat_map(|message: &CommandReturned| &message.commands)
                    .filter(|answer| answer.status.is_an_answer())
                    .collect();
                let here = actions_here(conn, &answers).await?;
                let (answers, late): (Vec<_>, Vec<_>) =
                    answers.into_iter().partition(|answer| here.contains(&answer.action.0));
                if !late.is_empty() {
                    tracing::warn!(
                        answers = late.len(),
                        "passed over answers to actions that are not kept"
                    );
                }
                let changed: Vec<_> = told.changed.iter().map(|event| &event.data).collect();
                let named = named(&delivered, &withdrawn, &answers);
                let actions = issued.iter().map(|message| message.action.0);
                let actions = actions.chain(planned.iter().map(|message| message.action.0));
                let actions: Vec<_> = actions.chain(changed.iter().map(|c| c.id.0)).collect();
                actions_lock(conn, &actions, &named).await?;
                for message in planned {
                    commands_plan(conn, message).await?;
                }
                for message in issued {
                    commands_insert(conn, message).await?;
                }
                let known = commands_known(conn, &named).await?;
                if known < i64::try_from(named.len()).unwrap_or(i64::MAX) {
                    return Err(Error::NotYet("a command that was told of has not arrived"));
                }
                if !delivered.is_empty() {
                    commands_deliver(conn, &delivered).await?;
                }
                for message in withdrawn {
                    commands_withdraw(conn, message).await?;
                }
                if !answers.is_empty() {
                    commands_return(conn, &answers).await?;
                }
                if !changed.is_empty() {
                    actions_change(conn, &changed).await?;
                }
                Ok(())
            })
            .await
    }
}

/// Gives the messages that were not taken before.
fn fresh<'a, M>(events: &'a [Envelope<M>], new: &HashSet<Uuid>) -> Vec<&'a M> {
    events.iter().filter(|event| new.contains(&event.id)).map(|event| &event.data).collect()
}

/// Gives the commands that must be here, each once.
fn named(
    delivered: &[&CommandDelivered],
    withdrawn: &[&CommandWithdrawn],
    answers: &[&ReturnedCommand],
) -> Vec<i64> {
    let delivered = delivered.iter().flat_map(|message| &message.commands).map(|c| c.id.0);
    let withdrawn = withdrawn.iter().flat_map(|message| &message.commands).map(|id| id.0);
    let answers = answers.iter().map(|answer| answer.id.0);
    let named: BTreeSet<_> = delivered.chain(withdrawn).chain(answers).collect();
    named.into_iter().collect()
}
