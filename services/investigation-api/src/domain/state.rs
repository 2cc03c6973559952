//! The states of a command as this service shows them.

use types::CommandStatus;
use types::api::action::CommandCounters;

/// Lists the states of `/v1/actions/{id}/commands?status=`.
pub(crate) const STATES: [&str; 7] =
    ["waiting", "delivered", "success", "failed", "timeout", "expired", "cancelled"];

/// Gives MIG's word for a state: `sent` covers both that are open.
pub(crate) fn mig_status(state: &str) -> &str {
    match state {
        "waiting" | "delivered" => CommandStatus::Sent.name(),
        other => other,
    }
}

/// Sums counts by state; `targeted` is their sum by construction.
pub(crate) fn counters(counts: &[(String, i64)]) -> CommandCounters {
    let of =
        |state: &str| counts.iter().filter(|(name, _)| name == state).map(|(_, count)| count).sum();
    let mut all = CommandCounters {
        targeted: 0,
        waiting: of("waiting"),
        delivered: of("delivered"),
        success: of("success"),
        failed: of("failed"),
        timeout: of("timeout"),
        expired: of("expired"),
        cancelled: of("cancelled"),
    };
    all.targeted = all.waiting
        + all.delivered
        + all.success
        + all.failed
        + all.timeout
        + all.expired
        + all.cancelled;
    all
}

/// Gives the status of a run as it is to be shown: `completed` only once every answer can be read here, since the
/// scheduler's word may arrive before the last results.
pub(crate) fn shown_status<'a>(status: &'a str, told: i64, counters: &CommandCounters) -> &'a str {
    let open = counters.waiting + counters.delivered;
    if status == "completed" && (open > 0 || counters.targeted < told) {
        "inflight"
    } else {
        status
    }
}

/// Gives MIG's word for the status of a run (specs/mig/data-model.md §1).
pub(crate) fn mig_run_status(status: &str) -> &str {
    match status {
        "cancelled" => "completed",
        "paused" => "inflight",
        "expired" => "invalid",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_shown_as_completed_when_its_results_are_here() {
        let counts = |waiting, success| {
            counters(&[("waiting".into(), waiting), ("success".into(), success)])
        };
        assert_eq!(shown_status("completed", 2, &counts(0, 2)), "completed");
        assert_eq!(shown_status("completed", 2, &counts(1, 1)), "inflight");
        assert_eq!(shown_status("completed", 3, &counts(0, 2)), "inflight");
        assert_eq!(shown_status("invalid", 0, &counts(0, 0)), "invalid");
    }
}
