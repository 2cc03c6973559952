//! Codes of the device flow; the device's secret is kept as SHA-256 only.

use super::schema::device_code;
use crate::domain::user_code::UserCode;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::api::device::PendingCode;
use types::{AgentId, AgentUid, InvestigatorId};
use uuid::Uuid;

const PENDING: &str = "pending";

/// Is a code that a device asked for.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = device_code)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(crate) struct NewCode {
    /// The hash of the device's secret.
    pub sha256: Vec<u8>,
    /// The letters that the person types.
    pub user_code: String,
    /// What the device calls itself.
    pub client_id: String,
    /// Where it asked from.
    pub address: String,
    /// What counts as one asker.
    pub origin: String,
    /// Its User-Agent header.
    pub user_agent: String,
    /// When it asked.
    pub created: OffsetDateTime,
    /// When the code dies.
    pub expires: OffsetDateTime,
    /// Always `pending`.
    pub state: &'static str,
}

impl NewCode {
    /// Is the state of every new code.
    pub(crate) const STATE: &'static str = PENDING;
}

/// Is a code as the device polls it.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = device_code)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(crate) struct PolledCode {
    /// What the device called itself.
    pub client_id: String,
    /// pending, approved, denied or redeemed.
    pub state: String,
    /// The agent it became.
    pub agent: Option<i64>,
}

impl PolledCode {
    /// Gives the agent whose device has had its token for it.
    pub(crate) fn redeemed(&self) -> Option<AgentId> {
        self.agent.filter(|_| self.state == "redeemed").map(AgentId)
    }
}

#[derive(HasQuery)]
#[diesel(table_name = device_code)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Row {
    user_code: String,
    client_id: String,
    address: String,
    user_agent: String,
    created: OffsetDateTime,
    expires: OffsetDateTime,
}

impl From<Row> for PendingCode {
    fn from(row: Row) -> Self {
        Self {
            user_code: UserCode::parse(&row.user_code)
                .map_or(row.user_code, |code| code.to_string()),
            client_id: row.client_id,
            address: row.address,
            user_agent: row.user_agent,
            created: row.created,
            expires: row.expires,
        }
    }
}

/// Counts the codes that wait for a person: those of one asker, and all.
pub(crate) async fn codes_count(
    conn: &mut Conn,
    origin: &str,
    now: OffsetDateTime,
) -> QueryResult<(i64, i64)> {
    let pending = || {
        device_code::table
            .filter(device_code::state.eq(PENDING))
            .filter(device_code::expires.gt(now))
    };
    let mine =
        pending().filter(device_code::origin.eq(origin)).select(count_star()).first(conn).await?;
    let all = pending().select(count_star()).first(conn).await?;
    Ok((mine, all))
}

/// Removes the `count` newest codes of one asker that wait for a person: the older ones may be in somebody's hands.
pub(crate) async fn codes_give_way(
    conn: &mut Conn,
    origin: &str,
    now: OffsetDateTime,
    count: i64,
) -> QueryResult<usize> {
    store::sql(
        "with surplus as (
             select sha256 from device_code where state = 'pending' and origin = $1 and expires > $2
             order by created desc limit $3 for update skip locked
         )
         delete from device_code c using surplus where c.sha256 = surplus.sha256",
    )
    .bind::<Text, _>(origin)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(count)
    .execute(conn)
    .await
}

/// Does the same to the asker who has the most of them, of several to the one who asked last.
pub(crate) async fn codes_give_way_most(
    conn: &mut Conn,
    now: OffsetDateTime,
    count: i64,
) -> QueryResult<usize> {
    #[derive(QueryableByName)]
    struct Asker {
        #[diesel(sql_type = Text)]
        origin: String,
    }
    let most: Option<Asker> = store::sql(
        "select origin from device_code where state = 'pending' and expires > $1
         group by origin order by count(*) desc, max(created) desc limit 1",
    )
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?;
    match most {
        Some(most) => codes_give_way(conn, &most.origin, now, count).await,
        None => Ok(0),
    }
}

/// Stores a code; gives whether it was new (another pending one may have the same letters).
pub(crate) async fn code_insert(conn: &mut Conn, code: &NewCode) -> QueryResult<bool> {
    let new = diesel::insert_into(device_code::table).values(code).on_conflict_do_nothing();
    Ok(new.execute(conn).await? == 1)
}

