//! What is taken of agents, and what is not.

use super::*;
use crate::simulation::mig::Mig;
use crate::simulation::record::Life;
use clap::Parser as _;
use serde_json::json;
use types::Clock;

fn cli(words: &[&str]) -> Cli {
    let mut line = vec!["writ-fleet", "--server=http://127.0.0.1/", "--apikey-file=key"];
    line.extend(["--agents=1", "--every=1", "--kind=mig", "--amqp-url=amqp://127.0.0.1"]);
    let natures = ["offline", "slow", "duplicate", "lying", "crashing", "describing"];
    let natures: Vec<String> = natures.iter().map(|nature| format!("--{nature}=0")).collect();
    let is_other =
        |nature: &&str| words.iter().all(|word| word.split('=').next() != nature.split('=').next());
    line.extend(natures.iter().map(String::as_str).filter(is_other));
    line.extend(words);
    Cli::try_parse_from(line).unwrap()
}

/// A fleet that worked for five minutes until now, whose only agent was heard all the time.
fn history(now: OffsetDateTime, described: u32) -> History {
    let life = Life { heard: 300, last_heard: Some(now), bad_times: vec![], described };
    History {
        told: HashMap::new(),
        unsure: HashMap::new(),
        lives: HashMap::from([(1, life)]),
        began: now - Duration::from_mins(5),
        stopped: now,
        latest_turn: Duration::ZERO,
    }
}

fn row(last_seen: OffsetDateTime, status: AgentStatus) -> AgentView {
    let row = json!({"id": "0190163d-8694-739b-aea5-966c26f8ad90", "number": 1, "name": "fleet-1", "team_id": null,
        "transport": "mig", "status": "online", "last_seen": "2026-11-21T12:00:00Z", "plugins": [],
        "tags": {"fleet": "fleet"}});
    AgentView { last_seen, status, ..serde_json::from_value(row).unwrap() }
}

fn judged(words: &[&str], described: u32, rows: &[AgentView], now: OffsetDateTime) -> Vec<String> {
    let cli = cli(words);
    judge(&cli, &Terms::of::<Mig>(&cli), &history(now, described), rows, now)
}

#[test]
fn one_that_lives_is_online_and_was_heard() {
    let now = Clock::system().now();
    assert!(judged(&[], 0, &[row(now, AgentStatus::Online)], now).is_empty());
    assert_eq!(judged(&[], 0, &[], now), ["agent 1 is unknown"]);
    let idle = judged(&[], 0, &[row(now, AgentStatus::Idle)], now);
    assert_eq!(idle, ["agent 1 lives, and is not shown as online"]);
    let long_ago = row(now - Duration::from_mins(1), AgentStatus::Online);
    let deaf = judged(&[], 0, &[long_ago], now);
    assert_eq!(deaf, ["agent 1 was heard, and the server knows nothing of it"]);
    let mut gone = row(now, AgentStatus::Offline);
    gone.revoked = Some(now);
    assert!(judged(&[], 0, &[gone], now).is_empty(), "nothing is known of one that was revoked");
    let mut anothers = row(now, AgentStatus::Online);
    anothers.tags.clear();
    assert_eq!(judged(&[], 0, &[anothers], now), ["agent 1 is unknown"]);
}

#[test]
fn one_that_is_silent_is_not_heard_and_soon_not_online() {
    let now = Clock::system().now();
    let before = now - Duration::from_mins(5);
    let silent = |words: &[&str], last_seen, status| {
        judged(&[&["--offline=1"], words].concat(), 0, &[row(last_seen, status)], now)
    };
    assert!(silent(&[], before, AgentStatus::Online).is_empty(), "the setting is not known");
    assert!(silent(&["--idle-after=90"], before, AgentStatus::Idle).is_empty());
    assert!(silent(&["--idle-after=290"], before, AgentStatus::Online).is_empty());
    let online = silent(&["--idle-after=90"], before, AgentStatus::Online);
    assert_eq!(online, ["agent 1 says nothing, and is shown as online"]);
    let heard = silent(&[], now, AgentStatus::Online);
    assert_eq!(heard, ["agent 1 says nothing, and was heard"]);
}

#[test]
fn two_processes_of_a_machine_are_told_and_one_is_not() {
    let now = Clock::system().now();
    let alone = row(now, AgentStatus::Online);
    let twins = AgentView { conflict_since: Some(now), ..alone.clone() };
    assert!(judged(&["--duplicate=1"], 0, &[twins.clone(), alone.clone()], now).is_empty());
    let quiet = judged(&["--duplicate=1"], 0, &[alone.clone(), alone.clone()], now);
    assert_eq!(quiet, ["agent 1 runs twice, and nothing tells of it"]);
    assert_eq!(judged(&[], 0, &[twins], now), ["agent 1 runs once, and is told to run twice"]);
    let before = Some(now - Duration::from_hours(1));
    let long_ago = AgentView { conflict_since: before, ..alone };
    assert!(judged(&[], 0, &[long_ago], now).is_empty(), "that was before the fleet worked");
}

#[test]
fn one_that_describes_itself_anew_has_one_row_more() {
    let now = Clock::system().now();
    let describing =
        |described, rows: &[AgentView]| judged(&["--describing=1"], described, rows, now);
    let (open, ended) = (row(now, AgentStatus::Online), row(now, AgentStatus::Offline));
    assert!(describing(1, &[ended.clone(), open.clone()]).is_empty());
    assert!(describing(0, std::slice::from_ref(&open)).is_empty());
    assert_eq!(describing(1, std::slice::from_ref(&open)).len(), 1);
    assert_eq!(describing(1, &[open.clone(), open.clone()]).len(), 1);
}
