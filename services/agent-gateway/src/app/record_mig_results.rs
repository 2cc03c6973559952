//! MIG agents answer.

use super::App;
use super::meters;
use super::record_returns::Prepared;
use crate::domain::answer::in_messages;
use crate::domain::mig_result::{MigResult, MigResultFault};
use crate::domain::receipt::judge;
use crate::error::Error;
use crate::store::{mailbox, mig_mail};
use std::collections::BTreeSet;
use types::api::work::{ReceiptOutcome, Return};
use types::messages::command::ReturnedCommand;
use types::{CommandId, RunId};
use uuid::Uuid;

/// Is an answer whose results are fit to be kept.
pub(crate) struct MigAnswer {
    /// What it says of itself; its results are in `given`.
    of: MigResult,
    given: Prepared,
}

impl MigAnswer {
    /// Reads the body of a message. This takes time: large ones are read beside the event loops.
    pub(crate) fn read(body: &[u8], max_result: usize) -> Result<Self, MigResultFault> {
        let mut of = MigResult::parse(body)?;
        let (status, results) = (of.status, std::mem::take(&mut of.results));
        let given = Return { run: RunId(Uuid::nil()), status, results };
        Ok(Self { of, given: Prepared::new(given, max_result) })
    }
}

/// Counts what became of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Kept and told.
    pub accepted: usize,
    /// Known already.
    pub duplicate: usize,
    /// To a command that is unknown, another's, or of another form.
    pub refused: usize,
}

impl App {
    /// Closes the commands that answers name, each once, and tells the house. An answer counts only when its command,
    /// its queue location and its agent belong together; one after the action's end is passed on.
    pub(crate) async fn record_mig_results(
        &self,
        answers: Vec<MigAnswer>,
    ) -> Result<Judged, Error> {
        let now = self.clock.now();
        let commands: Vec<CommandId> = answers.iter().map(|answer| answer.of.command).collect();
        let judged = self
            .store
            .tx(async |conn| {
                let named = mig_mail::mig_mail_find(conn, &commands).await?;
                let (mut judged, mut returned, mut taken) =
                    (Judged::default(), Vec::new(), BTreeSet::new());
                for MigAnswer { of, given } in answers {
                    let (command, status) = (of.command, of.status);
                    let found = named.get(&command).filter(|named| of.is_of(&named.addressee));
                    match (judge(found.map(|named| named.asked), given.answer()), found) {
                        (ReceiptOutcome::Accepted, Some(named)) if taken.insert(command) => {
                            let (results, size) = given.into_results();
                            let (action, agent) = (named.action, named.addressee.agent);
                            let answer = ReturnedCommand {
                                id: command,
                                action,
                                agent,
                                status,
                                results,
                                at: now,
                                given_up: false,
                            };
                            returned.push((size, answer));
                            judged.accepted += 1;
                        }
                        (ReceiptOutcome::Refused, _) | (_, None) => {
                            tracing::warn!(command.id = %command, "refused an answer that is not its agent's");
                            judged.refused += 1;
                        }
                        _ => judged.duplicate += 1,
                    }
                }
                let closed: Vec<CommandId> = taken.into_iter().collect();
                mailbox::mailbox_close(conn, &closed).await?;
                self.bus.put_all(conn, now, &in_messages(returned)).await?;
                Ok::<_, Error>(judged)
            })
            .await?;
        self.bus.wake();
        if judged.refused > 0 {
            meters::refused(judged.refused);
        }
        Ok(judged)
    }
}
