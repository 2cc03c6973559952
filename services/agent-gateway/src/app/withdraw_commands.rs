//! The scheduler ended commands: their agents are not given them any more.

use super::App;
use crate::error::Error;
use crate::store::{mailbox, tasks};
use messaging::inbox;
use std::collections::BTreeSet;
use types::CommandId;
use types::messages::CommandWithdrawn;
use uuid::Uuid;

impl App {
    /// Withdraws open commands; an agent that runs one may still answer.
    pub(crate) async fn withdraw_commands(
        &self,
        consumer: &str,
        messages: &[(Uuid, CommandWithdrawn)],
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<Uuid> = messages.iter().map(|(id, _)| *id).collect();
        self.store
            .tx(async |conn| {
                let new = inbox::admit(conn, consumer, &ids, now).await?;
                let (mut actions, mut gone) = (BTreeSet::new(), BTreeSet::<CommandId>::new());
                for (_, message) in messages.iter().filter(|(id, _)| new.contains(id)) {
                    actions.insert(message.action);
                    gone.extend(&message.commands);
                }
                for action in actions {
                    mailbox::mailbox_lock(conn, action).await?;
                }
                // all at once: those who lock commands do so in one order across actions
                let gone: Vec<CommandId> = gone.into_iter().collect();
                mailbox::mailbox_withdraw(conn, &gone, now).await?;
                tasks::tasks_withdraw(conn, &gone, now).await?;
                Ok(())
            })
            .await
    }
}
