//! Moments in text: `2026-11-21`, `2026-11-21 20:15`, `2026-11-21T20:15:30.5Z`, `2026-11-21 20:15+01:00`.
//!
//! A moment without a zone is in UTC, so that the answer does not hang on the time zone of a session.

use std::iter::Peekable;
use std::str::Chars;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Says whether a moment names its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Named,
    Absent,
}

/// Reads a moment.
pub(crate) fn parse(text: &str) -> Option<(OffsetDateTime, Zone)> {
    let mut scan = Scan(text.chars().peekable());
    let date = scan.date()?;
    if scan.done() {
        return Some((date.midnight().assume_utc(), Zone::Absent));
    }
    if !scan.eat('T') {
        scan.need(' ')?;
    }
    let at = PrimitiveDateTime::new(date, scan.time()?);
    if scan.done() {
        return Some((at.assume_utc(), Zone::Absent));
    }
    let at = at.assume_offset(scan.zone()?);
    let at = at.checked_to_offset(UtcOffset::UTC).filter(|at| at.year() > 0)?;
    scan.done().then_some((at, Zone::Named))
}

struct Scan<'a>(Peekable<Chars<'a>>);

impl Scan<'_> {
    fn done(&mut self) -> bool {
        self.0.peek().is_none()
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.0.next_if_eq(&wanted).is_some()
    }

    fn need(&mut self, wanted: char) -> Option<()> {
        self.eat(wanted).then_some(())
    }

    fn digit(&mut self) -> Option<u32> {
        self.0.next_if(char::is_ascii_digit)?.to_digit(10)
    }

    fn two(&mut self) -> Option<u8> {
        let (tens, ones) = (self.digit()?, self.digit()?);
        u8::try_from(tens.checked_mul(10)?.checked_add(ones)?).ok()
    }

    fn date(&mut self) -> Option<Date> {
        let (century, year) = (self.two()?, self.two()?);
        let year = i32::from(century).checked_mul(100)?.checked_add(i32::from(year))?;
        self.need('-')?;
        let month = Month::try_from(self.two()?).ok()?;
        self.need('-')?;
        Date::from_calendar_date(year, month, self.two()?).ok().filter(|_| year > 0)
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.two()?;
        self.need(':')?;
        let minute = self.two()?;
        let second = if self.eat(':') { self.two()? } else { 0 };
        let mut micros = 0;
        if self.eat('.') {
            let mut unit = 100_000_u32;
            micros = self.digit()?.checked_mul(unit)?;
            while let Some(digit) = self.digit() {
                unit = unit.checked_div(10).filter(|unit| *unit > 0)?;
                micros = micros.checked_add(digit.checked_mul(unit)?)?;
            }
        }
        Time::from_hms_micro(hour, minute, second, micros).ok()
    }

    fn zone(&mut self) -> Option<UtcOffset> {
        self.eat(' ');
        if self.eat('Z') {
            return Some(UtcOffset::UTC);
        }
        if self.eat('U') {
            self.need('T')?;
            self.need('C')?;
            return Some(UtcOffset::UTC);
        }
        let west = self.eat('-');
        if !west {
            self.need('+')?;
        }
        let hours = i8::try_from(self.two()?).ok().filter(|hours| *hours <= 14)?;
        let minutes = if self.done() {
            0
        } else {
            self.eat(':');
            i8::try_from(self.two()?).ok().filter(|minutes| *minutes < 60)?
        };
        let sign = if west { -1 } else { 1 };
        UtcOffset::from_hms(hours.checked_mul(sign)?, minutes.checked_mul(sign)?, 0).ok()
    }
}

/// Writes a moment as PostgreSQL does in a session at UTC.
pub(crate) fn write(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    let fraction = format!(".{:06}", at.microsecond());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}+00")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn at(text: &str) -> OffsetDateTime {
        parse(text).unwrap().0
    }

    #[test]
    fn reads_all_forms() {
        assert_eq!(parse("2026-11-21"), Some((datetime!(2026-11-21 0:00 UTC), Zone::Absent)));
        assert_eq!(
            parse("2024-02-29 20:15"),
            Some((datetime!(2024-02-29 20:15 UTC), Zone::Absent))
        );
        assert_eq!(at("2026-11-21T20:15:30.25Z"), datetime!(2026-11-21 20:15:30.25 UTC));
        assert_eq!(at("2026-11-21 20:15:30 UTC"), datetime!(2026-11-21 20:15:30 UTC));
        for zone in ["+0130", "+01:30", " +01:30"] {
            assert_eq!(at(&format!("2026-11-21 00:15{zone}")), datetime!(2026-11-20 22:45 UTC));
        }
        assert_eq!(at("2026-11-21 20:15:00-05"), datetime!(2026-11-22 1:15 UTC));
        assert_eq!(parse("9998-01-11 11:11:11+00").unwrap().1, Zone::Named);
        assert_eq!(at("0001-01-01"), datetime!(0001-01-01 0:00 UTC));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "now",
            "today",
            "infinity",
            "2026",
            "2026-11",
            "26-11-21",
            "2026-13-01",
            "2026-02-29",
            "2026-11-21 ",
            "2026-11-21 24:00",
            "2026-11-21 20",
            "2026-11-21 20:15:60",
            "2026-11-21 20:15:",
            "2026-11-21 20:15:30.",
            "2026-11-21 20:15:30.1234567",
            "2026-11-21 20:15+",
            "2026-11-21 20:15+15",
            "2026-11-21 20:15+1:00",
            "2026-11-21 20:15 Z ",
            "0000-01-01",
            "2026-11-21 20:15 CET",
            "9999-12-31 23:00-05",
            "0001-01-01 00:00+05",
            "21.11.2026",
            "2026-11-21+01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn writes_as_postgresql_does() {
        assert_eq!(write(datetime!(2026-11-21 20:15:30.250 +01:00)), "2026-11-21 19:15:30.25+00");
        assert_eq!(write(datetime!(0009-01-02 03:04:05 UTC)), "0009-01-02 03:04:05+00");
    }
}
