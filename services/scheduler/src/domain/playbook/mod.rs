//! CACAO v2.0 playbooks: what one is once it was read (specs/soarca/cacao.md §2, §3).

mod commands;
mod graph;
mod read;
mod steps;
#[cfg(test)]
mod tests;

use super::condition::Condition;
use super::variable::Variables;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};
use types::api::problem::Fault;

/// Says how many bytes a playbook may have.
pub(crate) const MAX_DOCUMENT: usize = 4 << 20;
/// Says how many steps a playbook may have.
pub(crate) const MAX_STEPS: usize = 2_000;
/// Says how many calls one step may make: commands times targets.
pub(crate) const MAX_CALLS: usize = 1_000;
/// Says how many members a list may have, and how many variables a playbook, or a step, may declare.
pub(crate) const MAX_LIST: usize = 1_000;
/// Says how deep branches may nest in branches.
pub(crate) const MAX_DEPTH: u32 = 32;

/// Are definitions of agents, targets or credentials by their id.
pub(crate) type Definitions = BTreeMap<String, Map<String, Value>>;

/// Is a playbook that can run.
#[derive(Debug, Clone)]
pub(crate) struct Playbook {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) modified: OffsetDateTime,
    pub(crate) revoked: bool,
    pub(crate) valid_from: Option<OffsetDateTime>,
    pub(crate) valid_until: Option<OffsetDateTime>,
    pub(crate) labels: Vec<String>,
    pub(crate) variables: Variables,
    pub(crate) start: String,
    /// Where an execution goes when a failure is not taken by any step.
    pub(crate) exception: Option<String>,
    pub(crate) steps: BTreeMap<String, Step>,
    pub(crate) agents: Definitions,
    pub(crate) targets: Definitions,
    pub(crate) credentials: Definitions,
}

/// Is one step of the workflow.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) delay: Duration,
    /// How long it may take; nothing for as long as it does.
    pub(crate) timeout: Option<Duration>,
    pub(crate) variables: Variables,
    /// Where it goes on when it went well; nothing behind an `end` only.
    pub(crate) next: Option<String>,
    pub(crate) on_failure: Option<String>,
    pub(crate) kind: StepKind,
}

/// Says what a step does.
#[derive(Debug, Clone)]
pub(crate) enum StepKind {
    Start,
    End,
    Action(Action),
    Playbook(Call),
    Parallel(Vec<String>),
    If { condition: Condition, on_true: String, on_false: Option<String> },
    While { condition: Condition, on_true: String },
    Switch { value: String, cases: BTreeMap<String, String> },
}

impl StepKind {
    /// Gives the word in a playbook.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Action(_) => "action",
            Self::Playbook(_) => "playbook-action",
            Self::Parallel(_) => "parallel",
            Self::If { .. } => "if-condition",
            Self::While { .. } => "while-condition",
            Self::Switch { .. } => "switch-condition",
        }
    }
}

/// Is another playbook that a step runs.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) playbook: String,
    /// The `modified` of the version; nothing for the newest.
    pub(crate) version: Option<OffsetDateTime>,
    pub(crate) in_args: Vec<String>,
    pub(crate) out_args: Vec<String>,
}

/// Is what an action step has done, by whom, on what.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) manner: Manner,
    pub(crate) commands: Vec<Command>,
    pub(crate) agent: String,
    pub(crate) targets: Vec<String>,
    pub(crate) out_args: Vec<String>,
}

/// Says who does an action step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// People: all commands and targets are one item of their list.
    Manual,
    /// The fleet, under investigators' signatures.
    Fleet,
    /// This service: one call per command and target, one after the other.
    Calls,
}

/// Is one command of a step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    pub(crate) kind: String,
    pub(crate) description: String,
    /// The text, decoded; SOARCA shows it before values are filled in.
    pub(crate) text: String,
    /// The text as the playbook has it, when that is Base64.
    pub(crate) base64: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Option<Content>,
    /// Whether it is safe to repeat: only then is it done again when nobody knows whether it was done.
    pub(crate) repeatable: bool,
    /// The action of a fleet step.
    pub(crate) action: Option<Map<String, Value>>,
}

/// Is the body of an HTTP command.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Values are filled in.
    Text(String),
    /// Goes out as it is.
    Bytes(Vec<u8>),
}

/// Says what is wrong with a playbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is not JSON at all, or too large.
    Malformed(String),
    /// It is JSON; each fault has its place.
    Faults(Vec<Fault>),
}

/// Is the kind of command that runs a signed action on the fleet.
pub(crate) const FLEET: &str = "x-writ-action";
/// Is the name of SOARCA's agent that hands steps to people.
const MANUAL_AGENT: &str = "soarca-manual";

impl Playbook {
    /// Reads and checks a playbook; all its faults are told, each with its place.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, Wrong> {
        if document.len() > MAX_DOCUMENT {
            let size = document.len();
            return Err(Wrong::Malformed(format!(
                "the playbook has {size} bytes; at most {MAX_DOCUMENT} are taken"
            )));
        }
        let value: Value = serde_json::from_slice(document)
            .map_err(|error| Wrong::Malformed(format!("the playbook is not JSON: {error}")))?;
        steps::playbook(&value).map_err(Wrong::Faults)
    }

    /// Says why it may not run now.
    pub(crate) fn may_run(&self, now: OffsetDateTime) -> Result<(), String> {
        if self.revoked {
            return Err(format!("the playbook {} is revoked", self.id));
        }
        if let Some(from) = self.valid_from.filter(|from| now < *from) {
            return Err(format!("the playbook {} is valid from {from} on only", self.id));
        }
        if let Some(until) = self.valid_until.filter(|until| *until <= now) {
            return Err(format!("the playbook {} was valid until {until}", self.id));
        }
        Ok(())
    }
}
