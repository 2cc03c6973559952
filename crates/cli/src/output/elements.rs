//! What an operation brought back, in a few lines for people.

use super::text::escape;
use serde_json::Value;

/// Describes `elements`: MIG's `file` matches one per line, texts as they are, anything else as JSON. Escaped.
pub fn describe(elements: &Value) -> String {
    match elements {
        Value::Null => String::new(),
        Value::String(text) => escape(text).into_owned(),
        Value::Object(searches) => {
            let lines: Option<Vec<Vec<String>>> =
                searches.iter().map(|(search, found)| matches(search, found)).collect();
            match lines {
                Some(lines) if !lines.is_empty() => lines.concat().join("\n"),
                _ => escape(&elements.to_string()).into_owned(),
            }
        }
        other => escape(&other.to_string()).into_owned(),
    }
}

/// Describes the matches of one search of MIG's `file` module, or nothing when it has another form.
fn matches(search: &str, found: &Value) -> Option<Vec<String>> {
    let found = match found {
        Value::Array(found) => found.as_slice(),
        Value::Null => &[],
        _ => return None,
    };
    found.iter().map(|one| file(search, one)).collect()
}

fn file(search: &str, found: &Value) -> Option<String> {
    let path = found.get("file")?.as_str()?;
    let about: Vec<String> = match found.get("fileinfo").and_then(Value::as_object) {
        Some(about) => about.iter().filter_map(|(name, value)| fact(name, value)).collect(),
        None => Vec::new(),
    };
    let about = if about.is_empty() { String::new() } else { format!(" [{}]", about.join(", ")) };
    Some(escape(&format!("{path}{about} in search {search}")).into_owned())
}

fn fact(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(format!("{name}:{text}")),
        Value::Number(number) => Some(format!("{name}:{number}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn file_matches_take_one_line_each() {
        let elements = json!({
            "s1": [{"file": "/etc/passwd", "search": {}, "fileinfo": {"size": 12, "mode": "-rw-r--r--", "sha2": ""}}],
            "s2": [{"file": "/tmp/\u{1b}x"}], "s3": null, "s4": [],
        });
        insta::assert_snapshot!(describe(&elements), @r"
        /etc/passwd [mode:-rw-r--r--, size:12] in search s1
        /tmp/\u{1b}x in search s2
        ");
    }

    #[test]
    fn other_forms_are_json_and_texts_are_themselves() {
        for (elements, want) in [
            (json!(null), ""),
            (json!("hello\u{7}"), "hello\\u{7}"),
            (json!({"s1": [{"file": 7}]}), r#"{"s1":[{"file":7}]}"#),
            (json!({"a": 1}), r#"{"a":1}"#),
            (json!({}), "{}"),
            (json!([1, "x"]), r#"[1,"x"]"#),
        ] {
            assert_eq!(describe(&elements), want);
        }
    }
}
