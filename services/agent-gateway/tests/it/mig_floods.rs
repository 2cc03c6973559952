//! Agents send more than there is room for.

use crate::mig_agent::{Identity, MigAgent};
use crate::mig_work::{issue, mig_gateway};
use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use std::collections::BTreeSet;
use testkit::{PATIENCE, until};
use types::messages::{AgentChanged, CommandReturned};

/// How many small answers come first; the last of them is held.
const SMALL: i64 = 120;
/// How many answers of 1 MiB come then: more than are held.
const LARGE: u32 = 72;

/// Holds whoever stores the last small answer for as long as the test holds the lock.
const SLOW: &str = "
    create function slow() returns trigger language plpgsql as $$
    begin
        if exists (select from changed where command = 1120 and state = 'returned') then
            perform pg_advisory_xact_lock(4713);
        end if;
        return null;
    end $$;
    create trigger slow after update on mailbox referencing new table as changed
        for each statement execute function slow();";

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_for_lies_in_the_broker_and_is_taken_once() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let identity = Identity::new("linux.a", 1, gateway.now());
    let mut agent = MigAgent::join(&gateway, mig.url(), identity).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    let commands: Vec<_> =
        (1..=SMALL + i64::from(LARGE)).map(|command| (1_000 + command, number)).collect();
    issue(&gateway, 7, &commands).await;
    let mut taken = Vec::new();
    for _ in &commands {
        taken.push(agent.take().await.0);
    }
    taken.sort_by_key(|command| command["id"].as_i64());
    let mut holder = gateway.database.store().get().await.unwrap();
    holder.batch_execute(SLOW).await.unwrap();
    holder.batch_execute("begin; select pg_advisory_xact_lock(4713)").await.unwrap();
    let (small, large) = taken.split_at(usize::try_from(SMALL).unwrap());
    for command in small {
        agent.publish("mig.agt.results", agent.answer(command, &json!(1)).to_string()).await;
    }
    let waits = "pg_locks where locktype = 'advisory' and objid = 4713 and not granted
        and database = (select oid from pg_database where datname = current_database())";
    until(PATIENCE, async || gateway.count(waits).await == 1).await;

    let padding = "x".repeat(1 << 20);
    for command in large {
        let mut answer = agent.answer(command, &json!(2));
        answer["padding"] = json!(padding);
        agent.publish("mig.agt.results", answer.to_string()).await;
    }
    let most = async || mig.queue_length("mig.agt.results").await >= Some(LARGE - 5);
    until(PATIENCE, most).await;
    holder.batch_execute("commit").await.unwrap();

    let mut returned = BTreeSet::new();
    while returned.len() < commands.len() {
        for command in gateway.tap.next::<CommandReturned>().await.data.commands {
            let id = command.id.0;
            assert_eq!(command.results[1].elements, json!(if id > 1_000 + SMALL { 2 } else { 1 }));
            assert!(returned.insert(id), "told twice: {id}");
        }
    }
    until(PATIENCE, async || mig.queue_length("mig.agt.results").await == Some(0)).await;
    let open = "mailbox where state <> 'returned'";
    assert_eq!(gateway.count(open).await, 0);
}
