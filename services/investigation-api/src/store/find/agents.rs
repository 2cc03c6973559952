//! The search for agents by parameters: along `agent_heard`, which has them in the order in which they are shown, one
//! status after the other.

use super::{Bound, Statement, all_of, union};
use crate::domain::search::Search;
use store::Value;

const STATES: [&str; 4] = ["online", "idle", "offline", "destroyed"];
/// Says how many commands the actions that are meant may have for their agents to be collected.
const COLLECTED: i64 = 20_000;
const ORDER: &str = "last_seen desc, id desc";

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    let by_name = all.apart(|of| {
        of.like("agent.name", &search.agentname);
        of.like("agent.version", &search.agentversion);
    });
    all.id("h.agent_id", search.agentid.wanted());
    all.window("h.last_seen", "h.last_seen", search);
    let (with, few, many) = by_action(&mut all, search);
    let names = if by_name.is_empty() { "" } else { "join agent on agent.id = h.agent_id" };
    all.clauses.extend(by_name);
    let states = search.statuses(&STATES).unwrap_or(STATES.into());
    let mut branches: Vec<_> =
        states.iter().map(|state| format!("h.status = '{state}' and {many}")).collect();
    if let Some(few) = few {
        let states: Vec<_> = states.iter().map(|state| format!("'{state}'")).collect();
        branches.push(format!("h.status = any (array[{}]::text[]) and {few}", states.join(", ")));
    }
    let whole = all.bind(Value::Int(search.limit().saturating_add(search.offset())));
    let (limit, offset) = all.page_binds(search);
    let from = format!("select h.agent_id as id, h.last_seen from agent_heard h {names}");
    let rows = union(&from, &all.clauses, &branches, ORDER, &whole);
    let text =
        format!("{with}select id from ({rows}) h order by {ORDER} limit {limit} offset {offset}");
    (text, all.binds)
}

/// Gives what stands before the statement and how agents are wanted by what was asked of them: few are collected; of
/// many, the first ones are soon met on the way through all agents. Only one of the two has rows.
fn by_action(all: &mut Statement, search: &Search) -> (String, Option<String>, String) {
    let one = search.commandid.wanted().is_some() || search.actionid.wanted().is_some();
    let actions = all.apart(|of| {
        of.action_names("a", search);
        of.signers("a.id", search);
    });
    if !one && actions.is_empty() {
        return (String::new(), None, "true".into());
    }
    let named = format!("from action a where {}", all_of(&actions));
    let mut commands = all.apart(|of| {
        of.id("c.id", search.commandid.wanted());
        of.id("c.action_id", search.actionid.wanted());
    });
    if !actions.is_empty() {
        commands.push(format!("c.action_id in (select a.id {named})"));
    }
    let agents = format!("select c.agent_id from command c where {}", all_of(&commands));
    if one {
        return (String::new(), None, format!("h.agent_id in ({agents})"));
    }
    let size = "(select commands from size)";
    (
        format!(
            "with size as materialized (select coalesce(sum(a.targeted), 0) as commands {named}) "
        ),
        Some(format!("{size} <= {COLLECTED} and h.agent_id = any (array({agents}))")),
        format!("{size} > {COLLECTED} and h.agent_id in ({agents})"),
    )
}
