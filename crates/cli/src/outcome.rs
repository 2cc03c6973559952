//! What the end of an action means for the exit code.

use crate::exit::Exit;
use types::api::action::ActionView;

/// Judges an action that is over.
///
/// | the action | exit |
/// |---|---|
/// | is invalid, or ended without having reached anybody | error |
/// | expired before it began, or ended and nobody had answered | time-out |
/// | has a command that failed, ran too long, expired or was cancelled; was cancelled | partial |
/// | brought an answer of every agent, all well | ok |
pub fn of(action: &ActionView) -> Exit {
    let counters = action.counters;
    let answered = counters.success + counters.failed + counters.timeout;
    let unwell = counters.failed + counters.timeout + counters.expired + counters.cancelled;
    match action.status.as_str() {
        "invalid" => Exit::Error,
        "cancelled" => Exit::Partial,
        "expired" if counters.targeted == 0 => Exit::Timeout,
        _ if counters.targeted == 0 => Exit::Error,
        _ if answered == 0 && counters.expired > 0 => Exit::Timeout,
        // one that is counted but neither ended well nor badly was lost sight of
        _ if unwell > 0 || answered < counters.targeted => Exit::Partial,
        _ => Exit::Ok,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use time::macros::datetime;
    use types::ActionId;
    use types::api::action::CommandCounters;

    pub(crate) fn action(status: &str, counters: CommandCounters) -> ActionView {
        ActionView {
            id: ActionId(7),
            name: "find it".into(),
            target: "status='online'".into(),
            status: status.into(),
            reason: None,
            valid_from: datetime!(2026-11-21 11:59:00 UTC),
            expire_after: datetime!(2026-11-21 12:05:00 UTC),
            created: datetime!(2026-11-21 12:00:00 UTC),
            started: None,
            finished: None,
            signers: vec!["AB12".into()],
            counters,
            dispatch: None,
        }
    }

    /// Gives counters from success, failed, timeout, expired and cancelled.
    pub(crate) fn counters(ended: [i64; 5]) -> CommandCounters {
        let [success, failed, timeout, expired, cancelled] = ended;
        let targeted = ended.iter().sum();
        CommandCounters {
            targeted,
            success,
            failed,
            timeout,
            expired,
            cancelled,
            ..Default::default()
        }
    }

    #[test]
    fn each_end_has_its_exit_code() {
        for (status, ended, exit) in [
            ("completed", [3, 0, 0, 0, 0], Exit::Ok),
            ("completed", [2, 1, 0, 0, 0], Exit::Partial),
            ("completed", [2, 0, 1, 0, 0], Exit::Partial),
            ("completed", [2, 0, 0, 1, 0], Exit::Partial),
            ("completed", [0, 3, 0, 0, 0], Exit::Partial),
            ("completed", [0, 0, 0, 3, 0], Exit::Timeout),
            ("completed", [0, 1, 0, 3, 0], Exit::Partial),
            ("completed", [0, 0, 0, 0, 0], Exit::Error),
            ("cancelled", [2, 0, 0, 0, 1], Exit::Partial),
            ("cancelled", [0, 0, 0, 0, 0], Exit::Partial),
            ("expired", [0, 0, 0, 0, 0], Exit::Timeout),
            ("expired", [0, 0, 0, 2, 0], Exit::Timeout),
            ("invalid", [0, 0, 0, 0, 0], Exit::Error),
        ] {
            assert_eq!(of(&action(status, counters(ended))), exit, "{status} {ended:?}");
        }
    }
}
