//! What counts of an agent's answer.

use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use types::{ActionId, AgentId, CommandId, CommandStatus};

/// Is what is counted of a [`types::messages::CommandReturned`].
#[derive(Debug, Deserialize)]
pub(crate) struct Answers {
    /// One for each command.
    pub(crate) commands: Vec<Answer>,
}

/// Is an answer without what was found, which may be large and is kept elsewhere; it is written as the database reads
/// it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The command.
    pub(crate) id: CommandId,
    /// The action it belongs to.
    pub(crate) action: ActionId,
    /// The agent that answered.
    pub(crate) agent: AgentId,
    /// How it went.
    pub(crate) status: CommandStatus,
    /// Whether something was found, one per operation.
    #[serde(rename(deserialize = "results"), deserialize_with = "found")]
    pub(crate) found: Vec<bool>,
    /// When the answer came.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// Whether agent-gateway failed the command as it gave it up.
    #[serde(default)]
    pub(crate) given_up: bool,
}

fn found<'de, D: Deserializer<'de>>(results: D) -> Result<Vec<bool>, D::Error> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(default)]
        foundanything: bool,
    }
    let results = Vec::<Found>::deserialize(results)?;
    Ok(results.into_iter().map(|result| result.foundanything).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;
    use types::OperationResult;
    use types::messages::CommandReturned;
    use types::messages::command::ReturnedCommand;

    #[test]
    fn an_answer_is_read_from_what_is_told_and_written_as_a_row() {
        let at = datetime!(2026-11-21 12:00:00 UTC);
        let result = |foundanything| OperationResult {
            foundanything,
            elements: json!([{"deep": [1, "two", null]}]),
            ..OperationResult::default()
        };
        let told = CommandReturned {
            commands: vec![ReturnedCommand {
                id: CommandId(1),
                action: ActionId(2),
                agent: AgentId(3),
                status: CommandStatus::Success,
                results: vec![result(false), result(true)],
                at,
                given_up: true,
            }],
        };
        let told = serde_json::to_string(&told).unwrap();
        let read: Answers = serde_json::from_str(&told).unwrap();
        assert_eq!(
            serde_json::to_value(&read.commands).unwrap(),
            json!([{"id": 1, "action": 2, "agent": 3, "status": "success", "found": [false, true],
                "at": "2026-11-21T12:00:00Z", "given_up": true}])
        );
    }
}
