//! What an investigator wants of a run waits for no other run.

use crate::support::{NOW, Process, accepted, action, agents, delivery, signed};
use crate::waves::{accept, out, steered, waves};
use diesel_async::RunQueryDsl;
use messaging::Outcome;
use store::sql;
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::{ActionCancelled, CommandWithdrawn};
use types::{Action, ActionId, CommandStatus, InvestigatorId, Wave};

fn cancelled(id: i64) -> ActionCancelled {
    ActionCancelled { id: ActionId(id), by: InvestigatorId(1) }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_withdraws_an_action_waits_for_no_other_launch() {
    let mut process = Process::new().await;
    process.agents(&agents(2)).await;
    process.accept(2, action("quick")).await;
    process.until(2, "inflight").await;
    // a launch that takes as long as the test wants
    process
        .sql(
            "create function slow() returns trigger language plpgsql as $$ begin
                 perform pg_advisory_xact_lock(7);
                 return new;
             end $$",
        )
        .await;
    process
        .sql("create trigger slow before insert on command for each row execute function slow()")
        .await;
    let mut lock = process.servers.database.store().get().await.unwrap();
    sql("select pg_advisory_lock(7)").execute(&mut lock).await.unwrap();
    process.accept(1, action("slow")).await;
    let launching = "pg_locks where locktype = 'advisory' and not granted and objid = 7";
    until(PATIENCE, async || process.count(launching).await == 1).await;

    let later = Action { validfrom: NOW + Duration::minutes(1), ..action("later") };
    let batch = [
        delivery(cancelled(1)),
        delivery(steered(1, true, NOW)),
        delivery(accepted(3, &signed(later, &["alice"]))),
        delivery(cancelled(2)),
    ];
    assert_eq!(process.hand("actions", &batch).await, Outcome::Done);
    assert_eq!(process.count(launching).await, 1, "the launch is still under way");
    assert_eq!(process.run(1).await.status, "pending");
    assert_eq!(process.run(2).await.status, "cancelled");
    assert_eq!(process.run(3).await.status, "pending");
    process.tap.next::<CommandWithdrawn>().await;
    // what comes again was heard
    assert_eq!(process.hand("actions", &batch).await, Outcome::Done);
    assert_eq!(process.count("run_word where action_id = 1").await, 2);

    sql("select pg_advisory_unlock(7)").execute(&mut lock).await.unwrap();
    let run = process.until(1, "cancelled").await;
    assert_eq!((run.counters(), run.reason()), ([2, 0, 0, 0, 0, 2], "withdrawn by investigator 1"));
    let withdrawn = process.tap.next::<CommandWithdrawn>().await.data;
    assert_eq!((withdrawn.action.0, withdrawn.commands.len()), (1, 2));
    until(PATIENCE, async || process.count("run_word").await == 0).await;
    assert_eq!(process.run(1).await.status, "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_words_that_are_kept_the_later_counts() {
    let process = Process::new().await;
    process.agents(&agents(3)).await;
    for id in [1, 2] {
        accept(&process, id, action("a"), waves(&[Wave::Of(1)])).await;
        process.until(id, "inflight").await;
    }
    let mut lock = process.servers.database.store().get().await.unwrap();
    sql("begin").execute(&mut lock).await.unwrap();
    sql("select from run for update").execute(&mut lock).await.unwrap();
    let at = |seconds| NOW + Duration::seconds(seconds);
    let batch = [
        delivery(steered(1, true, at(1))),
        delivery(steered(1, true, at(3))),
        delivery(steered(1, false, at(2))),
        delivery(steered(2, false, at(3))),
        delivery(steered(2, true, at(1))),
    ];
    assert_eq!(process.hand("actions", &batch).await, Outcome::Done);
    assert_eq!(process.count("run_word").await, 5);
    process.job("words").await;
    assert_eq!(process.count("run_word").await, 5, "they are held");
    sql("rollback").execute(&mut lock).await.unwrap();
    until(PATIENCE, async || process.count("run_word").await == 0).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.reason()), ("paused", "paused by investigator 3"));
    assert_eq!(process.run(2).await.status, "inflight");
    process.answer(2, &[1], CommandStatus::Success).await;
    until(PATIENCE, async || out(&process, 2).await == [1, 2]).await;
    assert_eq!(out(&process, 1).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_takes_long_is_done_beside_the_others() {
    const MANY: i64 = 20_001;
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    process.accept(1, action("large")).await;
    process.until(1, "inflight").await;
    process
        .sql(&format!(
            "insert into command (action_id, agent_id, status, started)
                 select 1, n, 'sent', now() from generate_series(2, {MANY}) n"
        ))
        .await;
    process.sql(&format!("update run set targeted = {MANY} where action_id = 1")).await;
    assert_eq!(process.cancel(1).await, Outcome::Done);
    assert_eq!(process.cancel(1).await, Outcome::Done, "again");
    let run = process.until(1, "cancelled").await;
    assert_eq!(run.counters(), [MANY, 0, 0, 0, 0, MANY]);
    until(PATIENCE, async || process.count("run_word").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_cannot_be_done_holds_up_no_other() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    for id in [1, 2] {
        process.accept(id, action("a")).await;
        process.until(id, "inflight").await;
    }
    process.poison(1).await;
    let mut lock = process.servers.database.store().get().await.unwrap();
    sql("begin").execute(&mut lock).await.unwrap();
    sql("select from run for update").execute(&mut lock).await.unwrap();
    let batch = [delivery(cancelled(1)), delivery(cancelled(2))];
    assert_eq!(process.hand("actions", &batch).await, Outcome::Done);
    sql("rollback").execute(&mut lock).await.unwrap();
    process.until(2, "cancelled").await;
    assert_eq!(process.run(1).await.status, "inflight");
    process.cure().await;
    process.wait(Duration::seconds(5));
    process.until(1, "cancelled").await;
}
