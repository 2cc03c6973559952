//! Two gateways take heartbeats, commands, withdrawals and answers of the same machines at the same time.

use crate::mig_agent::{Identity, MigAgent};
use crate::mig_work::{issue, mig_gateway};
use crate::support::{Answer, start};
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use serde_json::json;
use std::collections::BTreeSet;
use testkit::{PATIENCE, until};
use types::messages::{AgentChanged, CommandWithdrawn};
use types::{ActionId, CommandId, CommandStatus};

const MACHINES: usize = 40;
const ROUNDS: i64 = 6;

/// Gives how often PostgreSQL ended a transaction of the database because it waited for another in a circle.
async fn deadlocks(store: &store::Store) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        deadlocks: i64,
    }
    let mut conn = store.get().await.unwrap();
    let query = "select deadlocks from pg_stat_database where datname = current_database()";
    let row: Row = store::sql(query).get_result(&mut conn).await.unwrap();
    row.deadlocks
}

#[tokio::test(flavor = "multi_thread")]
async fn they_never_wait_for_each_other_in_a_circle() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let flags = ["--mig-amqp-url", mig.url()];
    let second = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &flags).await;
    let mut agents: Vec<Identity> =
        (0..MACHINES).map(|n| Identity::new(&format!("linux.{n:02}"), 1, gateway.now())).collect();
    let mut numbers = vec![None; MACHINES];
    let speaker = MigAgent::start(mig.url(), agents[0].clone()).await;
    let urls = [gateway.running.url(), second.url()].map(|url| format!("{url}/api/v1/heartbeat"));
    let (now, client) = (gateway.now(), gateway.client.clone());
    let beats = |agents: &[Identity]| {
        let bodies: Vec<_> = agents.iter().map(|agent| agent.over_http(now)).collect();
        let (urls, client) = (urls.clone(), client.clone());
        async move {
            let beat = |(place, body): (usize, &serde_json::Value)| {
                client.post(&urls[place % 2]).body(body.to_string()).send()
            };
            // those of one gateway come in the other's order
            let (there, back) = (bodies.iter().enumerate(), bodies.iter().rev().enumerate());
            let sent = there.chain(back).map(beat);
            for answer in futures_util::future::join_all(sent).await {
                Answer::of(answer.unwrap()).await.expect(200);
            }
        }
    };
    beats(&agents).await;
    while numbers.iter().any(Option::is_none) {
        let told = gateway.tap.next::<AgentChanged>().await.data;
        let place: usize = told.queueloc.strip_prefix("linux.").unwrap().parse().unwrap();
        numbers[place] = Some(told.number);
    }
    let id = |round: i64, action: i64, place: usize| {
        round * 1_000 + action * 100 + i64::try_from(place).unwrap()
    };
    for round in 1..=ROUNDS {
        for agent in &mut agents {
            agent.version = format!("round {round}");
        }
        let issue = async |action: i64| {
            let agents = numbers.iter().enumerate();
            let mut commands: Vec<_> =
                agents.map(|(place, number)| (id(round, action, place), number.unwrap())).collect();
            if action == 2 {
                commands.reverse();
            }
            issue(&gateway, round * 10 + action, &commands).await;
        };
        let withdraw = async |action: i64| {
            let (status, at) = (CommandStatus::Cancelled, gateway.now());
            let mut commands: Vec<_> =
                (0..MACHINES).map(|place| CommandId(id(round, action, place))).collect();
            commands.reverse();
            let action = ActionId(round * 10 + action);
            let gone = CommandWithdrawn { action, status, at, commands };
            gateway.vhost.publish("scheduler", at, gone).await;
        };
        let answer = async || {
            for place in (0..MACHINES).rev() {
                for action in [2, 1] {
                    let body = json!({"id": id(round, action, place), "status": "success", "results": [],
                        "agent": {"queueloc": agents[place].queueloc, "pid": 1}});
                    speaker.publish("mig.agt.results", body.to_string()).await;
                }
            }
        };
        tokio::join!(
            async { tokio::join!(issue(1), issue(2)) },
            async { tokio::join!(withdraw(2), withdraw(1)) },
            beats(&agents),
            answer(),
        );
    }
    let every = i64::try_from(MACHINES).unwrap() * 2 * ROUNDS;
    let ended = "mailbox where state in ('withdrawn', 'returned')";
    until(PATIENCE, async || gateway.count(ended).await == every).await;
    until(PATIENCE, async || mig.queue_length("mig.agt.results").await == Some(0)).await;
    assert_eq!(gateway.count("agent").await, i64::try_from(MACHINES).unwrap());
    let rows: BTreeSet<_> = numbers.into_iter().flatten().collect();
    assert_eq!(rows.len(), MACHINES);
    // a session tells what it counted at its end at the latest
    let sessions = "pg_stat_activity where datname = current_database() and application_name = 'agent-gateway'";
    let store = gateway.database.store();
    assert_ne!(testkit::count(&store, sessions).await, 0);
    second.stop().await.unwrap();
    gateway.running.stop().await.unwrap();
    until(PATIENCE, async || testkit::count(&store, sessions).await == 0).await;
    assert_eq!(deadlocks(&store).await, 0);
}
