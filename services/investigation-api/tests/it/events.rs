//! An action as it goes on, watched at another process than the one that was asked to run it.

use crate::house::{ADMIN, House, house, start};
use investigation_api::InvestigationApi;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use service::Running;
use testkit::{PATIENCE, keys, until};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;
use types::messages::action::RunCounters;
use types::messages::command::{IssuedCommand, ReturnedCommand};
use types::messages::{ActionChanged, CommandIssued, CommandReturned};
use types::{Action, ActionId, AgentId, CommandId, CommandStatus, OperationResult, Permission};

/// Posts an action to the first process; gives its number and document.
async fn post(house: &House) -> (ActionId, String) {
    let now = house.clock.now();
    let mut action = json!({
        "name": "look", "target": "status='online'", "syntaxversion": 2,
        "validfrom": (now + Duration::minutes(1)).format(&Rfc3339).unwrap(),
        "expireafter": (now + Duration::minutes(10)).format(&Rfc3339).unwrap(),
        "operations": [{"module": "file", "parameters": {"searches": {"s1": {"paths": ["/etc"]}}}}],
    });
    let read = Action::parse(action.to_string().as_bytes()).unwrap();
    let signed = signing::action::signed_string(&read);
    action["pgpsignatures"] = json!([keys::of("admin").sign_line(signed.as_bytes(), now).unwrap()]);
    let (document, mut form) = (action.to_string(), String::from("action="));
    form.extend(document.bytes().map(|byte| format!("%{byte:02X}")));
    let answer = house.form("/api/v1/action/create/", &form).await.expect(202);
    (ActionId(answer.value()["id"].as_i64().unwrap()), document)
}

/// Says as the scheduler how the run is, one command of two having been answered per version from 3 on.
async fn say(house: &House, id: ActionId, version: i64, status: &str) {
    let now = house.clock.now();
    let done = (version - 2).clamp(0, 2);
    let counters = RunCounters { targeted: 2, success: done, ..RunCounters::default() };
    let event = ActionChanged {
        id,
        status: status.into(),
        reason: None,
        counters,
        started: Some(now),
        finished: (status == "completed").then_some(now),
        at: now,
        version,
        wave: 0,
        held: 0,
    };
    house.vhost.publish("scheduler", now, event).await;
}

async fn issue(house: &House, id: ActionId, document: &str) {
    let now = house.clock.now();
    let command =
        |number: i64| IssuedCommand { id: CommandId(number), agent: AgentId(number), failed: None };
    let event = CommandIssued {
        action: id,
        document: document.into(),
        at: now,
        expire_after: now + Duration::minutes(10),
        commands: vec![command(1), command(2)],
    };
    house.vhost.publish("scheduler", now, event).await;
}

async fn answer(house: &House, action: ActionId, command: i64) {
    let now = house.clock.now();
    let results = vec![OperationResult { success: true, ..OperationResult::default() }];
    let status = CommandStatus::Success;
    let (id, agent) = (CommandId(command), AgentId(command));
    let command = ReturnedCommand { id, action, agent, status, results, at: now, given_up: false };
    house.vhost.publish("agent-gateway", now, CommandReturned { commands: vec![command] }).await;
}

/// Reads events.
struct Reader {
    response: Response,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Got {
    event: String,
    id: Option<i64>,
    data: Value,
}

impl Reader {
    async fn open(
        at: &Running<InvestigationApi>,
        id: ActionId,
        key: &str,
        after: &str,
    ) -> Response {
        let client = reqwest::Client::builder().build().unwrap();
        let request = client.get(format!("{}/v1/actions/{id}/events", at.url()));
        let request = request.header("x-migapikey", key).header("last-event-id", after);
        request.send().await.unwrap()
    }

