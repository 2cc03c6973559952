//! The search for commands, the largest table: every shape of it goes along an index and ends after its page.
//!
//! The commands of an action are made in one moment, and `action.started` is that moment. So the order by time is,
//! inside one action, the order by number; and a search by what an action is goes from action to action, the newest
//! first. Neither time ever changes, so the rows behind a command are found by its number.

use super::{Bound, Statement, all_of, union};
use crate::domain::search::Search;
use store::Value;

const ROWS: &str = "select c.id, c.action_id, c.started from command c";
/// The states by the words that a search knows them by; there is one index in the order of time, and it begins with the
/// state: each index more would be written with every command three times.
const STATES: [(&str, &[&str]); 6] = [
    ("sent", &["waiting", "delivered"]),
    ("success", &["success"]),
    ("cancelled", &["cancelled"]),
    ("expired", &["expired"]),
    ("failed", &["failed"]),
    ("timeout", &["timeout"]),
];
const BY_TIME: &str = "started desc, id desc";
const BY_ACTION: &str = "action_id desc, id desc";

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    let by_action = all.apart(|of| {
        of.action_names("a", search);
        of.signers("a.id", search);
    });
    let by_agent = all.apart(|of| of.agent_names("c.agent_id", search));
    // few enough to be looked at one by one
    let few = search.commandid.wanted().is_some() || search.agentid.wanted().is_some();
    all.id("c.id", search.commandid.wanted());
    all.id("c.agent_id", search.agentid.wanted());
    all.window("c.started", "c.started", search);
    let one = search.actionid.wanted().map(|id| all.bind(Value::Int(id)));
    let last = search.behind.map(|last| all.bind(Value::Int(last)));
    let whole = all.bind(Value::Int(search.limit().saturating_add(search.offset())));
    let (limit, offset) = all.page_binds(search);
    let page = format!("limit {limit} offset {offset}");
    if one.is_none() && !few && !by_action.is_empty() {
        let mut actions = all.apart(|of| of.window("a.started", "a.started", search));
        actions.extend(by_action);
        if let Some(last) = &last {
            let of = format!("(select action_id from command where id = {last})");
            let started = format!("(select started from action where id = {of})");
            actions.push(format!("(a.started, a.id) <= ({started}, {of})"));
            all.clauses.push(format!("(c.action_id <> {of} or c.id < {last})"));
        }
        all.clauses.extend(by_agent);
        let rows =
            union(ROWS, &all.clauses, &branches(search, false, Some("a.id")), BY_ACTION, &whole);
        let text = format!(
            "select c.id from (select a.id, a.started from action a where a.started is not null and {}) a
             cross join lateral ({rows}) c order by a.started desc, a.id desc, c.id desc {page}",
            all_of(&actions)
        );
        return (text, all.binds);
    }
    // where most rows are passed over, it counts how many there are, which only `=` lets the planner know
    let along = one.as_deref().filter(|_| !few && by_agent.is_empty());
    if let (Some(one), None) = (&one, along) {
        all.clauses.push(format!("c.action_id = {one}"));
    }
    if !by_action.is_empty() {
        let by_action = all_of(&by_action);
        all.clauses.push(format!("c.action_id in (select a.id from action a where {by_action})"));
    }
    all.clauses.extend(by_agent);
    if let Some(last) = &last {
        let started = format!("(select started from command where id = {last})");
        all.clauses.push(match &one {
            Some(one) => format!("(c.action_id, c.id) < ({one}, {last})"),
            None => format!("(c.started, c.id) < ({started}, {last})"),
        });
    }
    let order = if one.is_some() { BY_ACTION } else { BY_TIME };
    let rows = union(ROWS, &all.clauses, &branches(search, few, along), order, &whole);
    (format!("select c.id from ({rows}) c order by {order} {page}"), all.binds)
}

/// Gives what each branch wants beside everything else: one branch for each state, since an index keeps the order
/// within one state only, unless there are `few` rows to look at. `action` is the action to go along.
fn branches(search: &Search, few: bool, action: Option<&str>) -> Vec<String> {
    let wanted = search.statuses(&STATES.map(|(word, _)| word));
    let Some(found) = search.found else {
        if few && wanted.is_none() {
            return vec!["true".into()];
        }
        let is_wanted = |word| wanted.as_ref().is_none_or(|wanted| wanted.contains(&word));
        return states(is_wanted).map(|state| along(action, state)).collect();
    };
    if wanted.is_some_and(|wanted| !wanted.contains(&"success")) {
        return Vec::new();
    }
    // these very words are the condition of the indexes over what was found
    let found = format!("c.status = 'success' and {found} = any (c.found)");
    // a constant the planner would leave out of the order, and then it might walk through other actions by number
    let range = |action| format!(" and c.action_id >= {action} and c.action_id <= {action}");
    vec![found + &action.map(range).unwrap_or_default()]
}

/// Gives every state there is.
pub(in crate::store) fn every_state() -> impl Iterator<Item = &'static str> {
    states(|_| true)
}

fn states(is_wanted: impl Fn(&'static str) -> bool) -> impl Iterator<Item = &'static str> {
    let wanted = STATES.into_iter().filter(move |(word, _)| is_wanted(word));
    wanted.flat_map(|(_, states)| states.iter().copied())
}

/// Wants the rows of one action, or of all, in one state.
fn along(action: Option<&str>, state: &str) -> String {
    match action {
        None => format!("c.status = '{state}'"),
        Some(action) => format!("c.action_id = {action} and c.status = '{state}'"),
    }
}
