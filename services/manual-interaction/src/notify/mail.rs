//! What a mail says.

use serde_json::Value;
use std::fmt::Write;
use time::OffsetDateTime;

/// Is a mail as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) at: OffsetDateTime,
}

/// Writes one mail of the bodies of events.
pub(crate) fn write(bodies: &[&str], at: OffsetDateTime) -> Mail {
    let events: Vec<Value> =
        bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect();
    let subject = match events.as_slice() {
        [event] => format!("Writ: {}: {}", said(event), name(event)),
        events => format!("Writ: {} events of manual steps", events.len()),
    };
    let mut text = String::new();
    for event in &events {
        let word = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "{}: {}", said(event), name(event));
        for (label, pointer) in [
            ("playbook", "/step/playbook_name"),
            ("about", "/step/description"),
            ("asked", "/step/assignee"),
            ("deadline", "/step/deadline"),
            ("page", "/link"),
        ] {
            if !word(pointer).is_empty() {
                let _ = writeln!(text, "  {label}: {}", word(pointer).replace('\n', "\n    "));
            }
        }
        text.push('\n');
    }
    Mail { subject, text, at }
}

fn said(event: &Value) -> &'static str {
    match event.get("event").and_then(Value::as_str) {
        Some("step.new") => "a step waits",
        Some("step.due") => "a step is nearly too late",
        _ => "nobody answered in time",
    }
}

fn name(event: &Value) -> &str {
    let word = |pointer| event.pointer(pointer).and_then(Value::as_str);
    word("/step/name").filter(|name| !name.is_empty()).or(word("/step/step_id")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn one_event_is_named_and_many_are_counted() {
        let at = datetime!(2026-12-01 12:00 UTC);
        let one = r#"{"event":"step.new","step":{"name":"ask","description":"a\nb"},"link":"/x"}"#;
        let mail = write(&[one], at);
        assert_eq!(mail.subject, "Writ: a step waits: ask");
        assert_eq!(mail.text, "a step waits: ask\n  about: a\n    b\n  page: /x\n\n");
        assert_eq!(write(&[one, one], at).subject, "Writ: 2 events of manual steps");
    }
}
