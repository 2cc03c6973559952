//! The broker of MIG's agents is killed in the middle.

use crate::mig_agent::{Identity, MigAgent};
use crate::mig_work::issue;
use crate::support::gateway_with;
use serde_json::json;
use testkit::{PATIENCE, Server, Services, until};
use types::CommandId;
use types::messages::{AgentChanged, CommandReturned};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_while_the_broker_was_dead_goes_out_when_it_is_back() {
    let broker = Services::own(&[("PS_PG", "0")]);
    let url = broker.amqp_url();
    let mut gateway = gateway_with(&["--mig-amqp-url", url]).await;
    let identity = Identity::new("linux.a", 1, gateway.now());
    let mut agent = MigAgent::join(&gateway, url, identity.clone()).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    issue(&gateway, 7, &[(70, number)]).await;
    agent.work(&json!("before")).await;
    assert_eq!(gateway.tap.next::<CommandReturned>().await.data.commands[0].id, CommandId(70));

    broker.kill(Server::RabbitMq);
    issue(&gateway, 8, &[(80, number)]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    // agents that beat over HTTP must not die of it
    agent.beat(&gateway).await.expect(200);
    drop(agent);
    broker.restart();
    // its supervisor starts it again
    let mut agent = MigAgent::start(url, identity).await;
    // a broker that was killed may have lost the acknowledgement of what was answered: it is run, and answered, again
    while agent.work(&json!("after")).await["id"] != 80 {}
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned.len(), returned[0].id), (1, CommandId(80)));
    assert_eq!(returned[0].results[0].elements, json!("after"));
    gateway.tap.none_of("command.returned.v1", std::time::Duration::from_millis(300)).await;
}
