//! Reads JSON the way the original's Go decoder does, so that a signed document means the same here and there.
//!
//! Differences from `serde_json`: lone surrogates and invalid UTF-8 become U+FFFD instead of an error, and member
//! names of structures match in any case, the last duplicate winning (specs/mig/api.md §1.3, data-model.md §3.1).

use serde_json::{Map, Value};

/// Parses `bytes`; nesting is limited to 128 levels.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&mend(bytes))
}

/// Gives the text that [`parse`] parses: what only the original's decoder takes is mended.
pub fn mend(bytes: &[u8]) -> String {
    let text = mend_utf8(bytes);
    match mend_surrogates(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(mended) => mended,
    }
}

/// Renames the members of an object to lower case; later members win over earlier ones.
pub fn fold_names(object: Map<String, Value>) -> Map<String, Value> {
    object.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
}

/// Tells whether any text in `value` has a NUL character, which no text of PostgreSQL can hold; the parser has bounded
/// its depth.
pub fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}

/// Replaces each byte that is not UTF-8 by U+FFFD; one per byte, where the standard library puts one per sequence.
fn mend_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Replaces each `\uD800`–`\uDFFF` escape that is not half of a pair by `\uFFFD`.
fn mend_surrogates(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let (piece, used) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (escape.get(..12), 12),
            (Some(0xD800..=0xDFFF), _) => (Some("\\ufffd"), 6),
            _ => {
                let used = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                (escape.get(..used), used)
            }
        };
        out.push_str(piece.unwrap_or_default());
        rest = escape.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out.into()
}

/// Reads the `\uXXXX` at the start of `text`.
fn unit(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        for (text, want) in [
            (r#""\ud800x""#, "\u{fffd}x"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\\ud800""#, "\\ud800"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\\\ud800é""#, "\\\u{fffd}é"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), Value::String(want.into()), "{text}");
        }
    }

    #[test]
    fn each_wrong_byte_becomes_a_replacement_character() {
        for (bytes, want) in [
            (&b"\"a\xe2\x82b\""[..], "a\u{fffd}\u{fffd}b"),
            (b"\"\xff\xc3\xa9\"", "\u{fffd}é"),
            (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(parse(bytes).unwrap(), Value::String(want.into()));
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(br#""\ud8"#).is_err());
    }
}
