//! Two gateways give a MIG agent its commands, and one of them is killed in the middle.

use crate::mig_agent::{Identity, MigAgent};
use crate::mig_work::{issue, mig_gateway};
use crate::support::Gateway;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{PATIENCE, Process, Vhost, until};
use time::format_description::well_known::Rfc3339;
use types::messages::{AgentChanged, CommandReturned};

/// How many commands a message makes.
const EACH: i64 = 25;
/// How many messages come at once.
const MANY: i64 = 40;

/// Starts a gateway's process beside the one of the test.
fn start(gateway: &Gateway, mig: &Vhost) -> Process {
    let program = env!("CARGO_BIN_EXE_agent-gateway");
    let mut command = Process::command(program, gateway.database.url(), gateway.vhost.url());
    Process(command.args(["--mig-amqp-url", mig.url()]).spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_gateways_dies_and_each_command_arrives_and_counts_once() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let mut agent =
        MigAgent::join(&gateway, mig.url(), Identity::new("linux.a", 1, gateway.now())).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    let mut victim = start(&gateway, &mig);
    let mut made = 0;
    let make = async |gateway: &Gateway, made: &mut i64| {
        let commands: Vec<_> = (1..=EACH).map(|n| (*made * EACH + n, number)).collect();
        *made += 1;
        issue(gateway, *made, &commands).await;
    };
    // its clock goes on, that of the other one stands: so the commands tell who sent them
    let stands = json!(gateway.now().format(&Rfc3339).unwrap());
    let by_victim = |command: &Value| command["starttime"] != stands;
    let mut given = BTreeSet::new();
    let mut took = false;
    while !took {
        make(&gateway, &mut made).await;
        for _ in 0..EACH {
            let command = agent.work(&json!(null)).await;
            took |= by_victim(&command);
            given.insert(command["id"].as_i64().unwrap());
        }
    }
    for _ in 0..MANY {
        make(&gateway, &mut made).await;
    }
    loop {
        let command = agent.work(&json!(null)).await;
        given.insert(command["id"].as_i64().unwrap());
        if by_victim(&command) {
            break;
        }
    }
    victim.kill();
    // what the dead one claimed or put away is due by its clock
    gateway.clock.advance(time::Duration::minutes(5));
    let all: BTreeSet<i64> = (1..=made * EACH).collect();
    while given != all {
        let command = agent.work(&json!(null)).await;
        given.insert(command["id"].as_i64().unwrap());
    }
    let (mut returned, mut messages) = (BTreeSet::new(), BTreeSet::new());
    while returned != all {
        let message = gateway.tap.next::<CommandReturned>().await;
        // what the dead one published and could not note goes out again, as the same message; inboxes take it once
        if !messages.insert(message.id) {
            continue;
        }
        for command in message.data.commands {
            assert!(returned.insert(command.id.0), "told twice: {}", command.id);
        }
    }
    until(PATIENCE, async || gateway.count("mailbox where state <> 'returned'").await == 0).await;
}
