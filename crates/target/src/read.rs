//! Reads texts as other things: quoted values of a target, and the texts of rows that a target casts.
//!
//! Each cast of a row's text is guarded by the same expression here and in SQL: a text that it does not fit reads as
//! NULL. PostgreSQL itself would end the whole query at the first row whose tag is not a number.

use crate::decimal::Decimal;
use crate::inet::Inet;
use crate::interval::Interval;
use crate::moment;
use regex::Regex;
use std::sync::LazyLock;
use time::OffsetDateTime;

/// Is an expression that both PostgreSQL and the `regex` crate understand.
pub(crate) struct Guard {
    /// The expression; it has no quotes and stands in SQL as it is.
    pub(crate) text: &'static str,
    compiled: LazyLock<Option<Regex>>,
}

impl Guard {
    /// Says whether the text may be cast.
    fn fits(&self, text: &str) -> bool {
        self.compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $($text:expr),+) => {
        $(#[$doc])*
        pub(crate) static $name: Guard = Guard {
            text: concat!($($text),+),
            compiled: LazyLock::new(|| Regex::new($name.text).ok()),
        };
    };
}

macro_rules! date {
    () => {
        concat!(
            "^((000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-8][0-9]{3})-",
            "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))",
            "|([0-8][0-9](0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[1357][26])00)-02-29)"
        )
    };
}

macro_rules! clock {
    () => {
        "[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
    };
}

guard!(
    /// Fits whole numbers of at most 18 digits.
    INT, "^[+-]?[0-9]{1,18}$"
);
guard!(
    /// Fits numbers of at most 18 digits on each side of the point.
    NUM, "^[+-]?[0-9]{1,18}([.][0-9]{1,18})?$"
);
guard!(
    /// Fits the words for true.
    TRUE, "^([Tt]|[Tt][Rr][Uu][Ee]|[Yy]|[Yy][Ee][Ss]|[Oo][Nn]|1)$"
);
guard!(
    /// Fits the words for false.
    FALSE, "^([Ff]|[Ff][Aa][Ll][Ss][Ee]|[Nn]|[Nn][Oo]|[Oo][Ff][Ff]|0)$"
);
guard!(
    /// Fits moments without a zone, years 1 to 8999.
    LOCAL, date!(), "(", clock!(), ")?$"
);
guard!(
    /// Fits moments with a zone, years 1 to 8999.
    ZONED, date!(), clock!(), " ?(Z|UTC|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)$"
);
guard!(
    /// Fits intervals of one unit.
    INTERVAL, "^[+-]?([0-9]{1,5} (second|minute|hour|day)|[0-9]{1,3} (week|month|year))s?$"
);
guard!(
    /// Fits addresses with or without a prefix length.
    INET,
    "^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(/([12]?[0-9]|3[0-2]))?$",
    "|^(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}",
    "|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}",
    "|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}",
    "|[0-9a-fA-F]{1,4}:(:[0-9a-fA-F]{1,4}){1,6}|([0-9a-fA-F]{1,4}:){1,6}:|:(:[0-9a-fA-F]{1,4}){1,7}|::)",
    "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$"
);

/// Reads a whole number.
pub(crate) fn int(text: &str) -> Option<i64> {
    INT.fits(text).then(|| text.parse().ok())?
}

/// Reads a number.
pub(crate) fn num(text: &str) -> Option<Decimal> {
    NUM.fits(text).then(|| Decimal::parse(text))?
}

/// Reads a word for true or false.
pub(crate) fn bool(text: &str) -> Option<bool> {
    if TRUE.fits(text) { Some(true) } else { FALSE.fits(text).then_some(false) }
}

/// Reads a moment.
pub(crate) fn time(text: &str) -> Option<OffsetDateTime> {
    (LOCAL.fits(text) || ZONED.fits(text)).then(|| moment::parse(text).map(|(at, _)| at))?
}

/// Reads an interval.
pub(crate) fn interval(text: &str) -> Option<Interval> {
    INTERVAL.fits(text).then(|| Interval::parse(text).ok())?
}

/// Reads an address.
pub(crate) fn inet(text: &str) -> Option<Inet> {
    INET.fits(text).then(|| Inet::parse(text))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_stand_in_sql_as_they_are() {
        for guard in [&INT, &NUM, &TRUE, &FALSE, &LOCAL, &ZONED, &INTERVAL, &INET] {
            assert!(guard.compiled.is_some() && !guard.text.contains(['\'', '\\']));
        }
    }

    #[test]
    fn what_passes_a_guard_can_be_read() {
        assert_eq!((int("+007"), int("1.0"), int(" 1")), (Some(7), None, None));
        assert_eq!(num("-1.5"), Decimal::parse("-1.5"));
        assert_eq!((bool("yEs"), bool("0"), bool("tr")), (Some(true), Some(false), None));
        assert!(
            time("2024-02-29").is_some()
                && time("2023-02-29").is_none()
                && time("1900-02-29").is_none()
        );
        assert!(time("2000-02-29 10:00").is_some() && time("9998-01-11").is_none());
        assert!(time("2026-11-21 10:00:00.123456+05:30").is_some() && time("2026-04-31").is_none());
        assert!(interval("-10 days").is_some() && interval("1 hour 2 minutes").is_none());
        assert!(
            inet("10.0.0.256").is_none()
                && inet("10.0.0.1/33").is_none()
                && inet("01.2.3.4").is_none()
        );
        for address in [
            "::",
            "::1/128",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1::8",
            "1:2::7:8",
            "1:2:3:4:5:6::8",
            "fe80::A/10",
        ] {
            assert!(inet(address).is_some(), "{address}");
        }
    }

    #[test]
    fn each_year_agrees_with_the_calendar() {
        for year in 0..=9999 {
            let text = format!("{year:04}-02-29");
            assert_eq!(
                time(&text).is_some(),
                (1..9000).contains(&year) && ::time::util::is_leap_year(year),
                "{text}"
            );
        }
    }
}
