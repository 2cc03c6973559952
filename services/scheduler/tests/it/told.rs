//! How runs stand is told: at once when it matters, else at most four times a second.

use crate::support::{Process, action, agents, job};
use time::Duration;
use types::messages::ActionChanged;
use types::{CommandStatus, Message};

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
