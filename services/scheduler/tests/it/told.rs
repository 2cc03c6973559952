//! How runs stand is told: at once when it matters, else at most four times a second.

use crate::support::{Process, action, agents, job};
use testkit::PATIENCE;
use time::Duration;
use types::messages::ActionChanged;
use types::{CommandStatus, Envelope, Message};

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_run_is_told_four_times_a_second() {
    let mut process = Process::new().await;
    process.agents(&agents(10)).await;
    process.accept(1, action("a")).await;
    process.until(1, "inflight").await;
    let launched = process.tap.next::<ActionChanged>().await.data;
    process.answer(1, &[1, 2, 3], CommandStatus::Success).await;
    assert!(process.run(1).await.unpublished);
    process.silent_of(&[ActionChanged::KIND]).await;

    process.wait(Duration::milliseconds(249));
    process.job("publish_runs").await;
    process.silent_of(&[ActionChanged::KIND]).await;
    process.wait(Duration::milliseconds(1));
    process.job("publish_runs").await;
    let held_back = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((held_back.counters.success, held_back.status.as_str()), (3, "inflight"));
    assert!(held_back.version > launched.version);
    assert!(!process.run(1).await.unpublished);
    process.job("publish_runs").await;
    process.silent_of(&[ActionChanged::KIND]).await;

    // after a pause the first is told at once, and so is the end
    process.wait(Duration::seconds(1));
    process.answer(1, &[4, 5], CommandStatus::Success).await;
    let at_once = process.tap.next::<ActionChanged>().await.data;
    assert_eq!(at_once.counters.success, 4);
    process.answer(1, &[6, 7, 8, 9, 10], CommandStatus::Success).await;
    let last = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((last.status.as_str(), last.counters.success), ("completed", 10));
    assert!(last.version > at_once.version && at_once.version > held_back.version);
    assert_eq!(process.run(1).await.version, last.version);
    process.wait(Duration::seconds(1));
    process.job("publish_runs").await;
    process.silent_of(&[ActionChanged::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_tell_what_was_held_back_once() {
    let mut process = Process::new().await;
    let second = process.servers.start(&process.clock, &[]).await;
    process.agents(&agents(2)).await;
    for id in 1..=8 {
        process.accept(id, action(&format!("number {id}"))).await;
        process.until(id, "inflight").await;
        process.answer(id, &[1], CommandStatus::Success).await;
        process.tap.next::<ActionChanged>().await;
    }
    process.wait(Duration::seconds(1));
    tokio::join!(process.job("publish_runs"), job(&second.service, "publish_runs"));
    for _ in 1..=8 {
        assert_eq!(process.tap.next::<ActionChanged>().await.data.counters.success, 1);
    }
    process.silent_of(&[ActionChanged::KIND]).await;
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_back_is_told_in_the_trace_of_its_action() {
    let mut process = Process::new().await;
    process.agents(&agents(2)).await;
    let trace = |id: i64| format!("00-{id:032x}-00000000000000ff-01");
    for id in 1..=3 {
        process.accept(id, action(&format!("number {id}"))).await;
        process.until(id, "inflight").await;
        process.tap.next::<ActionChanged>().await;
        if id < 3 {
            let keep =
                format!("update run set traceparent = '{}' where action_id = {id}", trace(id));
            process.sql(&keep).await;
        }
        process.answer(id, &[1], CommandStatus::Success).await;
    }
    process.wait(Duration::seconds(1));
    process.job("publish_runs").await;
    for _ in 1..=3 {
        let heard = process.tap.next_of(ActionChanged::KIND, PATIENCE).await.unwrap();
        let told: Envelope<ActionChanged> = serde_json::from_slice(&heard.body).unwrap();
        let headers = heard.properties.headers().as_ref().unwrap().inner();
        let parent = headers.get("traceparent").and_then(|value| value.as_long_string());
        let parent = parent.map(ToString::to_string);
        let id = told.data.id.0;
        assert_eq!(parent, (id < 3).then(|| trace(id)), "action {id}");
    }
}
