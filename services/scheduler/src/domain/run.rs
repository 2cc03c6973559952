//! Where the run of an action is.

/// Says where a run is; MIG's `scheduled` and `preparing` pass within one transaction and are never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    /// Waits for its time.
    Pending,
    /// Has commands that did not end.
    Inflight,
    /// Gives nothing out for now: an investigator wants it so, or too much went wrong; the reason says which.
    Paused,
    /// Has only commands that ended.
    Completed,
    /// Could not run at all; the reason says why.
    Invalid,
    /// Was withdrawn.
    Cancelled,
    /// Its time passed before it could start.
    Expired,
}

impl RunStatus {
    const ALL: [Self; 7] = [
        Self::Pending,
        Self::Inflight,
        Self::Paused,
        Self::Completed,
        Self::Invalid,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Lists those that have not ended.
    pub(crate) const OPEN: [Self; 3] = [Self::Pending, Self::Inflight, Self::Paused];

    /// Gives the word in the database and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Inflight => "inflight",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Invalid => "invalid",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads the word back.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Tells whether commands may still end, or be made.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Inflight | Self::Paused)
    }
}

/// Gives where a launched run is once `done` of its `targeted` commands ended.
pub(crate) fn after_launch(targeted: i64, done: i64) -> RunStatus {
    match (targeted, done) {
        (0, _) => RunStatus::Invalid,
        (targeted, done) if done >= targeted => RunStatus::Completed,
        _ => RunStatus::Inflight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_over_when_all_ended() {
        assert_eq!(after_launch(0, 0), RunStatus::Invalid);
        assert_eq!(after_launch(2, 1), RunStatus::Inflight);
        assert_eq!(after_launch(2, 2), RunStatus::Completed);
    }

    #[test]
    fn a_status_is_read_as_it_is_written() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::parse(status.name()), Some(status));
        }
        assert_eq!(RunStatus::parse("done"), None);
    }
}
