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
use types::messages::command::{DeliveredCommand, ReturnedCommand};
use types::messages::{
    ActionChanged, CommandDelivered, CommandIssued, CommandPlanned, CommandReturned,
    CommandWithdrawn,
};
use types::{ActionId, CommandId, Envelope};
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

/// Is what of a batch was not taken before.
struct News<'a> {
    planned: Vec<&'a CommandPlanned>,
    issued: Vec<&'a CommandIssued>,
    delivered: Vec<&'a DeliveredCommand>,
    withdrawn: Vec<&'a CommandWithdrawn>,
    answers: Vec<&'a ReturnedCommand>,
    changed: Vec<&'a ActionChanged>,
}

impl<'a> News<'a> {
    fn of(told: &'a Told, new: &HashSet<Uuid>) -> Self {
        let delivered = fresh(&told.delivered, new).into_iter();
        let returned = fresh(&told.returned, new).into_iter();
        Self {
            planned: fresh(&told.planned, new),
            issued: fresh(&told.issued, new),
            delivered: delivered.flat_map(|message| &message.commands).collect(),
            withdrawn: fresh(&told.withdrawn, new),
            answers: returned
                .flat_map(|message| &message.commands)
                .filter(|answer| answer.status.is_an_answer())
                .collect(),
            // a version tells what is old
            changed: told.changed.iter().map(|event| &event.data).collect(),
        }
    }

    /// Gives the actions whose commands must be here, as far as they are told; agent-gateway did not always tell them
    /// of what it delivered.
    fn owners(&self) -> BTreeSet<ActionId> {
        let delivered = self.delivered.iter().filter_map(|command| command.action);
        let withdrawn = self.withdrawn.iter().map(|message| message.action);
        let answers = self.answers.iter().map(|answer| answer.action);
        delivered.chain(withdrawn).chain(answers).collect()
    }

    /// Gives the actions that change, as far as they are told.
    fn actions(&self) -> BTreeSet<ActionId> {
        let planned = self.planned.iter().map(|message| message.action);
        let issued = self.issued.iter().map(|message| message.action);
        let changed = self.changed.iter().map(|change| change.id);
        planned.chain(issued).chain(changed).chain(self.owners()).collect()
    }

    /// Gives the commands that must be here, each once.
    fn commands(&self) -> Vec<CommandId> {
        let delivered = self.delivered.iter().map(|command| command.id);
        let withdrawn = self.withdrawn.iter().flat_map(|message| &message.commands).copied();
        let answers = self.answers.iter().map(|answer| answer.id);
        let named: BTreeSet<_> = delivered.chain(withdrawn).chain(answers).collect();
        named.into_iter().collect()
    }

    /// Drops what is told of commands whose actions are not `here`.
    fn pass_over(&mut self, here: &HashSet<ActionId>) {
        let before = self.delivered.len() + self.withdrawn.len() + self.answers.len();
        self.delivered.retain(|command| command.action.is_none_or(|id| here.contains(&id)));
        self.withdrawn.retain(|message| here.contains(&message.action));
        self.answers.retain(|answer| here.contains(&answer.action));
        let after = self.delivered.len() + self.withdrawn.len() + self.answers.len();
        if after < before {
            let passed = before - after;
            tracing::warn!(passed, "passed over what was told of actions that are not kept");
        }
    }
}

impl App {
    /// Takes a batch in one transaction: commands first, then what happened to them, the ends before the rest.
    /// Something told of a command that is not here yet waits for it; what is told of the commands of an action that is
    /// here no more is passed over, as what is kept of an action goes as a whole, and every action is here before its
    /// commands.
    pub(crate) async fn keep_commands(&self, told: Told) -> Result<(), Error> {
        let now = self.clock.now();
        let ids = told.ids();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new = inbox::admit(conn, "investigation-api.runs", &ids, now).await?;
                let mut news = News::of(&told, &new);
                news.pass_over(&actions_here(conn, &news.owners()).await?);
                let named = news.commands();
                actions_lock(conn, &news.actions(), &named).await?;
                for message in news.planned {
                    commands_plan(conn, message).await?;
                }
                for message in news.issued {
                    commands_insert(conn, message).await?;
                }
                let known = commands_known(conn, &named).await?;
                if known < i64::try_from(named.len()).unwrap_or(i64::MAX) {
                    return Err(Error::NotYet("a command that was told of has not arrived"));
                }
                for message in news.withdrawn {
                    commands_withdraw(conn, message).await?;
                }
                if !news.answers.is_empty() {
                    commands_return(conn, &news.answers).await?;
                }
                // a command that is over by now is not written once more
                if !news.delivered.is_empty() {
                    commands_deliver(conn, &news.delivered).await?;
                }
                if !news.changed.is_empty() {
                    actions_change(conn, &news.changed).await?;
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
