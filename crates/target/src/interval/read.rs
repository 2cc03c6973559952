//! Reads spans as PostgreSQL writes them: `30 days`, `1 hour`, `1 year 2 months -03:04:05.6`, `2 weeks ago`.

use super::{Interval, MICROS_PER_SECOND};

const TOO_LONG: &str = "it is too long (at most 1000 years, or 500000 hours)";
const NO_NUMBER: &str =
    "a whole number should stand before each unit (seconds, minutes and hours may have a point)";

impl Interval {
    /// Reads a span; the error says why it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut words = words(text)?.into_iter().peekable();
        let mut sum = Self::default();
        if words.peek().is_none() {
            return Err("it is empty");
        }
        while let Some(word) = words.next() {
            if word == "ago" {
                let all_read = words.peek().is_none() && sum != Self::default();
                return if all_read { Ok(sum.negated()) } else { Err("'ago' stands at the end") };
            }
            let part = if word.contains(':') {
                clock(&word)?
            } else {
                let unit = words.next().ok_or("a unit such as 'days' or 'hours' is missing")?;
                amount(&word, &unit)?
            };
            sum = sum.plus(part).ok_or(TOO_LONG)?;
        }
        Ok(sum)
    }
}

/// Cuts at spaces and between a number and its unit.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in text.chars() {
        if !(c.is_ascii_alphanumeric() || matches!(c, ' ' | '\t' | '+' | '-' | '.' | ':')) {
            return Err("it has characters that do not belong there");
        }
        if !c.is_ascii_whitespace() {
            match words.last_mut() {
                Some(word)
                    if !last.is_ascii_whitespace()
                        && last.is_ascii_alphabetic() == c.is_ascii_alphabetic() =>
                {
                    word.push(c.to_ascii_lowercase());
                }
                _ => words.push(c.to_ascii_lowercase().to_string()),
            }
        }
        last = c;
    }
    Ok(words)
}

/// Splits off the sign: -1 or 1.
fn sign(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Reads digits only, at most 9 of them.
fn digits(text: &str) -> Option<i64> {
    let good = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| good)
}

/// Reads the digits after a point as millionths.
fn millionths(text: &str) -> Option<i64> {
    digits(text).filter(|_| text.len() <= 6)?;
    digits(&format!("{text:0<6}"))
}

/// Reads `number unit`.
fn amount(number: &str, unit: &str) -> Result<Interval, &'static str> {
    let (sign, size) = sign(number);
    let (whole, fraction) = size.split_once('.').unwrap_or((size, "0"));
    let whole = digits(whole).ok_or(NO_NUMBER)?;
    let fraction = millionths(fraction).ok_or(NO_NUMBER)?;
    let scaled = |factor: i64| whole.checked_mul(factor)?.checked_mul(sign);
    let fixed = |seconds: i64| {
        let micros = whole.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)?;
        micros.checked_mul(seconds)?.checked_mul(sign)
    };
    let part = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => (None, None, fixed(1)),
        "m" | "min" | "mins" | "minute" | "minutes" => (None, None, fixed(60)),
        "h" | "hr" | "hrs" | "hour" | "hours" => (None, None, fixed(3600)),
        _ if fraction != 0 => return Err(NO_NUMBER),
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => (None, None, scaled(1)),
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => (None, None, scaled(1000)),
        "d" | "day" | "days" => (None, scaled(1), None),
        "w" | "week" | "weeks" => (None, scaled(7), None),
        "mon" | "mons" | "month" | "months" => (scaled(1), None, None),
        "y" | "yr" | "yrs" | "year" | "years" => (scaled(12), None, None),
        _ => return Err("the units are seconds, minutes, hours, days, weeks, months and years"),
    };
    let (months, days, micros) = match part {
        (None, None, None) => return Err(TOO_LONG),
        (months, days, micros) => (months.unwrap_or(0), days.unwrap_or(0), micros.unwrap_or(0)),
    };
    Interval::default().plus(Interval { months, days, micros }).ok_or(TOO_LONG)
}

/// Reads `[+-]hours:minutes[:seconds[.fraction]]`.
fn clock(text: &str) -> Result<Interval, &'static str> {
    const BAD: &str = "a time of day is written hours:minutes:seconds";
    let (sign, size) = sign(text);
    let mut parts = size.split(':');
    let hours = parts.next().and_then(digits).ok_or(BAD)?;
    let minutes = parts.next().and_then(digits).filter(|m| *m < 60).ok_or(BAD)?;
    let (seconds, fraction) = match parts.next() {
        Some(part) => part.split_once('.').unwrap_or((part, "0")),
        None => ("0", "0"),
    };
    let seconds = digits(seconds).filter(|s| *s < 60).ok_or(BAD)?;
    let fraction = millionths(fraction).ok_or(BAD)?;
    if parts.next().is_some() {
        return Err(BAD);
    }
    let micros = hours
        .checked_mul(60)
        .and_then(|m| m.checked_add(minutes))
        .and_then(|m| m.checked_mul(60))
        .and_then(|s| s.checked_add(seconds))
        .and_then(|s| s.checked_mul(MICROS_PER_SECOND))
        .and_then(|s| s.checked_add(fraction))
        .and_then(|s| s.checked_mul(sign))
        .ok_or(TOO_LONG)?;
    Interval::default().plus(Interval { micros, ..Interval::default() }).ok_or(TOO_LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (i64, i64, i64) {
        let interval = Interval::parse(text).unwrap();
        (interval.months, interval.days, interval.micros)
    }

    #[test]
    fn reads_all_forms() {
        assert_eq!(read("30 days"), (0, 30, 0));
        assert_eq!(read("1 hour"), (0, 0, 3_600_000_000));
        assert_eq!(read("1 minute"), (0, 0, 60_000_000));
        assert_eq!(read(" 2W\t1y "), (12, 14, 0));
        assert_eq!(read("1 year 2 mons 3 days 04:05:06.789"), (14, 3, 14_706_789_000));
        assert_eq!(read("1h30m"), (0, 0, 5_400_000_000));
        assert_eq!(read("1.5 hours 250 ms 3us"), (0, 0, 5_400_250_003));
        assert_eq!(read("-1 day +02:00"), (0, -1, 7_200_000_000));
        assert_eq!(read("1 month 2 hours ago"), (-1, 0, -7_200_000_000));
        assert_eq!(read("-0.5 s"), (0, 0, -500_000));
        assert_eq!(read("100:00:00"), (0, 0, 360_000_000_000));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            " ",
            "30",
            "days",
            "30 parsecs",
            "1.5 days",
            "1,5 hours",
            "P1D",
            "1 day ago ago",
            "ago",
            "1 day ago 2 hours",
            "+ 1 day",
            "--1 day",
            "1-2",
            "1:60",
            "1:2:3:4",
            "1:2:60",
            ":1",
            "1001 years",
            "367000 days",
            "500001 hours",
            "9999999999 s",
            "1 day; x",
            "1e3 days",
            "900 years 900 years",
            "1.1234567 s",
            "١ day",
            "1.2.3 s",
        ] {
            assert!(Interval::parse(text).is_err(), "{text}");
        }
    }
}
