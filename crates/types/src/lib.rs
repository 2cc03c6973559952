//! The words of the house: ids, values, messages and API documents that more than one crate speaks.
//!
//! Nothing here does I/O or waits. A name used in a table, a message, a route or a metric is spelled here first.

pub mod action;
pub mod agent;
pub mod api;
pub mod asyncapi;
pub mod cacao;
pub mod clock;
pub mod command;
pub mod dispatch;
pub mod envelope;
pub mod go_json;
pub mod ids;
pub mod instant;
pub mod investigator;
pub mod loader;
pub mod messages;
pub mod paths;
pub mod permission;

pub use action::{Action, Operation};
pub use agent::{Agent, AgentStatus, Environment, Transport};
pub use clock::Clock;
pub use command::{CommandStatus, OperationResult};
pub use dispatch::{Dispatch, StopWhen, Wave};
pub use envelope::Envelope;
pub use ids::{
    ActionId, AgentId, AgentUid, AskId, CommandId, ExecutionId, InvestigatorId, LoaderId,
    ManifestId, PluginId, RunId, StepRunId, TaskId, TeamId,
};
pub use investigator::InvestigatorStatus;
pub use loader::ManifestStatus;
pub use messages::Message;
pub use permission::{Permission, Permissions};
