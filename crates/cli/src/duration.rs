//! Lengths of time as people and MIG's clients write them: `300s`, `5m`, `1h30m`, `2d`.

use time::Duration;

/// Reads a length of time: whole numbers, each with `s`, `m`, `h` or `d`; more than nothing, at most a year.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a length of time such as 300s, 5m, 1h30m or 2d");
    let mut total: i64 = 0;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: i64 = number.parse().map_err(|error| format!("{}: {error}", wrong()))?;
        let seconds = count.checked_mul(unit).and_then(|part| total.checked_add(part));
        total = seconds.ok_or_else(wrong)?;
        number.clear();
    }
    if !number.is_empty() || total == 0 {
        return Err(wrong());
    }
    if total > LONGEST {
        return Err(format!("'{text}' is longer than a year"));
    }
    Ok(Duration::seconds(total))
}

const LONGEST: i64 = 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in
            [("300s", 300), ("5m", 300), ("1h30m", 5_400), ("2d", 172_800), ("1m1s", 61)]
        {
            assert_eq!(parse(text).unwrap().whole_seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_unclear() {
        for text in [
            "",
            "5",
            "m",
            "5x",
            "-5m",
            "0s",
            "1h30",
            " 5m",
            "9999999999999999999s",
            "9223372036854775807d",
            "367d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
