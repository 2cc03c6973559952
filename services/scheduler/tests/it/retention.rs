//! What ended long ago is removed, and nothing else.

use crate::playbook_house::{House, playbook};
use crate::support::{action, agents};
use serde_json::json;
use time::Duration;
use types::CommandStatus;

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_is_removed() {
    let house = House::new(&["--retention-runs", "30", "--retention-executions", "30"]).await;
    let process = &house.process;
    let kept = async || {
        let mut counts = Vec::new();
        for table in ["run", "command", "execution", "execution_step", "playbook_document"] {
            counts.push(process.count(table).await);
        }
        counts
    };
    process.agents(&agents(2)).await;
    process.accept(1, action("old")).await;
    process.until(1, "inflight").await;
    process.answer(1, &[1, 2], CommandStatus::Success).await;
    let old = playbook(json!({"a": {"type": "end"}}), &json!({}));
    let first = house.trigger(&old).await;
    house.until(&first, "succeeded").await;
    let before = kept().await;
    assert_eq!((before[0], before[1], before[2], before[4]), (1, 2, 1, 1));

    process.wait(Duration::days(29));
    process.job("publish_runs").await;
    process.job("retain").await;
    assert_eq!(kept().await, before, "what is young stays");

    process.wait(Duration::days(2));
    process.confirm().await;
    let second = house.trigger(&old).await;
    house.until(&second, "succeeded").await;
    let young = playbook(json!({"a": {"type": "end"}}), &json!({}));
    house.until(&house.trigger(&young).await, "succeeded").await;
    process.job("retain").await;
    let after = kept().await;
    assert_eq!((after[0], after[1], after[2], after[4]), (0, 0, 2, 2), "a document in use stays");

    process.wait(Duration::days(31));
    process.job("retain").await;
    assert_eq!(kept().await, [0; 5]);
}
