//! The tables `action` and `signature`.

use crate::domain::order::Order;
use diesel::sql_types::{Array, BigInt, Bytea, Jsonb, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::{Value as JsonValue, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use store::{Conn, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::messages::ActionChanged;
use types::{ActionId, CommandId, Dispatch, InvestigatorId};

const COLUMNS: &str = "id, name, target, valid_from, expire_after, created, status, reason, started, finished, \
     updated, targeted, run_version, dispatch, wave, held";

/// Is an action without its document, which is large.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct ActionRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = Text)]
    pub(crate) target: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) valid_from: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) expire_after: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: OffsetDateTime,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) started: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished: Option<OffsetDateTime>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) updated: OffsetDateTime,
    #[diesel(sql_type = BigInt)]
    pub(crate) targeted: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) run_version: i64,
    #[diesel(sql_type = Nullable<Jsonb>)]
    dispatch: Option<serde_json::Value>,
    #[diesel(sql_type = BigInt)]
    pub(crate) wave: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) held: i64,
}

impl ActionRow {
    /// Gives how its commands are to be given out; nothing for all at once.
    pub(crate) fn dispatch(&self) -> Option<Dispatch> {
        // it was read before it was stored, so it can be read again
        self.dispatch.clone().map(|asked| serde_json::from_value(asked).unwrap_or_default())
    }
}

/// Inserts an order that is new.
pub(crate) async fn action_insert(
    conn: &mut Conn,
    order: &Order,
    document: &str,
    dispatch: Option<&Dispatch>,
    posted_by: InvestigatorId,
    now: OffsetDateTime,
) -> QueryResult<ActionRow> {
    let row: ActionRow = store::sql(format!(
        "insert into action (document, digest, name, target, valid_from, expire_after, posted_by, created,
             status, updated, threat_family, dispatch)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $8, $9, $10)
         returning {COLUMNS}"
    ))
    .bind::<Text, _>(document)
    .bind::<Bytea, _>(order.digest())
    .bind::<Text, _>(&order.action.name)
    .bind::<Text, _>(&order.action.target)
    .bind::<Timestamptz, _>(order.action.validfrom)
    .bind::<Timestamptz, _>(order.action.expireafter)
    .bind::<BigInt, _>(posted_by.0)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(threat_family(order))
    .bind::<Nullable<Jsonb>, _>(dispatch.and_then(|asked| serde_json::to_value(asked).ok()))
    .get_result(conn)
    .await?;
    let signers: Vec<_> = order.signers.iter().map(|signer| signer.0).collect();
    let signatures: Vec<_> = order.action.pgpsignatures.iter().flatten().collect();
    store::sql(
        "insert into signature (action_id, investigator_id, signature, mark, position)
         select $1, signer, signature, mark, position::smallint
         from unnest($2::bigint[], $3::text[], $4::bytea[])
             with ordinality as signed(signer, signature, mark, position)",
    )
    .bind::<BigInt, _>(row.id)
    .bind::<Array<BigInt>, _>(signers)
    .bind::<Array<Text>, _>(signatures)
    .bind::<Array<Bytea>, _>(&order.marks)
    .execute(conn)
    .await?;
    Ok(row)
}

/// Gives the family of the threat, which searches go by; no text of the database can hold NUL.
fn threat_family(order: &Order) -> String {
    let family = order.action.threat.get("family").and_then(JsonValue::as_str);
    family.unwrap_or_default().replace('\0', "")
}

/// Finds the actions with these ids; those that do not exist are left out.
pub(crate) async fn actions_find(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<ActionRow>> {
    store::sql(format!("select {COLUMNS} from action where id = any($1)"))
        .bind::<Array<BigInt>, _>(ids)
        .get_results(conn)
        .await
}

/// Gives the documents of these actions, as they were posted.
pub(crate) async fn documents_find(
    conn: &mut Conn,
    ids: &[i64],
) -> QueryResult<BTreeMap<i64, String>> {
    #[derive(QueryableByName)]
    struct Posted {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        document: String,
    }
    let rows: Vec<Posted> = store::sql("select id, document from action where id = any($1)")
        .bind::<Array<BigInt>, _>(ids)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.document)).collect())
}

