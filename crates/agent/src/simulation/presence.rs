//! Judges what the server tells of agents by what they did.

use super::config::Cli;
use super::ledger::Terms;
use super::nature::Nature;
use super::record::History;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use time::OffsetDateTime;
use types::api::agent::AgentView;
use types::{AgentStatus, Transport};

/// How much longer than its turn it takes at most until it is written down that an agent was heard.
const WRITTEN: Duration = Duration::from_secs(15);
/// One that was heard so lately is online: the shortest usual silence of an idle agent is 90 seconds.
const LATELY: Duration = Duration::from_mins(1);
/// How late the server may notice that an agent is silent.
const NOTICED: Duration = Duration::from_secs(30);
/// After so many heartbeats two processes of a machine have each been heard while the other was there.
const IN_TURN: u32 = 6;
/// Two processes are in conflict when they are heard within ten minutes.
const CONFLICTING: f64 = 300.0;

/// Gives the agents that were revoked meanwhile: nothing of theirs is judged.
pub(super) fn revoked(agents: &[AgentView], terms: &Terms) -> HashSet<u32> {
    let revoked = agents.iter().filter(|agent| agent.revoked.is_some());
    revoked.filter_map(|agent| terms.number(&agent.name)).collect()
}

/// Gives what of the agents may not be so, as it was told at `now`.
pub(super) fn judge(
    cli: &Cli,
    terms: &Terms,
    history: &History,
    agents: &[AgentView],
    now: OffsetDateTime,
) -> Vec<String> {
    let mut rows = HashMap::<u32, Vec<&AgentView>>::new();
    for agent in agents.iter().filter(|agent| agent.tags.get("fleet") == Some(&cli.label)) {
        if let Some(number) = terms.number(&agent.name) {
            rows.entry(number).or_default().push(agent);
        }
    }
    let revoked = revoked(agents, terms);
    let mut faults = Vec::new();
    for number in (1..=cli.agents).filter(|number| !revoked.contains(number)) {
        let nature = terms.nature(number);
        let found = match rows.get(&number) {
            None => vec!["is unknown".to_owned()],
            Some(rows) if nature == Nature::Offline => silent(cli, history, rows, now),
            Some(rows) => living(cli, nature, history, number, rows, now),
        };
        faults.extend(found.into_iter().map(|what| format!("agent {number} {what}")));
    }
    faults
}

/// Judges one that is never heard again.
fn silent(cli: &Cli, history: &History, rows: &[&AgentView], now: OffsetDateTime) -> Vec<String> {
    let mut faults = Vec::new();
    if rows.iter().any(|row| row.last_seen > history.began + WRITTEN) {
        faults.push("says nothing, and was heard".to_owned());
    }
    let noticed = cli.idle_after.map(|after| Duration::from_secs(after) + NOTICED);
    let is_online = rows.iter().any(|row| row.status == AgentStatus::Online);
    if is_online && noticed.is_some_and(|noticed| now > history.began + noticed) {
        faults.push("says nothing, and is shown as online".to_owned());
    }
    faults
}

/// Judges one that was heard.
fn living(
    cli: &Cli,
    nature: Nature,
    history: &History,
    number: u32,
    rows: &[&AgentView],
    now: OffsetDateTime,
) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(life) = history.lives.get(&number) else { return faults };
    let Some(heard) = life.last_heard else { return faults };
    let every = Duration::from_secs_f64(cli.every) + Duration::from_secs(cli.wait);
    if rows.iter().all(|row| row.last_seen < heard - every - WRITTEN) {
        faults.push("was heard, and the server knows nothing of it".to_owned());
    }
    let lately = cli.idle_after.map_or(LATELY, |after| LATELY.min(Duration::from_secs(after) / 2));
    if now < heard + lately && rows.iter().all(|row| row.status != AgentStatus::Online) {
        faults.push("lives, and is not shown as online".to_owned());
    }
    let mig = rows.iter().any(|row| row.transport == Transport::Mig);
    if !mig || !life.bad_times.is_empty() {
        return faults;
    }
    let conflicts = rows.iter().filter_map(|row| row.conflict_since);
    let conflicts = conflicts.max().is_some_and(|since| since >= history.began);
    match nature {
        Nature::Duplicate => {
            let in_turn = life.heard >= IN_TURN && cli.every < CONFLICTING;
            if in_turn && rows.iter().all(|row| row.conflict_since.is_none()) {
                faults.push("runs twice, and nothing tells of it".to_owned());
            }
        }
        // its process ends and another begins, which may overlap on the way
        Nature::Crashing => {}
        _ if conflicts => faults.push("runs once, and is told to run twice".to_owned()),
        Nature::Describing if life.described > 0 => {
            let open = rows.iter().filter(|row| row.status != AgentStatus::Offline).count();
            if rows.len() < 2 || open != 1 {
                let rows = rows.len();
                faults.push(format!(
                    "described itself anew, and has {rows} rows, {open} of them open"
                ));
            }
        }
        _ => {}
    }
    faults
}

#[cfg(test)]
mod tests;
