//! The house ends commands.

use crate::support::{gateway, success};
use serde_json::Value;
use testkit::{PATIENCE, until};
use types::messages::{CommandReturned, CommandWithdrawn};
use types::{ActionId, CommandId, CommandStatus};

fn withdrawn(gateway: &crate::support::Gateway, commands: &[i64]) -> CommandWithdrawn {
    CommandWithdrawn {
        action: ActionId(7),
        status: CommandStatus::Expired,
        at: gateway.now(),
        commands: commands.iter().map(|id| CommandId(*id)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_work_is_not_handed_out_but_a_late_answer_is_taken() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number)]).await;
    let work = gateway.work(&agent).await;
    gateway.issue(7, &[(71, agent.number)]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    gateway.vhost.publish("scheduler", gateway.now(), withdrawn(&gateway, &[70, 71])).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'withdrawn'").await == 2).await;
    gateway.clock.advance(time::Duration::seconds(601));
    assert_eq!(gateway.work_now(&agent).await, Vec::<Value>::new());

    assert_eq!(gateway.results(&agent, &[success(&work[0]["run"])]).await, ["accepted"]);
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((told[0].id, told[0].status), (CommandId(70), CommandStatus::Success));
    assert_eq!(gateway.results(&agent, &[success(&work[0]["run"])]).await, ["duplicate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_overtakes_its_command_counts() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.vhost.publish("scheduler", gateway.now(), withdrawn(&gateway, &[70])).await;
    until(PATIENCE, async || gateway.count("withdrawal").await == 1).await;
    gateway.issue(7, &[(70, agent.number), (71, agent.number)]).await;
    let work = gateway.work(&agent).await;
    assert_eq!(work.len(), 1);
    assert_eq!(gateway.count("mailbox where command = 70 and state = 'withdrawn'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_command_cannot_be_withdrawn() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number), (71, agent.number)]).await;
    let work = gateway.work(&agent).await;
    assert_eq!(gateway.results(&agent, &[success(&work[0]["run"])]).await, ["accepted"]);
    gateway.vhost.publish("scheduler", gateway.now(), withdrawn(&gateway, &[70, 71])).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'withdrawn'").await == 1).await;
    assert_eq!(gateway.count("mailbox where state = 'returned'").await, 1);
}
