//! What the services tell each other: one payload per kind, all listed in [`KINDS`].
//!
//! Rules of change are in `proto-docs/README.md`: within a version fields are only added, optional and with a default;
//! consumers ignore what they do not know.

pub mod action;
pub mod agent;
pub mod audit;
pub mod command;
pub mod investigator;
pub mod loader;
pub mod manual;
pub mod replica;

pub use action::{
    ActionAccepted, ActionCancelled, ActionChanged, ActionProposed, ActionRefused, ActionSteered,
};
pub use agent::{AgentChanged, AgentSeen};
pub use audit::AuditNoted;
pub use command::{
    CommandDelivered, CommandIssued, CommandPlanned, CommandReturned, CommandWithdrawn,
};
pub use investigator::{InvestigatorChanged, InvestigatorDigest};
pub use loader::{LoaderChanged, LoaderDigest, ManifestChanged};
pub use manual::{ManualAnswered, ManualExpired, ManualRequested, ManualWithdrawn};
pub use replica::ReplicaRequested;

use serde::{Serialize, de::DeserializeOwned};
use utoipa::openapi::{RefOr, Schema};

/// The most bytes that a message of a usual kind takes on the wire.
pub const USUAL_BODY: usize = 1024 * 1024;

/// Is a payload that travels under one kind.
pub trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind with its version, which is the routing key: `action.accepted.v1`.
    const KIND: &'static str;
    /// The most bytes that a message may take on the wire.
    const MAX_BODY: usize = USUAL_BODY;

    /// Gives the id of the thing the message is about, or nothing when it is about many.
    fn subject(&self) -> String;
}

/// Describes one kind of message.
pub struct Kind {
    /// The routing key.
    pub kind: &'static str,
    /// What happened, in a sentence.
    pub summary: &'static str,
    /// The only services that may send it; one, but for kinds that any service sends.
    pub producers: &'static [&'static str],
    /// The services that take it.
    pub consumers: &'static [&'static str],
    /// The most bytes that a message takes on the wire.
    pub max_body: usize,
    /// Gives the payload's name and schema, then those it refers to.
    pub schemas: fn() -> Vec<(String, RefOr<Schema>)>,
    /// Reads a message and writes it again, as a service would; for samples.
    pub rewrite: fn(&str) -> Result<String, serde_json::Error>,
}

fn rewrite<T: Message>(envelope: &str) -> Result<String, serde_json::Error> {
    serde_json::to_string(&serde_json::from_str::<crate::Envelope<T>>(envelope)?)
}

fn schemas<T: utoipa::ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}

macro_rules! kinds {
    ($($payload:ident: $summary:literal, $producers:expr => $consumers:expr;)*) => {
        /// Lists every kind of message there is.
        pub const KINDS: &[Kind] = &[$(Kind {
            kind: <$payload as Message>::KIND,
            summary: $summary,
            producers: &$producers,
            consumers: &$consumers,
            max_body: <$payload as Message>::MAX_BODY,
            schemas: schemas::<$payload>,
            rewrite: rewrite::<$payload>,
        },)*];
    };
}

const API: &str = "investigation-api";
const GATEWAY: &str = "agent-gateway";
const LOADER: &str = "loader-manifest";
const MANUAL: &str = "manual-interaction";
const SCHEDULER: &str = "scheduler";

kinds! {
    InvestigatorChanged: "An investigator was created or changed; the whole of it.", [API] => [GATEWAY, LOADER, MANUAL, SCHEDULER];
    InvestigatorDigest: "How the owner's investigators stand, so that copies notice that they are stale.", [API] => [GATEWAY, LOADER, MANUAL, SCHEDULER];
    ReplicaRequested: "A copy asks its owner for everything.", [API, GATEWAY, LOADER, MANUAL, SCHEDULER] => [API, GATEWAY, LOADER];
    ActionAccepted: "A signed action was accepted.", [API] => [SCHEDULER];
    ActionCancelled: "An investigator withdrew an action.", [API] => [SCHEDULER];
    ActionSteered: "An investigator paused an action or let it go on.", [API] => [SCHEDULER];
    ActionChanged: "The run of an action changed.", [SCHEDULER] => [API];
    ActionProposed: "A playbook wants a signed action to run.", [SCHEDULER] => [API];
    ActionRefused: "A proposed action was refused.", [API] => [SCHEDULER];
    CommandPlanned: "Commands were made that are held back for now.", [SCHEDULER] => [API];
    CommandIssued: "Commands were made for agents.", [SCHEDULER] => [GATEWAY, API];
    CommandWithdrawn: "Open commands were ended by the house.", [SCHEDULER] => [GATEWAY, API];
    CommandDelivered: "Agents took commands.", [GATEWAY] => [API];
    CommandReturned: "Agents answered commands.", [GATEWAY] => [SCHEDULER, API];
    AgentChanged: "An agent was enrolled or changed; the whole of it.", [GATEWAY] => [SCHEDULER, API];
    AgentSeen: "Agents were heard.", [GATEWAY] => [SCHEDULER, API];
    LoaderChanged: "A loader was created, changed or heard; the whole of it without its key.", [LOADER] => [API, GATEWAY];
    LoaderDigest: "How many loaders and manifests there are, so that copies notice that they lack some.", [LOADER] => [API, GATEWAY];
    ManifestChanged: "A manifest was created, signed or changed; the whole of it without its content.", [LOADER] => [API];
    ManualRequested: "A playbook reached a step that people are to do.", [SCHEDULER] => [MANUAL];
    ManualWithdrawn: "A manual step is needed no longer.", [SCHEDULER] => [MANUAL];
    ManualAnswered: "Somebody answered a manual step.", [MANUAL] => [SCHEDULER];
    ManualExpired: "Nobody answered a manual step before its deadline.", [MANUAL] => [SCHEDULER];
    AuditNoted: "Investigators changed something through a service, or it refused somebody.", [GATEWAY, LOADER, MANUAL, SCHEDULER] => [API];
}

/// Finds a kind by its routing key.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.kind == name)
}
