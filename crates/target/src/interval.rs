//! Spans of time, added to moments and compared as PostgreSQL does it.

mod read;

use std::cmp::Ordering;
use std::fmt::{self, Display};
use time::{Date, Duration, Month, OffsetDateTime, UtcOffset};

/// A second.
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// A thousand years: added to any date of our time it stays one that PostgreSQL can hold.
const MAX_MONTHS: i64 = 12_000;
const MAX_DAYS: i64 = 366_000;
/// 57 years: still exact to the microsecond when it travels as a `double precision` of seconds.
const MAX_MICROS: i64 = 500_000 * 3600 * MICROS_PER_SECOND;

/// Is a span in the three units that have no fixed size in each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Interval {
    pub(crate) months: i64,
    pub(crate) days: i64,
    pub(crate) micros: i64,
}

impl Interval {
    /// Gives the part with a fixed size as seconds.
    pub(crate) fn seconds(self) -> f64 {
        Duration::microseconds(self.micros).as_seconds_f64()
    }

    /// Moves a time as PostgreSQL does at UTC: months first, at the end of a short month, then days, then the rest.
    pub(crate) fn moves(self, at: OffsetDateTime, back: bool) -> Option<OffsetDateTime> {
        let span = if back { self.negated() } else { self };
        let at = at.to_offset(UtcOffset::UTC);
        let month = i64::from(u8::from(at.month())).checked_sub(1)?.checked_add(span.months)?;
        let year = i64::from(at.year()).checked_add(month.div_euclid(12))?;
        let year = i32::try_from(year).ok()?;
        let month = u8::try_from(month.rem_euclid(12).checked_add(1)?).ok()?;
        let month = Month::try_from(month).ok()?;
        let date = Date::from_calendar_date(year, month, at.day().min(month.length(year))).ok()?;
        at.replace_date(date)
            .checked_add(Duration::days(span.days))?
            .checked_add(Duration::microseconds(span.micros))
    }

    /// Adds another span, within the limits.
    fn plus(self, other: Self) -> Option<Self> {
        let add = |a: i64, b: i64, max: i64| a.checked_add(b).filter(|sum| sum.abs() <= max);
        Some(Self {
            months: add(self.months, other.months, MAX_MONTHS)?,
            days: add(self.days, other.days, MAX_DAYS)?,
            micros: add(self.micros, other.micros, MAX_MICROS)?,
        })
    }

    fn negated(self) -> Self {
        // within the limits above, so nothing saturates
        Self {
            months: self.months.saturating_neg(),
            days: self.days.saturating_neg(),
            micros: self.micros.saturating_neg(),
        }
    }

    /// Gives the size that PostgreSQL compares by: a month is 30 days, a day is 24 hours.
    fn size(self) -> i64 {
        self.months
            .saturating_mul(30)
            .saturating_add(self.days)
            .saturating_mul(MICROS_PER_DAY)
            .saturating_add(self.micros)
    }

    /// Compares two spans by their size.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        self.size().cmp(&other.size())
    }
}

impl Display for Interval {
    /// Writes what is read back as the same span; a sign everywhere as soon as one is needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, days, micros } = *self;
        let minutes = micros.checked_div(60 * MICROS_PER_SECOND).unwrap_or_default();
        let rest = micros.checked_rem(60 * MICROS_PER_SECOND).unwrap_or_default();
        let units = [
            (months.checked_div(12), "year"),
            (months.checked_rem(12), "month"),
            (Some(days), "day"),
            (minutes.checked_div(60), "hour"),
            (minutes.checked_rem(60), "minute"),
        ];
        let signed = months < 0 || days < 0 || micros < 0;
        let mut space = "";
        for (count, unit) in units {
            let count = count.unwrap_or_default();
            if count == 0 {
                continue;
            }
            let sign = if signed && count > 0 { "+" } else { "" };
            let plural = if count.abs() == 1 { "" } else { "s" };
            write!(f, "{space}{sign}{count} {unit}{plural}")?;
            space = " ";
        }
        if rest == 0 && !space.is_empty() {
            return Ok(());
        }
        let sign = if rest < 0 {
            "-"
        } else if signed {
            "+"
        } else {
            ""
        };
        let seconds = rest.abs().checked_div(MICROS_PER_SECOND).unwrap_or_default();
        let fraction = rest.abs().checked_rem(MICROS_PER_SECOND).unwrap_or_default();
        let fraction = format!(".{fraction:06}");
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        let plural = if seconds == 1 && fraction.is_empty() { "" } else { "s" };
        write!(f, "{space}{sign}{seconds}{fraction} second{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn moved(text: &str, at: OffsetDateTime) -> OffsetDateTime {
        Interval::parse(text).unwrap().moves(at, false).unwrap()
    }

    #[test]
    fn moves_by_months_then_days_then_hours() {
        let at = datetime!(2024-01-31 23:30 UTC);
        assert_eq!(moved("1 month", at), datetime!(2024-02-29 23:30 UTC));
        assert_eq!(moved("1 month 1 day 1 hour", at), datetime!(2024-03-02 00:30 UTC));
        assert_eq!(moved("-13 months", at), datetime!(2022-12-31 23:30 UTC));
        assert_eq!(moved("-1 year -11 mons", at), datetime!(2022-02-28 23:30 UTC));
        assert_eq!(moved("30 days", at), datetime!(2024-03-01 23:30 UTC));
        let back = Interval::parse("30 days").unwrap().moves(at, true);
        assert_eq!(back, Some(datetime!(2024-01-01 23:30 UTC)));
        let offset = datetime!(2024-02-01 00:30 +01:00);
        assert_eq!(moved("1 month", offset), datetime!(2024-02-29 23:30 UTC));
    }

    #[test]
    fn compares_by_months_of_thirty_days() {
        let compare =
            |a: &str, b: &str| Interval::parse(a).unwrap().compare(Interval::parse(b).unwrap());
        assert_eq!(compare("1 month", "30 days"), Ordering::Equal);
        assert_eq!(compare("1 day", "24 hours"), Ordering::Equal);
        assert_eq!(compare("1 year", "365 days"), Ordering::Less);
        assert_eq!(compare("1 second", "-1 second"), Ordering::Greater);
    }

    #[test]
    fn writes_what_it_reads_back() {
        for text in [
            "30 days",
            "1 hour",
            "1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds",
            "0 seconds",
            "-1 day +2 hours",
            "-1 minute -0.000001 seconds",
            "+1 year -3 days +1 second",
        ] {
            let interval = Interval::parse(text).unwrap();
            assert_eq!(interval.to_string(), text);
        }
        assert_eq!(
            Interval::parse("-1 week 90m").unwrap().to_string(),
            "-7 days +1 hour +30 minutes"
        );
    }

    #[test]
    fn stays_exact_as_a_float_of_seconds() {
        let longest = Interval { micros: MAX_MICROS - 1, ..Interval::default() };
        assert_eq!(
            Duration::seconds_f64(longest.seconds()).whole_microseconds(),
            i128::from(MAX_MICROS - 1)
        );
    }
}
