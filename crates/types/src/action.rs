//! Actions: the signed order, as MIG's clients write and read it (specs/mig/data-model.md §2).

use crate::investigator::Investigator;
use crate::{ActionId, go_json, instant};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// Is an action with everything that is known of it; in a posted document most members are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Action {
    /// The number; 0 before it is accepted.
    pub id: ActionId,
    /// What it is for, in the investigator's words.
    pub name: String,
    /// Which agents it is for, in the target language.
    pub target: String,
    /// `author`, `email`, `url`, `revision`; kept as given, written in this order.
    #[serde(serialize_with = "described")]
    pub description: Map<String, Value>,
    /// `ref`, `level`, `family`, `type`; kept as given, written in this order.
    #[serde(serialize_with = "described")]
    pub threat: Map<String, Value>,
    /// From when agents may run it.
    #[serde(with = "time::serde::rfc3339")]
    pub validfrom: OffsetDateTime,
    /// When it ends, whoever has not answered.
    #[serde(with = "time::serde::rfc3339")]
    pub expireafter: OffsetDateTime,
    /// What the agents do, in order.
    pub operations: Option<Vec<Operation>>,
    /// One-line armored detached signatures over the signed string.
    pub pgpsignatures: Option<Vec<String>>,
    /// The signers, where the route shows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub investigators: Vec<Investigator>,
    /// One of MIG's words: pending, scheduled, preparing, inflight, completed, invalid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// When its commands were made.
    #[serde(with = "time::serde::rfc3339")]
    pub starttime: OffsetDateTime,
    /// When the last command ended.
    #[serde(with = "time::serde::rfc3339")]
    pub finishtime: OffsetDateTime,
    /// When anything of it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub lastupdatetime: OffsetDateTime,
    /// Commands by state; MIG's view.
    pub counters: Counters,
    /// The version of this form; always 2.
    #[serde(skip_serializing_if = "is_zero")]
    pub syntaxversion: i64,
}

impl Default for Action {
    fn default() -> Self {
        Self {
            id: ActionId(0),
            name: String::new(),
            target: String::new(),
            description: Map::new(),
            threat: Map::new(),
            validfrom: instant::NONE,
            expireafter: instant::NONE,
            operations: None,
            pgpsignatures: None,
            investigators: Vec::new(),
            status: String::new(),
            starttime: instant::NONE,
            finishtime: instant::NONE,
            lastupdatetime: instant::NONE,
            counters: Counters::default(),
            syntaxversion: 0,
        }
    }
}

/// Lists the members of `description` and `threat` in MIG's order.
const DESCRIBED: [&str; 8] =
    ["author", "email", "url", "revision", "ref", "level", "family", "type"];

/// Writes the members that MIG knows in its order, then the others.
fn described<S: Serializer>(
    members: &Map<String, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let known = DESCRIBED.iter().filter_map(|name| members.get_key_value(*name));
    let others = members.iter().filter(|(name, _)| !DESCRIBED.contains(&name.as_str()));
    serializer.collect_map(known.chain(others))
}

/// Says why a text is not an action document.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// It is not JSON, or a member has the wrong type.
    #[error("the action is not valid JSON")]
    Json(#[from] serde_json::Error),
    /// It is JSON, but not an object.
    #[error("the action is not a JSON object")]
    NotAnObject,
}

impl Action {
    /// Reads a posted document as the original's decoder would: names in any case, unknown members ignored,
    /// nulls as absent. Only what an investigator writes is read; ids, status and times of execution are not.
    pub fn parse(document: &[u8]) -> Result<Self, ActionError> {
        let Value::Object(object) = go_json::parse(document)? else {
            return Err(ActionError::NotAnObject);
        };
        let mut object = go_json::fold_names(object);
        object.retain(|name, value| POSTED.contains(&name.as_str()) && !value.is_null());
        if let Some(Value::Array(operations)) = object.get_mut("operations") {
            for operation in operations {
                if let Value::Object(members) = operation {
                    let mut folded = go_json::fold_names(std::mem::take(members));
                    folded.retain(|name, value| name == "parameters" || !value.is_null());
                    *members = folded;
                }
            }
        }
        Ok(serde_json::from_value(Value::Object(object))?)
    }
}