    async fn new(at: &Running<InvestigationApi>, id: ActionId, key: &str, after: &str) -> Self {
        let response = Self::open(at, id, key, after).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// Gives the next event; nothing at the end.
    async fn next(&mut self) -> Option<Got> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|line| line.trim_start_matches(": ").to_owned())
                };
                let got = field("data").map(|data| Got {
                    event: field("event").unwrap(),
                    id: field("id").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.text = rest.to_owned();
                match got {
                    Some(got) => return Some(got),
                    None => continue,
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("an event in time");
            self.text += std::str::from_utf8(&chunk.unwrap()?).unwrap();
        }
    }

    /// Gives the id, the status and how many commands ended well.
    async fn state(&mut self) -> (Option<i64>, String, i64) {
        let got = self.next().await.expect("one more event");
        assert_eq!(got.event, "action");
        let status = got.data["status"].as_str().unwrap().to_owned();
        (got.id, status, got.data["counters"]["success"].as_i64().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_process_tells_how_an_action_goes_on_and_takes_a_caller_up_again() {
    let house = house(&[]).await;
    let other = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    let (id, document) = post(&house).await;
    let mut reader = Reader::new(&other, id, ADMIN, "").await;
    assert_eq!(reader.state().await, (Some(0), "pending".into(), 0));

    issue(&house, id, &document).await;
    say(&house, id, 2, "inflight").await;
    assert_eq!(reader.state().await, (Some(2), "inflight".into(), 0));
    say(&house, id, 1, "scheduled").await; // late: not told again
    answer(&house, id, 1).await;
    say(&house, id, 3, "inflight").await;
    assert_eq!(reader.state().await, (Some(3), "inflight".into(), 1));
    drop(reader);

    // what is known is not repeated; what came while nobody listened is told
    let mut first = Reader::new(&house.running, id, ADMIN, "3").await;
    let mut second = Reader::new(&other, id, ADMIN, "2").await;
    assert_eq!(second.state().await, (Some(3), "inflight".into(), 1));
    // the end of the run is known before its last answer is: it has no id yet
    say(&house, id, 4, "completed").await;
    for reader in [&mut first, &mut second] {
        assert_eq!(reader.state().await, (None, "inflight".into(), 1));
    }
    answer(&house, id, 2).await;
    for reader in [&mut first, &mut second] {
        assert_eq!(reader.state().await, (Some(4), "completed".into(), 2));
        let end = reader.next().await.unwrap();
        assert_eq!((end.event.as_str(), end.data), ("end", json!({"status": "completed"})));
        assert_eq!(reader.next().await, None, "the stream ends");
    }
    let mut again = Reader::new(&other, id, ADMIN, "3").await;
    assert_eq!(again.state().await, (Some(4), "completed".into(), 2));
    assert_eq!(again.next().await.unwrap().event, "end");
    // one who knows the end is told not to come again
    assert_eq!(Reader::open(&other, id, ADMIN, "4").await.status(), StatusCode::NO_CONTENT);
    // an id that was never given out counts as none
    assert_eq!(Reader::new(&other, id, ADMIN, "99").await.state().await.0, Some(4));
    assert_eq!(Reader::open(&other, id, ADMIN, "x").await.status(), StatusCode::BAD_REQUEST);
    let unknown = Reader::open(&other, ActionId(77), ADMIN, "").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(unknown.json::<Value>().await.unwrap()["code"], "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_caller_may_not_watch_any_more() {
    let house = house(&[]).await;
    let other = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    let (id, _document) = post(&house).await;
    let watch = Permission::Action.mask();
    for (name, change) in [
        ("bob", "status=disabled"),
        ("carol", "permissions=%7B%22search%22%3Atrue%7D"),
        ("dave", "apikey=active"),
        ("eve", "apikey=disabled"),
    ] {
        house.add(name, watch, name).await;
        other.parts.replica.refresh(&other.parts.store, house.clock.now()).await.unwrap();
        let mut reader = Reader::new(&other, id, name, "").await;
        assert_eq!(reader.state().await.0, Some(0));
        let number = house
            .texts(&format!("select id::text as text from investigator where name = '{name}'"))
            .await;
        house.update(&format!("id={}&{change}", number[0])).await.expect(200);
        assert_eq!(timeout(PATIENCE, reader.next()).await.unwrap(), None, "{name}");
        let again = Reader::open(&other, id, name, "").await.status();
        assert!(matches!(again.as_u16(), 401 | 403), "{name}: {again}");
    }
    house
        .add("frank", Permission::ALL.iter().map(|p| p.mask()).sum::<i64>() & !watch, "frank")
        .await;
    other.parts.replica.refresh(&other.parts.store, house.clock.now()).await.unwrap();
    assert_eq!(Reader::open(&other, id, "frank", "").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_watches_so_many_actions_and_no_more_and_the_process_still_ends() {
    let house = house(&[]).await;
    let (id, _document) = post(&house).await;
    let mut readers = vec![];
    for _ in 0..32 {
        readers.push(Reader::new(&house.running, id, ADMIN, "").await);
    }
    let full = Reader::open(&house.running, id, ADMIN, "").await;
    assert_eq!(
        (full.status().as_u16(), &full.headers()["retry-after"]),
        (429, &"30".parse().unwrap())
    );
    readers.pop();
    until(PATIENCE, async || {
        Reader::open(&house.running, id, ADMIN, "").await.status() == StatusCode::OK
    })
    .await;
    let since = std::time::Instant::now();
    house.running.stop().await.unwrap();
    assert!(since.elapsed() < std::time::Duration::from_secs(8), "{:?}", since.elapsed());
    for reader in &mut readers {
        assert_eq!(reader.state().await.0, Some(0));
        assert_eq!(reader.next().await, None);
    }
}
