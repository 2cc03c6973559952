//! What an investigator wants of a run that was accepted.

use time::OffsetDateTime;
use types::{ActionId, InvestigatorId};

/// Is one such word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    /// Whose run is meant.
    pub(crate) action: ActionId,
    /// Who wants it.
    pub(crate) by: InvestigatorId,
    /// What.
    pub(crate) wish: Wish,
}

/// Says what is wanted. In whatever order words are heard, the same comes of them: a withdrawal is the last, and of two
/// others the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It is withdrawn.
    Cancel,
    /// It is paused, or goes on.
    Steer {
        /// Whether it is to be paused.
        paused: bool,
        /// When that was wanted.
        at: OffsetDateTime,
    },
}
