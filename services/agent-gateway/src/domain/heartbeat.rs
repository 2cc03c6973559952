//! Heartbeats of MIG agents, in both of their forms: over HTTP (specs/mig/api.md §3.2) and over AMQP
//! (specs/mig/scheduler-agent.md §2, §4).

use super::agent::{NAME_BYTES, VERSION_BYTES};
use super::answer::clean_value;
use super::text::short;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use time::OffsetDateTime;
use types::{Environment, go_json, instant};

/// Is the most that a heartbeat may have, in bytes.
pub(crate) const HEARTBEAT_BYTES: usize = 102_400;
/// An agent's own time may be so old over HTTP.
const OLD: Duration = Duration::from_mins(5);
/// A routing key has 255 bytes, and `mig.agt.` stands before the queue location.
const QUEUELOC_BYTES: usize = 247;
/// Counts above it do not survive a float64.
const LARGEST: u64 = 1 << 53;

/// Is what a MIG agent tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// The host's name.
    pub name: String,
    /// The lasting identity of the machine's agent.
    pub queueloc: String,
    /// `daemon`, `checkin` or empty.
    pub mode: String,
    /// The program's version.
    pub version: String,
    /// The process id.
    pub pid: i64,
    /// When it last looked at its machine.
    pub refreshed: OffsetDateTime,
    /// The machine.
    pub environment: Environment,
    /// The labels of its configuration.
    pub tags: BTreeMap<String, String>,
    /// The hash of all that but the process and the time.
    pub described: [u8; 32],
}

/// Says why a heartbeat is not taken; the texts are the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeartbeatFault {
    /// It is not JSON, or a member is of another type.
    #[error("Failed to decode request body: {0}")]
    Json(String),
    /// Members are missing.
    #[error("Missing fields in request body: missing field(s): {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// It comes too late.
    #[error("Missing fields in request body: heartbeat expired")]
    Expired,
    /// The mode is not one of MIG's.
    #[error("Missing fields in request body: agent reported an invalid mode")]
    Mode,
    /// The name is too long.
    #[error("Missing fields in request body: agent reported a name that is too long")]
    LongName,
    /// The version is too long.
    #[error("Missing fields in request body: agent reported a version string that is too long")]
    LongVersion,
    /// The queue location cannot be the name of a queue of its own.
    #[error("Missing fields in request body: agent reported an invalid queue location")]
    Queueloc,
}

/// Is a heartbeat as it comes, its names in lower case; the two forms share most of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    name: String,
    mode: String,
    version: String,
    pid: u64,
    queueloc: String,
    #[serde(with = "time::serde::rfc3339::option")]
    starttime: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    heartbeatts: Option<OffsetDateTime>,
    #[serde(alias = "refreshtime", with = "time::serde::rfc3339::option")]
    refreshts: Option<OffsetDateTime>,
    environment: Environment,
    tags: Tags,
}

/// Is a map over AMQP and a list of pairs over HTTP.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Tags {
    Map(BTreeMap<String, String>),
    Pairs(Vec<Pair>),
}

impl Default for Tags {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Pair {
    name: String,
    value: String,
}

impl Heartbeat {
    /// Reads the body of `POST /api/v1/heartbeat`.
    pub(crate) fn from_http(body: &[u8], now: OffsetDateTime) -> Result<Self, HeartbeatFault> {
        let wire = read(body)?;
        let environment = &wire.environment;
        let missing: Vec<&'static str> = [
            ("name", wire.name.is_empty()),
            ("mode", wire.mode.is_empty()),
            ("version", wire.version.is_empty()),
            ("pid", wire.pid == 0),
            ("queueLoc", wire.queueloc.is_empty()),
            ("environment.init", environment.init.is_empty()),
            ("environment.ident", environment.ident.is_empty()),
            ("environment.os", environment.os.is_empty()),
            ("environment.arch", environment.arch.is_empty()),
            ("environment.publicIP", environment.publicip.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, is_missing)| is_missing.then_some(name))
        .collect();
        if !missing.is_empty() {
            return Err(HeartbeatFault::Missing(missing));
        }
        if wire.starttime.unwrap_or(instant::NONE) < now - OLD {
            return Err(HeartbeatFault::Expired);
        }
        if !matches!(wire.mode.as_str(), "daemon" | "checkin") {
            return Err(HeartbeatFault::Mode);
        }
        wire.check(now)
    }

    /// Reads a message of the queue `mig.agt.heartbeats`; one written longer than `timeout` ago is late.
    pub(crate) fn from_amqp(
        body: &[u8],
        now: OffsetDateTime,
        timeout: Duration,
    ) -> Result<Self, HeartbeatFault> {
        let wire = read(body)?;
        if wire.heartbeatts.unwrap_or(instant::NONE) < now - timeout {
            return Err(HeartbeatFault::Expired);
        }
        if !matches!(wire.mode.as_str(), "" | "daemon" | "checkin") {
            return Err(HeartbeatFault::Mode);
        }
        if wire.name.is_empty() {
            return Err(HeartbeatFault::Missing(vec!["name"]));
        }
        wire.check(now)
    }
}

