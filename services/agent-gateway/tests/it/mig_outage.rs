//! The broker of MIG's agents is killed in the middle, or holds publishers up.

use crate::mig_agent::{Identity, MigAgent};
use crate::mig_work::issue;
use crate::support::{Gateway, gateway_with};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::{PATIENCE, Server, Services, until};
use types::messages::{AgentChanged, CommandReturned, CommandWithdrawn};
use types::{ActionId, CommandId, CommandStatus};

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
    gateway.tap.none_of("command.returned.v1", Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_holds_up_arrives_once_and_can_be_withdrawn_meanwhile() {
    const COUNT: i64 = 60;
    let broker = Services::own(&[("PS_PG", "0")]);
    let url = broker.amqp_url();
    let mut gateway = gateway_with(&["--mig-amqp-url", url]).await;
    let identity = Identity::new("linux.a", 1, gateway.now());
    let mut agent = MigAgent::join(&gateway, url, identity).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;

    broker.alarm(true);
    let commands: Vec<_> = (0..COUNT).map(|n| (700 + n, number)).collect();
    issue(&gateway, 7, &commands).await;
    // it is out, the broker says nothing, and it is kept from being sent again, however long that takes
    let held = async |gateway: &Gateway| {
        let later = gateway.now() + Duration::from_secs(1);
        let rows = format!("mailbox where state = 'waiting' and push_at > '{later}'");
        until(PATIENCE, async || gateway.count(&rows).await == COUNT).await;
    };
    held(&gateway).await;
    issue(&gateway, 8, &[(800, number)]).await;
    until(PATIENCE, async || gateway.count("mailbox").await == COUNT + 1).await;
    for _ in 0..3 {
        gateway.clock.advance(time::Duration::seconds(31));
        held(&gateway).await;
    }
    let (at, status) = (gateway.now(), CommandStatus::Cancelled);
    for (action, command) in [(7, 700), (8, 800)] {
        let commands = vec![CommandId(command)];
        let gone = CommandWithdrawn { action: ActionId(action), status, at, commands };
        gateway.vhost.publish("scheduler", at, gone).await;
    }
    let withdrawn = "mailbox where state = 'withdrawn'";
    until(PATIENCE, async || gateway.count(withdrawn).await == 2).await;

    broker.alarm(false);
    let mut given = BTreeSet::new();
    // the one that was withdrawn had gone out; the other never does
    while given.len() < usize::try_from(COUNT).unwrap() {
        let id = agent.take().await.0["id"].as_i64().unwrap();
        assert!(given.insert(id), "{id} came twice");
    }
    assert!(!given.contains(&800));
    let left = "mailbox where state = 'leased'";
    until(PATIENCE, async || gateway.count(left).await == COUNT - 1).await;
    assert!(!agent.is_given(Duration::from_millis(500)).await);
    assert_eq!(gateway.count(withdrawn).await, 2);
}