/// Says how many bytes an action document may have.
pub const MAX_DOCUMENT: usize = 900 * 1024;
/// Says how many characters a name or a target may have.
pub const MAX_TEXT: usize = 2048;
/// Says how many signatures an action may carry.
pub const MAX_SIGNATURES: usize = 16;
/// Says how many operations an action may carry.
pub const MAX_OPERATIONS: usize = 256;

/// Says which rule an action breaks (specs/mig/data-model.md §3.3); the texts are the original's where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionFault {
    /// The name is missing.
    #[error("action name is empty")]
    NoName,
    /// The target is missing.
    #[error("action target is empty")]
    NoTarget,
    /// The name is too long.
    #[error("action name is longer than 2048 characters")]
    LongName,
    /// The target is too long.
    #[error("action target is longer than 2048 characters")]
    LongTarget,
    /// The form is not version 2.
    #[error("wrong syntax version, expected 2")]
    SyntaxVersion,
    /// It starts outside of the years that can be written.
    #[error("action validfrom is not in the years 1 to 9999 (UTC)")]
    NoStart,
    /// It ends outside of the years that can be written.
    #[error("action expireafter is not in the years 1 to 9999 (UTC)")]
    NoEnd,
    /// It ends before it starts.
    #[error("action expireafter is set before action validfrom")]
    Reversed,
    /// It is over.
    #[error("action expireafter is in the past")]
    Expired,
    /// There is nothing to do.
    #[error("action operations is empty")]
    NoOperations,
    /// There is too much to do.
    #[error("action has more than 256 operations")]
    ManyOperations,
    /// Nobody signed it.
    #[error("action pgpsignatures is empty")]
    NoSignature,
    /// Too many signed it.
    #[error("action has more than 16 signatures")]
    ManySignatures,
}

impl ActionFault {
    /// Points at the member that breaks the rule.
    pub fn pointer(self) -> &'static str {
        match self {
            Self::NoName | Self::LongName => "/name",
            Self::NoTarget | Self::LongTarget => "/target",
            Self::SyntaxVersion => "/syntaxversion",
            Self::NoStart => "/validfrom",
            Self::NoEnd | Self::Reversed | Self::Expired => "/expireafter",
            Self::NoOperations | Self::ManyOperations => "/operations",
            Self::NoSignature | Self::ManySignatures => "/pgpsignatures",
        }
    }
}

impl Action {
    /// Checks everything about a posted action but its target's grammar and its signatures, in the original's order.
    pub fn check(&self, now: OffsetDateTime) -> Result<(), ActionFault> {
        let operations = self.operations.as_ref().ok_or(ActionFault::NoOperations);
        let signatures = self.pgpsignatures.as_ref().map_or(0, Vec::len);
        let rules = [
            (self.name.is_empty(), ActionFault::NoName),
            (self.target.is_empty(), ActionFault::NoTarget),
            (self.name.chars().count() > MAX_TEXT, ActionFault::LongName),
            (self.target.chars().count() > MAX_TEXT, ActionFault::LongTarget),
            (self.syntaxversion != 2, ActionFault::SyntaxVersion),
            (!instant::is_writable(self.validfrom), ActionFault::NoStart),
            (!instant::is_writable(self.expireafter), ActionFault::NoEnd),
            (self.expireafter < self.validfrom, ActionFault::Reversed),
            (self.expireafter < now, ActionFault::Expired),
        ];
        if let Some((_, fault)) = rules.into_iter().find(|(broken, _)| *broken) {
            return Err(fault);
        }
        match (operations?.len(), signatures) {
            // the original takes an empty list, but no agent ever answers it (specs/mig/scheduler-agent.md §3)
            (0, _) => Err(ActionFault::NoOperations),
            (operations, _) if operations > MAX_OPERATIONS => Err(ActionFault::ManyOperations),
            (_, 0) => Err(ActionFault::NoSignature),
            (_, signatures) if signatures > MAX_SIGNATURES => Err(ActionFault::ManySignatures),
            _ => Ok(()),
        }
    }
}

