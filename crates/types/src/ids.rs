//! Typed ids: a number of one thing cannot be taken for the number of another.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(
            /// A positive number below 2^53 (`MIG` clients hold ids in a float64, specs/mig/api.md §1.4).
            pub i64,
        );

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(
            /// The UUID; version 7 where this house made it.
            pub Uuid,
        );

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number_id!(
    /// Numbers an action; given by investigation-api when it is accepted.
    ActionId
);
number_id!(
    /// Numbers a command: one action on one agent; given by the scheduler.
    CommandId
);
number_id!(
    /// Numbers an agent, as MIG's clients know it; given by agent-gateway.
    AgentId
);
number_id!(
    /// Numbers an investigator; given by investigation-api.
    InvestigatorId
);
number_id!(
    /// Numbers a loader; given by loader-manifest.
    LoaderId
);
number_id!(
    /// Numbers a manifest; given by loader-manifest.
    ManifestId
);
uuid_id!(
    /// Names an agent in `/v1/agents` and towards the agent itself.
    AgentUid
);
uuid_id!(
    /// Names one immutable plugin version.
    PluginId
);
uuid_id!(
    /// Names a team of RunbookSolutions agents.
    TeamId
);
uuid_id!(
    /// Names one question of an agent for work; made by the agent, which keeps the name until it has an answer.
    AskId
);
uuid_id!(
    /// Names one run of a command on an agent; all that the agent ever learns of the command's identity.
    RunId
);
uuid_id!(
    /// Names a task of a RunbookSolutions agent.
    TaskId
);
uuid_id!(
    /// Names one execution of a playbook; given by the scheduler.
    ExecutionId
);
uuid_id!(
    /// Names one run of a step of an execution, as in `/v1/steps`; given by the scheduler.
    StepRunId
);
