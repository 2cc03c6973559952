//! Time as OpenPGP counts it: whole seconds since 1970.

use pgp::types::Timestamp;
use time::OffsetDateTime;

/// Gives the seconds of a packet's time stamp.
pub(crate) fn of(stamp: Timestamp) -> i64 {
    i64::from(stamp.as_secs())
}

/// Gives the moment `seconds` after the start of 1970; a stamp always has one.
pub(crate) fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Gives the stamp of `at`; packets know no time before 1970 or after February 2106.
pub(crate) fn stamp(at: OffsetDateTime) -> Option<Timestamp> {
    u32::try_from(at.unix_timestamp()).ok().map(Timestamp::from_secs)
}
