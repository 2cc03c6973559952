//! What agent-gateway tells is kept, each agent in its newest state.

use crate::support::{Copy, NOW, agent};
use diesel::result::Error::SerializationError;
use diesel_async::RunQueryDsl;
use store::sql;
use testkit::{PATIENCE, until};
use time::Duration;
use time::macros::datetime;
use types::messages::agent::SeenAgent;
use types::messages::{AgentChanged, AgentSeen};
use types::{Agent, AgentId, AgentStatus, Environment, instant};

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_agent_is_kept_and_shown() {
    let mut told = agent(7, "web-1");
    told.environment = Environment {
        ident: "Debian 12".into(),
        addresses: vec!["192.0.2.1/24".into()],
        modules: vec!["file".into()],
        ..told.environment
    };
    told.tags.insert("role".into(), "\"quoted\" <ü> \\".into());
    told.loader_name = "loader".into();
    let copy = Copy::with(std::slice::from_ref(&told)).await;
    let row = copy.row(7).await;
    assert_eq!(row.uid, told.id.0);
    assert_eq!(row.transport, "writ");
    let shown = Agent::from(row);
    assert_eq!((shown.id, shown.name, shown.queueloc), (told.number, told.name, told.queueloc));
    assert_eq!((shown.mode.as_str(), shown.version, shown.pid), ("daemon", told.version, told.pid));
    assert_eq!((shown.starttime, shown.heartbeatts), (told.started, told.last_seen));
    assert_eq!((shown.refreshts, shown.destructiontime), (told.refreshed, instant::FAR));
    assert_eq!((shown.status.as_str(), shown.loadername.as_str()), ("online", "loader"));
    assert_eq!((shown.environment, shown.tags), (told.environment, told.tags));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_higher_revision_changes_anything() {
    let state = |revision, name: &str| AgentChanged { revision, ..agent(1, name) };
    let copy = Copy::with(&[state(5, "five")]).await;
    let apply = async |states: &[AgentChanged]| {
        let changed = copy.apply(states).await;
        (changed, copy.row(1).await.name)
    };
    assert_eq!(apply(&[state(4, "four")]).await, (0, "five".into()), "older");
    assert_eq!(apply(&[state(5, "other")]).await, (0, "five".into()), "the same again");
    assert_eq!(
        apply(&[state(7, "seven"), state(6, "six")]).await,
        (1, "seven".into()),
        "reordered"
    );
    let twice = [state(8, "eight"), state(8, "eight"), state(3, "three")];
    assert_eq!(apply(&twice).await, (1, "eight".into()), "duplicates in one batch");
    assert_eq!(apply(&[]).await, (0, "eight".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_state_does_not_turn_back_when_the_agent_was_heard() {
    let copy = Copy::with(&[agent(1, "a")]).await;
    let heard = SeenAgent { agent: AgentId(1), at: NOW };
    let seen = [AgentSeen { agents: vec![heard] }];
    assert_eq!(copy.hear(&seen).await, 1);
    let idle = AgentChanged { revision: 2, status: AgentStatus::Idle, ..agent(1, "a") };
    copy.apply(&[idle]).await;
    let row = copy.row(1).await;
    assert_eq!((row.last_seen, row.status.as_str()), (NOW, "idle"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_hearing_counts_whatever_the_order() {
    let copy = Copy::with(&[agent(1, "a"), agent(2, "b")]).await;
    let at =
        |agent, seconds| SeenAgent { agent: AgentId(agent), at: NOW + Duration::seconds(seconds) };
    let seen = [
        AgentSeen { agents: vec![at(1, 5), at(2, -3600), at(99, 1)] },
        AgentSeen { agents: vec![at(1, 3), at(1, 4)] },
        AgentSeen { agents: vec![] },
    ];
    assert_eq!(copy.hear(&seen).await, 1);
    assert_eq!(copy.row(1).await.last_seen, NOW + Duration::seconds(5));
    assert_eq!(
        copy.row(2).await.last_seen,
        agent(2, "b").last_seen,
        "heard later than that before"
    );
    assert_eq!(copy.hear(&seen).await, 0, "the same again");
    assert_eq!(copy.find(99).await.map(|row| row.id), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_copy_knows_that_it_is() {
    let copy = Copy::new().await;
    let mut conn = copy.conn().await;
    assert!(fleet::is_empty(&mut conn).await.unwrap());
    copy.apply(&[agent(1, "a")]).await;
    assert!(!fleet::is_empty(&mut conn).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_ours_in_form_are_still_shown() {
    let copy = Copy::with(&[agent(1, "a")]).await;
    copy.run("update agent set environment = '{\"os\": 7}', tags = 'null', destroyed = last_seen")
        .await;
    let shown = Agent::from(copy.row(1).await);
    assert_eq!((shown.environment, shown.tags.len()), (Environment::default(), 0));
    assert_eq!(shown.destructiontime, shown.heartbeatts);
}

/// Two processes that take the same agents in two orders would wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn hearings_lock_agents_by_number() {
    let copy = Copy::new().await;
    // on the disk the other way round, and so many that all are read in the order of the disk
    for number in (1..=300).rev() {
        copy.apply(&[agent(number, "web")]).await;
    }
    copy.run("analyze agent").await;
    let mut other = copy.conn().await;
    sql("begin").execute(&mut other).await.unwrap();
    sql("select from agent where id = 1 for update").execute(&mut other).await.unwrap();
    let seen =
        AgentSeen { agents: [3, 1, 2].map(|id| SeenAgent { agent: AgentId(id), at: NOW }).into() };
    let hear = async {
        let mut conn = copy.conn().await;
        for plan in ["set enable_nestloop = off", "set enable_mergejoin = off"] {
            sql(plan).execute(&mut conn).await.unwrap();
        }
        fleet::apply_seen(&mut conn, &[seen]).await.unwrap()
    };
    let look = async {
        let mut conn = copy.conn().await;
        until(PATIENCE, async || {
            let waits =
                "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            testkit::count(&copy.store, waits).await == 1
        })
        .await;
        for id in [2, 3] {
            let free = format!("select from agent where id = {id} for update nowait");
            sql(free).execute(&mut conn).await.unwrap();
        }
        sql("rollback").execute(&mut other).await.unwrap();
    };
    let (heard, ()) = tokio::join!(hear, look);
    assert_eq!(heard, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_cannot_be_written_is_an_error() {
    let copy = Copy::new().await;
    let mut conn = copy.conn().await;
    let at = datetime!(-0001-01-01 00:00 UTC);
    let told = AgentChanged { last_seen: at, ..agent(1, "web") };
    let error = fleet::apply_changed(&mut conn, &[told]).await.unwrap_err();
    assert!(matches!(error, SerializationError(_)), "{error:?}");
    let seen = AgentSeen { agents: vec![SeenAgent { agent: AgentId(1), at }] };
    let error = fleet::apply_seen(&mut conn, &[seen]).await.unwrap_err();
    assert!(matches!(error, SerializationError(_)), "{error:?}");
}
