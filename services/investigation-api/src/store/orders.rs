//! Whether an order was accepted before (proto-docs/decisions/0008).

use super::actions::{ActionRow, actions_find};
use crate::domain::order::{Order, signed_text};
use diesel::sql_types::{Array, BigInt, Bytea, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::Action;

/// Lets nobody else accept an order with the same text until the transaction is over.
pub(crate) async fn order_lock(conn: &mut Conn, order: &Order) -> QueryResult<()> {
    store::sql("select pg_advisory_xact_lock(hashtextextended('order ' || $1, 0))")
        .bind::<Text, _>(&order.text)
        .execute(conn)
        .await?;
    Ok(())
}

/// Finds the action that one of the signatures of `order` has ordered already.
pub(crate) async fn order_find(conn: &mut Conn, order: &Order) -> QueryResult<Option<ActionRow>> {
    #[derive(QueryableByName)]
    struct There {
        #[diesel(sql_type = BigInt)]
        action_id: i64,
    }
    let there: Option<There> = store::sql(
        "select action_id from signature where mark = any($1) order by action_id limit 1",
    )
    .bind::<Array<Bytea>, _>(&order.marks)
    .get_result(conn)
    .await
    .optional()?;
    let id = match there {
        Some(there) => Some(there.action_id),
        None => unmarked_find(conn, order).await?,
    };
    let Some(id) = id else { return Ok(None) };
    Ok(actions_find(conn, &[id]).await?.pop())
}

/// Finds the same among the actions that were accepted before signatures had marks: they have the same text and a
/// signer.
async fn unmarked_find(conn: &mut Conn, order: &Order) -> QueryResult<Option<i64>> {
    #[derive(QueryableByName)]
    struct Unmarked {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        document: String,
    }
    let second = |at: OffsetDateTime| at.replace_nanosecond(0).unwrap_or(at);
    let signers: Vec<_> = order.signers.iter().map(|signer| signer.0).collect();
    let rows: Vec<Unmarked> = store::sql(
        "select id, document from action where expire_after >= $1 and expire_after < $1 + interval '1 second'
             and valid_from >= $2 and valid_from < $2 + interval '1 second' and name = $3 and target = $4
             and exists (select from signature where action_id = action.id and mark is null
                 and investigator_id = any($5)) order by id limit 10",
    )
    .bind::<Timestamptz, _>(second(order.action.expireafter))
    .bind::<Timestamptz, _>(second(order.action.validfrom))
    .bind::<Text, _>(&order.action.name)
    .bind::<Text, _>(&order.action.target)
    .bind::<Array<BigInt>, _>(signers)
    .get_results(conn)
    .await?;
    let same = rows.into_iter().find(|row| {
        let read = Action::parse(row.document.as_bytes()).unwrap_or_default();
        signed_text(&read) == order.text
    });
    Ok(same.map(|row| row.id))
}
