//! Answers of MIG agents: the command that they were sent, with results (specs/mig/scheduler-agent.md §2).

use serde::Deserialize;
use serde_json::{Map, Value};
use types::{AgentId, CommandId, CommandStatus, OperationResult, go_json};

/// The original wants so many bytes, and braces around them.
const LEAST_BYTES: usize = 10;

/// Is an answer, and whose it says that it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MigResult {
    /// The command.
    pub command: CommandId,
    /// Whose queue it came through.
    pub queueloc: String,
    /// The process id that the command told.
    pub pid: i64,
    /// The number that the command told, when the answer still has it.
    pub agent: Option<AgentId>,
    /// How it went.
    pub status: CommandStatus,
    /// One per operation.
    pub results: Vec<OperationResult>,
}

/// Is whom a command was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addressee {
    /// The agent.
    pub agent: AgentId,
    /// Its queue location.
    pub queueloc: String,
    /// Its process id.
    pub pid: i64,
}

/// Says why an answer cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MigResultFault {
    /// It is not an object, or too short to be one.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// A member is missing or of another type.
    #[error("the message is not a command with results: {0}")]
    Json(String),
    /// The status is none that an agent may give.
    #[error("the status {0:?} is not success, failed or timeout")]
    Status(String),
}

#[derive(Deserialize)]
struct Wire {
    id: f64,
    agent: Sender,
    status: String,
    #[serde(default)]
    results: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Sender {
    #[serde(default)]
    id: f64,
    queueloc: String,
    #[serde(default)]
    pid: i64,
}

impl MigResult {
    /// Reads the body of a message.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, MigResultFault> {
        let wrong = |error: serde_json::Error| MigResultFault::Json(error.to_string());
        if body.len() < LEAST_BYTES || body.first() != Some(&b'{') || body.last() != Some(&b'}') {
            return Err(MigResultFault::NotAnObject);
        }
        let Value::Object(members) = go_json::parse(body).map_err(wrong)? else {
            return Err(MigResultFault::NotAnObject);
        };
        let mut members = go_json::fold_names(members);
        // the action is our own word
        members.remove("action");
        if let Some(Value::Object(agent)) = members.get_mut("agent") {
            *agent = go_json::fold_names(std::mem::take(agent));
        }
        let wire: Wire = serde_json::from_value(Value::Object(members)).map_err(wrong)?;
        let status = CommandStatus::parse(&wire.status).filter(|status| status.is_an_answer());
        let results = wire.results.unwrap_or_default().into_iter().map(result);
        Ok(Self {
            command: CommandId(integer(wire.id)),
            queueloc: wire.agent.queueloc,
            pid: wire.agent.pid,
            agent: Some(AgentId(integer(wire.agent.id))).filter(|agent| agent.0 != 0),
            status: status.ok_or(MigResultFault::Status(wire.status.chars().take(64).collect()))?,
            results: results.collect::<Result<_, _>>().map_err(wrong)?,
        })
    }

    /// Tells whether the answer and the command that it names belong together.
    pub(crate) fn is_of(&self, addressee: &Addressee) -> bool {
        self.queueloc == addressee.queueloc
            && self.pid == addressee.pid
            && self.agent.is_none_or(|agent| agent == addressee.agent)
    }
}

fn result(value: Value) -> Result<OperationResult, serde_json::Error> {
    let members = match value {
        Value::Object(members) => go_json::fold_names(members),
        Value::Null => Map::new(),
        other => return serde_json::from_value(other),
    };
    let known = ["foundanything", "success", "elements", "statistics", "errors"];
    let members = members
        .into_iter()
        .filter(|(name, value)| known.contains(&name.as_str()) && !value.is_null())
        .collect();
    serde_json::from_value(Value::Object(members))
}

/// Takes a number as Go's clients hold it; one that is no number of ours becomes 0.
fn integer(number: f64) -> i64 {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    if !(0.0..=LARGEST).contains(&number) || number.fract() != 0.0 {
        return 0;
    }
    format!("{number:.0}").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({"id": 28_051_200_737_531_i64, "action": {"id": 7, "name": "x"},
            "agent": {"id": 9, "name": "a", "queueloc": "linux.a", "pid": 16_248},
            "status": "success", "results": [{"foundanything": true, "success": true,
                "elements": {"s1": []}, "statistics": {"n": 1}, "errors": null}], "starttime": "x"})
    }

    #[test]
    fn an_answer_names_its_command_and_its_sender() {
        let read = MigResult::parse(answer().to_string().as_bytes()).unwrap();
        assert_eq!(read.command, CommandId(28_051_200_737_531));
        assert_eq!(read.status, CommandStatus::Success);
        assert_eq!(read.results[0].elements, json!({"s1": []}));
        let addressee = Addressee { agent: AgentId(9), queueloc: "linux.a".into(), pid: 16_248 };
        assert!(read.is_of(&addressee));
        for other in [
            Addressee { agent: AgentId(8), ..addressee.clone() },
            Addressee { queueloc: "linux.b".into(), ..addressee.clone() },
            Addressee { pid: 1, ..addressee.clone() },
        ] {
            assert!(!read.is_of(&other), "{other:?}");
        }
        let mut bare = answer();
        bare["agent"] = json!({"QueueLoc": "linux.a", "Pid": 16_248});
        assert!(MigResult::parse(bare.to_string().as_bytes()).unwrap().is_of(&addressee));
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let parse = |value: &Value| MigResult::parse(value.to_string().as_bytes());
        for status in ["sent", "expired", "cancelled", ""] {
            let mut value = answer();
            value["status"] = json!(status);
            assert_eq!(parse(&value), Err(MigResultFault::Status(status.into())));
        }
        for (member, value) in [("id", json!("x")), ("agent", json!(null)), ("results", json!([1]))]
        {
            let mut wrong = answer();
            wrong[member] = value;
            assert!(matches!(parse(&wrong), Err(MigResultFault::Json(_))), "{member}");
        }
        for body in ["", "{}", "[1,2,3,4,5,6]", "{\"a\":1}   ", "null"] {
            assert_eq!(MigResult::parse(body.as_bytes()), Err(MigResultFault::NotAnObject));
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(300), "]".repeat(300));
        assert!(MigResult::parse(deep.as_bytes()).is_err());
        let mut none = answer();
        none["results"] = json!(null);
        assert_eq!(parse(&none).unwrap().results, []);
        none["id"] = json!(1.5);
        assert_eq!(parse(&none).unwrap().command, CommandId(0));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..300) {
            let mut broken = answer().to_string().into_bytes();
            let end = (at + bytes.len()).min(broken.len());
            broken.splice(at.min(end)..end, bytes);
            let _either = MigResult::parse(&broken);
        }
    }
}
