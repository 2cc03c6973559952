//! What happens to MIG's agents at one moment: two gateways hear a machine while its mail comes, the database goes away
//! between two answers, a gateway ends while the broker has not answered.

use crate::mig_agent::{Identity, MigAgent, beat};
use crate::mig_work::{issue, mig_gateway};
use crate::support::{Answer, Gateway, gateway_through, gateway_with, start};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testkit::{PATIENCE, Proxy, until};
use types::messages::{AgentChanged, CommandReturned};
use types::{AgentId, CommandId};

/// How many machines are raced for, and how often at most.
const MACHINES: i64 = 8;
const ROUNDS: i64 = 12;
/// How long all rounds may take on a busy machine; what was not raced by then is not.
const RACING: Duration = Duration::from_secs(20);

/// Runs statements in the gateway's database, beside it.
async fn run(gateway: &Gateway, statements: &str) {
    let store = gateway.database.store();
    store.get().await.unwrap().batch_execute(statements).await.unwrap();
}

/// Gives the number of the newest row of each machine.
async fn newest(gateway: &Gateway) -> Vec<AgentId> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let store = gateway.database.store();
    let query = "select max(number) as number from agent group by queueloc order by queueloc";
    let rows: Vec<Row> =
        store::sql(query).get_results(&mut store.get().await.unwrap()).await.unwrap();
    rows.into_iter().map(|row| AgentId(row.number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_forgotten_that_comes_when_its_machine_comes_back() {
    let (gateway, mig) = mig_gateway(&[]).await;
    let flags = ["--mig-amqp-url", mig.url()];
    let second = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &flags).await;
    let urls = [gateway.running.url(), second.url()].map(|url| format!("{url}/api/v1/heartbeat"));
    let machines: Vec<String> = (0..MACHINES).map(|n| format!("linux.{n}")).collect();
    let mut queues = Vec::new();
    for queueloc in &machines {
        let identity = Identity::new(queueloc, 1, gateway.now());
        queues.push(MigAgent::join(&gateway, mig.url(), identity).await);
    }
    let began = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS && (rounds == 0 || began.elapsed() < RACING) {
        rounds += 1;
        // they went away; what comes for them then waits until they are heard, without a time
        run(&gateway, "update agent set status = 'offline'").await;
        let numbers = newest(&gateway).await;
        let commands: Vec<_> =
            numbers.iter().zip(0..).map(|(number, n)| (rounds * MACHINES + n, *number)).collect();
        // each begins anew, heard by both at once, while the commands come
        let beats = machines.iter().flat_map(|queueloc| {
            let body = Identity::new(queueloc, 1 + rounds, gateway.now()).over_http(gateway.now());
            urls.iter().map(move |url| (url, body.to_string()))
        });
        let beats = beats.map(|(url, body)| gateway.client.post(url).body(body).send());
        let (answers, ()) = tokio::join!(
            futures_util::future::join_all(beats),
            issue(&gateway, rounds, &commands),
        );
        for answer in answers {
            Answer::of(answer.unwrap()).await.expect(200);
        }
        let out = format!("mailbox where action = {rounds} and state = 'leased'");
        until(PATIENCE, async || gateway.count(&out).await == MACHINES).await;
    }
    for queue in &mut queues {
        for _ in 0..rounds {
            queue.take().await;
        }
    }
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_are_told_and_neither_is_ordered_to_end() {
    let (gateway, mig) = mig_gateway(&["--mig-exchange", "topic"]).await;
    let ear = Identity::new("linux.ear", 1, gateway.now());
    let mut ear = MigAgent::start(mig.url(), ear).await;
    ear.hear_all().await;
    let twins = [1, 2].map(|pid| Identity::new("linux.a", pid, gateway.now()));
    let mut agent = MigAgent::start(mig.url(), twins[0].clone()).await;
    let conflicts = "agent where conflict_since is not null";
    for turn in 0..10 {
        beat(&gateway, &twins[turn % 2]).await.expect(200);
        gateway.running.service.app.write_seen().await.unwrap();
        gateway.clock.advance(time::Duration::minutes(1));
    }
    assert_eq!(gateway.count(conflicts).await, 2);
    // what is sent goes out in order: an order to end would come before this
    let newest = newest(&gateway).await[0];
    issue(&gateway, 7, &[(70, newest)]).await;
    for heard in [ear.take().await.0, agent.take().await.0] {
        assert_eq!(heard["id"], 70, "{heard}");
        assert_eq!(heard["action"]["operations"][0]["module"], "file");
    }
}

/// Lets the database fail an answer to command 71 whatever comes with it, and hold one to 72 for as long as the test
/// holds the lock.
const POISON: &str = "
    create function poison() returns trigger language plpgsql as $$
    begin
        if exists (select from changed where command = 71 and state = 'returned') then
            raise exception 'poison';
        end if;
        if exists (select from changed where command in (70, 72) and state = 'returned') then
            perform pg_advisory_xact_lock(4711);
        end if;
        return null;
    end $$;
    create trigger poison after update on mailbox referencing new table as changed
        for each statement execute function poison();";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_between_two_answers_loses_none() {
    let mig = testkit::vhost().await;
    let (mut gateway, line) = gateway_through(&["--mig-amqp-url", mig.url()]).await;
    let identity = Identity::new("linux.a", 1, gateway.now());
    let mut agent = MigAgent::join(&gateway, mig.url(), identity).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    let commands: Vec<_> = (70..75).map(|command| (command, number)).collect();
    issue(&gateway, 7, &commands).await;
    let mut taken = Vec::new();
    for _ in &commands {
        taken.push(agent.take().await.0);
    }
    taken.sort_by_key(|command| command["id"].as_i64());

    run(&gateway, POISON).await;
    let store = gateway.database.store();
    let mut holder = store.get().await.unwrap();
    holder.batch_execute("begin; select pg_advisory_xact_lock(4711)").await.unwrap();
    let answer = |at: usize| agent.answer(&taken[at], &json!(at)).to_string();
    agent.publish("mig.agt.results", answer(0)).await;
    let waits = "pg_locks where locktype = 'advisory' and objid = 4711 and not granted";
    until(PATIENCE, async || gateway.count(waits).await == 1).await;
    // the others come together; one of them is poison, so each is taken by itself
    for at in 1..5 {
        agent.publish("mig.agt.results", answer(at)).await;
    }
    agent.arrived("mig.agt.results").await;
    holder.batch_execute("commit; begin; select pg_advisory_xact_lock(4711)").await.unwrap();
    until(PATIENCE, async || gateway.count(waits).await == 1).await;
    assert_eq!(gateway.count("mailbox where state = 'returned'").await, 1);
    line.cut();
    holder.batch_execute("commit").await.unwrap();
    line.resume();

    let mut returned = BTreeSet::new();
    while returned.len() < 4 {
        for command in gateway.tap.next::<CommandReturned>().await.data.commands {
            assert!(returned.insert(command.id), "{} came twice", command.id);
        }
    }
    assert!(!returned.contains(&CommandId(71)), "{returned:?}");
    until(PATIENCE, async || gateway.count("mailbox where state = 'returned'").await == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_broker_takes_while_a_gateway_ends_is_not_sent_again() {
    let mig = testkit::vhost().await;
    let slow = Proxy::before(mig.url()).await;
    let through = slow.through(mig.url());
    let mut gateway = gateway_with(&["--mig-amqp-url", &through]).await;
    let identity = Identity::new("linux.a", 1, gateway.now());
    let mut agent = MigAgent::join(&gateway, mig.url(), identity).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    issue(&gateway, 7, &[(70, number)]).await;
    agent.take().await;
    // the broker's word on it is there
    let pushed = |command| format!("mailbox where command = {command} and state = 'leased'");
    until(PATIENCE, async || gateway.count(&pushed(70)).await == 1).await;

    slow.hold();
    issue(&gateway, 8, &[(80, number)]).await;
    // it went out, and the broker says nothing
    let unanswered =
        "mailbox where command = 80 and state = 'waiting' and leased_until is not null";
    until(PATIENCE, async || gateway.count(unanswered).await == 1).await;
    gateway.running.parts.shutdown.trigger();
    slow.resume();
    until(PATIENCE, async || gateway.count(&pushed(80)).await == 1).await;

    let flags = ["--mig-amqp-url", mig.url()];
    let next = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &flags).await;
    std::mem::replace(&mut gateway.running, next).stop().await.unwrap();
    gateway.clock.advance(time::Duration::minutes(2));
    assert_eq!(agent.take().await.0["id"], 80);
    // what is due is sent in order: had it been due again, it would come before this one
    issue(&gateway, 9, &[(90, number)]).await;
    assert_eq!(agent.take().await.0["id"], 90);
}
