//! Access tokens of agents, kept as SHA-256 only.

use super::schema::agent_token;
use super::unreadable;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Text};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentStatus, Transport};

/// Finds the agents of tokens, each by the two primary keys (`offset 0` keeps PostgreSQL from going through all agents
/// for a few tokens, as it does while it has no statistics), and whether anything is open for them.
pub(crate) const TOKENS_FIND: &str = "
    select asks.sha256, a.number, a.status, a.transport,
        exists (select from task k where k.agent = a.number and k.state in ('waiting', 'offered'))
        or exists (select from mailbox m where m.agent = a.number and m.state in ('waiting', 'leased')) as open
    from unnest($1) as asks(sha256)
        cross join lateral (
            select t.agent from agent_token t where t.sha256 = asks.sha256 and t.revoked is null offset 0
        ) as t
        cross join lateral (
            select a.number, a.status, a.transport from agent a where a.number = t.agent and a.revoked_at is null offset 0
        ) as a";

/// Is an agent that proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// The number.
    pub number: AgentId,
    /// How alive it was.
    pub status: AgentStatus,
    /// Which language it was last heard speaking.
    pub transport: Transport,
    /// Whether there are tasks or commands for it that have not ended; without any there is no need to look for them.
    pub open: bool,
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
    #[diesel(sql_type = Bool)]
    open: bool,
}

#[derive(QueryableByName)]
struct TokenRow {
    #[diesel(sql_type = Bytea)]
    sha256: Vec<u8>,
    #[diesel(embed)]
    known: KnownRow,
}

impl TryFrom<KnownRow> for Known {
    type Error = diesel::result::Error;

    fn try_from(row: KnownRow) -> QueryResult<Self> {
        Ok(Self {
            number: AgentId(row.number),
            status: AgentStatus::parse(&row.status).ok_or_else(|| unreadable("agent.status"))?,
            transport: Transport::parse(&row.transport)
                .ok_or_else(|| unreadable("agent.transport"))?,
            open: row.open,
        })
    }
}

/// Gives the agents whose tokens have these hashes, by hash, but for tokens and agents that were revoked.
pub(crate) async fn tokens_find(
    conn: &mut Conn,
    hashes: &[[u8; 32]],
) -> QueryResult<HashMap<[u8; 32], Known>> {
    let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    let rows: Vec<TokenRow> =
        store::sql(TOKENS_FIND).bind::<Array<Bytea>, _>(hashes).get_results(conn).await?;
    let found = rows.into_iter().map(|row| {
        let hash =
            row.sha256.try_into().map_err(|_wrong: Vec<u8>| unreadable("agent_token.sha256"))?;
        Ok((hash, row.known.try_into()?))
    });
    found.collect()
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

/// Tells whether a living token of this hash is that agent's.
pub(crate) async fn token_is_of(
    conn: &mut Conn,
    sha256: &[u8; 32],
    agent: AgentId,
) -> QueryResult<bool> {
    let mine = agent_token::table
        .filter(agent_token::sha256.eq(sha256.as_slice()))
        .filter(agent_token::agent.eq(agent.0))
        .filter(agent_token::revoked.is_null());
    diesel::select(diesel::dsl::exists(mine)).get_result(conn).await
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
