//! Whom a target reaches, and what can be run there.

use crate::support::{Copy, NOW, agent};
use fleet::{AgentRow, parse_target, unknown_modules};
use store::Value;
use time::Duration;
use types::messages::AgentChanged;
use types::{AgentStatus, Environment};

fn with(agent: AgentChanged, status: AgentStatus) -> AgentChanged {
    AgentChanged { status, ..agent }
}

fn modules(agent: AgentChanged, modules: &[&str]) -> AgentChanged {
    let modules = modules.iter().map(|module| (*module).to_owned()).collect();
    AgentChanged { environment: Environment { modules, ..Environment::default() }, ..agent }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_gone_are_never_reached() {
    let copy = Copy::with(&[
        agent(1, "online"),
        with(agent(2, "idle"), AgentStatus::Idle),
        with(agent(3, "offline"), AgentStatus::Offline),
        with(agent(4, "destroyed"), AgentStatus::Destroyed),
    ])
    .await;
    assert_eq!(copy.reached("true").await, ["idle", "online"]);
    for target in ["status='offline'", "status='destroyed' OR name='offline'", "name='offline'"] {
        assert_eq!(copy.reached(target).await, Vec::<String>::new(), "{target}");
    }
    assert_eq!(copy.reached("name='nobody' OR true").await.len(), 2, "the target is one condition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_location_is_reached_once() {
    let twin = |number, name: &str, ago| AgentChanged {
        queueloc: "linux.twin".into(),
        last_seen: NOW - Duration::seconds(ago),
        ..agent(number, name)
    };
    let copy = Copy::with(&[
        twin(1, "older", 60),
        twin(2, "newer", 5),
        with(twin(3, "gone", 0), AgentStatus::Offline),
        twin(4, "as new, higher number", 5),
        agent(5, "other"),
    ])
    .await;
    assert_eq!(copy.reached("true").await, ["as new, higher number", "other"]);
    assert_eq!(copy.reached("name='older'").await, ["older"], "the one of those that match");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_the_first_by_name() {
    let copy = Copy::with(&[agent(3, "b"), agent(1, "c"), agent(2, "a"), agent(4, "b")]).await;
    let target = parse_target("name IN ('a', 'b', 'c')").unwrap();
    let mut conn = copy.conn().await;
    let sample = fleet::sample(&mut conn, &target, NOW, 3).await.unwrap();
    let shown = |row: &AgentRow| (row.id, row.name.clone());
    let want = [(2, "a".into()), (3, "b".into()), (4, "b".into())];
    assert_eq!(sample.iter().map(shown).collect::<Vec<_>>(), want);
    assert_eq!(fleet::count(&mut conn, &target, NOW).await.unwrap(), 4);
    assert_eq!(fleet::sample(&mut conn, &target, NOW, 0).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_unknown_when_nobody_who_is_there_may_have_it() {
    let copy = Copy::with(&[
        modules(agent(1, "a"), &["file", "ping"]),
        modules(with(agent(2, "b"), AgentStatus::Idle), &["netstat"]),
        modules(with(agent(3, "c"), AgentStatus::Offline), &["memory"]),
    ])
    .await;
    let unknown = async |wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|module| (*module).to_owned()).collect();
        let mut conn = copy.conn().await;
        unknown_modules(&mut conn, &wanted).await.unwrap()
    };
    assert_eq!(unknown(&["file", "netstat"]).await, Vec::<String>::new());
    assert_eq!(unknown(&["memory", "file", "x' or true --"]).await, ["memory", "x' or true --"]);
    let silent = modules(agent(4, "d"), &[]);
    copy.apply(&[silent]).await;
    assert_eq!(
        unknown(&["memory"]).await,
        Vec::<String>::new(),
        "one that lists none may have any"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_checked_before_it_is_used() {
    for (text, place) in [
        ("nme='x'", "position 1: there is no column 'nme'"),
        ("name='x' and commands.id=1", "position 14: there is no table 'commands'"),
        ("pid='x' or", "position 11"),
        ("pid=tags", "position"),
        ("1=1; drop table agent", "position 4"),
    ] {
        let fault = parse_target(text).unwrap_err().to_string();
        assert!(fault.starts_with(place), "{text}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_indexes_serve_what_is_asked_often() {
    let copy = Copy::new().await;
    for (target, index) in [
        ("queueloc='linux.a'", "agent_queueloc_idx"),
        ("name='a'", "agent_name_idx|agent_status_idx"),
        ("id=7", "agent_pkey"),
        ("tags->>'role'='web'", "agent_status_idx"),
    ] {
        let aim = fleet::aim(&parse_target(target).unwrap(), NOW);
        let plan = copy.plan(&aim.reached("agent.id"), aim.binds).await;
        assert!(index.split('|').any(|index| plan.contains(index)), "{target}:\n{plan}");
    }
    let ids = "select * from agent where id = any($1)";
    let plan = copy.plan(ids, vec![Value::Ints(vec![1, 2])]).await;
    assert!(plan.contains("agent_pkey"), "{plan}");
}
