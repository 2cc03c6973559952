//! Commands of signed actions that an agent cannot do any more, because a plugin was taken from it.
//!
//! The statements name `in (…)` beside the one state that they want, as the partial indexes of open rows do.

use super::leases::{Lost, lost};
use super::offers::{self, TaskMail};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, CommandId};

/// Locks at most `limit` commands behind `after` that wait for an agent, in their order.
pub(crate) async fn mailbox_hold_waiting(
    conn: &mut Conn,
    agent: AgentId,
    after: CommandId,
    limit: i64,
) -> QueryResult<Vec<Lost>> {
    let rows = store::sql(
        "select m.command, m.action, m.agent, d.operations
         from mailbox m join action_document d on d.action = m.action
         where m.agent = $1 and m.state in ('waiting', 'leased') and m.state = 'waiting' and m.command > $2
         order by m.command limit $3 for update of m",
    )
    .bind::<BigInt, _>(agent.0)
    .bind::<BigInt, _>(after.0)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?;
    lost(rows)
}

/// Locks the open commands of an agent that have tasks which it was not given yet and whose plugin it does not have.
pub(crate) async fn mailbox_hold_orphaned(
    conn: &mut Conn,
    agent: AgentId,
) -> QueryResult<Vec<TaskMail>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        mail: i64,
    }
    let rows: Vec<Row> = store::sql(
        "select distinct t.mail from task t
         where t.agent = $1 and t.state in ('waiting', 'offered') and t.state = 'waiting' and t.mail is not null
             and not exists (select from agent_plugin ap where ap.agent = t.agent and ap.plugin = t.plugin)",
    )
    .bind::<BigInt, _>(agent.0)
    .get_results(conn)
    .await?;
    let commands: Vec<CommandId> = rows.into_iter().map(|row| CommandId(row.mail)).collect();
    let held = offers::mailbox_hold(conn, &commands).await?;
    Ok(held.into_iter().filter(|mail| mail.open).collect())
}

/// Takes back the tasks of commands that their agent was not given yet.
pub(crate) async fn tasks_keep_back(
    conn: &mut Conn,
    commands: &[CommandId],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(
        "update task set state = 'withdrawn', ended = $2 where mail = any($1) and state = 'waiting'",
    )
    .bind::<Array<BigInt>, _>(commands)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}
