//! The mailbox of MIG agents: it is pushed to the broker instead of fetched, and answered by command instead of run.

use super::unreadable;
use crate::domain::mig_result::Addressee;
use crate::domain::receipt::{Asked, MailState};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, AgentId, CommandId};

/// Lets the mail of machines that are heard again go out, but for what is out and not answered for.
pub(crate) const MIG_MAIL_WAKE: &str = "
    update mailbox m set push_at = $2
    from (
        select m.command from mailbox m join agent a on a.number = m.agent
        where a.transport = 'mig' and a.queueloc = any($1) and m.state = 'waiting' and m.push_at > $2
            and (m.leased_until is null or m.leased_until <= $2)
        order by m.command for update of m
    ) as held
    where m.command = held.command";

/// Locks mail that is to be pushed, oldest first.
pub(crate) const MIG_MAIL_DUE: &str = "
    select m.command, m.action, m.agent from mailbox m
    where m.state = 'waiting' and m.push_at is not null and m.push_at <= $1
    order by m.push_at, m.command limit $2 for update skip locked";

/// Notes that the broker has commands; gives them with their actions.
pub(crate) const MIG_MAIL_PUSHED: &str = "
    update mailbox m set state = 'leased', leased_until = d.expire_after, attempts = m.attempts + 1,
        delivered_at = $2, push_at = null
    from action_document d where d.action = m.action and m.command = any($1)
    returning m.command, m.action";

/// Locks the commands that answers name; those of a machine that was revoked have failed for good.
pub(crate) const MIG_MAIL_FIND: &str = "
    select m.command, m.action, m.agent, m.state, d.operations, a.queueloc, a.pid
    from mailbox m join action_document d on d.action = m.action join agent a on a.number = m.agent
    where m.command = any($1) and a.transport = 'mig' and not exists (
        select from agent r where r.transport = 'mig' and r.queueloc = a.queueloc and r.revoked_at is not null
    )
    order by m.command for update of m";

/// Lets the mail of these machines go out; gives how much it is.
pub(crate) async fn mig_mail_wake(
    conn: &mut Conn,
    queuelocs: &[&str],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    store::sql(MIG_MAIL_WAKE)
        .bind::<Array<Text>, _>(queuelocs)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await
}

/// Is mail that is to be pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// The command.
    pub command: CommandId,
    /// Its action.
    pub action: ActionId,
    /// Its agent.
    pub agent: AgentId,
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = BigInt)]
    agent: i64,
}

/// Locks at most `limit` mails that are to be pushed until the transaction ends; those that another replica holds are
/// passed over.
pub(crate) async fn mig_mail_due(
    conn: &mut Conn,
    now: OffsetDateTime,
    limit: usize,
) -> QueryResult<Vec<Due>> {
    let limit = i64::try_from(limit).map_err(unreadable)?;
    let rows: Vec<DueRow> = store::sql(MIG_MAIL_DUE)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?;
    let due = rows.into_iter().map(|row| Due {
        command: CommandId(row.command),
        action: ActionId(row.action),
        agent: AgentId(row.agent),
    });
    Ok(due.collect())
}

/// Is an action's document and what is told of it.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Document {
    /// The action.
    #[diesel(sql_type = BigInt)]
    pub action: i64,
    /// As it was posted.
    #[diesel(sql_type = Text, column_name = document)]
    pub text: String,
    /// When it ends.
    #[diesel(sql_type = Timestamptz)]
    pub expire_after: OffsetDateTime,
    /// When its commands were made.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started: Option<OffsetDateTime>,
    /// How many they are.
    #[diesel(sql_type = BigInt)]
    pub sent: i64,
}

/// Gives the documents of these actions.
pub(crate) async fn documents_find(conn: &mut Conn, actions: &[i64]) -> QueryResult<Vec<Document>> {
    store::sql(
        "select action, document, expire_after, started, sent from action_document where action = any($1)",
    )
    .bind::<Array<BigInt>, _>(actions)
    .get_results(conn)
    .await
}

/// Notes that the broker has these commands: they are their agents' until the action ends. Gives them with their
/// actions.
pub(crate) async fn mig_mail_pushed(
    conn: &mut Conn,
    commands: &[CommandId],
    now: OffsetDateTime,
) -> QueryResult<Vec<(CommandId, ActionId)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        command: i64,
        #[diesel(sql_type = BigInt)]
        action: i64,
    }
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    let rows: Vec<Row> = store::sql(MIG_MAIL_PUSHED)
        .bind::<Array<BigInt>, _>(commands)
        .bind::<Timestamptz, _>(now)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (CommandId(row.command), ActionId(row.action))).collect())
}

/// Locks those of these commands that still wait until the transaction ends.
pub(crate) async fn mig_mail_hold(
    conn: &mut Conn,
    commands: &[CommandId],
) -> QueryResult<BTreeSet<CommandId>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        command: i64,
    }
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    let rows: Vec<Row> = store::sql(
        "select command from mailbox where command = any($1) and state = 'waiting' order by command for update",
    )
    .bind::<Array<BigInt>, _>(commands)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| CommandId(row.command)).collect())
}

/// Keeps mail that is out and was not answered for from being sent again until then; that which is kept beyond `enough`
/// stays as it is.
pub(crate) async fn mig_mail_keep(
    conn: &mut Conn,
    commands: &[CommandId],
    until: OffsetDateTime,
    enough: OffsetDateTime,
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(
        "update mailbox set push_at = $2, leased_until = $2
         where command = any($1) and state = 'waiting' and (leased_until is null or leased_until < $3)",
    )
    .bind::<Array<BigInt>, _>(commands)
    .bind::<Timestamptz, _>(until)
    .bind::<Timestamptz, _>(enough)
    .execute(conn)
    .await
}

/// Puts mail that waits off until then, or until its machine is heard again when no time is given.
pub(crate) async fn mig_mail_postpone(
    conn: &mut Conn,
    commands: &[CommandId],
    until: Option<OffsetDateTime>,
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(
        "update mailbox set push_at = coalesce($2, 'infinity'), leased_until = null
         where command = any($1) and state = 'waiting'",
    )
    .bind::<Array<BigInt>, _>(commands)
    .bind::<Nullable<Timestamptz>, _>(until)
    .execute(conn)
    .await
}

/// Is a command that an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its action.
    pub action: ActionId,
    /// Whom it was sent to.
    pub addressee: Addressee,
    /// Where it is.
    pub asked: Asked,
}

#[derive(QueryableByName)]
struct NamedRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Integer)]
    operations: i32,
    #[diesel(sql_type = Text)]
    queueloc: String,
    #[diesel(sql_type = BigInt)]
    pid: i64,
}

/// Locks those of these commands that MIG agents were sent until the transaction ends.
pub(crate) async fn mig_mail_find(
    conn: &mut Conn,
    commands: &[CommandId],
) -> QueryResult<BTreeMap<CommandId, Named>> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    let rows: Vec<NamedRow> =
        store::sql(MIG_MAIL_FIND).bind::<Array<BigInt>, _>(commands).get_results(conn).await?;
    rows.into_iter()
        .map(|row| {
            let state = MailState::parse(&row.state).ok_or_else(|| unreadable("mailbox.state"))?;
            let operations = row.operations.try_into().map_err(unreadable)?;
            let addressee =
                Addressee { agent: AgentId(row.agent), queueloc: row.queueloc, pid: row.pid };
            let asked = Asked { state, operations };
            let named = Named { action: ActionId(row.action), addressee, asked };
            Ok((CommandId(row.command), named))
        })
        .collect()
}
