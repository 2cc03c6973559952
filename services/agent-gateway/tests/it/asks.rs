//! An agent whose question for work had no answer asks again, and is given the same.

use crate::support::{Enrolled, Gateway, gateway, polled, start, success};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use std::time::{Duration as Wait, Instant};
use testkit::{Answer, PATIENCE, until};
use time::Duration;
use types::messages::{CommandDelivered, CommandWithdrawn};
use types::{ActionId, CommandId, CommandStatus};
use uuid::Uuid;

/// Asks for work where a gateway is; gives what there is.
async fn ask_at(url: &str, gateway: &Gateway, agent: &Enrolled, query: &str) -> Vec<Value> {
    let request = gateway.client.get(format!("{url}/agent/v1/work?{query}"));
    let answer = Answer::of(request.bearer_auth(&agent.token).send().await.unwrap()).await;
    answer.expect(200).json()["items"].as_array().unwrap().clone()
}

async fn ask(gateway: &Gateway, agent: &Enrolled, query: &str) -> Vec<Value> {
    ask_at(&gateway.url(""), gateway, agent, query).await
}

/// Makes commands and waits until the mailbox has them.
async fn issue(gateway: &Gateway, agent: &Enrolled, commands: &[i64]) {
    let before = gateway.count("mailbox").await;
    let commands: Vec<_> = commands.iter().map(|command| (*command, agent.number)).collect();
    gateway.issue(7, &commands).await;
    let all = before + i64::try_from(commands.len()).unwrap();
    until(PATIENCE, async || gateway.count("mailbox").await == all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_no_answer_comes_again_as_it_was() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let other = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &[]).await;
    issue(&gateway, &agent, &[70, 71]).await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let lost = ask(&gateway, &agent, &format!("ask={first}")).await;
    assert_eq!(lost.len(), 2);
    let told = gateway.tap.next::<CommandDelivered>().await.data.commands;
    assert_eq!(told.len(), 2);
    gateway.clock.advance(Duration::seconds(60));
    issue(&gateway, &agent, &[72]).await;
    let again = format!("ask={first}&again=true");
    assert_eq!(ask_at(&other.url(), &gateway, &agent, &again).await, lost, "another replica");
    assert_eq!(ask(&gateway, &agent, &again).await, lost, "as often as it takes");
    assert_eq!(gateway.count("mailbox where attempts = 1 and asked is not null").await, 2);
    gateway.tap.none_of("command.delivered.v1", Wait::from_millis(700)).await;

    // one that never arrived is as good as a new one
    let again = format!("ask={second}&again=true");
    let next = ask(&gateway, &agent, &again).await;
    assert_eq!(next.len(), 1);
    assert!(!lost.contains(&next[0]), "{next:?}");
    assert_eq!(ask(&gateway, &agent, &again).await, next);
    let told = gateway.tap.next::<CommandDelivered>().await.data.commands;
    assert_eq!((told.len(), told[0].id), (1, CommandId(72)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_what_another_question_was() {
    let mut gateway = gateway().await;
    let (agent, other) = (gateway.online("one").await, gateway.online("two").await);
    issue(&gateway, &agent, &[70]).await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let lost = ask(&gateway, &agent, &format!("ask={first}")).await;
    assert_eq!(lost.len(), 1);
    let again = format!("ask={first}&again=true");
    assert_eq!(ask(&gateway, &other, &again).await, Vec::<Value>::new(), "another agent");
    for query in [format!("ask={second}&again=true"), format!("ask={first}"), String::new()] {
        assert_eq!(ask(&gateway, &agent, &query).await, Vec::<Value>::new(), "{query}");
    }
    gateway.clock.advance(Duration::seconds(600));
    let late = ask(&gateway, &agent, &format!("ask={second}")).await;
    assert_eq!(late[0]["run"], lost[0]["run"]);
    assert_eq!(gateway.count("mailbox where attempts = 2").await, 1);
    assert_eq!(ask(&gateway, &agent, &again).await, Vec::<Value>::new(), "the last one counts");
    // one without a name is not asked again
    gateway.clock.advance(Duration::seconds(600));
    assert_eq!(ask(&gateway, &agent, "").await.len(), 1);
    assert_eq!(gateway.count("mailbox where asked is null").await, 1);
    let again = format!("ask={second}&again=true");
    assert_eq!(ask(&gateway, &agent, &again).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_does_not_come_again() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    issue(&gateway, &agent, &[70, 71, 72]).await;
    let name = Uuid::now_v7();
    let lost = ask(&gateway, &agent, &format!("ask={name}")).await;
    assert_eq!(lost.len(), 3);
    // the oldest first
    assert_eq!(gateway.results(&agent, &[success(&lost[0]["run"])]).await, ["accepted"]);
    let withdrawn = CommandWithdrawn {
        action: ActionId(7),
        status: CommandStatus::Cancelled,
        at: gateway.now(),
        commands: vec![CommandId(71)],
    };
    gateway.vhost.publish("scheduler", gateway.now(), withdrawn).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'withdrawn'").await == 1).await;
    let again = format!("ask={name}&again=true");
    assert_eq!(ask(&gateway, &agent, &again).await, lost[2..]);
    // nor beyond the end of its action, whatever the lease says
    let end = "update action_document set expire_after = now() - '1 day'::interval";
    gateway.database.store().get().await.unwrap().batch_execute(end).await.unwrap();
    assert_eq!(ask(&gateway, &agent, &again).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_still_at_work_is_waited_for() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    issue(&gateway, &agent, &[70]).await;
    let name = Uuid::now_v7();
    // as another replica does it
    let lease = format!(
        "begin; update mailbox set state = 'leased', leased_until = now() + '1 hour'::interval,
             attempts = 1, asked = '{name}'"
    );
    let mut at_work = gateway.database.store().get().await.unwrap();
    at_work.batch_execute(&lease).await.unwrap();
    let commit = async {
        gateway.polled().await;
        at_work.batch_execute("commit").await.unwrap();
    };
    let query = format!("ask={name}&again=true&wait=8");
    let (work, ()) = tokio::join!(ask(&gateway, &agent, &query), commit);
    assert_eq!(work.len(), 1);
    assert_eq!(gateway.count("mailbox where attempts = 1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_dead_does_not_keep_work_from_its_agent() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let name = Uuid::now_v7();
    // nobody reads the answer to the first, and the gateway cannot know
    let dead = format!("ask={name}&wait=3");
    let alive = format!("ask={name}&again=true&wait=60");
    let issue = async {
        polled(&gateway.running).await;
        gateway.issue(7, &[(70, agent.number)]).await;
    };
    let alive = async {
        let start = Instant::now();
        let work = ask(&gateway, &agent, &alive).await;
        (work, start.elapsed())
    };
    let (_, (work, took), ()) = tokio::join!(ask(&gateway, &agent, &dead), alive, issue);
    assert_eq!(work.len(), 1);
    assert!(took < Wait::from_secs(40), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_told() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let name = Uuid::now_v7();
    for (query, status, pointer) in [
        ("again=true".to_owned(), 422, "?again"),
        (format!("ask={name}&again=often"), 400, "?again"),
        ("ask=7".to_owned(), 400, "?ask"),
        (format!("ask={name}&ask={name}"), 400, ""),
    ] {
        let path = format!("/agent/v1/work?{query}");
        let answer = gateway.get(&path, &agent.token).await.expect(status).json();
        assert_eq!(answer["status"], json!(status), "{answer}");
        assert!(answer["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer), "{answer}");
    }
    let first = format!("ask={name}&again=false");
    assert_eq!(ask(&gateway, &agent, &first).await, Vec::<Value>::new());
}
