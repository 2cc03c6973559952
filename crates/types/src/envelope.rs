//! The outer form of every message: CloudEvents 1.0, structured JSON.

use crate::messages::Message;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The content type of every message.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Stands before the routing key in an event's `type`.
pub const TYPE_PREFIX: &str = "writ.";

/// Is one message on the exchange `writ`; the routing key is `type` without [`TYPE_PREFIX`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique per message (UUID version 7), the AMQP message-id; an inbox takes it once.
    pub id: Uuid,
    /// `/` and the producing service's name.
    pub source: String,
    /// For example `writ.action.accepted.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the thing it is about; empty when it is about many.
    pub subject: String,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The payload.
    pub data: T,
}

impl<T: Message> Envelope<T> {
    /// Wraps `data`.
    pub fn new(id: Uuid, service: &str, time: OffsetDateTime, data: T) -> Self {
        Self {
            specversion: "1.0".into(),
            id,
            source: format!("/{service}"),
            kind: format!("{TYPE_PREFIX}{}", T::KIND),
            subject: data.subject(),
            time,
            datacontenttype: "application/json".into(),
            data,
        }
    }
}
