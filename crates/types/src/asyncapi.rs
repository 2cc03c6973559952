//! The contract of the messages as an AsyncAPI 3.0 document, made from [`KINDS`] and from nothing else.

use crate::envelope::{CONTENT_TYPE, TYPE_PREFIX};
use crate::messages::{KINDS, Kind};
use serde_json::{Map, Value, json};

/// Gives the document; its members are in alphabetical order, so that it changes only with the contract.
pub fn document() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    let mut schemas = Map::new();
    for kind in KINDS {
        let mut parts = (kind.schemas)().into_iter();
        let payload = parts.next().map(|(name, schema)| (name, json!(schema)));
        let Some((payload, schema)) = payload else { continue };
        channels.insert(kind.kind.into(), channel(kind));
        messages.insert(kind.kind.into(), message(kind, &payload, &schema));
        schemas.insert(payload, schema);
        schemas.extend(parts.map(|(name, schema)| (name, json!(schema))));
        operations.extend(kind.producers.iter().map(|by| operation("send", by, kind)));
        operations.extend(kind.consumers.iter().map(|by| operation("receive", by, kind)));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Writ messages",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the services tell each other over RabbitMQ. Each message is a CloudEvent (structured JSON); \
                large ones travel packed (content-encoding gzip). At least once: the id tells repeated ones.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn channel(kind: &Kind) -> Value {
    let exchange = json!({ "name": "writ", "type": "topic", "durable": true, "autoDelete": false });
    json!({
        "address": kind.kind,
        "description": kind.summary,
        "messages": { kind.kind: { "$ref": format!("#/components/messages/{}", kind.kind) } },
        "bindings": { "amqp": { "is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0" } },
    })
}

fn operation(action: &str, service: &str, kind: &Kind) -> (String, Value) {
    let channel = format!("#/channels/{}", kind.kind);
    let operation = json!({
        "action": action,
        "channel": { "$ref": channel },
        "messages": [{ "$ref": format!("{channel}/messages/{}", kind.kind) }],
        "tags": [{ "name": service }],
    });
    (format!("{service}.{action}.{}", kind.kind), operation)
}

fn message(kind: &Kind, payload: &str, schema: &Value) -> Value {
    let sources: Vec<_> = kind.producers.iter().map(|service| format!("/{service}")).collect();
    json!({
        "name": kind.kind,
        "title": payload,
        "summary": kind.summary,
        "description": schema.get("description"),
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"],
            "properties": {
                "specversion": { "const": "1.0" },
                "id": { "type": "string", "format": "uuid" },
                "source": { "enum": sources },
                "type": { "const": format!("{TYPE_PREFIX}{}", kind.kind) },
                "subject": { "type": "string" },
                "time": { "type": "string", "format": "date-time" },
                "datacontenttype": { "const": "application/json" },
                "data": { "$ref": format!("#/components/schemas/{payload}") },
            },
        },
        "bindings": { "amqp": { "contentEncoding": "gzip", "messageType": kind.kind, "bindingVersion": "0.3.0" } },
        "x-max-bytes": kind.max_body,
    })
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::messages::KINDS;
    use serde_json::Value;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > KINDS.len() * 4);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_kind_has_its_channel_and_its_sender() {
        let document = document();
        for kind in KINDS {
            assert_eq!(document["channels"][kind.kind]["address"], kind.kind);
            let sender = format!("{}.send.{}", kind.producers[0], kind.kind);
            assert_eq!(document["operations"][&sender]["action"], "send", "{sender}");
        }
    }

    fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                into.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| collect(member, into));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
}