impl Wire {
    /// Checks what both forms have in common.
    fn check(self, now: OffsetDateTime) -> Result<Heartbeat, HeartbeatFault> {
        if self.name.len() > NAME_BYTES {
            return Err(HeartbeatFault::LongName);
        }
        if self.version.len() > VERSION_BYTES {
            return Err(HeartbeatFault::LongVersion);
        }
        if !is_queueloc(&self.queueloc) {
            return Err(HeartbeatFault::Queueloc);
        }
        let tags = match self.tags {
            Tags::Map(tags) => tags,
            Tags::Pairs(pairs) => pairs.into_iter().map(|pair| (pair.name, pair.value)).collect(),
        };
        let refreshed = self.refreshts.filter(|at| instant::is_writable(*at));
        let mut heartbeat = Heartbeat {
            name: self.name,
            queueloc: self.queueloc,
            mode: self.mode,
            version: self.version,
            pid: i64::try_from(self.pid.min(LARGEST)).unwrap_or(0),
            // a time to come would keep it from ever being refreshed again
            refreshed: refreshed.unwrap_or(instant::NONE).min(now),
            environment: self.environment,
            tags,
            described: [0; 32],
        };
        heartbeat.described = heartbeat.hash();
        Ok(heartbeat)
    }
}

impl Heartbeat {
    fn hash(&self) -> [u8; 32] {
        let mut environment = self.environment.clone();
        // Go lists them in any order
        environment.modules.sort();
        let described = (&self.name, &self.mode, &self.version, &environment, &self.tags);
        let mut hash = Sha256::new();
        // writing to a hash does not fail
        let _written = serde_json::to_writer(&mut hash, &described);
        hash.finalize().into()
    }
}

/// Tells whether a queue location can be the name of a queue and a routing key, and of nobody else's: the queues of the
/// house and Writ's own agents are not to be had.
fn is_queueloc(queueloc: &str) -> bool {
    (1..=QUEUELOC_BYTES).contains(&queueloc.len())
        && queueloc.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'#'))
        && !matches!(queueloc, "heartbeats" | "results")
        && !queueloc.starts_with("writ.")
}

/// Reads it as Go does: names in any case, nulls as absent.
fn read(body: &[u8]) -> Result<Wire, HeartbeatFault> {
    let wrong = |error: serde_json::Error| HeartbeatFault::Json(short(&error.to_string()));
    let mut value = go_json::parse(body).map_err(wrong)?;
    clean_value(&mut value);
    let Value::Object(members) = value else {
        return Err(HeartbeatFault::Json("the body is not an object".into()));
    };
    let mut members = fold(members);
    if let Some(Value::Object(environment)) = members.remove("environment") {
        let mut environment = fold(environment);
        if let Some(Value::Object(aws)) = environment.remove("aws") {
            let aws = aws.into_iter().filter(|(_, value)| value.is_string()).collect();
            environment.insert("aws".into(), Value::Object(aws));
        }
        members.insert("environment".into(), Value::Object(environment));
    }
    if let Some(Value::Array(pairs)) = members.get_mut("tags") {
        for pair in pairs {
            if let Value::Object(members) = pair {
                *members = fold(std::mem::take(members));
            }
        }
    }
    if members.contains_key("refreshts") {
        members.remove("refreshtime");
    }
    serde_json::from_value(Value::Object(members)).map_err(wrong)
}

