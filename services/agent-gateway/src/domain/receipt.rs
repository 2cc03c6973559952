//! What becomes of one answer.

use types::api::work::{ReceiptOutcome, Return};

/// Says where a command is in the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailState {
    /// Its agent has not taken it.
    Waiting,
    /// Its agent works on it.
    Leased,
    /// Its agent has answered.
    Returned,
    /// The house ended it; an answer that comes all the same is passed on, the scheduler decides.
    Withdrawn,
}

impl MailState {
    /// Reads the word of the database.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "waiting" => Some(Self::Waiting),
            "leased" => Some(Self::Leased),
            "returned" => Some(Self::Returned),
            "withdrawn" => Some(Self::Withdrawn),
            _ => None,
        }
    }
}

/// Is what the mailbox knows of the run an answer names, if it is a run of that agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Where its command is.
    pub state: MailState,
    /// How many operations the action has.
    pub operations: usize,
}

/// Decides what becomes of `answer`.
pub(crate) fn judge(asked: Option<Asked>, answer: &Return) -> ReceiptOutcome {
    let Some(asked) = asked else { return ReceiptOutcome::Refused };
    if !answer.status.is_an_answer() || answer.results.len() > asked.operations {
        return ReceiptOutcome::Refused;
    }
    match asked.state {
        MailState::Returned => ReceiptOutcome::Duplicate,
        MailState::Waiting | MailState::Leased | MailState::Withdrawn => ReceiptOutcome::Accepted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{CommandStatus, OperationResult, RunId};
    use uuid::Uuid;

    fn answer(status: CommandStatus, results: usize) -> Return {
        Return {
            run: RunId(Uuid::nil()),
            status,
            results: vec![OperationResult::default(); results],
        }
    }

    #[test]
    fn every_pair_of_state_and_answer_is_decided() {
        use ReceiptOutcome::{Accepted, Duplicate, Refused};
        for (state, outcome) in [
            (MailState::Waiting, Accepted),
            (MailState::Leased, Accepted),
            (MailState::Withdrawn, Accepted),
            (MailState::Returned, Duplicate),
        ] {
            let asked = Some(Asked { state, operations: 2 });
            for status in CommandStatus::ALL {
                let want = if status.is_an_answer() { outcome } else { Refused };
                assert_eq!(judge(asked, &answer(status, 2)), want, "{state:?} {status:?}");
            }
            assert_eq!(judge(asked, &answer(CommandStatus::Failed, 0)), outcome);
            assert_eq!(
                judge(asked, &answer(CommandStatus::Success, 3)),
                Refused,
                "too many results"
            );
        }
        assert_eq!(judge(None, &answer(CommandStatus::Success, 1)), Refused);
    }
}
