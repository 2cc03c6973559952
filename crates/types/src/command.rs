//! Commands: one action on one agent, and what came back.

use crate::{Action, Agent, CommandId, instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says where a command is, in MIG's words; `sent` covers waiting and delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandStatus {
    /// Made, not answered.
    Sent,
    /// Ran, every operation well.
    Success,
    /// Ran or was refused, with a failure.
    Failed,
    /// Ran too long on the agent and was ended there.
    Timeout,
    /// Not answered before the action's end; a late success still replaces it.
    Expired,
    /// Withdrawn by an investigator.
    Cancelled,
}

impl CommandStatus {
    /// Lists every status.
    pub const ALL: [Self; 6] =
        [Self::Sent, Self::Success, Self::Failed, Self::Timeout, Self::Expired, Self::Cancelled];

    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Tells whether an agent may answer with it.
    pub fn is_an_answer(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Timeout)
    }
}

/// Is what one operation brought back (specs/mig/data-model.md §2, Result).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OperationResult {
    /// Whether the operation found what it looked for.
    pub foundanything: bool,
    /// Whether it ran to its end.
    pub success: bool,
    /// What it found; any JSON, hostile until shown escaped.
    #[schema(value_type = Object)]
    pub elements: Value,
    /// How it went; any JSON.
    #[schema(value_type = Object)]
    pub statistics: Value,
    /// What went wrong.
    pub errors: Option<Vec<String>>,
}

/// Tells whether a value that an agent's code gave back says that it found something: it is not null, false, zero or
/// empty. By that [`OperationResult::foundanything`] is filled where the code says nothing else.
pub fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(found) => *found,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// Is a command as MIG writes it (specs/mig/data-model.md §2). `R` is what one operation brought back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command<R = OperationResult> {
    /// The number.
    pub id: CommandId,
    /// The action it belongs to.
    pub action: Action,
    /// The agent it is for.
    pub agent: Agent,
    /// Where it is.
    pub status: String,
    /// One result per operation, once it came back.
    pub results: Option<Vec<R>>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub starttime: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub finishtime: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_found_by_empty_values() {
        let zeroes = [json!(0), json!(0.0), json!(-0.0)];
        let empty = [json!(null), json!(false), json!(""), json!([]), json!({})];
        for nothing in zeroes.iter().chain(&empty) {
            assert!(!is_something(nothing), "{nothing}");
        }
        for something in [json!(true), json!(1), json!("x"), json!([0]), json!({"a": null})] {
            assert!(is_something(&something), "{something}");
        }
    }
}
