//! Commands: made by the scheduler, carried to agents and back by agent-gateway.

use super::Message;
use crate::{ActionId, AgentId, CommandId, CommandStatus, OperationResult};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says how many commands one [`CommandIssued`] carries at most.
pub const ISSUED_PER_MESSAGE: usize = 500;
/// Says how many answers one [`CommandReturned`] carries at most.
pub const RETURNED_PER_MESSAGE: usize = 50;

/// Commands were made: one document for many agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandIssued {
    /// The action.
    pub action: ActionId,
    /// Its document, byte for byte as it was posted; the agents verify it.
    pub document: String,
    /// When the commands were made.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When the action ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expire_after: OffsetDateTime,
    /// At most [`ISSUED_PER_MESSAGE`].
    pub commands: Vec<IssuedCommand>,
}

/// Is one command of a [`CommandIssued`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedCommand {
    /// The command.
    pub id: CommandId,
    /// The agent it is for.
    pub agent: AgentId,
    /// Why it failed at once and is not to be given out, for example a module that the agent lacks.
    #[serde(default)]
    pub failed: Option<String>,
}

/// Says that a command failed as its agent does not have this module.
pub fn module_is_missing(module: &str) -> String {
    format!("module '{module}' is not available on this agent")
}

impl Message for CommandIssued {
    const KIND: &'static str = "command.issued.v1";

    fn subject(&self) -> String {
        self.action.to_string()
    }
}

/// Commands were made that are held back: `command.issued` follows for each when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandPlanned {
    /// The action.
    pub action: ActionId,
    /// When the commands were made.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// At most [`ISSUED_PER_MESSAGE`].
    pub commands: Vec<PlannedCommand>,
}

/// Is one command of a [`CommandPlanned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedCommand {
    /// The command.
    pub id: CommandId,
    /// The agent it is for.
    pub agent: AgentId,
}

impl Message for CommandPlanned {
    const KIND: &'static str = "command.planned.v1";

    fn subject(&self) -> String {
        self.action.to_string()
    }
}

/// Open commands of an action were ended by the house: nobody is to be given them any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandWithdrawn {
    /// The action.
    pub action: ActionId,
    /// `expired` or `cancelled`.
    pub status: CommandStatus,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// At most [`ISSUED_PER_MESSAGE`].
    pub commands: Vec<CommandId>,
}

impl Message for CommandWithdrawn {
    const KIND: &'static str = "command.withdrawn.v1";

    fn subject(&self) -> String {
        self.action.to_string()
    }
}

/// Agents took commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandDelivered {
    /// At most [`ISSUED_PER_MESSAGE`].
    pub commands: Vec<DeliveredCommand>,
}

impl CommandDelivered {
    /// Tells of any number of commands.
    pub fn many(commands: &[DeliveredCommand]) -> Vec<Self> {
        let chunks = commands.chunks(ISSUED_PER_MESSAGE);
        chunks.map(|commands| Self { commands: commands.to_vec() }).collect()
    }
}

/// Is one command of a [`CommandDelivered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveredCommand {
    /// The command.
    pub id: CommandId,
    /// The action it belongs to; absent where it was not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionId>,
    /// When the agent took it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Message for CommandDelivered {
    const KIND: &'static str = "command.delivered.v1";

    fn subject(&self) -> String {
        String::new()
    }
}

/// Agents answered commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandReturned {
    /// At most [`RETURNED_PER_MESSAGE`].
    pub commands: Vec<ReturnedCommand>,
}

/// Is one answer of a [`CommandReturned`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReturnedCommand {
    /// The command.
    pub id: CommandId,
    /// The action it belongs to.
    pub action: ActionId,
    /// The agent that answered, as agent-gateway knows it.
    pub agent: AgentId,
    /// `success`, `failed` or `timeout`.
    pub status: CommandStatus,
    /// One per operation.
    pub results: Vec<OperationResult>,
    /// When the answer came.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether agent-gateway failed the command as it gave it up; an answer of the agent itself, however late, stands
    /// above this one. Absent: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

impl Message for CommandReturned {
    const KIND: &'static str = "command.returned.v1";
    /// A result may be large, and is not cut into parts (proto-docs/decisions/0002); RabbitMQ 4 takes 16 MiB.
    const MAX_BODY: usize = 15 * 1024 * 1024;

    fn subject(&self) -> String {
        String::new()
    }
}
