//! Makes text of others harmless: agents, and whoever took one over, choose what results and names say.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Tells whether a terminal or a reader could be led astray by `letter`: control characters, and the marks that
/// turn the direction of writing or are not seen at all.
fn is_dangerous(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

/// Writes every dangerous character as an escape: `\n`, `\t`, `\r` or `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_dangerous(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out.into()
}

/// Writes dangerous characters of a JSON text as JSON escapes: another spelling of the same value.
///
/// Valid JSON has them in strings only, but for the white space between its parts, which stays.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let changes = |letter: char| is_dangerous(letter) && !matches!(letter, '\n' | '\r' | '\t');
    if !json.chars().any(changes) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if changes(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                // writing to a String does not fail
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(letter);
        }
    }
    out.into()
}

/// Puts a JSON text on one line: outside of its strings line ends are white space, inside they cannot be.
pub fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_direction_marks_are_written_out() {
        for (text, want) in [
            ("plain ünï 😀", "plain ünï 😀"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("exe\u{202e}gpj", "exe\\u{202e}gpj"),
        ] {
            assert_eq!(escape(text), want);
        }
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let json = "{\"a\": \"\u{9b}31m \u{202e}\u{7f}é\",\n\"b\":1}";
        let escaped = escape_json(json);
        assert_eq!(escaped, "{\"a\": \"\\u009b31m \\u202e\\u007fé\",\n\"b\":1}");
        let values =
            [json, &escaped].map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap());
        assert_eq!(values[0], values[1]);
        assert_eq!(one_line(json).lines().count(), 1);
    }
}
