//! Work goes out under a lease, again when it runs out, and not for ever.

use crate::support::{Enrolled, Gateway, document, gateway, gateway_with, success};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration as Wait;
use testkit::{PATIENCE, until};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::messages::command::IssuedCommand;
use types::messages::{CommandDelivered, CommandReturned};
use types::{AgentId, CommandId, CommandStatus};

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_out_once_and_its_answer_comes_back_once() {
    let mut gateway = gateway().await;
    let (agent, other) = (gateway.online("one").await, gateway.online("two").await);
    gateway.issue(7, &[(70, agent.number), (71, other.number)]).await;
    let work = gateway.work(&agent).await;
    assert_eq!(work.len(), 1);
    assert_eq!(
        (&work[0]["action"], &work[0]["document"]),
        (&json!(7), &json!(document(7))),
        "byte for byte"
    );
    let until = (gateway.now() + Duration::seconds(600)).format(&Rfc3339).unwrap();
    assert_eq!(work[0]["leased_until"], json!(until));
    assert_eq!(gateway.work_now(&agent).await, Vec::<Value>::new());
    let told = gateway.tap.next::<CommandDelivered>().await.data.commands;
    assert_eq!((told.len(), told[0].id, told[0].at), (1, CommandId(70), gateway.now()));
    assert_eq!(told[0].action.unwrap().0, 7);

    gateway.clock.advance(Duration::seconds(2));
    let answer = success(&work[0]["run"]);
    assert_eq!(gateway.results(&agent, std::slice::from_ref(&answer)).await, ["accepted"]);
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    let [returned] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((returned.id, returned.action.0, returned.agent), (CommandId(70), 7, agent.number));
    assert_eq!((returned.status, returned.at), (CommandStatus::Success, gateway.now()));
    assert_eq!(json!(returned.results), answer["results"]);

    // a lost answer makes the agent send again
    assert_eq!(
        gateway.results(&agent, &[answer.clone(), answer]).await,
        ["duplicate", "duplicate"]
    );
    gateway.tap.none_of("command.returned.v1", Wait::from_millis(700)).await;
    assert_eq!(gateway.work_now(&agent).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_nobody_waits_for_takes_no_work() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let address = gateway.url("").replace("http://", "");
    let mut poll = TcpStream::connect(address.trim_end_matches('/')).await.unwrap();
    let head = format!(
        "GET /agent/v1/work?wait=60 HTTP/1.1\r\nhost: writ\r\nauthorization: Bearer {}\r\n\r\n",
        agent.token
    );
    poll.write_all(head.as_bytes()).await.unwrap();
    poll.shutdown().await.unwrap();
    let mut answer = String::new();
    poll.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "", "the gateway hangs up too, and long before the poll would end");
    gateway.issue(7, &[(70, agent.number)]).await;
    assert_eq!(gateway.work(&agent).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_not_answered_goes_out_again_and_then_fails() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number)]).await;
    let first = gateway.work(&agent).await;
    for _ in 0..2 {
        gateway.clock.advance(Duration::seconds(600));
        let again = gateway.work(&agent).await;
        assert_eq!(again[0]["run"], first[0]["run"], "the agent knows it by its run");
    }
    gateway.tap.next::<CommandDelivered>().await;
    gateway.tap.none_of("command.delivered.v1", Wait::from_millis(700)).await;

    let app = &gateway.running.service.app;
    app.end_leases().await.unwrap();
    gateway.tap.none_of("command.returned.v1", Wait::from_millis(700)).await;
    gateway.clock.advance(Duration::seconds(600));
    assert_eq!(gateway.work_now(&agent).await, Vec::<Value>::new(), "handed out often enough");
    app.end_leases().await.unwrap();
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!(
        (told[0].id, told[0].status, told[0].results.len()),
        (CommandId(70), CommandStatus::Failed, 2)
    );
    assert!(told[0].given_up, "not the agent's own word");

    // an answer that comes after all is passed on; the scheduler decides
    assert_eq!(gateway.results(&agent, &[success(&first[0]["run"])]).await, ["accepted"]);
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((told[0].status, told[0].given_up), (CommandStatus::Success, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_its_agent_is_at_stays_with_it() {
    let mut gateway = gateway().await;
    let (agent, other) = (gateway.online("one").await, gateway.online("two").await);
    gateway.issue(7, &[(70, agent.number), (71, other.number)]).await;
    let run = gateway.work(&agent).await[0]["run"].clone();
    let lost = gateway.work(&other).await[0]["run"].clone();
    let holds = async |gateway: &Gateway, who: &Enrolled, runs: &str| {
        let path = format!("/agent/v1/work?holds={runs}");
        gateway.get(&path, &who.token).await.expect(200).json()["items"].clone()
    };
    let app = Arc::clone(&gateway.running.service.app);
    // much longer than all of its leases together
    for _ in 0..7 {
        gateway.clock.advance(Duration::seconds(400));
        app.end_leases().await.unwrap();
        assert_eq!(holds(&gateway, &agent, run.as_str().unwrap()).await, json!([]));
    }
    let withdrawn = "mailbox where state = 'withdrawn'";
    assert_eq!(gateway.count(withdrawn).await, 0, "the other one was never told to be over");
    assert_eq!(gateway.results(&agent, &[success(&run)]).await, ["accepted"]);
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((told[0].id, told[0].status), (CommandId(70), CommandStatus::Success));

    // nobody keeps the work of another, and what is no run is told
    assert_eq!(holds(&gateway, &agent, lost.as_str().unwrap()).await, json!([]));
    assert_eq!(gateway.work_now(&other).await[0]["run"], lost);
    for wrong in ["x".to_owned(), vec![run.as_str().unwrap(); 65].join(",")] {
        let path = format!("/agent/v1/work?holds={wrong}");
        let answer = gateway.get(&path, &agent.token).await.expect(422).json();
        assert_eq!(answer["errors"][0]["pointer"], "?holds", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_beyond_the_end_of_its_action() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let mut message = gateway.issued(7, &[(70, agent.number)]);
    message.expire_after = gateway.now() + Duration::seconds(60);
    let ends = message.expire_after;
    gateway.vhost.publish("scheduler", gateway.now(), message).await;
    let work = gateway.work(&agent).await;
    assert_eq!(work[0]["leased_until"], json!(ends.format(&Rfc3339).unwrap()));
    gateway.clock.advance(Duration::seconds(60));
    assert_eq!(gateway.work_now(&agent).await, Vec::<Value>::new());
    // a late answer is still taken
    assert_eq!(gateway.results(&agent, &[success(&work[0]["run"])]).await, ["accepted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_for_nobody_comes_back_at_once() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let mut message = gateway.issued(7, &[(70, agent.number), (71, AgentId(999_999))]);
    let failed = Some("the agent lacks the module".to_owned());
    message.commands.push(IssuedCommand { id: CommandId(72), agent: agent.number, failed });
    gateway.vhost.publish("scheduler", gateway.now(), message).await;
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    let [returned] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((returned.id, returned.status), (CommandId(71), CommandStatus::Failed));
    assert!(returned.results[0].errors.as_ref().unwrap()[0].contains("unknown"), "{returned:?}");
    let work = gateway.work(&agent).await;
    assert_eq!(work.len(), 1, "what the scheduler failed itself is not for the agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_twice_make_work_once() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    for _ in 0..3 {
        gateway.issue(7, &[(70, agent.number)]).await;
    }
    gateway.issue(7, &[(71, agent.number)]).await;
    until(PATIENCE, async || gateway.count("messaging.inbox").await == 4).await;
    let work = gateway.work(&agent).await;
    assert_eq!(work.len(), 2);
    assert_eq!(gateway.count("action_document").await, 1);
    let runs: std::collections::BTreeSet<_> =
        work.iter().map(|item| item["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_polls_at_once_never_get_the_same_work() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let commands: Vec<_> = (0..40).map(|n| (100 + n, agent.number)).collect();
    gateway.issue(7, &commands).await;
    until(PATIENCE, async || gateway.count("mailbox").await == 40).await;
    let polls = (0..8).map(|_| gateway.work_now(&agent));
    let mut runs = Vec::new();
    for items in futures_util::future::join_all(polls).await {
        assert!(items.len() <= 16);
        runs.extend(items.into_iter().map(|item| item["run"].as_str().unwrap().to_owned()));
    }
    loop {
        let items = gateway.work_now(&agent).await;
        if items.is_empty() {
            break;
        }
        runs.extend(items.into_iter().map(|item| item["run"].as_str().unwrap().to_owned()));
    }
    let distinct: std::collections::BTreeSet<_> = runs.iter().collect();
    assert_eq!((runs.len(), distinct.len()), (40, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_is_removed() {
    let mut gateway = gateway_with(&["--keep-hours", "1"]).await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number)]).await;
    let work = gateway.work(&agent).await;
    let app = &gateway.running.service.app;
    gateway.clock.advance(Duration::hours(2));
    gateway.issue(8, &[(80, agent.number)]).await;
    until(PATIENCE, async || gateway.count("mailbox").await == 2).await;
    app.purge().await.unwrap();
    assert_eq!(gateway.count("mailbox").await, 2, "kept for answers that come late");
    gateway.clock.advance(Duration::seconds(1));
    app.purge().await.unwrap();
    assert_eq!((gateway.count("mailbox").await, gateway.count("action_document").await), (1, 1));
    assert_eq!(gateway.results(&agent, &[success(&work[0]["run"])]).await, ["refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_message_ends_with_the_dead_and_holds_up_nothing() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let mut message = gateway.issued(6, &[(60, agent.number)]);
    message.document = "not an action".into();
    gateway.vhost.publish("scheduler", gateway.now(), message).await;
    gateway.vhost.publish_raw("command.issued.v1", uuid::Uuid::now_v7(), b"{}").await;
    gateway.issue(7, &[(70, agent.number)]).await;
    assert_eq!(gateway.work(&agent).await[0]["action"], json!(7));
    until(PATIENCE, async || gateway.vhost.queue_length(messaging::DEAD).await == Some(2)).await;
    let mut conn = gateway.database.store().get().await.unwrap();
    store::sql("select 1").execute(&mut conn).await.unwrap();
    assert_eq!(gateway.count("mailbox").await, 1);
}
