//! How an action's commands are to be given out: asked for, told, shown, paused and resumed.

use crate::support::Process;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};
use types::messages::action::RunCounters;
use types::messages::command::{DeliveredCommand, IssuedCommand, PlannedCommand, ReturnedCommand};
use types::messages::{
    ActionAccepted, ActionChanged, ActionSteered, CommandDelivered, CommandIssued, CommandPlanned,
    CommandReturned, CommandWithdrawn,
};
use types::{ActionId, AgentId, CommandId, CommandStatus, Message, Wave};

fn asked() -> Value {
    json!({"rate_per_second": 50.0, "waves": [1, 10, "all"], "stop_when": {"failed_ratio": 0.1, "timeouts": 5}})
}

/// Signs the usual action and puts `dispatch` beside its members.
fn order(process: &Process, name: &str, dispatch: Option<Value>) -> (String, String) {
    let mut action = process.action();
    action["name"] = name.into();
    let plain = process.sign(action, &["alice"]);
    let mut members: Value = serde_json::from_str(&plain).unwrap();
    members["dispatch"] = dispatch.unwrap_or(Value::Null);
    (plain, members.to_string())
}

fn told(action: ActionId, status: &str, version: i64, process: &Process) -> ActionChanged {
    ActionChanged {
        id: action,
        status: status.into(),
        reason: (status == "paused").then(|| "3 of 11 commands failed".into()),
        counters: RunCounters { targeted: 12, ..RunCounters::default() },
        started: Some(process.now),
        finished: None,
        at: process.now,
        version,
        wave: 2,
        held: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_told_and_shown() {
    let mut process = Process::new().await;
    let (plain, document) = order(&process, "a", Some(asked()));
    let (status, view) = process.post("/v1/actions", document.clone()).await;
    assert_eq!(status, 202, "{view}");
    let mut shown = asked();
    (shown["wave"], shown["held"]) = (0.into(), 0.into());
    assert_eq!(view["dispatch"], shown);
    let event = process.tap.next::<ActionAccepted>().await.data;
    assert_eq!(event.document, document, "byte for byte");
    assert_eq!(event.dispatch.unwrap().waves, [Wave::Of(1), Wave::Of(10), Wave::All]);

    // the same again, and without a word on it, is the action there is; another pace is not
    for again in [document.clone(), plain.clone()] {
        let (status, same) = process.post("/v1/actions", again).await;
        assert_eq!((status, &same["id"], &same["dispatch"]), (200, &view["id"], &shown));
    }
    assert_eq!(process.post_form(&document).await.0, 202);
    let (_, other) = order(&process, "a", Some(json!({"rate_per_second": 49})));
    let (status, problem) = process.post("/v1/actions", other).await;
    assert_eq!(status, 409, "{problem}");
    let detail = format!("action {} was posted before with another dispatch", view["id"]);
    assert!(problem["detail"].as_str().unwrap().starts_with(&detail), "{problem}");
    assert_eq!(process.count("action").await, 1);

    // MIG's own route gives all out at once
    let (_, document) = order(&process, "b", Some(asked()));
    assert_eq!(process.post_form(&document).await.0, 202);
    let event = process.tap.next::<ActionAccepted>().await.data;
    assert_eq!(event.dispatch, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_and_pointed_at() {
    let process = Process::new().await;
    for (dispatch, pointer) in [
        (json!("fast"), "/dispatch"),
        (json!({"rate": 5}), "/dispatch/rate"),
        (json!({"rate_per_second": -1}), "/dispatch/rate_per_second"),
        (json!({"waves": ["all", 1]}), "/dispatch/waves/0"),
        (json!({"waves": [1, 0]}), "/dispatch/waves/1"),
        (json!({"stop_when": {"failed_ratio": 1.5}}), "/dispatch/stop_when/failed_ratio"),
    ] {
        let (_, document) = order(&process, "a", Some(dispatch));
        let (status, problem) = process.post("/v1/actions", document).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["code"], "dispatch-invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    assert_eq!(process.count("action").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_paused_and_goes_on() {
    let mut process = Process::new().await;
    let (_, document) = order(&process, "a", Some(asked()));
    let id = process.post("/v1/actions", document).await.1["id"].as_i64().unwrap();
    let (action, page) = (ActionId(id), format!("/v1/actions/{id}"));
    let (status, view) = process.post(&format!("{page}/pause"), "").await;
    assert_eq!((status, &view["id"]), (202, &json!(id)));
    let event = process.tap.next::<ActionSteered>().await.data;
    assert_eq!((event.id, event.paused, event.by.0, event.at), (action, true, 1, process.now));

    process.publish(told(action, "paused", 2, &process)).await;
    let view = process.until(&page, |view| view["status"] == "paused").await;
    assert_eq!(view["reason"], "3 of 11 commands failed");
    assert_eq!((&view["dispatch"]["wave"], &view["dispatch"]["held"]), (&json!(2), &json!(1)));
    let mig = process.get(&format!("/api/v1/action?actionid={id}")).await.1;
    assert_eq!(mig["collection"]["items"][0]["data"][0]["value"]["status"], "inflight");
    assert_eq!(process.post(&format!("{page}/resume"), "").await.0, 202);
    assert!(!process.tap.next::<ActionSteered>().await.data.paused);

    process.publish(ActionChanged { held: 0, ..told(action, "inflight", 3, &process) }).await;
    process.until(&page, |view| view["dispatch"]["held"] == 0).await;
    let (status, problem) = process.post(&format!("{page}/pause"), "").await;
    assert_eq!(status, 409, "{problem}");
    process.publish(told(action, "cancelled", 4, &process)).await;
    process.until(&page, |view| view["status"] == "cancelled").await;
    for order in ["pause", "resume"] {
        assert_eq!(process.post(&format!("{page}/{order}"), "").await.0, 409);
        assert_eq!(process.post(&format!("/v1/actions/4711/{order}"), "").await.0, 404);
    }
    process.tap.none_of(ActionSteered::KIND, std::time::Duration::from_millis(100)).await;
    let audited = process
        .count("audit where outcome = 'done' and what in ('action.paused', 'action.resumed')")
        .await;
    assert_eq!(audited, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_held_back_wait() {
    let process = Process::new().await;
    let (_, document) = order(&process, "a", Some(asked()));
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, at, page) = (ActionId(id), process.now, format!("/v1/actions/{id}"));
    let planned = [1, 2, 3].map(|id| PlannedCommand { id: CommandId(id), agent: AgentId(id) });
    process.publish(CommandPlanned { action, at, commands: planned.into() }).await;
    process.until(&page, |view| view["counters"]["waiting"] == 3).await;
    let commands = vec![IssuedCommand { id: CommandId(1), agent: AgentId(1), failed: None }];
    process.publish(CommandIssued { action, document, at, expire_after: at, commands }).await;
    let commands = vec![DeliveredCommand { id: CommandId(1), action: None, at }];
    process.publish(CommandDelivered { commands }).await;
    let view = process.until(&page, |view| view["counters"]["delivered"] == 1).await;
    assert_eq!(
        (&view["counters"]["waiting"], &view["counters"]["targeted"]),
        (&json!(2), &json!(3))
    );
    let waiting = process.get(&format!("{page}/commands?status=waiting")).await.1;
    assert_eq!(waiting["items"].as_array().unwrap().len(), 2);
}

const STATES: [&str; 7] =
    ["waiting", "delivered", "success", "failed", "timeout", "expired", "cancelled"];

/// Is a failure by agent-gateway's own word, which is shown as any other.
const GIVEN_UP: &str = "given up";

fn shown(state: &str) -> &str {
    if state == GIVEN_UP { "failed" } else { state }
}

/// Is what one message does to a command that is in `state`; nothing when it changes nothing.
fn moved(state: &str, message: &str) -> Option<&'static str> {
    let answer = STATES[2..5].iter().copied().find(|answer| *answer == message);
    match (state, message) {
        ("waiting", "delivered") => Some("delivered"),
        ("waiting" | "delivered", "expired") => Some("expired"),
        ("waiting" | "delivered", "cancelled") => Some("cancelled"),
        ("waiting" | "delivered" | "expired" | "cancelled", GIVEN_UP) => Some(GIVEN_UP),
        ("waiting" | "delivered" | "expired" | "cancelled" | GIVEN_UP, _)
        | ("failed" | "timeout", "success") => answer,
        _ => None,
    }
}

async fn tell(
    process: &Process,
    action: ActionId,
    id: i64,
    agent: i64,
    message: &str,
    at: OffsetDateTime,
) {
    let (id, agent) = (CommandId(id), AgentId(agent));
    let status = CommandStatus::parse(message);
    match message {
        "delivered" => {
            process
                .publish(CommandDelivered {
                    commands: vec![DeliveredCommand { id, action: Some(action), at }],
                })
                .await;
        }
        "expired" | "cancelled" => {
            let status = status.unwrap();
            process.publish(CommandWithdrawn { action, status, at, commands: vec![id] }).await;
        }
        _ => {
            let given_up = message == GIVEN_UP;
            let status = if given_up { CommandStatus::Failed } else { status.unwrap() };
            let command =
                ReturnedCommand { id, action, agent, status, results: vec![], at, given_up };
            process.publish(CommandReturned { commands: vec![command] }).await;
        }
    }
}

/// Random histories: planned, issued, delivered, answered, withdrawn, in any order and again; the counters are the sum
/// of the states after each, and each list has exactly the agents in that state.
#[tokio::test(flavor = "multi_thread")]
async fn the_counters_are_always_the_sum_and_the_lists_name_who() {
    const COMMANDS: i64 = 12;
    let process = Process::new().await;
    let (_, document) = order(&process, "a", Some(asked()));
    let id = process.post("/v1/actions", document.clone()).await.1["id"].as_i64().unwrap();
    let (action, at, page) = (ActionId(id), process.now, format!("/v1/actions/{id}"));
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut made: Vec<i64> = (1..=COMMANDS).collect();
    made.shuffle(&mut random);
    let mut states = BTreeMap::<i64, &str>::new();
    let mut history = vec![format!("seed {seed}")];
    while history.len() < 120 {
        let known: Vec<i64> = states.keys().copied().collect();
        let choice = random.random_range(0..10);
        if choice < 3 || known.is_empty() {
            // new ones or old ones, planned or issued or both
            let all: Vec<i64> = (1..=COMMANDS).collect();
            let command = made.pop().unwrap_or_else(|| *all.choose(&mut random).unwrap());
            let unfit = command % 5 == 0;
            let failed = unfit.then(|| "module 'x' is not available".to_owned());
            let (id, agent) = (CommandId(command), AgentId(command));
            if choice == 1 && !unfit {
                let commands = vec![PlannedCommand { id, agent }];
                process.publish(CommandPlanned { action, at, commands }).await;
            } else {
                let commands = vec![IssuedCommand { id, agent, failed }];
                let document = document.clone();
                process
                    .publish(CommandIssued { action, document, at, expire_after: at, commands })
                    .await;
            }
            states.entry(command).or_insert(if unfit { "failed" } else { "waiting" });
            history.push(format!("made {command}, {choice}"));
        } else {
            let command = *known.choose(&mut random).unwrap();
            let message = if random.random_bool(0.2) {
                GIVEN_UP
            } else {
                *STATES[1..].choose(&mut random).unwrap()
            };
            let foreign = random.random_bool(0.15);
            let agent = if foreign { command + 1 } else { command };
            // of two answers in one batch the earlier counts
            let at = at + Duration::milliseconds(i64::try_from(history.len()).unwrap());
            tell(&process, action, command, agent, message, at).await;
            if random.random_bool(0.2) {
                tell(&process, action, command, agent, message, at).await;
            }
            let is_answer = message == GIVEN_UP || STATES[2..5].contains(&message);
            if let Some(state) =
                moved(states[&command], message).filter(|_| !(foreign && is_answer))
            {
                states.insert(command, state);
            }
            history.push(format!("{command}: {message} by {agent}"));
        }
        if history.len() % 10 == 0 {
            check(&process, &page, &states, &history).await;
        }
    }
    check(&process, &page, &states, &history).await;
}

async fn check(process: &Process, page: &str, states: &BTreeMap<i64, &str>, history: &[String]) {
    let mut wanted = json!({"targeted": states.len()});
    for state in STATES {
        wanted[state] = states.values().filter(|known| shown(known) == state).count().into();
    }
    let seen = tokio::time::timeout(
        testkit::PATIENCE,
        process.until(page, |view| {
            let number = |name: &str| view["counters"][name].as_i64().unwrap();
            let sum: i64 = STATES.into_iter().map(number).sum();
            assert_eq!(number("targeted"), sum, "{view} after {history:#?}");
            view["counters"] == wanted
        }),
    );
    assert!(seen.await.is_ok(), "not {wanted} after {history:#?}");
    for state in STATES {
        let (_, list) = process.get(&format!("{page}/commands?status={state}")).await;
        let named: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["agent_id"].as_i64().unwrap())
            .collect();
        let of_state: Vec<_> =
            states.iter().filter(|(_, known)| shown(known) == state).map(|(id, _)| *id).collect();
        assert_eq!(named, of_state, "{state} after {history:#?}");
    }
}
