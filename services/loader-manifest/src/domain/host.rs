//! What a loader says of its host when it asks for its manifest.

use crate::error::Error;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use target::{Field, Row};
use time::OffsetDateTime;
use types::go_json::{self, has_nul};
use types::{Environment, LoaderId};

const LONGEST_NAME: usize = 2048;
/// Says how many bytes a queue location may have: it has an index.
const LONGEST_QUEUELOC: usize = 512;
const MOST_TAGS: usize = 256;

/// Is what a loader posts (specs/mig/data-model.md §2, `ManifestParameters`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) host: Host,
    /// The file that is wanted; empty for the list.
    pub(crate) object: String,
}

/// Is a host as its loader describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) queueloc: Option<String>,
    pub(crate) environment: Value,
    pub(crate) tags: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Posted {
    agent: Option<Agent>,
    object: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Agent {
    name: Option<String>,
    queueloc: Option<String>,
    environment: Option<Environment>,
    tags: Option<BTreeMap<String, String>>,
}

impl Parameters {
    /// Reads the form field `parameters`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let broken = |error: serde_json::Error| {
            Error::Malformed(format!(
                "the parameters are not the JSON that a loader sends: {error}"
            ))
        };
        let value = go_json::parse(text.as_bytes()).map_err(broken)?;
        // an array would be read as the members in their order
        if !value.is_object() || value.get("agent").is_some_and(Value::is_array) {
            return Err(Error::Malformed("the parameters are no object with an agent".into()));
        }
        let posted: Posted = serde_json::from_value(fold(value)).map_err(broken)?;
        let agent = posted.agent.unwrap_or_default();
        let name = agent.name.unwrap_or_default();
        let queueloc = agent.queueloc.filter(|queueloc| !queueloc.is_empty());
        let tags = agent.tags.unwrap_or_default();
        let long = name.len() > LONGEST_NAME
            || queueloc.as_ref().is_some_and(|queueloc| queueloc.len() > LONGEST_QUEUELOC)
            || tags.len() > MOST_TAGS;
        if long {
            let detail = "the agent's name, its queue location or its tags are too long";
            return Err(Error::Malformed(detail.into()));
        }
        let host = Host {
            name,
            queueloc,
            environment: serde_json::to_value(agent.environment.unwrap_or_default())
                .map_err(broken)?,
            tags: serde_json::to_value(tags).map_err(broken)?,
        };
        if host.holds_nul() {
            return Err(Error::Malformed("the parameters hold a NUL character".into()));
        }
        Ok(Self { host, object: posted.object.unwrap_or_default() })
    }
}

impl Host {
    fn holds_nul(&self) -> bool {
        self.name.contains('\0')
            || self.queueloc.as_ref().is_some_and(|queueloc| queueloc.contains('\0'))
            || has_nul(&self.environment)
            || has_nul(&self.tags)
    }
}

/// Makes the names of members lower-case where Go does not look at case: everywhere but among the tags.
fn fold(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let folded = go_json::fold_names(members);
    let inner = folded.into_iter().map(|(name, value)| {
        let value = if name == "tags" { value } else { fold(value) };
        (name, value)
    });
    Value::Object(inner.collect())
}

/// Is a loader as conditions see it.
pub(crate) struct Seen<'a> {
    pub(crate) id: LoaderId,
    pub(crate) loader_name: &'a str,
    pub(crate) host: &'a Host,
    pub(crate) at: OffsetDateTime,
    pub(crate) enabled: bool,
    pub(crate) expect_env: Option<&'a str>,
}

impl Row for Seen<'_> {
    fn field(&self, column: &str) -> Field<'_> {
        match column {
            "id" => Field::Int(self.id.0),
            "loadername" => Field::Text(self.loader_name),
            "name" => Field::Text(&self.host.name),
            "env" => Field::Json(&self.host.environment),
            "tags" => Field::Json(&self.host.tags),
            "lastseen" => Field::Time(self.at),
            "enabled" => Field::Bool(self.enabled),
            "queueloc" => self.host.queueloc.as_deref().map_or(Field::Null, Field::Text),
            "expectenv" => self.expect_env.map_or(Field::Null, Field::Text),
            _ => Field::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loader_sends_is_read() {
        let text = r#"{"agent":{"name":"h","queueloc":"linux.q","Environment":{"OS":"linux","isproxied":false,"aws":{}},
            "tags":{"Operator":"opsec"},"pid":7,"starttime":"0001-01-01T00:00:00Z"},"object":"mig-agent","more":1}"#;
        let read = Parameters::parse(text).unwrap();
        assert_eq!((read.host.name.as_str(), read.object.as_str()), ("h", "mig-agent"));
        assert_eq!(read.host.environment["os"], "linux");
        assert_eq!(read.host.tags["Operator"], "opsec");
        let bare = Parameters::parse(r#"{"agent":{"name":"","tags":null}}"#).unwrap();
        assert_eq!((bare.host.name.as_str(), bare.host.queueloc), ("", None));
    }

    #[test]
    fn what_no_loader_sends_is_refused() {
        let long = format!(r#"{{"agent":{{"queueloc":"{}"}}}}"#, "q".repeat(600));
        for text in [
            "",
            "{",
            "[]",
            r#"{"agent":3}"#,
            r#"{"agent":{"name":["x"]}}"#,
            &long,
            r#"{"agent":{"name":"a\u0000"}}"#,
            r#"{"agent":{"tags":{"a\u0000":""}}}"#,
            r#"{"agent":{"environment":{"addresses":["\u0000"]}}}"#,
        ] {
            assert!(Parameters::parse(text).is_err(), "{text}");
        }
    }
}
