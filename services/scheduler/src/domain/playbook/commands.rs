//! From JSON to an action step and its commands (specs/soarca/cacao.md §6).

use super::read::{Faults, Object, join};
use super::steps::{Scope, arguments};
use super::{Action, Command, Content, Definitions, FLEET, MANUAL_AGENT, MAX_CALLS, Manner};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Reads an action step: what is done, and who does it.
pub(super) fn action(
    object: &Object<'_>,
    scope: &Scope<'_>,
    agents: &Definitions,
    faults: &mut Faults,
) -> Option<Action> {
    let agent = object.needed("agent", faults).to_owned();
    let targets = object.texts("targets", faults);
    arguments(object, "in_args", scope, faults);
    let out_args = arguments(object, "out_args", scope, faults);
    let list = object.list("commands", faults).unwrap_or_default();
    if list.is_empty() {
        faults.add(object.place("commands"), "must hold a command");
    }
    let calls = list.len() * targets.len().max(1);
    if calls > MAX_CALLS {
        let detail = format!(
            "are {calls} calls with the targets of the step; at most {MAX_CALLS} are made, one for each command and target"
        );
        faults.add(object.place("commands"), detail);
        return None;
    }
    let mut commands = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let place = join(&object.place("commands"), &at.to_string());
        if let Some(one) = Object::of(place, value, faults) {
            commands.push(command(&one, faults));
        }
    }
    let by_people = agents.get(&agent).is_some_and(|agent| {
        ["name", "type"]
            .iter()
            .any(|key| agent.get(*key).and_then(Value::as_str) == Some(MANUAL_AGENT))
    });
    let count = |kind: &str| commands.iter().filter(|command| command.kind == kind).count();
    let (manual, fleet) = (count("manual"), count(FLEET));
    let manner = if by_people || manual == commands.len() {
        Manner::Manual
    } else if manual > 0 {
        faults.add(
            object.place("commands"),
            "a step is for people or for machines: put manual commands into a step of their own",
        );
        return None;
    } else if fleet > 0 {
        if commands.len() > 1 {
            faults.add(
                object.place("commands"),
                format!("a command of type {FLEET} is alone in its step"),
            );
        }
        Manner::Fleet
    } else {
        Manner::Calls
    };
    Some(Action { manner, commands, agent, targets, out_args })
}

fn command(object: &Object<'_>, faults: &mut Faults) -> Command {
    let kind = object.needed("type", faults).to_owned();
    let base64 = object.text("command_b64", faults).map(ToOwned::to_owned);
    let mut text = object.text("command", faults).unwrap_or_default().to_owned();
    if let Some(encoded) = &base64 {
        match STANDARD.decode(encoded).map(String::from_utf8) {
            Ok(Ok(decoded)) if !decoded.contains('\0') => text = decoded,
            _ => faults.add(object.place("command_b64"), "is not the Base64 of a text"),
        }
    }
    let needs_text = matches!(kind.as_str(), "manual" | "ssh" | "http-api" | "openc2-http");
    if needs_text && text.trim().is_empty() {
        faults.add(object.place("command"), format!("a command of type {kind} needs a command"));
    }
    if matches!(kind.as_str(), "http-api" | "openc2-http") && text.split_whitespace().count() != 3 {
        faults.add(
            object.place("command"),
            "must be like `GET /path HTTP/1.1`: method, path and version",
        );
    }
    let action = object.object("action", faults).map(|action| action.map.clone());
    if kind == FLEET && action.is_none() && object.get("action").is_none() {
        faults.add(object.place("action"), "must be the action to sign: name, target, operations");
    }
    Command {
        kind,
        description: object.text("description", faults).unwrap_or_default().to_owned(),
        text,
        base64,
        headers: headers(object, faults),
        content: content(object, faults),
        repeatable: object.flag("x-writ-repeatable", faults),
        action,
    }
}

fn headers(object: &Object<'_>, faults: &mut Faults) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let Some(all) = object.object("headers", faults) else { return headers };
    if !object.few("headers", all.map.len(), faults) {
        return headers;
    }
    for (name, value) in all.map {
        let values = match value {
            Value::String(one) => vec![one.clone()],
            _ => all.texts(name, faults),
        };
        headers.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    object.few("headers", headers.len(), faults);
    headers
}

fn content(object: &Object<'_>, faults: &mut Faults) -> Option<Content> {
    let encoded = object.text("content_b64", faults);
    let text = object.text("content", faults);
    match (text, encoded) {
        (Some(_), Some(_)) => {
            faults.add(object.place("content"), "excludes content_b64");
            None
        }
        (Some(text), None) => Some(Content::Text(text.to_owned())),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded).ok();
            if bytes.is_none() {
                faults.add(object.place("content_b64"), "is not Base64");
            }
            // values are filled into a text, as SOARCA does; the stage before it is Base64
            bytes.map(|bytes| {
                String::from_utf8(bytes)
                    .map_or_else(|error| Content::Bytes(error.into_bytes()), Content::Text)
            })
        }
        (None, None) => None,
    }
}
