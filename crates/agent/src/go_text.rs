//! Times, durations and file modes as Go prints them, since MIG's results hold them as text.

use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// Prints a time as `time.Time.String` does in UTC: `2026-11-21 18:17:27.942031949 +0000 UTC`.
pub(crate) fn time(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{} +0000 UTC",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        fraction(u64::from(at.nanosecond()), 9)
    )
}

/// Prints a duration as `time.Duration.String` does: `943.838µs`, `1.5s`, `1m2s`.
pub(crate) fn duration(took: Duration) -> String {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}{}µs", nanos / 1_000, fraction(nanos % 1_000, 3)),
        1_000_000..1_000_000_000 => {
            format!("{}{}ms", nanos / 1_000_000, fraction(nanos % 1_000_000, 6))
        }
        _ => {
            let seconds = nanos / 1_000_000_000;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let rest = format!("{}{}s", seconds % 60, fraction(nanos % 1_000_000_000, 9));
            match (hours, minutes) {
                (0, 0) => rest,
                (0, _) => format!("{minutes}m{rest}"),
                _ => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

/// Prints `part` of 10^`digits` as a decimal fraction without trailing zeros; nothing for zero.
fn fraction(part: u64, digits: usize) -> String {
    if part == 0 {
        return String::new();
    }
    let text = format!(".{part:0digits$}");
    text.trim_end_matches('0').to_owned()
}

/// Prints a Unix mode as `os.FileMode.String` does: `-rw-r-----`, `drwxr-xr-x`, `ugtrwxr-xr-x`.
pub(crate) fn mode(mode: u32) -> String {
    let mut text = String::with_capacity(13);
    text.push_str(match mode & 0o170_000 {
        0o040_000 => "d",
        0o120_000 => "L",
        0o060_000 => "D",
        0o020_000 => "Dc",
        0o010_000 => "p",
        0o140_000 => "S",
        _ => "",
    });
    for (bit, letter) in [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')] {
        if mode & bit != 0 {
            text.push(letter);
        }
    }
    if text.is_empty() {
        text.push('-');
    }
    for (place, letter) in "rwxrwxrwx".chars().enumerate() {
        text.push(if mode & (0o400 >> place) == 0 { '-' } else { letter });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_gos() {
        for (nanos, want) in [
            (0, "0s"),
            (999, "999ns"),
            (943_838, "943.838µs"),
            (117_497_980, "117.49798ms"),
            (1_500_000_000, "1.5s"),
            (62_000_000_001, "1m2.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), want);
        }
    }

    #[test]
    fn times_read_like_gos() {
        let at = |nanos| SystemTime::UNIX_EPOCH + Duration::new(1_795_285_047, nanos);
        assert_eq!(time(at(942_031_940)), "2026-11-21 18:17:27.94203194 +0000 UTC");
        assert_eq!(time(at(0)), "2026-11-21 18:17:27 +0000 UTC");
    }

    #[test]
    fn modes_read_like_gos() {
        for (bits, want) in [
            (0o100_640, "-rw-r-----"),
            (0o104_755, "urwxr-xr-x"),
            (0o041_777, "dtrwxrwxrwx"),
            (0o102_711, "grwx--x--x"),
            (0o020_620, "Dcrw--w----"),
            (0o010_600, "prw-------"),
        ] {
            assert_eq!(mode(bits), want);
        }
    }
}
