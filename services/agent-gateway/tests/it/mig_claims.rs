//! The database goes away while commands of MIG agents go out: nobody sends them a second time.

use crate::mig_agent::{Identity, MigAgent};
use crate::mig_work::issue;
use crate::support::{Gateway, gateway_through, start};
use diesel_async::SimpleAsyncConnection;
use std::time::Duration;
use store::PooledConn;
use testkit::{PATIENCE, Proxy, until};
use types::messages::AgentChanged;

const COUNT: i64 = 40;
/// Is a command that is due after the others.
const LAST: i64 = 900;

/// Holds whoever notes that commands are out for as long as the test holds the lock.
const SLOW_NOTE: &str = "
    create function slow_note() returns trigger language plpgsql as $$
    begin
        if exists (select from changed where state = 'leased') then
            perform pg_advisory_xact_lock(4712);
        end if;
        return null;
    end $$;
    create trigger slow_note after update on mailbox referencing new table as changed
        for each statement execute function slow_note();";

const LOCKS: &str = "pg_locks where locktype = 'advisory' and objid = 4712
    and database = (select oid from pg_database where datname = current_database())";

/// Lets a gateway send commands that it cannot note; the lock is the caller's to let go.
async fn send(gateway: &mut Gateway, mig: &str) -> (MigAgent, PooledConn) {
    let identity = Identity::new("linux.a", 1, gateway.now());
    let agent = MigAgent::join(gateway, mig, identity).await;
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    let mut holder = gateway.database.store().get().await.unwrap();
    holder.batch_execute(SLOW_NOTE).await.unwrap();
    holder.batch_execute("begin; select pg_advisory_xact_lock(4712)").await.unwrap();
    let commands: Vec<_> = (0..COUNT).map(|n| (700 + n, number)).collect();
    issue(gateway, 7, &commands).await;
    let waits = format!("{LOCKS} and not granted");
    until(PATIENCE, async || gateway.count(&waits).await == 1).await;
    (agent, holder)
}

/// Lets the lock go; what its sender noted is undone, as nobody is there to end it.
async fn undo(gateway: &Gateway, holder: &mut PooledConn) {
    holder.batch_execute("commit").await.unwrap();
    until(PATIENCE, async || gateway.count(LOCKS).await == 0).await;
    assert_eq!(gateway.count("mailbox where state = 'waiting'").await, COUNT);
    // what is due is sent in order: were the others due, they would come before this one
    let last = format!(
        "insert into mailbox (command, action, agent, run, state, push_at)
         select {LAST}, action, agent, gen_random_uuid(), 'waiting', '{}' from mailbox where command = 700",
        gateway.now()
    );
    holder.batch_execute(&last).await.unwrap();
}

/// Expects each command once, and the last one last.
async fn each_once(gateway: &Gateway, agent: &mut MigAgent) {
    for command in (700..700 + COUNT).chain([LAST]) {
        assert_eq!(agent.take().await.0["id"], command);
    }
    assert_eq!(
        gateway.count(&format!("mailbox where command < {LAST} and state = 'leased'")).await,
        0
    );
}

async fn noted(gateway: &Gateway, agent: &mut MigAgent) {
    let out = "mailbox where state = 'leased' and attempts = 1";
    until(PATIENCE, async || gateway.count(out).await == COUNT + 1).await;
    assert!(!agent.is_given(Duration::from_millis(300)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_sent_and_could_not_note_another_does_not_send() {
    let mig = testkit::vhost().await;
    let flags = ["--mig-amqp-url", mig.url()];
    let (mut gateway, line) = gateway_through(&flags).await;
    let (mut agent, mut holder) = send(&mut gateway, mig.url()).await;
    let second = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &flags).await;
    line.cut();
    undo(&gateway, &mut holder).await;
    each_once(&gateway, &mut agent).await;
    line.resume();
    noted(&gateway, &mut agent).await;
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_the_database_was_away_for_all_and_for_long() {
    let mig = testkit::vhost().await;
    let flags = ["--mig-amqp-url", mig.url()];
    let (mut gateway, line) = gateway_through(&flags).await;
    let (mut agent, mut holder) = send(&mut gateway, mig.url()).await;
    let other = Proxy::before(gateway.database.url()).await;
    let through = other.through(gateway.database.url());
    let second = start(&through, &gateway.vhost, &gateway.clock, &flags).await;
    line.cut();
    other.cut();
    until(PATIENCE, async || !second.service.app.reads_mailbox()).await;
    gateway.clock.advance(time::Duration::minutes(1));
    undo(&gateway, &mut holder).await;
    // the one that knows what it sent comes back last
    other.resume();
    each_once(&gateway, &mut agent).await;
    line.resume();
    noted(&gateway, &mut agent).await;
    second.stop().await.unwrap();
}