/// Gives the pending codes behind `after`, oldest first.
pub(crate) async fn codes_page(
    conn: &mut Conn,
    after: Option<(OffsetDateTime, String)>,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<PendingCode>> {
    let mut query = Row::query()
        .filter(device_code::state.eq(PENDING))
        .filter(device_code::expires.gt(now))
        .order((device_code::created, device_code::user_code))
        .limit(limit)
        .into_boxed();
    if let Some((created, user_code)) = after {
        let later = device_code::created
            .gt(created)
            .or(device_code::created.eq(created).and(device_code::user_code.gt(user_code)));
        query = query.filter(later);
    }
    let rows = query.load::<Row>(conn).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Gives the pending code with these letters.
pub(crate) async fn code_pending(
    conn: &mut Conn,
    code: &UserCode,
    now: OffsetDateTime,
) -> QueryResult<Option<PendingCode>> {
    let row = Row::query()
        .filter(device_code::user_code.eq(code.letters()))
        .filter(device_code::state.eq(PENDING))
        .filter(device_code::expires.gt(now))
        .first::<Row>(conn)
        .await
        .optional()?;
    Ok(row.map(Into::into))
}

/// Is a code that a person decides.
#[derive(Debug, Clone)]
pub(crate) struct PendingRow {
    /// The hash of the device's secret.
    pub sha256: Vec<u8>,
    /// Where the device asked from.
    pub address: String,
}

/// Locks the living code with these letters until the transaction ends and gives it with its state; a pending one
/// before one that was decided.
pub(crate) async fn code_lock(
    conn: &mut Conn,
    code: &UserCode,
    now: OffsetDateTime,
) -> QueryResult<Option<(PendingRow, String)>> {
    let found: Option<(Vec<u8>, String, String)> = device_code::table
        .filter(device_code::user_code.eq(code.letters()))
        .filter(device_code::expires.gt(now))
        .order((device_code::state.eq(PENDING).desc(), device_code::created.desc()))
        .select((device_code::sha256, device_code::address, device_code::state))
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(sha256, address, state)| (PendingRow { sha256, address }, state)))
}

/// Decides a code: the agent it becomes, or none.
pub(crate) async fn code_decide(
    conn: &mut Conn,
    sha256: &[u8],
    agent: Option<AgentId>,
    by: InvestigatorId,
) -> QueryResult<()> {
    let state = if agent.is_some() { "approved" } else { "denied" };
    diesel::update(device_code::table.filter(device_code::sha256.eq(sha256)))
        .set((
            device_code::state.eq(state),
            device_code::agent.eq(agent.map(|agent| agent.0)),
            device_code::decided_by.eq(by.0),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Gives a living code by the hash of the device's secret.
pub(crate) async fn code_poll(
    conn: &mut Conn,
    sha256: &[u8; 32],
    now: OffsetDateTime,
) -> QueryResult<Option<PolledCode>> {
    PolledCode::query()
        .filter(device_code::sha256.eq(sha256.as_slice()))
        .filter(device_code::expires.gt(now))
        .first(conn)
        .await
        .optional()
}

/// Gives the same and locks it until the transaction ends.
pub(crate) async fn code_hold(
    conn: &mut Conn,
    sha256: &[u8; 32],
    now: OffsetDateTime,
) -> QueryResult<Option<PolledCode>> {
    PolledCode::query()
        .filter(device_code::sha256.eq(sha256.as_slice()))
        .filter(device_code::expires.gt(now))
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Marks a code as redeemed.
pub(crate) async fn code_redeem(conn: &mut Conn, sha256: &[u8; 32]) -> QueryResult<()> {
    diesel::update(device_code::table.filter(device_code::sha256.eq(sha256.as_slice())))
        .set(device_code::state.eq("redeemed"))
        .execute(conn)
        .await
        .map(drop)
}

/// Removes dead codes, but for those of agents that never fetched their token; an unknown code is answered as a dead
/// one.
pub(crate) async fn codes_purge(conn: &mut Conn, now: OffsetDateTime) -> QueryResult<usize> {
    let dead = device_code::table.filter(device_code::expires.le(now));
    diesel::delete(dead.filter(device_code::state.ne("approved"))).execute(conn).await
}

/// Removes at most `limit` dead codes that were approved and never redeemed; gives the agents that they were to become.
pub(crate) async fn codes_forsake(
    conn: &mut Conn,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<AgentUid>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = store::sql(
        "with dead as (
             select sha256 from device_code where expires <= $1 and state = 'approved'
             order by expires limit $2 for update skip locked
         ), gone as (delete from device_code c using dead where c.sha256 = dead.sha256 returning c.agent)
         select a.id from gone join agent a on a.number = gone.agent order by a.number",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| AgentUid(row.id)).collect())
}