/// Writes a page of actions, the newest first; `before` is the id after which the page starts.
pub(crate) fn page(before: Option<i64>, limit: i64) -> (String, Vec<Value>) {
    let text = format!("select {COLUMNS} from action where id < $1 order by id desc limit $2");
    (text, vec![Value::Int(before.unwrap_or(i64::MAX)), Value::Int(limit)])
}

/// Gives a page of actions, as [`page`] writes it.
pub(crate) async fn actions_page(
    conn: &mut Conn,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<ActionRow>> {
    let (text, binds) = page(before, limit);
    store::bind(text, binds).get_results(conn).await
}

#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct SignerRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) action_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) investigator_id: i64,
}

/// Gives who signed these actions, in the order of the signatures.
pub(crate) async fn signers_find(conn: &mut Conn, actions: &[i64]) -> QueryResult<Vec<SignerRow>> {
    store::sql(
        "select action_id, investigator_id from signature where action_id = any($1)
         order by action_id, position",
    )
    .bind::<Array<BigInt>, _>(actions)
    .get_results(conn)
    .await
}

/// Locks these actions, and those of these commands, by id: two processes that keep commands of the same actions take
/// turns, and neither waits for the other half-way.
pub(crate) async fn actions_lock(
    conn: &mut Conn,
    actions: &BTreeSet<ActionId>,
    commands: &[CommandId],
) -> QueryResult<usize> {
    let actions: Vec<_> = actions.iter().map(|action| action.0).collect();
    let commands: Vec<_> = commands.iter().map(|command| command.0).collect();
    store::sql(
        // joined by `or`, the actions of the commands are no join: every action would be read
        "select from action where id in (
             select unnest($1) union select action_id from command where id = any($2)
         ) order by id for no key update",
    )
    .bind::<Array<BigInt>, _>(actions)
    .bind::<Array<BigInt>, _>(commands)
    .execute(conn)
    .await
}

/// Gives those of these actions that are here.
pub(crate) async fn actions_here(
    conn: &mut Conn,
    actions: &BTreeSet<ActionId>,
) -> QueryResult<HashSet<ActionId>> {
    #[derive(QueryableByName)]
    struct Here {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    if actions.is_empty() {
        return Ok(HashSet::new());
    }
    let here: Vec<Here> = store::sql("select id from action where id = any($1)")
        .bind::<Array<BigInt>, _>(actions.iter().map(|action| action.0).collect::<Vec<_>>())
        .get_results(conn)
        .await?;
    Ok(here.into_iter().map(|row| ActionId(row.id)).collect())
}

/// Takes how runs stand; an older version changes nothing.
pub(crate) async fn actions_change(
    conn: &mut Conn,
    changed: &[&ActionChanged],
) -> QueryResult<usize> {
    let mut newest = BTreeMap::<ActionId, &ActionChanged>::new();
    for &change in changed {
        let known = newest.entry(change.id).or_insert(change);
        if change.version > known.version {
            *known = change;
        }
    }
    let written = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    let rows: Vec<_> = newest.values().map(|change| {
        json!({"id": change.id, "status": change.status, "reason": change.reason, "at": written(change.at),
            "started": change.started.map(written), "finished": change.finished.map(written),
            "targeted": change.counters.targeted, "version": change.version, "wave": change.wave, "held": change.held})
    }).collect();
    store::sql(
        "update action set status = new.status, reason = new.reason,
             started = coalesce(new.started, action.started),
             finished = new.finished, updated = new.at, targeted = new.targeted, run_version = new.version,
             wave = new.wave, held = new.held
         from (select * from jsonb_to_recordset($1) as new(id bigint, status text, reason text, at timestamptz,
             started timestamptz, finished timestamptz, targeted bigint, version bigint,
             wave bigint, held bigint) order by id) as new
         where action.id = new.id and action.run_version < new.version",
    )
    .bind::<Jsonb, _>(json!(rows))
    .execute(conn)
    .await
}
