//! The three odd times that MIG's clients rely on (specs/mig/api.md §1.5).

use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};

/// Means "no time": Go's zero time, never null and never an empty string.
pub const NONE: OffsetDateTime = datetime!(0001-01-01 00:00:00 UTC);
/// Means "not yet": the finish time of an open action or command, the destruction time of a live agent.
pub const FAR: OffsetDateTime = datetime!(9998-01-11 11:11:11 UTC);
/// Is the start and update time of an action in the answer to its creation (year 9 is a slip of the original).
pub const JUST_POSTED: OffsetDateTime = datetime!(0009-01-11 11:11:11.000000011 UTC);
/// Is the finish time of an action in the answer to its creation.
pub const JUST_POSTED_FAR: OffsetDateTime = datetime!(9998-01-11 11:11:11.000000011 UTC);

/// Gives `at`, or [`NONE`].
pub fn or_none(at: Option<OffsetDateTime>) -> OffsetDateTime {
    at.unwrap_or(NONE)
}

/// Gives `at`, or [`FAR`].
pub fn or_far(at: Option<OffsetDateTime>) -> OffsetDateTime {
    at.unwrap_or(FAR)
}

/// Tells whether `at` can be written in UTC and kept: its offset may lead out of the years 1 to 9999.
pub fn is_writable(at: OffsetDateTime) -> bool {
    at.checked_to_offset(UtcOffset::UTC).is_some_and(|utc| (1..=9999).contains(&utc.year()))
}

pub(crate) fn none() -> OffsetDateTime {
    NONE
}
