//! One agent as the copy keeps it.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use types::{Agent, AgentId, Environment, instant};
use uuid::Uuid;

/// Is a row of the table `agent`.
#[derive(Debug, Clone, QueryableByName)]
pub struct AgentRow {
    /// The number.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The public id.
    #[diesel(sql_type = SqlUuid)]
    pub uid: Uuid,
    /// The name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// The lasting identity.
    #[diesel(sql_type = Text)]
    pub queueloc: String,
    /// Which language it speaks.
    #[diesel(sql_type = Text)]
    pub transport: String,
    /// `daemon`, `checkin` or empty.
    #[diesel(sql_type = Text)]
    pub mode: String,
    /// The program's version.
    #[diesel(sql_type = Text)]
    pub version: String,
    /// The process id.
    #[diesel(sql_type = BigInt)]
    pub pid: i64,
    /// How alive it is.
    #[diesel(sql_type = Text)]
    pub status: String,
    /// The machine.
    #[diesel(sql_type = Jsonb)]
    pub environment: Value,
    /// Labels.
    #[diesel(sql_type = Jsonb)]
    pub tags: Value,
    /// The loader that installed it.
    #[diesel(sql_type = Text)]
    pub loader_name: String,
    /// When it was enrolled.
    #[diesel(sql_type = Timestamptz)]
    pub started: OffsetDateTime,
    /// When it was ordered to end itself.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub destroyed: Option<OffsetDateTime>,
    /// When it was last heard.
    #[diesel(sql_type = Timestamptz)]
    pub last_seen: OffsetDateTime,
    /// When it last described its machine.
    #[diesel(sql_type = Timestamptz)]
    pub refreshed: OffsetDateTime,
}

impl From<AgentRow> for Agent {
    /// Writes the row as MIG's clients read an agent; what does not fit the form is left empty.
    fn from(row: AgentRow) -> Self {
        Self {
            id: AgentId(row.id),
            name: row.name,
            queueloc: row.queueloc,
            mode: row.mode,
            version: row.version,
            pid: row.pid,
            loadername: row.loader_name,
            starttime: row.started,
            destructiontime: instant::or_far(row.destroyed),
            heartbeatts: row.last_seen,
            refreshts: row.refreshed,
            status: row.status,
            environment: serde_json::from_value::<Environment>(row.environment).unwrap_or_default(),
            tags: serde_json::from_value::<BTreeMap<String, String>>(row.tags).unwrap_or_default(),
        }
    }
}
