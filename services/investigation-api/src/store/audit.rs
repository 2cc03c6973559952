//! The table `audit`.

use crate::domain::audit::{Actor, Entry, Outcome, hash};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::InvestigatorId;

/// Names the advisory lock of the one who writes: "audit" in ASCII.
const WRITER: i64 = 0x61_75_64_69_74;

/// Is the last row, or what stands before the first.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(crate) struct Head {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Binary)]
    pub(crate) hash: Vec<u8>,
}

impl Head {
    /// Stands before the first row.
    pub(crate) fn none() -> Self {
        Self { id: 0, hash: vec![0; 32] }
    }
}

/// Adds rows, each with the hash of the one before; others wait until this transaction is over, so it comes last in it.
pub(crate) async fn audit_append(conn: &mut Conn, entries: &[Entry]) -> QueryResult<()> {
    store::sql("select pg_advisory_xact_lock($1)").bind::<BigInt, _>(WRITER).execute(conn).await?;
    let last: Vec<Head> =
        store::sql("select id, hash from audit order by id desc limit 1").load(conn).await?;
    let mut head = last.into_iter().next().unwrap_or_else(Head::none);
    let mut links = Vec::with_capacity(entries.len());
    for entry in entries {
        let id = head.id.saturating_add(1);
        let hash = hash(&head.hash, id, entry);
        let before = std::mem::replace(&mut head, Head { id, hash });
        links.push((before.hash, head.clone()));
    }
    // all at once: whoever accepts an action waits for the lock meanwhile
    store::sql(
        "insert into audit (id, at, investigator_id, who, what, subject, address, outcome, detail, count, previous, \
             hash)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bytea[], $12::bytea[])",
    )
    .bind::<Array<BigInt>, _>(links.iter().map(|(_, head)| head.id).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(each(entries, |entry| entry.at))
    .bind::<Array<Nullable<BigInt>>, _>(each(entries, |entry| entry.actor.id.map(|id| id.0)))
    .bind::<Array<Text>, _>(each(entries, |entry| entry.actor.who.as_str()))
    .bind::<Array<Text>, _>(each(entries, |entry| entry.what.as_str()))
    .bind::<Array<Text>, _>(each(entries, |entry| entry.subject.as_str()))
    .bind::<Array<Text>, _>(each(entries, |entry| entry.actor.address.as_str()))
    .bind::<Array<Text>, _>(each(entries, |entry| entry.outcome.name()))
    .bind::<Array<Text>, _>(each(entries, |entry| entry.detail.as_str()))
    .bind::<Array<BigInt>, _>(each(entries, |entry| entry.count))
    .bind::<Array<Binary>, _>(links.iter().map(|(previous, _)| previous).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(links.iter().map(|(_, head)| &head.hash).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}

/// Gives one column of many rows.
fn each<'a, T>(entries: &'a [Entry], part: impl Fn(&'a Entry) -> T) -> Vec<T> {
    entries.iter().map(part).collect()
}

/// Is a row as it stands in the table.
pub(crate) struct AuditRow {
    pub(crate) id: i64,
    pub(crate) entry: Entry,
    pub(crate) previous: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = Nullable<BigInt>)]
    investigator_id: Option<i64>,
    #[diesel(sql_type = Text)]
    who: String,
    #[diesel(sql_type = Text)]
    what: String,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Text)]
    detail: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Binary)]
    previous: Vec<u8>,
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
}

impl From<Row> for AuditRow {
    fn from(row: Row) -> Self {
        let id = row.investigator_id.map(InvestigatorId);
        let outcome = if row.outcome == "done" { Outcome::Done } else { Outcome::Refused };
        Self {
            id: row.id,
            entry: Entry {
                at: row.at,
                actor: Actor { id, who: row.who, address: row.address },
                what: row.what,
                subject: row.subject,
                outcome,
                detail: row.detail,
                count: row.count,
            },
            previous: row.previous,
            hash: row.hash,
        }
    }
}

/// Gives up to `limit` rows after `after`, in their order.
pub(crate) async fn audit_after(
    conn: &mut Conn,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<AuditRow>> {
    let rows: Vec<Row> = store::sql(
        "select id, at, investigator_id, who, what, subject, address, outcome, detail, count, previous, hash \
         from audit where id > $1 order by id limit $2",
    )
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Gives the last of the rows at the beginning that are all older than `before`, `limit` of them at most; the newest
/// row of all stays.
pub(crate) async fn audit_old(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<Option<Head>> {
    let rows: Vec<Head> = store::sql(
        "with first as (select id, hash, at from audit order by id limit $2)
         select id, hash from first
         where at < $1 and id < coalesce((select min(id) from first where at >= $1), id + 1)
             and id < (select max(id) from audit)
         order by id desc limit 1",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next())
}

/// Removes the rows up to `last`; that they were removed must be in the audit already.
pub(crate) async fn audit_cut(conn: &mut Conn, last: i64) -> QueryResult<usize> {
    for statement in ["grant delete on audit to current_user", "set local writ.audit_cut = 'on'"] {
        store::sql(statement).execute(conn).await?;
    }
    let removed = store::sql("delete from audit where id <= $1")
        .bind::<BigInt, _>(last)
        .execute(conn)
        .await?;
    for statement in
        ["revoke delete on audit from current_user", "set local writ.audit_cut = 'off'"]
    {
        store::sql(statement).execute(conn).await?;
    }
    Ok(removed)
}
