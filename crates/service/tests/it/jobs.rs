//! Jobs: woken, failing, and one that takes the process down.

use crate::support::process;
use std::sync::atomic::Ordering;
use testkit::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_at_the_start_and_when_woken_and_survives_its_errors() {
    let process = process(&[]).await;
    let small = &process.running.service;
    for run in 1..=4 {
        until(PATIENCE, async || small.runs.load(Ordering::SeqCst) == run).await;
        small.kick.notify_one();
    }
    assert_eq!(process.admin("/livez").await.status, 200, "the second run failed, and that is all");
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_job_stops_the_process() {
    let process = process(&["--explode"]).await;
    let health = process.running.health().clone();
    process.running.service.kick.notify_one();
    until(PATIENCE, async || health.failure().is_some()).await;
    let readiness = web::admin::Probes::ready(&health);
    assert_eq!((readiness.ready, readiness.state), (false, "failed"));
    assert!(!web::admin::Probes::live(&health));
    let error = process.running.finish().await.unwrap_err();
    assert!(
        error.to_string().contains("the task count failed: it panicked: exploded as told"),
        "{error}"
    );
}
