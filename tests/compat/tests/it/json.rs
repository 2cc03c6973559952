//! JSON whose members keep their order, and what differs between two of them.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Is a value as it was written: members in order, twice the same name twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Gives a member; `Null` when there is none.
    pub(crate) fn get(&self, name: &str) -> &Self {
        let Self::Object(members) = self else { return &Self::Null };
        members.iter().find(|(known, _)| known == name).map_or(&Self::Null, |(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    fn names(&self) -> Vec<&str> {
        let Self::Object(members) = self else { return Vec::new() };
        members.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value}"),
            Self::List(list) => write!(f, "[{}]", list.len()),
            Self::Object(_) => write!(f, "{{{}}}", self.names().join(" ")),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "clients hold floats")]
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "clients hold floats")]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

/// Says where two values differ, what was recorded and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) at: String,
    pub(crate) recorded: String,
    pub(crate) came: String,
}

/// Lists where `came` is not what was `recorded`: other members or another order of them, another type, another value.
/// Two times within two seconds of each other are the same.
pub(crate) fn differences(at: &str, recorded: &Json, came: &Json, out: &mut Vec<Difference>) {
    let mut note = || {
        let (recorded, came) = (recorded.to_string(), came.to_string());
        out.push(Difference { at: at.to_owned(), recorded, came });
    };
    match (recorded, came) {
        (Json::Object(left), Json::Object(_)) => {
            if recorded.names() != came.names() {
                note();
            }
            for (name, value) in left {
                if came.names().contains(&name.as_str()) {
                    differences(&format!("{at}/{name}"), value, came.get(name), out);
                }
            }
        }
        (Json::List(left), Json::List(right)) => {
            if left.len() != right.len() {
                note();
            }
            for (number, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{at}/{number}"), left, right, out);
            }
        }
        (left, right) => {
            if left != right && !same_time(left, right) {
                note();
            }
        }
    }
}

fn same_time(left: &Json, right: &Json) -> bool {
    let time = |value: &Json| OffsetDateTime::parse(value.text(), &Rfc3339).ok();
    match (time(left), time(right)) {
        (Some(left), Some(right)) => (left - right).abs() < time::Duration::seconds(2),
        _ => false,
    }
}
