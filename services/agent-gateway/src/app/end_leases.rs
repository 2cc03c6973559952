//! Work that was handed out as often as may be and never answered.

use super::App;
use crate::domain::answer::in_messages;
use crate::error::Error;
use crate::store::leases::{self, Lost, Terms};
use time::OffsetDateTime;
use types::messages::CommandReturned;
use types::messages::command::ReturnedCommand;
use types::{CommandStatus, OperationResult};

const AT_ONCE: i64 = 500;

impl App {
    /// Fails commands whose last lease ran out; an answer that comes all the same is still taken.
    pub async fn end_leases(&self) -> Result<(), Error> {
        loop {
            let terms = self.terms();
            let reason =
                format!("the agent took the work {} times and never answered", terms.attempts);
            let count = self
                .store
                .tx(async |conn| {
                    let lost = leases::mailbox_give_up(conn, terms, AT_ONCE).await?;
                    self.bus.put_all(conn, terms.now, &failed(&lost, &reason, terms.now)).await?;
                    Ok::<_, Error>(lost.len())
                })
                .await?;
            if count > 0 {
                self.bus.wake();
            }
            if i64::try_from(count).is_ok_and(|count| count < AT_ONCE) {
                return Ok(());
            }
        }
    }

    /// Says how work is handed out now.
    pub(super) fn terms(&self) -> Terms {
        let now = self.clock.now();
        Terms { now, until: now + self.config.lease, attempts: self.config.attempts }
    }
}

/// Tells the house that commands failed without their agent, one result per operation as MIG's agents refuse.
pub(super) fn failed(lost: &[Lost], reason: &str, now: OffsetDateTime) -> Vec<CommandReturned> {
    let refusal =
        OperationResult { errors: Some(vec![reason.to_owned()]), ..OperationResult::default() };
    let commands = lost.iter().map(|lost| ReturnedCommand {
        id: lost.command,
        action: lost.action,
        agent: lost.agent,
        status: CommandStatus::Failed,
        results: vec![refusal.clone(); lost.operations],
        at: now,
        given_up: true,
    });
    in_messages(
        commands.map(|command| (reason.len() * command.results.len() + 500, command)).collect(),
    )
}
