//! A run ends when its time is over, whoever has not answered.

use crate::support::{NOW, Process, Servers, accepted, action, agents, signed};
use std::collections::BTreeSet;
use std::time::Instant;
use testkit::{PATIENCE, Proxy, until};
use time::Duration;
use types::messages::{ActionChanged, CommandIssued, CommandWithdrawn};
use types::{Action, CommandId, CommandStatus, Message};

#[tokio::test(flavor = "multi_thread")]
async fn open_commands_expire_with_their_action() {
    let mut process = Process::new().await;
    process.agents(&agents(1201)).await;
    process.accept(1, action("a")).await;
    process.until(1, "inflight").await;
    process.answer(1, &[3], CommandStatus::Success).await;
    process.answer(1, &[5], CommandStatus::Failed).await;
    process.wait(Duration::minutes(10));
    process.job("expire").await;
    assert_eq!(process.run(1).await.status, "inflight", "the last moment counts");
    process.wait(Duration::microseconds(1));
    let run = process.until(1, "completed").await;
    assert_eq!(run.counters(), [1201, 1, 1, 0, 1199, 0]);

    let at = NOW + Duration::minutes(10) + Duration::microseconds(1);
    let (mut sizes, mut withdrawn) = (vec![], BTreeSet::new());
    for _ in 0..3 {
        let message = process.tap.next::<CommandWithdrawn>().await.data;
        assert_eq!((message.action.0, message.status, message.at), (1, CommandStatus::Expired, at));
        sizes.push(message.commands.len());
        withdrawn.extend(message.commands);
    }
    assert_eq!(sizes, [500, 500, 199]);
    let expired = process.commands(1).await.into_iter().filter(|c| c.status == "expired");
    assert_eq!(expired.map(|c| CommandId(c.id)).collect::<BTreeSet<_>>(), withdrawn);
    let last = loop {
        let changed = process.tap.next::<ActionChanged>().await.data;
        if changed.status == "completed" {
            break changed;
        }
    };
    assert_eq!((last.counters.expired, last.finished, last.reason), (1199, Some(at), None));
    process.job("expire").await;
    assert_eq!(process.run(1).await.version, last.version, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_start_in_time_never_does() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    // accepted in time, and late on its way
    let document = signed(action("a"), &["alice"]);
    process.wait(Duration::minutes(11));
    process.confirm().await;
    process.take("actions", accepted(1, &document)).await;
    let run = process.until(1, "expired").await;
    assert_eq!(run.reason(), "its time passed before it could start");
    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((changed.status.as_str(), changed.started), ("expired", None));
    assert_eq!(changed.finished, Some(NOW + Duration::minutes(11)));
    assert_eq!(process.commands(1).await, []);
    process.silent_of(&[CommandIssued::KIND, CommandWithdrawn::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_passes_while_everything_stands_still_is_noticed() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let validfrom = NOW + Duration::minutes(5);
    process.accept(1, Action { validfrom, ..action("a") }).await;
    process.wait(Duration::hours(1));
    process.until(1, "expired").await;
    process.job("launch").await;
    process.silent_of(&[CommandIssued::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_replaces_the_expiry_once() {
    let mut process = Process::new().await;
    process.agents(&agents(3)).await;
    process.accept(1, action("a")).await;
    process.until(1, "inflight").await;
    process.wait(Duration::minutes(11));
    let over = process.until(1, "completed").await;
    assert_eq!(over.counters(), [3, 0, 0, 0, 3, 0]);
    process.wait(Duration::seconds(1));
    process.answer(1, &[1], CommandStatus::Success).await;
    process.answer(1, &[1], CommandStatus::Failed).await;
    process.wait(Duration::seconds(1));
    process.answer(1, &[2], CommandStatus::Failed).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("completed", [3, 1, 1, 0, 1, 0]));
    let states: Vec<_> = process.commands(1).await.into_iter().map(|c| c.status).collect();
    assert_eq!(states, ["success", "failed", "expired"]);
    let last = loop {
        let changed = process.tap.next::<ActionChanged>().await.data;
        if changed.counters.failed == 1 {
            break changed;
        }
    };
    assert_eq!((last.counters.success, last.counters.expired), (1, 1));
    let ended = NOW + Duration::minutes(11);
    assert_eq!(last.finished, Some(ended), "it ended when it ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_ended_holds_up_no_other() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    let expireafter = NOW + Duration::minutes(9);
    process.accept(1, Action { expireafter, ..action("first") }).await;
    process.accept(2, action("second")).await;
    for id in [1, 2] {
        process.until(id, "inflight").await;
    }
    process.poison(1).await;
    process.wait(Duration::minutes(11));
    process.until(2, "completed").await;
    assert_eq!(process.run(1).await.status, "inflight");
    // the job says that it failed, so that it is seen
    until(PATIENCE, async || {
        process.wait(Duration::seconds(5));
        process.job_fails("expire").await
    })
    .await;
    process.cure().await;
    process.wait(Duration::seconds(5));
    process.until(1, "completed").await;
}

/// Every command is final half a minute after its action's end, or after what was away then has come back.
#[tokio::test(flavor = "multi_thread")]
async fn commands_end_although_database_or_broker_are_away_at_the_end() {
    let servers = Servers::new().await;
    let database = Proxy::before(servers.database.url()).await;
    let broker = Proxy::before(servers.vhost.url()).await;
    let mut process = Process::on(servers.behind(&database, &broker), &[]).await;
    let bus = process.running.parts.bus.clone();
    process.agents(&agents(3)).await;
    for (id, line) in [(1, &database), (2, &broker)] {
        let end = process.clock.now() + Duration::minutes(4);
        process.confirm().await;
        let order = Action { expireafter: end, ..action(&format!("number {id}")) };
        process.accept(id, order).await;
        process.until(id, "inflight").await;
        process.answer(id, &[1], CommandStatus::Success).await;
        line.cut();
        let away = async || !bus.is_connected() || !process.store.is_up().await;
        until(PATIENCE, away).await;
        process.wait(Duration::minutes(4) + Duration::microseconds(1));
        let mut start = Instant::now();
        if id == 1 {
            line.resume();
            start = Instant::now();
        }
        let run = process.until(id, "completed").await;
        assert_eq!(run.counters(), [3, 1, 0, 0, 2, 0]);
        assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
        let states: Vec<_> = process.commands(id).await.into_iter().map(|c| c.status).collect();
        assert_eq!(states, ["success", "expired", "expired"]);
        line.resume();
        let withdrawn = process.tap.next::<CommandWithdrawn>().await.data;
        assert_eq!((withdrawn.action.0, withdrawn.commands.len()), (id, 2));
        until(PATIENCE, async || bus.is_connected()).await;
    }
}