const POSTED: [&str; 9] = [
    "name",
    "target",
    "description",
    "threat",
    "validfrom",
    "expireafter",
    "operations",
    "pgpsignatures",
    "syntaxversion",
];

/// Is one thing an agent does: a module with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The module's name: a built-in such as `file`, or a plugin command key `<plugin id>.<name>`.
    #[serde(default)]
    pub module: String,
    /// What the module is given; any JSON.
    #[serde(default)]
    pub parameters: Value,
    /// Whether `parameters` is base64 of gzip of JSON.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_compressed: bool,
    /// Whether the investigator asked for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub want_compressed: bool,
}

/// Counts commands as MIG does: `sent` is all of them, `done` those that ended; zeroes are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// All commands.
    #[serde(skip_serializing_if = "is_zero")]
    pub sent: i64,
    /// Those that ended.
    #[serde(skip_serializing_if = "is_zero")]
    pub done: i64,
    /// Those that did not.
    #[serde(skip_serializing_if = "is_zero")]
    pub inflight: i64,
    /// Ended well.
    #[serde(skip_serializing_if = "is_zero")]
    pub success: i64,
    /// Withdrawn by an investigator.
    #[serde(skip_serializing_if = "is_zero")]
    pub cancelled: i64,
    /// Not answered in time.
    #[serde(skip_serializing_if = "is_zero")]
    pub expired: i64,
    /// Answered with a failure, or could not be given out.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i64,
    /// Ran too long on the agent.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let text = br#"{"Name":"n","TARGET":"t","id":7,"status":"completed","threat":null,"operations":[{"Module":"m","extra":1}],
            "validfrom":"2026-11-21T18:35:44.5+01:00","syntaxversion":2}"#;
        let action = Action::parse(text).unwrap();
        assert_eq!(
            (action.name.as_str(), action.target.as_str(), action.syntaxversion),
            ("n", "t", 2)
        );
        assert_eq!(action.id, ActionId(0), "a client does not choose the id");
        assert_eq!(action.status, "");
        assert_eq!(action.operations.unwrap()[0].parameters, Value::Null);
    }

    #[test]
    fn what_is_known_of_a_threat_is_written_in_migs_order() {
        let text = br#"{"threat":{"type":"system","a":1,"family":"f","ref":"x1","level":"low"}}"#;
        let written = serde_json::to_string(&Action::parse(text).unwrap()).unwrap();
        let wanted = r#""threat":{"ref":"x1","level":"low","family":"f","type":"system","a":1}"#;
        assert!(written.contains(wanted), "{written}");
    }

    #[test]
    fn times_that_no_utc_year_has_are_refused() {
        let now = time::macros::datetime!(2026-11-21 18:35:44 UTC);
        let fine = Action {
            name: "n".into(),
            target: "t".into(),
            validfrom: now,
            expireafter: now,
            syntaxversion: 2,
            ..Action::default()
        };
        assert_eq!(fine.check(now), Err(ActionFault::NoOperations));
        let last = time::macros::datetime!(9999-12-31 23:59:59 -12:00);
        assert_eq!(
            Action { expireafter: last, ..fine.clone() }.check(now),
            Err(ActionFault::NoEnd)
        );
        let first = time::macros::datetime!(0000-12-31 23:59:59 UTC);
        assert_eq!(Action { validfrom: first, ..fine }.check(now), Err(ActionFault::NoStart));
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(matches!(Action::parse(b"[]"), Err(ActionError::NotAnObject)));
        assert!(matches!(Action::parse(b"{"), Err(ActionError::Json(_))));
        assert!(matches!(
            Action::parse(br#"{"validfrom":"yesterday"}"#),
            Err(ActionError::Json(_))
        ));
    }
}
