//! What a heartbeat of a MIG agent changes (specs/mig/scheduler-agent.md §4.5, §8).

use std::time::Duration;
use time::OffsetDateTime;
use types::AgentStatus;

/// An agent that described its machine so much later than we know begins a new row.
const REFRESH: Duration = Duration::from_secs(15);

/// Is what is known of the row that a heartbeat is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// How alive it is; never offline.
    pub status: AgentStatus,
    /// When the machine was last described.
    pub refreshed: OffsetDateTime,
    /// When the row began.
    pub started: OffsetDateTime,
    /// Whether the agent says of itself what it said last.
    pub same: bool,
    /// Since when there is another.
    pub conflict_since: Option<OffsetDateTime>,
    /// When another online process of the same queue location was heard last.
    pub rival_seen: Option<OffsetDateTime>,
}

/// Says what becomes of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was heard, no more.
    Heard,
    /// It goes on with something new.
    Renewed {
        /// Since when there is another.
        conflict_since: Option<OffsetDateTime>,
    },
    /// It ends, and a new one begins: the history of machines is kept.
    Replaced {
        /// Since when there is another.
        conflict_since: Option<OffsetDateTime>,
    },
}

/// Decides what a heartbeat changes; `mode` and `refreshed` are the heartbeat's, `every` is how often agents send one.
///
/// Another process conflicts with this one when it was heard after this one began and lately, and this one is heard
/// now: so a restart, after which the old process is silent, is no conflict.
pub(crate) fn change(
    known: &Known,
    mode: &str,
    refreshed: OffsetDateTime,
    every: Duration,
    now: OffsetDateTime,
) -> Change {
    let conflicts =
        known.rival_seen.is_some_and(|seen| seen > known.started && seen > now - every * 2);
    let conflict_since =
        (conflicts && mode != "checkin").then(|| known.conflict_since.unwrap_or(now));
    if refreshed > known.refreshed + REFRESH {
        Change::Replaced { conflict_since }
    } else if known.same
        && known.status == AgentStatus::Online
        && conflict_since == known.conflict_since
    {
        Change::Heard
    } else {
        Change::Renewed { conflict_since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
    const EVERY: Duration = Duration::from_mins(5);
    const KNOWN: Known = Known {
        status: AgentStatus::Online,
        refreshed: datetime!(2026-11-21 11:00 UTC),
        started: datetime!(2026-11-21 11:00 UTC),
        same: true,
        conflict_since: None,
        rival_seen: None,
    };

    fn of(known: Known) -> Change {
        change(&known, "daemon", KNOWN.refreshed, EVERY, NOW)
    }

    #[test]
    fn only_what_is_new_is_written() {
        assert_eq!(of(KNOWN), Change::Heard);
        let renewed = Change::Renewed { conflict_since: None };
        assert_eq!(of(Known { same: false, ..KNOWN }), renewed);
        assert_eq!(of(Known { status: AgentStatus::Idle, ..KNOWN }), renewed);
        assert_eq!(of(Known { status: AgentStatus::Destroyed, ..KNOWN }), renewed);
        let replaced = Change::Replaced { conflict_since: None };
        for (later, want) in [(15, Change::Heard), (16, replaced)] {
            let refreshed = KNOWN.refreshed + Duration::from_secs(later);
            assert_eq!(change(&KNOWN, "daemon", refreshed, EVERY, NOW), want);
        }
    }

    #[test]
    fn two_that_are_heard_in_turn_conflict_and_a_restart_does_not() {
        let since = |known: Known| match of(known) {
            Change::Renewed { conflict_since } | Change::Replaced { conflict_since } => {
                conflict_since
            }
            Change::Heard => known.conflict_since,
        };
        let rival = |seen| Known { rival_seen: Some(seen), ..KNOWN };
        let lately = NOW - Duration::from_mins(4);
        assert_eq!(since(rival(lately)), Some(NOW));
        assert_eq!(since(rival(KNOWN.started)), None, "the process before the restart");
        assert_eq!(since(rival(NOW - EVERY * 2)), None, "silent since");
        let before = Some(NOW - EVERY);
        assert_eq!(of(Known { conflict_since: before, ..rival(lately) }), Change::Heard);
        assert_eq!(since(Known { conflict_since: before, ..KNOWN }), None, "over");
        let described_anew = KNOWN.refreshed - EVERY;
        let again = Known { conflict_since: before, refreshed: described_anew, ..rival(lately) };
        assert_eq!(of(again), Change::Replaced { conflict_since: before }, "it goes on");
        assert_eq!(change(&rival(lately), "checkin", KNOWN.refreshed, EVERY, NOW), Change::Heard);
    }
}
