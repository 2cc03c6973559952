//! Numbers of any size: Python writes integers as long as they are, and a machine number holds 64 bits of them.

use std::borrow::Cow;

/// Puts quotes around the numbers in `json` that no machine number holds; everything else stays as it is, whether it is
/// JSON or not.
pub(crate) fn quote(json: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let (mut rest, mut copied) = (json, 0);
    while let Some(at) = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        let place = json.len() - rest.len() + at;
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with('"') {
            rest = behind_text(rest);
            continue;
        }
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let (number, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        if is_large(number) {
            quoted.push_str(json.get(copied..place).unwrap_or_default());
            quoted.push('"');
            quoted.push_str(number);
            quoted.push('"');
            copied = place + number.len();
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(quoted)
}

/// Leaves the blanks between the parts of `json` out.
pub(crate) fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(['"', ' ', '\t', '\r', '\n']) {
        compact.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let behind = if rest.starts_with('"') { behind_text(rest) } else { rest.trim_start() };
        if rest.starts_with('"') {
            compact.push_str(rest.get(..rest.len() - behind.len()).unwrap_or_default());
        }
        rest = behind;
    }
    compact.push_str(rest);
    compact
}

/// Gives what follows the text at the start of `json`.
fn behind_text(json: &str) -> &str {
    let mut escaped = true;
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return json.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

fn is_large(number: &str) -> bool {
    if number.contains(['.', 'e', 'E']) {
        number.parse::<f64>().is_ok_and(f64::is_infinite)
    } else {
        let digits = number.strip_prefix('-').unwrap_or(number);
        digits.len() > 18 && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, quote};
    use std::borrow::Cow;

    #[test]
    fn only_what_is_too_large_is_quoted() {
        for same in [
            "18446744073709551615",
            "-9223372036854775808",
            "[1, -2.5e300, \"99999999999999999999\", \"\\\"1e999\"]",
            "{\"1e999\": 0}",
            "",
            "\"",
            "1e308",
            "-",
        ] {
            assert!(matches!(quote(same), Cow::Borrowed(text) if text == same), "{same}");
        }
        for (large, quoted) in [
            ("18446744073709551616", "\"18446744073709551616\""),
            ("[-9223372036854775809,1]", "[\"-9223372036854775809\",1]"),
            ("{\"é\\\"\": 1e400, \"b\": [2]}", "{\"é\\\"\": \"1e400\", \"b\": [2]}"),
            ("[-1E+400,99999999999999999999]", "[\"-1E+400\",\"99999999999999999999\"]"),
        ] {
            assert_eq!(quote(large), quoted);
        }
    }

    #[test]
    fn blanks_in_texts_stay() {
        assert_eq!(compact(" { \"a b\\\" \" :\t[ 1 ,\n2 ] } "), "{\"a b\\\" \":[1,2]}");
        assert_eq!(compact("1"), "1");
    }
}