fn fold(members: Map<String, Value>) -> Map<String, Value> {
    let mut members = go_json::fold_names(members);
    members.retain(|_, value| !value.is_null());
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 18:36:45 UTC);
    /// captures/api/313
    const HTTP: &str = r#"{"name": "hb.example.net", "mode": "daemon", "version": "1.0", "pid": 4242, "queueLoc": "linux.hbtest", "startTime": "2026-11-21T18:36:44.890318Z", "refreshTime": "2026-11-21T18:36:44Z", "environment": {"init": "systemd", "ident": "Debian", "os": "linux", "arch": "amd64", "isProxied": false, "proxy": "", "addresses": ["10.0.0.9/8"], "publicIP": "10.0.0.9", "modules": ["file"]}, "tags": [{"name": "operator", "value": "IT"}]}"#;
    /// captures/amqp/agent-conn0003
    const AMQP: &str = r#"{"name":"hb.example.net","queueloc":"linux.hbtest","mode":"daemon","version":"1.0","pid":4242,"starttime":"2026-11-21T18:34:58.190538173Z","destructiontime":"0001-01-01T00:00:00Z","heartbeatts":"2026-11-21T18:34:58.190538423Z","refreshts":"2026-11-21T18:36:44Z","environment":{"init":"systemd","ident":"Debian","os":"linux","arch":"amd64","isproxied":false,"addresses":["10.0.0.9/8"],"publicip":"10.0.0.9","aws":{},"modules":["file"]},"tags":{"operator":"IT"}}"#;
    const TIMEOUT: Duration = Duration::from_mins(20);

    fn http(change: impl Fn(&mut Value)) -> Result<Heartbeat, HeartbeatFault> {
        let mut value: Value = serde_json::from_str(HTTP).unwrap();
        change(&mut value);
        Heartbeat::from_http(value.to_string().as_bytes(), NOW)
    }

    #[test]
    fn both_forms_say_the_same() {
        let over_http = http(|_| {}).unwrap();
        assert_eq!(over_http, Heartbeat::from_amqp(AMQP.as_bytes(), NOW, TIMEOUT).unwrap());
        assert_eq!((over_http.pid, over_http.queueloc.as_str()), (4242, "linux.hbtest"));
        assert_eq!(over_http.tags, BTreeMap::from([("operator".into(), "IT".into())]));
        assert_eq!(over_http.environment.publicip, "10.0.0.9");
    }

    #[test]
    fn what_it_tells_of_itself_changes_its_hash_and_the_order_of_modules_does_not() {
        let modules =
            |names: Value| http(|it| it["environment"]["modules"] = names.clone()).unwrap();
        let described = modules(json!(["file", "ping"])).described;
        assert_eq!(described, modules(json!(["ping", "file"])).described);
        assert_ne!(described, modules(json!(["file"])).described);
        assert_ne!(described, http(|it| it["tags"] = json!([])).unwrap().described);
        assert_ne!(described, http(|it| it["version"] = json!("2")).unwrap().described);
    }

    #[test]
    fn every_rule_has_its_text() {
        let told = |change: &dyn Fn(&mut Value)| http(change).unwrap_err().to_string();
        let prefix = "Missing fields in request body: ";
        for (place, value, want) in [
            ("/mode", json!("weird"), "agent reported an invalid mode"),
            (
                "/version",
                json!("v".repeat(129)),
                "agent reported a version string that is too long",
            ),
            ("/name", json!("n".repeat(1_025)), "agent reported a name that is too long"),
            ("/startTime", json!("2026-11-21T18:31:44Z"), "heartbeat expired"),
            ("/queueLoc", json!("results"), "agent reported an invalid queue location"),
            ("/queueLoc", json!("writ.0190a1b2"), "agent reported an invalid queue location"),
            ("/queueLoc", json!("linux.#"), "agent reported an invalid queue location"),
            ("/queueLoc", json!("q".repeat(248)), "agent reported an invalid queue location"),
            ("/pid", json!(0), "missing field(s): pid"),
            ("/environment/publicIP", json!(""), "missing field(s): environment.publicIP"),
        ] {
            let text = told(&|it| *it.pointer_mut(place).unwrap() = value.clone());
            assert_eq!(text, format!("{prefix}{want}"));
        }
        for (place, value) in [
            ("/pid", json!(-1)),
            ("/pid", json!("x")),
            ("/tags", json!(3)),
            ("/startTime", json!("")),
        ] {
            let text = told(&|it| *it.pointer_mut(place).unwrap() = value.clone());
            assert!(text.starts_with("Failed to decode request body: "), "{text}");
        }
        for body in ["", "{", "[]", "null", &"[".repeat(200)] {
            let text = Heartbeat::from_http(body.as_bytes(), NOW).unwrap_err().to_string();
            assert!(text.starts_with("Failed to decode request body: "), "{text}");
        }
        let Err(HeartbeatFault::Missing(all)) = Heartbeat::from_http(b"{}", NOW) else { panic!() };
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn over_amqp_a_message_that_waited_too_long_is_late() {
        let late = NOW + TIMEOUT;
        assert_eq!(
            Heartbeat::from_amqp(AMQP.as_bytes(), late, TIMEOUT),
            Err(HeartbeatFault::Expired)
        );
        let no_mode = AMQP.replace("\"daemon\"", "\"\"").replace("{\"operator\":\"IT\"}", "null");
        let heartbeat = Heartbeat::from_amqp(no_mode.as_bytes(), NOW, TIMEOUT).unwrap();
        assert_eq!((heartbeat.mode.as_str(), heartbeat.tags.len()), ("", 0));
    }

    #[test]
    fn what_postgresql_cannot_keep_is_replaced() {
        let heartbeat = http(|it| it["environment"]["ident"] = json!("a\0b")).unwrap();
        assert_eq!(heartbeat.environment.ident, "aNULLb");
        let heartbeat = http(|it| it["refreshTime"] = json!("9999-01-01T00:00:00Z")).unwrap();
        assert_eq!(heartbeat.refreshed, NOW);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..400) {
            let _either = Heartbeat::from_http(&bytes, NOW);
            let mut broken = HTTP.as_bytes().to_vec();
            broken.splice(at..(at + bytes.len()).min(broken.len()).max(at), bytes);
            let _either = Heartbeat::from_amqp(&broken, NOW, TIMEOUT);
        }
    }
}
