//! What the scheduler and agent-gateway tell is counted and shown.

use crate::support::{Process, agent};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use testkit::{PATIENCE, until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::messages::action::RunCounters;
use types::messages::agent::SeenAgent;
use types::messages::command::{DeliveredCommand, IssuedCommand, ReturnedCommand};
use types::messages::{
    ActionChanged, AgentChanged, AgentSeen, CommandDelivered, CommandIssued, CommandReturned,
    CommandWithdrawn, InvestigatorChanged, InvestigatorDigest, ReplicaRequested,
};
use types::{ActionId, AgentId, AgentStatus, CommandId, CommandStatus, OperationResult, Transport};

fn issued(action: ActionId, document: &str, now: OffsetDateTime) -> CommandIssued {
    let command = |id: i64| IssuedCommand {
        id: CommandId(id),
        agent: AgentId(id),
        failed: (id == 4).then(|| "module 'file' is not available on this agent".into()),
    };
    CommandIssued {
        action,
        document: document.into(),
        at: now,
        expire_after: now,
        commands: (1..=4).map(command).collect(),
    }
}

fn returned(action: ActionId, id: i64, now: OffsetDateTime) -> CommandReturned {
    let elements = json!({"s1": [{"file": "/etc/passwd", "size": 12_345_678_901_234_567_u64}]});
    let result = OperationResult {
        foundanything: true,
        success: true,
        elements,
        ..OperationResult::default()
    };
    let command = ReturnedCommand {
        id: CommandId(id),
        action,
        agent: AgentId(id),
        status: CommandStatus::Success,
        results: vec![result],
        at: now,
        given_up: false,
    };
    CommandReturned { commands: vec![command] }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_action_that_is_not_kept_takes_no_other_along() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, now) = (ActionId(id), process.now);
    process.publish(issued(action, &document, now)).await;
    let mut both = returned(ActionId(id + 1_000), 99, now);
    both.commands.extend(returned(action, 1, now).commands);
    process.publish(both).await;
    process.until(&format!("/v1/actions/{id}"), |view| view["counters"]["success"] == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_no_action_that_is_being_removed() {
    let process = Process::new().await;
    let mut actions = Vec::new();
    for name in ["old", "new"] {
        let mut order = process.action();
        order["name"] = name.into();
        let document = process.sign(order, &["alice"]);
        let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
        actions.push((ActionId(id), document));
    }
    let now = process.now;
    let ((old, document), (new, other)) = (&actions[0], &actions[1]);
    process.publish(issued(*old, document, now)).await;
    let command = IssuedCommand { id: CommandId(50), agent: AgentId(1), failed: None };
    process.publish(CommandIssued { commands: vec![command], ..issued(*new, other, now) }).await;
    until(PATIENCE, async || process.count("command").await == 5).await;
    // commands go first, some at a time, and their action in the end
    let mut conn = process.running.parts.store.get().await.unwrap();
    conn.batch_execute(&format!("delete from command where action_id = {old}")).await.unwrap();
    let mut both = returned(*old, 1, now);
    let answer = returned(*new, 1, now).commands.remove(0);
    both.commands.push(ReturnedCommand { id: CommandId(50), ..answer });
    process.publish(both).await;
    for (table, column) in
        [("command_count", "action_id"), ("signature", "action_id"), ("action", "id")]
    {
        let statement = format!("delete from {table} where {column} = {old}");
        conn.batch_execute(&statement).await.unwrap();
    }
    process.until(&format!("/v1/actions/{new}"), |view| view["counters"]["success"] == 1).await;
    assert_eq!(process.count("command").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_an_action_that_is_not_kept_takes_nothing_else_along() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, gone, now) = (ActionId(id), ActionId(id + 1_000), process.now);
    process.publish(issued(action, &document, now)).await;
    let delivered = [(99, gone), (1, action)].map(|(id, action)| DeliveredCommand {
        id: CommandId(id),
        action: Some(action),
        at: now,
    });
    process.publish(CommandDelivered { commands: delivered.into() }).await;
    let view = format!("/v1/actions/{id}");
    process.until(&view, |view| view["counters"]["delivered"] == 1).await;
    let of = |action, id| CommandWithdrawn {
        action,
        status: CommandStatus::Expired,
        at: now,
        commands: vec![CommandId(id)],
    };
    process.publish(of(gone, 98)).await;
    process.publish(of(action, 2)).await;
    process.until(&view, |view| view["counters"]["expired"] == 1).await;
    let taken = "messaging.inbox where consumer = 'investigation-api.runs'";
    until(PATIENCE, async || process.count(taken).await == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_command_holds_nothing_up_and_is_no_failure() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, now) = (ActionId(id), process.now);
    let early = DeliveredCommand { id: CommandId(77), action: Some(action), at: now };
    process.publish(CommandDelivered { commands: vec![early] }).await;
    process.publish(issued(action, &document, now)).await;
    process.until(&format!("/v1/actions/{id}"), |view| view["counters"]["waiting"] == 3).await;
    let headers = process.vhost.headers("investigation-api.runs.wait").await;
    assert!(headers.contains(&"x-waited".to_owned()), "{headers:?}");
    assert!(!headers.contains(&"x-attempt".to_owned()), "{headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_follow_the_commands_and_always_sum() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, now, page) = (ActionId(id), process.now, format!("/v1/actions/{id}"));
    let counters = |numbers: [i64; 8]| {
        let names = [
            "targeted",
            "waiting",
            "delivered",
            "success",
            "failed",
            "timeout",
            "expired",
            "cancelled",
        ];
        names.into_iter().zip(numbers).collect::<Value>()
    };
    let shows = async |numbers: [i64; 8]| {
        process.until(&page, |view| view["counters"] == counters(numbers)).await
    };

    process.publish(issued(action, &document, now)).await;
    shows([4, 3, 0, 0, 1, 0, 0, 0]).await;
    process.publish(issued(action, &document, now)).await; // told again under another id
    let delivered = [1, 2].map(|id| DeliveredCommand { id: CommandId(id), action: None, at: now });
    process.publish(CommandDelivered { commands: delivered.into() }).await;
    shows([4, 1, 2, 0, 1, 0, 0, 0]).await;

    let run = ActionChanged {
        id: action,
        status: "completed".into(),
        reason: None,
        counters: RunCounters {
            targeted: 4,
            success: 1,
            failed: 1,
            expired: 2,
            ..RunCounters::default()
        },
        started: Some(now),
        finished: Some(now),
        at: now,
        version: 7,
        wave: 0,
        held: 0,
    };
    process.publish(run.clone()).await;
    let old = ActionChanged { status: "pending".into(), version: 6, ..run };
    process.publish(old).await;
    let view = process.until(&page, |view| view["status"] == "inflight").await;
    assert_eq!(view["counters"]["targeted"], 4, "completed is shown once every answer is here");

    process.publish(returned(action, 1, now)).await;
    process.publish(returned(action, 1, now)).await;
    shows([4, 1, 1, 1, 1, 0, 0, 0]).await;
    let commands = vec![CommandId(1), CommandId(2), CommandId(3)];
    process
        .publish(CommandWithdrawn { action, status: CommandStatus::Expired, at: now, commands })
        .await;
    let view = shows([4, 0, 0, 1, 1, 0, 2, 0]).await;
    assert_eq!(view["status"], "completed");
    process.publish(returned(action, 2, now)).await;
    shows([4, 0, 0, 2, 1, 0, 1, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_stands_above_what_was_given_up() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, now, page) = (ActionId(id), process.now, format!("/v1/actions/{id}"));
    process.publish(issued(action, &document, now)).await;
    let mut given_up = returned(action, 1, now);
    given_up.commands[0].status = CommandStatus::Failed;
    given_up.commands[0].given_up = true;
    given_up.commands[0].results = vec![OperationResult {
        errors: Some(vec!["the agent took the work 1 times and never answered".into()]),
        ..OperationResult::default()
    }];
    process.publish(given_up.clone()).await;
    process.until(&page, |view| view["counters"]["failed"] == 2).await;
    process.publish(returned(action, 1, now + time::Duration::minutes(1))).await;
    let view = process.until(&page, |view| view["counters"]["success"] == 1).await;
    assert_eq!(view["counters"]["failed"], 1);
    process.publish(given_up).await;
    process.publish(returned(action, 2, now)).await;
    let view = process.until(&page, |view| view["counters"]["success"] == 2).await;
    assert_eq!(view["counters"]["failed"], 1, "one that was answered is not given up any more");
    let rows = process.get(&format!("{page}/commands?status=success")).await.1;
    let result = &rows["items"][0]["results"][0];
    assert_eq!((&result["foundanything"], &result["errors"]), (&json!(true), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_replaces_a_failure_and_nothing_replaces_a_success() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, now, page) = (ActionId(id), process.now, format!("/v1/actions/{id}"));
    process.publish(issued(action, &document, now)).await;
    let mut failed = returned(action, 1, now);
    failed.commands[0].status = CommandStatus::Failed;
    process.publish(failed.clone()).await;
    process.until(&page, |view| view["counters"]["failed"] == 2).await;
    process.publish(returned(action, 1, now)).await;
    let view = process.until(&page, |view| view["counters"]["success"] == 1).await;
    assert_eq!(view["counters"]["failed"], 1);
    process.publish(failed).await;
    process.publish(returned(action, 2, now)).await;
    let view = process.until(&page, |view| view["counters"]["success"] == 2).await;
    assert_eq!(view["counters"]["failed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_missing_is_the_result_of_each_operation() {
    let process = Process::new().await;
    let mut order = process.action();
    let first = order["operations"][0].clone();
    order["operations"] = json!([first, first, first]);
    let document = process.sign(order, &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    process.publish(issued(ActionId(id), &document, process.now)).await;
    let page = format!("/v1/actions/{id}/commands?status=failed");
    let page = process
        .until(&page, |page| page["items"].as_array().is_some_and(|rows| rows.len() == 1))
        .await;
    let results = page["items"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 3, "{page}");
    for result in results {
        assert_eq!(result["errors"], json!(["module 'file' is not available on this agent"]));
        assert_eq!((&result["success"], &result["elements"]), (&json!(false), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_shown_to_both_kinds_of_clients() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, now) = (ActionId(id), process.now);
    process.publish(issued(action, &document, now)).await;
    process.publish(returned(action, 1, now)).await;
    let page = format!("/v1/actions/{id}/commands?status=success");
    let page = process
        .until(&page, |page| page["items"].as_array().is_some_and(|rows| rows.len() == 1))
        .await;
    let row = &page["items"][0];
    assert_eq!((row["agent_name"].as_str(), row["id"].as_i64()), (Some("web-1"), Some(1)));
    let uid = "select uid::text as text from agent where id = 1";
    let uid = testkit::texts(&process.running.parts.store, uid).await.remove(0);
    assert_eq!((row["agent_id"].as_i64(), row["agent_uid"].as_str()), (Some(1), Some(&*uid)));
    assert_eq!(row["results"][0]["elements"]["s1"][0]["size"], 12_345_678_901_234_567_u64);

    let (status, answer) = process.get("/api/v1/command?commandid=1").await;
    assert_eq!(status, 200);
    let item = &answer["collection"]["items"][0];
    assert_eq!(item["data"][0]["name"], "command");
    assert_eq!(item["data"][0]["value"]["status"], "success");
    assert_eq!(item["data"][0]["value"]["agent"]["queueloc"], "linux.1");
    assert_eq!(item["data"][0]["value"]["action"]["id"], id);
    assert_eq!(item["links"][0]["rel"], "action");

    let search = async |query: &str| {
        let (status, answer) = process.get(&format!("/api/v1/search?type=command&{query}")).await;
        let items = answer["collection"]["items"].as_array().unwrap();
        (status, items.iter().filter(|item| item["data"][0]["name"] == "command").count())
    };
    assert_eq!(search(&format!("actionid={id}")).await, (200, 4));
    assert_eq!(search(&format!("actionid={id}&foundanything=true")).await, (200, 1));
    assert_eq!(search(&format!("actionid={id}&foundanything=false")).await, (404, 0));
    assert_eq!(search("status=sent").await, (200, 2));
    assert_eq!(search("status=FAILED").await, (200, 1));
    assert_eq!(search("limit=3").await, (200, 3));
    assert_eq!(search("limit=37&offset=4").await, (404, 0));
    assert_eq!(search("commandid=2.0").await, (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_asks_is_told_everything() {
    let mut process = Process::new().await;
    process.publish(ReplicaRequested { of: "investigator".into(), by: "scheduler".into() }).await;
    let told = process.tap.next::<InvestigatorChanged>().await.data;
    assert_eq!(told.name, "alice");
    let digest = process.tap.next::<InvestigatorDigest>().await.data;
    assert!(digest.hash.len() == 64);
}

/// Reads the state and the last word of an agent out of a search's answer.
fn shown(answer: &Value) -> Option<(String, OffsetDateTime)> {
    let agent = &answer["collection"]["items"][0]["data"][0]["value"];
    let heard = OffsetDateTime::parse(agent["heartbeatts"].as_str()?, &Rfc3339).ok()?;
    Some((agent["status"].as_str()?.to_owned(), heard))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_polls_is_shown_as_alive_as_it_is() {
    let process = Process::new().await;
    // later than what the copy has already, and without a fraction that a database rounds
    let whole = (process.now + time::Duration::SECOND).replace_nanosecond(0).unwrap();
    let polls = |status, last_seen, revision| AgentChanged {
        transport: Transport::Runbook,
        status,
        last_seen,
        revision,
        ..agent(1, whole)
    };
    process.publish(polls(AgentStatus::Online, whole, 2)).await;
    let page = "/api/v1/search?type=agent&agentid=1";
    let is = |status: &'static str, heard| {
        move |answer: &Value| shown(answer) == Some((status.to_owned(), heard))
    };
    process.until(page, is("online", whole)).await;

    // heard in bulk
    let heard = whole + time::Duration::seconds(60);
    let seen = SeenAgent { agent: AgentId(1), at: heard };
    process.publish(AgentSeen { agents: vec![seen] }).await;
    process.until(page, is("online", heard)).await;

    // silent for a while, and for long
    process.publish(polls(AgentStatus::Idle, heard, 3)).await;
    process.until("/api/v1/search?type=agent&status=idle", is("idle", heard)).await;
    process.publish(polls(AgentStatus::Offline, heard, 4)).await;
    process.until("/api/v1/search?type=agent&status=offline", is("offline", heard)).await;
    let (status, _) = process.get("/api/v1/search?type=agent&status=online").await;
    assert_eq!(status, 404);

    // back again
    let back = heard + time::Duration::seconds(600);
    process.publish(polls(AgentStatus::Online, back, 5)).await;
    process.until("/api/v1/search?type=agent&status=online", is("online", back)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_of_one_agent_are_seen_on_the_dashboard() {
    let process = Process::new().await;
    let mut conn = process.running.parts.store.get().await.unwrap();
    let mut shown = async |revision: i64, conflict_since: Option<OffsetDateTime>| {
        process.publish(AgentChanged { conflict_since, revision, ..agent(1, process.now) }).await;
        let here = format!("agent where revision = {revision}");
        until(PATIENCE, async || process.count(&here).await == 1).await;
        conn.batch_execute("update agent_stats set counted = '-infinity'").await.unwrap();
        process.running.service.app.count_fleet().await.unwrap();
        let (_, answer) = process.get("/api/v1/dashboard").await;
        let figures = answer["collection"]["items"][0]["data"].as_array().unwrap().clone();
        ["endpoints running 2 or more agents", "flapping endpoints"].map(|name| {
            let figure = figures.iter().find(|figure| figure["name"] == name).unwrap();
            figure["value"].as_i64().unwrap()
        })
    };
    assert_eq!(shown(2, Some(process.now)).await, [1, 1]);
    assert_eq!(shown(3, None).await, [0, 0]);
}
