//! Reads a token's time as Go's `time.Parse` does with the layout `2006-01-02T15:04:05Z`, with its very messages: the
//! original answers them to the client (specs/mig/auth.md §1, captures/026).

use std::fmt::Write as _;
use time::{Date, Month, OffsetDateTime, Time};

const LAYOUT: &str = "2006-01-02T15:04:05Z";

/// Says what is wrong with a time, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TimestampError(String);

/// Reads a time in UTC. A fraction may follow the seconds and the hour may have one digit; offsets are refused.
pub(crate) fn parse(text: &str) -> Result<OffsetDateTime, TimestampError> {
    let mut reader = Reader { whole: text, rest: text };
    let year = reader.year()?;
    reader.literal("-")?;
    let month = reader.number("01", "month", 1..=12)?;
    reader.literal("-")?;
    let day = reader.number("02", "day", 0..=99)?;
    reader.literal("T")?;
    let hour = reader.number("15", "hour", 0..=23)?;
    reader.literal(":")?;
    let minute = reader.number("04", "minute", 0..=59)?;
    reader.literal(":")?;
    let second = reader.number("05", "second", 0..=59)?;
    let nanosecond = reader.fraction();
    reader.literal("Z")?;
    if !reader.rest.is_empty() {
        return Err(reader.error(&format!(": extra text: {}", quote(reader.rest))));
    }
    let date = Month::try_from(month).ok();
    let date = date.and_then(|month| Date::from_calendar_date(year, month, day).ok());
    let date = date.ok_or_else(|| reader.error(": day out of range"))?;
    let time = Time::from_hms_nano(hour, minute, second, nanosecond);
    let time = time.map_err(|error| reader.error(&format!(": {error}")))?;
    Ok(OffsetDateTime::new_utc(date, time))
}

struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn error(&self, message: &str) -> TimestampError {
        TimestampError(format!("parsing time {}{message}", quote(self.whole)))
    }

    fn bad(&self, element: &str) -> TimestampError {
        self.error(&format!(
            " as {}: cannot parse {} as {}",
            quote(LAYOUT),
            quote(self.rest),
            quote(element)
        ))
    }

    fn literal(&mut self, text: &str) -> Result<(), TimestampError> {
        self.rest = self.rest.strip_prefix(text).ok_or_else(|| self.bad(text))?;
        Ok(())
    }

    fn year(&mut self) -> Result<i32, TimestampError> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or_else(|| self.bad("2006"))?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.bad("2006"));
        }
        let year = digits.parse().ok().ok_or_else(|| self.bad("2006"))?;
        self.rest = rest;
        Ok(year)
    }

    /// Reads two digits; for the hour Go is content with one.
    fn number(
        &mut self,
        element: &str,
        name: &str,
        range: std::ops::RangeInclusive<u8>,
    ) -> Result<u8, TimestampError> {
        let digits = self.digits().min(2);
        if digits == 0 || (digits == 1 && element != "15") {
            return Err(self.bad(element));
        }
        let (digits, rest) = self.rest.split_at_checked(digits).ok_or_else(|| self.bad(element))?;
        let number = digits.parse().ok().ok_or_else(|| self.bad(element))?;
        if !range.contains(&number) {
            return Err(self.error(&format!(": {name} out of range")));
        }
        self.rest = rest;
        Ok(number)
    }

    /// Reads a point or comma with digits, if there is one; what is below a nanosecond is cut off.
    fn fraction(&mut self) -> u32 {
        let mut after = Reader { whole: self.whole, rest: self.rest };
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        after.rest = rest;
        let Some((digits, rest)) = rest.split_at_checked(after.digits()) else { return 0 };
        if digits.is_empty() {
            return 0;
        }
        self.rest = rest;
        let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
        nine.parse().unwrap_or_default()
    }

    /// Counts the digits that come next.
    fn digits(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }
}

/// Quotes as Go's package `time` does: bytes beyond ASCII and control characters as `\xNN`.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' | 0x7f => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn reads_what_go_reads() {
        for (text, want) in [
            ("2026-11-21T18:32:32Z", datetime!(2026-11-21 18:32:32 UTC)),
            ("2026-11-21T18:32:32.123Z", datetime!(2026-11-21 18:32:32.123 UTC)),
            ("2026-11-21T18:32:32,5Z", datetime!(2026-11-21 18:32:32.5 UTC)),
            ("2026-11-21T18:32:32.1234567899Z", datetime!(2026-11-21 18:32:32.123456789 UTC)),
            ("2026-11-21T8:32:32Z", datetime!(2026-11-21 08:32:32 UTC)),
            ("0000-01-01T00:00:00Z", datetime!(0000-01-01 00:00 UTC)),
            ("2024-02-29T23:59:59Z", datetime!(2024-02-29 23:59:59 UTC)),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn says_what_go_says() {
        let layout = "\"2006-01-02T15:04:05Z\"";
        for (text, want) in [
            ("2026-13-99T00:00:00Z", ": month out of range".to_owned()),
            ("2026-02-29T00:00:00Z", ": day out of range".into()),
            ("2026-01-00T00:00:00Z", ": day out of range".into()),
            ("2026-01-01T24:00:00Z", ": hour out of range".into()),
            ("2026-01-01T23:60:00Z", ": minute out of range".into()),
            ("2026-01-01T23:59:60Z", ": second out of range".into()),
            ("2026-01-01T23:59:59Zx", ": extra text: \"x\"".into()),
            (
                "2026-11-21T18:32:32+00:00",
                format!(" as {layout}: cannot parse \"+00:00\" as \"Z\""),
            ),
            ("2026-11-21T18:32:32.Z", format!(" as {layout}: cannot parse \".Z\" as \"Z\"")),
            ("2026-11-21 18:32:32Z", format!(" as {layout}: cannot parse \" 18:32:32Z\" as \"T\"")),
            (
                "2026-1-21T18:32:32Z",
                format!(" as {layout}: cannot parse \"1-21T18:32:32Z\" as \"01\""),
            ),
            ("", format!(" as {layout}: cannot parse \"\" as \"2006\"")),
            ("20é6", format!(" as {layout}: cannot parse \"20\\xc3\\xa96\" as \"2006\"")),
            ("yesterday", format!(" as {layout}: cannot parse \"yesterday\" as \"2006\"")),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("parsing time {}{want}", quote(text)));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:.,\\-é ]{0,30}", any in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&any);
        }
    }
}
