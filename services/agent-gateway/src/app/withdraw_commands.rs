//! The scheduler ended commands: their agents are not given them any more.

use super::App;
use crate::error::Error;
use crate::store::{mailbox, tasks};
use messaging::inbox;
use std::collections::BTreeMap;
use types::messages::CommandWithdrawn;
use types::{ActionId, CommandId};
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
                let mut gone = BTreeMap::<ActionId, Vec<CommandId>>::new();
                for (_, message) in messages.iter().filter(|(id, _)| new.contains(id)) {
                    gone.entry(message.action).or_default().extend(&message.commands);
                }
                for (action, commands) in gone {
                    mailbox::mailbox_lock(conn, action).await?;
                    mailbox::mailbox_withdraw(conn, &commands, now).await?;
                    tasks::tasks_withdraw(conn, &commands, now).await?;
                }
                Ok(())
            })
            .await
    }
}
