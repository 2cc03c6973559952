//! Foreign texts as they may be kept.

use serde_json::Value;

/// Takes out what PostgreSQL cannot keep.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// Takes out of every text what PostgreSQL cannot keep.
pub(crate) fn clean_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(items) => items.into_iter().map(clean_json).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (clean(&name), clean_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// Cuts a text to `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_kept_is_replaced() {
        let dirty = json!({"a\0": ["\0b", 1, {"c": "\0"}]});
        assert_eq!(
            clean_json(dirty).to_string(),
            "{\"a\u{fffd}\":[\"\u{fffd}b\",1,{\"c\":\"\u{fffd}\"}]}"
        );
        assert_eq!((cut("äöü", 3), cut("äöüx", 3)), ("äöü".into(), "äö…".into()));
    }
}
