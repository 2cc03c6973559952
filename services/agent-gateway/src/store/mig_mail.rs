//! The mailbox of MIG agents: it is pushed to the broker instead of fetched, and answered by command instead of run.

use super::unreadable;
use crate::domain::mig_result::Addressee;
use crate::domain::receipt::{Asked, MailState};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, AgentId, CommandId};

/// Lets the mail of machines that are heard again go out, but for what somebody is sending.
pub(crate) const MIG_MAIL_WAKE: &str = "
    update mailbox m set push_at = $2
    from (
        select m.command from mailbox m join agent a on a.number = m.agent
        where a.transport = 'mig' and a.queueloc = any($1) and m.state = 'waiting' and m.push_at > $2
            and (m.leased_until is null or m.leased_until <= $2)
        order by m.command for update of m
    ) as held
    where m.command = held.command";

/// Locks mail that is to be pushed, oldest first. What somebody claimed is left to who did for a while.
pub(crate) const MIG_MAIL_DUE: &str = "
    select m.command, m.action, m.agent from mailbox m
    where m.state = 'waiting' and m.push_at is not null and m.push_at <= $1
        and (m.leased_until is null or m.leased_until <= $3)
    order by m.push_at, m.command limit $2 for update skip locked";

// These are asked for a batch of commands each, and look at each by its number: whatever the planner believes of tables
// that were filled a moment ago, a batch reads a batch. Commands come in order, and so they are locked.

/// Claims mail, or holds on to it.
pub(crate) const MIG_MAIL_CLAIM: &str = "
    update mailbox m set push_at = $2, leased_until = $2
    from unnest($1) as asked(command) cross join lateral (
        select m.command from mailbox m
        where m.command = asked.command and m.state = 'waiting' and (m.leased_until is null or m.leased_until < $3)
        for update
    ) as held
    where m.command = held.command";

/// Locks mail that is still claimed as it was.
pub(crate) const MIG_MAIL_HOLD: &str = "
    select held.command from unnest($1) as asked(command) cross join lateral (
        select m.command from mailbox m
        where m.command = asked.command and m.state = 'waiting' and m.leased_until = $2
        for update
    ) as held";

/// Notes which commands the broker has: those that are not to be sent again.
pub(crate) const MIG_MAIL_NOTE: &str = "
    update mailbox m set state = case when held.again is null then 'leased' else m.state end,
        leased_until = case when held.again is null then held.expire_after end, push_at = held.again,
        attempts = m.attempts + (held.again is null)::integer,
        delivered_at = case when held.again is null then $3 else m.delivered_at end
    from (
        select m.command, sent.again, m.expire_after
        from unnest($1, $2) as sent(command, again) cross join lateral (
            select m.command, (select d.expire_after from action_document d where d.action = m.action) as expire_after
            from mailbox m where m.command = sent.command and m.state = 'waiting'
            for update
        ) as m
    ) as held
    where m.command = held.command
    returning m.command, m.action, held.again is null as taken";

/// Locks the commands that answers name; those of a machine that was revoked have failed for good.
pub(crate) const MIG_MAIL_FIND: &str = "
    select m.command, m.action, m.agent, m.state, d.operations, a.queueloc, a.pid
    from mailbox m cross join lateral (
            select d.operations from action_document d where d.action = m.action offset 0
        ) as d cross join lateral (
            select a.queueloc, a.pid from agent a
            where a.number = m.agent and a.transport = 'mig' and not exists (
                select from agent r where r.transport = 'mig' and r.queueloc = a.queueloc and r.revoked_at is not null
            )
            offset 0
        ) as a
    where m.command = any($1)
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
/// passed over, and those that somebody claimed until after `claimed`.
pub(crate) async fn mig_mail_due(
    conn: &mut Conn,
    now: OffsetDateTime,
    claimed: OffsetDateTime,
    limit: usize,
) -> QueryResult<Vec<Due>> {
    let limit = i64::try_from(limit).map_err(unreadable)?;
    let rows: Vec<DueRow> = store::sql(MIG_MAIL_DUE)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(limit)
        .bind::<Timestamptz, _>(claimed)
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

#[derive(QueryableByName)]
struct CommandRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
}

fn in_order(commands: &[CommandId]) -> Vec<i64> {
    let commands: BTreeSet<i64> = commands.iter().map(|command| command.0).collect();
    commands.into_iter().collect()
}

/// Claims mail until then: nobody else sends it before. Mail that is claimed beyond `enough` stays as it is.
pub(crate) async fn mig_mail_claim(
    conn: &mut Conn,
    commands: &[CommandId],
    until: OffsetDateTime,
    enough: OffsetDateTime,
) -> QueryResult<usize> {
    store::sql(MIG_MAIL_CLAIM)
        .bind::<Array<BigInt>, _>(in_order(commands))
        .bind::<Timestamptz, _>(until)
        .bind::<Timestamptz, _>(enough)
        .execute(conn)
        .await
}

/// Locks those of these commands that wait and are claimed until then, until the transaction ends.
pub(crate) async fn mig_mail_hold(
    conn: &mut Conn,
    commands: &[CommandId],
    until: OffsetDateTime,
) -> QueryResult<BTreeSet<CommandId>> {
    let rows: Vec<CommandRow> = store::sql(MIG_MAIL_HOLD)
        .bind::<Array<BigInt>, _>(in_order(commands))
        .bind::<Timestamptz, _>(until)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| CommandId(row.command)).collect())
}

/// Notes what became of commands that were sent, each with when it is to be sent again; those without are their agents'
/// until the action ends. Gives these with their actions, in order; what was withdrawn or answered meanwhile stays so.
pub(crate) async fn mig_mail_note(
    conn: &mut Conn,
    sent: &[(CommandId, Option<OffsetDateTime>)],
    now: OffsetDateTime,
) -> QueryResult<Vec<(CommandId, ActionId)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        command: i64,
        #[diesel(sql_type = BigInt)]
        action: i64,
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    let sent: BTreeMap<i64, Option<OffsetDateTime>> =
        sent.iter().map(|(command, again)| (command.0, *again)).collect();
    let (commands, again): (Vec<i64>, Vec<Option<OffsetDateTime>>) = sent.into_iter().unzip();
    let rows: Vec<Row> = store::sql(MIG_MAIL_NOTE)
        .bind::<Array<BigInt>, _>(commands)
        .bind::<Array<Nullable<Timestamptz>>, _>(again)
        .bind::<Timestamptz, _>(now)
        .get_results(conn)
        .await?;
    let taken = rows.into_iter().filter(|row| row.taken);
    let mut taken: Vec<_> =
        taken.map(|row| (CommandId(row.command), ActionId(row.action))).collect();
    taken.sort_unstable();
    Ok(taken)
}

/// Puts mail that is locked off until its machine is heard again.
pub(crate) async fn mig_mail_postpone(
    conn: &mut Conn,
    commands: &[CommandId],
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(
        "update mailbox set push_at = 'infinity', leased_until = null
         where command = any($1) and state = 'waiting'",
    )
    .bind::<Array<BigInt>, _>(commands)
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
