//! Access tokens of agents, kept as SHA-256 only.

use super::schema::agent_token;
use super::unreadable;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Text};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentStatus, Transport};

/// Finds the agent of a token, by the two primary keys.
pub(crate) const TOKEN_FIND: &str = "
    select a.number, a.status, a.transport
    from agent_token t join agent a on a.number = t.agent
    where t.sha256 = $1 and t.revoked is null and a.revoked_at is null";

/// Is an agent that proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// The number.
    pub number: AgentId,
    /// How alive it was.
    pub status: AgentStatus,
    /// Which language it was last heard speaking.
    pub transport: Transport,
}

/// Is a [`Known`] as it is stored.
#[derive(QueryableByName)]
pub(super) struct KnownRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    transport: String,
}

impl TryFrom<KnownRow> for Known {
    type Error = diesel::result::Error;

    fn try_from(row: KnownRow) -> QueryResult<Self> {
        Ok(Self {
            number: AgentId(row.number),
            status: AgentStatus::parse(&row.status).ok_or_else(|| unreadable("agent.status"))?,
            transport: Transport::parse(&row.transport)
                .ok_or_else(|| unreadable("agent.transport"))?,
        })
    }
}

/// Gives the agent whose token has this hash, unless the token or the agent was revoked.
pub(crate) async fn token_find(conn: &mut Conn, sha256: &[u8; 32]) -> QueryResult<Option<Known>> {
    let found: Option<KnownRow> = store::sql(TOKEN_FIND)
        .bind::<Bytea, _>(sha256.as_slice())
        .get_result(conn)
        .await
        .optional()?;
    found.map(TryInto::try_into).transpose()
}

/// Stores the hash of a new token.
pub(crate) async fn token_insert(
    conn: &mut Conn,
    sha256: &[u8; 32],
    agent: AgentId,
    now: OffsetDateTime,
) -> QueryResult<()> {
    let row = (
        agent_token::sha256.eq(sha256.as_slice()),
        agent_token::agent.eq(agent.0),
        agent_token::created.eq(now),
    );
    diesel::insert_into(agent_token::table).values(row).execute(conn).await.map(drop)
}

/// Revokes every token of an agent.
pub(crate) async fn tokens_revoke(
    conn: &mut Conn,
    agent: AgentId,
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let live = agent_token::table
        .filter(agent_token::agent.eq(agent.0))
        .filter(agent_token::revoked.is_null());
    diesel::update(live).set(agent_token::revoked.eq(now)).execute(conn).await
}
