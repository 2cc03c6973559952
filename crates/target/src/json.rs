//! JSON documents as PostgreSQL's `jsonb` takes them apart and writes them.

use crate::ast::Key;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Takes one step: a name only into an object, an index never into one.
pub(crate) fn step<'a>(json: &'a Json, key: &Key) -> Option<&'a Json> {
    match (json, key) {
        (Json::Object(members), Key::Name(name)) => members.get(name),
        (Json::Array(elements), Key::Index(index)) => element(elements, *index),
        // a document that is neither object nor array is kept as an array of one
        (Json::Object(_) | Json::Array(_), _) | (_, Key::Name(_)) => None,
        (_, Key::Index(index)) => matches!(index, 0 | -1).then_some(json),
    }
}

/// Follows a path; in an array a name counts as an index if it is a number.
pub(crate) fn follow<'a>(json: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, name| match json {
        Json::Object(members) => members.get(name),
        // as C's strtol reads it: spaces and a sign may stand before the digits
        Json::Array(elements) => {
            let number = name.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
            element(elements, number.parse().ok()?)
        }
        _ => None,
    })
}

fn element(elements: &[Json], index: i32) -> Option<&Json> {
    let steps = usize::try_from(index.unsigned_abs()).ok()?;
    let index = if index < 0 { elements.len().checked_sub(steps)? } else { steps };
    elements.get(index)
}

/// Gives a document as `->>` does: a text without quotes, JSON's null as NULL.
pub(crate) fn text(json: &Json) -> Option<Cow<'_, str>> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(Cow::Borrowed(text)),
        _ => Some(Cow::Owned(write(json))),
    }
}

/// Writes a document as `jsonb` is written: shorter names first, a space after each `,` and `:`.
pub(crate) fn write(json: &Json) -> String {
    let mut out = String::new();
    put(&mut out, json);
    out
}

fn put(out: &mut String, json: &Json) {
    match json {
        Json::Array(elements) => {
            out.push('[');
            for (n, element) in elements.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                put(out, element);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<(&String, &Json)> = members.iter().collect();
            members.sort_by_key(|(name, _)| (name.len(), *name));
            out.push('{');
            for (n, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                put(out, &Json::String(name.clone()));
                out.push_str(": ");
                put(out, member);
            }
            out.push('}');
        }
        // writing to a String does not fail
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.to_string().contains(['e', 'E']) => {
                let _ = write!(out, "{float}");
            }
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        _ => {
            let _ = write!(out, "{json}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_documents_apart() {
        let json = json!({"a": [1, {"b": null}, "x"], "0": "zero"});
        let name = |name: &str| Key::Name(name.into());
        let a = step(&json, &name("a")).unwrap();
        assert_eq!(step(a, &Key::Index(-1)), Some(&json!("x")));
        assert_eq!((step(a, &Key::Index(3)), step(a, &Key::Index(-4))), (None, None));
        assert_eq!(step(&json!(17), &Key::Index(0)), Some(&json!(17)));
        assert_eq!((step(&json!(17), &Key::Index(1)), step(&json!("x"), &name("x"))), (None, None));
        assert_eq!((step(a, &name("0")), step(&json, &Key::Index(0))), (None, None));
        let follow = |path: &[&str]| {
            follow(&json, &path.iter().map(ToString::to_string).collect::<Vec<_>>()).cloned()
        };
        assert_eq!(follow(&["a", " +2"]), Some(json!("x")));
        assert_eq!(follow(&["a", "1", "b"]), Some(Json::Null));
        assert_eq!(follow(&["0"]), Some(json!("zero")));
        assert_eq!(
            (follow(&["a", "x"]), follow(&["a", "2 "]), follow(&["0", "0"])),
            (None, None, None)
        );
        assert_eq!(follow(&[]), Some(json.clone()));
    }

    #[test]
    fn writes_as_jsonb() {
        let json = json!({"long": [true, 1.5, 1e20], "b": "q\"\n\u{1}ä", "a": {}});
        assert_eq!(
            write(&json),
            "{\"a\": {}, \"b\": \"q\\\"\\n\\u0001ä\", \"long\": [true, 1.5, 100000000000000000000]}"
        );
        assert_eq!(text(&json!("x")).unwrap(), "x");
        assert_eq!((text(&Json::Null), text(&json!(false)).unwrap()), (None, "false".into()));
    }
}
