//! The search for agents by parameters: along `agent_heard`, which has them in the order in which they are shown, one
//! status after the other.

use super::{Bound, Statement, union};
use crate::domain::search::Search;
use store::Value;

const STATES: [&str; 4] = ["online", "idle", "offline", "destroyed"];
const ORDER: &str = "last_seen desc, id desc";

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    let by_name = all.apart(|of| {
        of.like("agent.name", &search.agentname);
        of.like("agent.version", &search.agentversion);
    });
    all.id("h.agent_id", search.agentid.wanted());
    all.window("h.last_seen", "h.last_seen", search);
    all.related("h.agent_id in (select c.agent_id from command c where *)", |of| {
        of.id("c.id", search.commandid.wanted());
        of.id("c.action_id", search.actionid.wanted());
        of.related("c.action_id in (select a.id from action a where *)", |of| {
            of.action_names("a", search);
        });
        of.signers("c.action_id", search);
    });
    let names = if by_name.is_empty() { "" } else { "join agent on agent.id = h.agent_id" };
    all.clauses.extend(by_name);
    let states = search.statuses(&STATES).unwrap_or(STATES.into());
    let branches: Vec<_> = states.iter().map(|state| format!("h.status = '{state}'")).collect();
    let whole = all.bind(Value::Int(search.limit().saturating_add(search.offset())));
    let (limit, offset) = all.page_binds(search);
    let from = format!("select h.agent_id as id, h.last_seen from agent_heard h {names}");
    let rows = union(&from, &all.clauses, &branches, ORDER, &whole);
    let text = format!("select id from ({rows}) h order by {ORDER} limit {limit} offset {offset}");
    (text, all.binds)
}
