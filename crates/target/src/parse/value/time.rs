//! Reads moments: `NOW() - INTERVAL '30 days'`, `CURRENT_TIMESTAMP`, `TIMESTAMP WITH TIME ZONE '…'`.

use super::Parsed;
use crate::ast::{Shift, ValueKind};
use crate::columns::Type;
use crate::cursor::Cursor;
use crate::error::TargetErrorKind;
use crate::interval::Interval;
use crate::moment;

/// Reads from `NOW` or `CURRENT_TIMESTAMP`.
pub(super) fn now(cursor: &mut Cursor) -> Parsed<ValueKind> {
    if cursor.word("now") {
        cursor.need_symbol("(")?;
        cursor.need_symbol(")")?;
    } else {
        cursor.need_word("current_timestamp")?;
    }
    let back = cursor.symbol("-");
    if back || cursor.symbol("+") {
        return Ok(ValueKind::Now(Some(Shift { back, interval: interval(cursor)? })));
    }
    Ok(ValueKind::Now(None))
}

/// Reads `INTERVAL '…'` or `'…'::interval`.
fn interval(cursor: &mut Cursor) -> Parsed<Interval> {
    let leading = cursor.word("interval");
    let (at, text) = cursor.need_text(if leading { "a quoted interval" } else { "INTERVAL" })?;
    if !leading {
        cursor.need_symbol("::")?;
        cursor.need_word("interval")?;
    }
    Interval::parse(&text)
        .map_err(|reason| at.error(TargetErrorKind::Malformed { what: "interval", text, reason }))
}

/// Reads from `TIMESTAMP`; without a zone it is in UTC.
pub(super) fn timestamp(cursor: &mut Cursor) -> Parsed<ValueKind> {
    if !cursor.word("timestamptz") {
        cursor.need_word("timestamp")?;
        with_time_zone(cursor)?;
    }
    let (at, text) = cursor.need_text("a quoted time")?;
    match moment::parse(&text) {
        Some((moment, _)) => Ok(ValueKind::Time(moment)),
        None => Err(at.error(TargetErrorKind::Value { text, wanted: Type::Time })),
    }
}

/// Reads `WITH TIME ZONE`, if it is there.
pub(super) fn with_time_zone(cursor: &mut Cursor) -> Parsed<()> {
    if cursor.word("with") {
        cursor.need_word("time")?;
        cursor.need_word("zone")?;
    }
    Ok(())
}
