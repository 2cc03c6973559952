//! Paths into JSON documents, as the text form of a PostgreSQL array: `{a,b,0}`, `{"with space","q\"uote"}`.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// Reads a path; the error says why it is none.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, &'static str> {
    let inner = text
        .trim_matches(is_space)
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or("it is written '{a,b}'")?;
    let mut path = Vec::new();
    let mut chars = inner.chars().peekable();
    skip_spaces(&mut chars);
    if chars.peek().is_none() {
        return Ok(path);
    }
    loop {
        path.push(element(&mut chars)?);
        match chars.next() {
            Some(',') => {}
            Some(_) => return Err("its elements stand between commas"),
            None => return Ok(path),
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

fn skip_spaces(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| is_space(*c)).is_some() {}
}

/// Reads one element and the spaces around it.
fn element(chars: &mut Peekable<Chars<'_>>) -> Result<String, &'static str> {
    skip_spaces(chars);
    let quoted = chars.next_if_eq(&'"').is_some();
    let mut element = String::new();
    if quoted {
        loop {
            match chars.next().ok_or("a double quote is not closed")? {
                '"' => break,
                '\\' => element.extend(chars.next()),
                c => element.push(c),
            }
        }
        skip_spaces(chars);
        return Ok(element);
    }
    while let Some(c) = chars.next_if(|c| *c != ',') {
        if matches!(c, '{' | '}' | '"' | '\\') {
            return Err("braces, quotes and backslashes stand in double quotes");
        }
        element.push(c);
    }
    let element = element.trim_end_matches(is_space);
    if element.is_empty() || element.eq_ignore_ascii_case("null") {
        return Err("an element is empty or NULL; put it in double quotes");
    }
    Ok(element.into())
}

/// Writes a path that reads back as the same; plain names without quotes.
pub(crate) fn write(path: &[String]) -> String {
    let mut text = String::from("{");
    for (n, element) in path.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let plain = !element.is_empty()
            && !element.eq_ignore_ascii_case("null")
            && element.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
        // writing to a String does not fail
        let _ = if plain {
            write!(text, "{comma}{element}")
        } else {
            write!(text, "{comma}\"{}\"", element.replace('\\', r"\\").replace('"', "\\\""))
        };
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, path, written) in [
            ("{os}", vec!["os"], "{os}"),
            (" { aws , instanceid }", vec!["aws", "instanceid"], "{aws,instanceid}"),
            ("{addresses,0,-1}", vec!["addresses", "0", "-1"], "{addresses,0,-1}"),
            ("{}", vec![], "{}"),
            (
                r#"{"a b","","null", "q\"\\" }"#,
                vec!["a b", "", "null", "q\"\\"],
                r#"{"a b","","null","q\"\\"}"#,
            ),
            ("{a b}", vec!["a b"], r#"{"a b"}"#),
        ] {
            assert_eq!(parse(text).unwrap(), path);
            assert_eq!(write(&parse(text).unwrap()), written);
            assert_eq!(parse(written).unwrap(), path);
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "os",
            "{os",
            "os}",
            "{a,}",
            "{,a}",
            "{null}",
            "{{a}}",
            "{\"a}",
            "{\"a\"b}",
            "{a\"b\"}",
            "{a\\b}",
            "{\"a\\\"}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
