//! Answers of MIG agents: the command that they were sent, with results (specs/mig/scheduler-agent.md §2).

use super::returned::{Reader, Results, member, member_or_default, members};
use super::text::short;
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

impl MigResult {
    /// Reads the body of a message.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, MigResultFault> {
        let wrong = |error: serde_json::Error| MigResultFault::Json(short(&error.to_string()));
        if body.len() < LEAST_BYTES || body.first() != Some(&b'{') || body.last() != Some(&b'}') {
            return Err(MigResultFault::NotAnObject);
        }
        let text = go_json::mend(body);
        // the action is our own word, and the rest is nobody's
        let answer = members(&text, &["id", "agent", "status", "results"]).map_err(wrong)?;
        let id: f64 = member(&answer, "id").map_err(wrong)?;
        let word: String = member(&answer, "status").map_err(wrong)?;
        let sender = answer.get("agent").map_or("null", |agent| agent.get());
        let sender = members(sender, &["id", "queueloc", "pid"]).map_err(wrong)?;
        let agent: f64 = member_or_default(&sender, "id").map_err(wrong)?;
        let status = CommandStatus::parse(&word).filter(|status| status.is_an_answer());
        let results = match answer.get("results").map(|results| results.get()) {
            None | Some("null") => Vec::new(),
            Some(results) => {
                let results: Results<'_> = serde_json::from_str(results).map_err(wrong)?;
                Reader::new().read(&results).map_err(wrong)?
            }
        };
        Ok(Self {
            command: CommandId(integer(id)),
            queueloc: member(&sender, "queueloc").map_err(wrong)?,
            pid: member_or_default(&sender, "pid").map_err(wrong)?,
            agent: Some(AgentId(integer(agent))).filter(|agent| agent.0 != 0),
            status: status
                .ok_or_else(|| MigResultFault::Status(word.chars().take(64).collect()))?,
            results,
        })
    }

    /// Tells whether the answer and the command that it names belong together.
    pub(crate) fn is_of(&self, addressee: &Addressee) -> bool {
        self.queueloc == addressee.queueloc
            && self.pid == addressee.pid
            && self.agent.is_none_or(|agent| agent == addressee.agent)
    }
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
    use serde_json::{Value, json};

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

    #[test]
    fn more_results_than_any_action_has_operations_are_refused() {
        let of = |count: usize| {
            let mut many = answer();
            many["results"] = json!(vec![json!({}); count]);
            MigResult::parse(many.to_string().as_bytes())
        };
        assert_eq!(of(256).unwrap().results.len(), 256);
        for count in [257, 200_000] {
            assert!(matches!(of(count), Err(MigResultFault::Json(text)) if text.contains("256")));
        }
    }

    #[test]
    fn a_fault_quotes_a_part_of_what_was_sent() {
        let mut long = answer();
        long["id"] = json!("x".repeat(1 << 20));
        let fault = MigResult::parse(long.to_string().as_bytes()).unwrap_err().to_string();
        assert!(fault.len() < 300 && fault.contains("xxx"), "{fault}");
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
