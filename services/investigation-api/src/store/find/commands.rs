//! The search for commands, the largest table: every shape of it goes along an index and ends after its page.
//!
//! The commands of an action are made in one moment, and `action.started` is that moment. So the order by time is, inside
//! one action, the order by number; and a search by what an action is goes from action to action, the newest first.

use super::{Bound, Statement, all_of, union};
use crate::domain::search::Search;
use store::Value;

const BY_TIME: &str = "started desc, id desc";
const BY_ID: &str = "id desc";
const ROWS: &str = "select c.id, c.started from command c";

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    let branches = branches(search);
    let by_action = all.apart(|of| {
        of.action_names("a", search);
        of.signers("a.id", search);
    });
    let one = search.actionid.wanted().is_some();
    // few enough to be looked at one by one
    let few = search.commandid.wanted().is_some() || search.agentid.wanted().is_some();
    all.id("c.id", search.commandid.wanted());
    all.id("c.action_id", search.actionid.wanted());
    all.id("c.agent_id", search.agentid.wanted());
    all.window("c.started", "c.started", search);
    all.agent_names("c.agent_id", search);
    let whole = all.bind(Value::Int(search.limit().saturating_add(search.offset())));
    let (limit, offset) = all.page_binds(search);
    let page = format!("limit {limit} offset {offset}");
    let text = if by_action.is_empty() || one || few {
        if !by_action.is_empty() {
            let by_action = all_of(&by_action);
            all.clauses
                .push(format!("c.action_id in (select a.id from action a where {by_action})"));
        }
        let order = if one { BY_ID } else { BY_TIME };
        let rows = union(ROWS, &all.clauses, &branches, order, &whole);
        format!("select c.id from ({rows}) c order by {order} {page}")
    } else {
        all.clauses.push("c.action_id = a.id".into());
        let rows = union(ROWS, &all.clauses, &branches, BY_ID, &whole);
        let mut by_action = by_action;
        by_action.extend(all.apart(|of| of.window("a.started", "a.started", search)));
        format!(
            "select c.id from (select a.id, a.started from action a where a.started is not null and {}) a
             cross join lateral ({rows}) c order by a.started desc, a.id desc, c.id desc {page}",
            all_of(&by_action)
        )
    };
    (text, all.binds)
}

/// Gives what each branch wants beside everything else: one branch for each state, since an index keeps the order within
/// one state only.
fn branches(search: &Search) -> Vec<String> {
    let states = search.statuses(&["sent", "success", "cancelled", "expired", "failed", "timeout"]);
    if let Some(found) = search.found {
        if states.is_some_and(|states| !states.contains(&"success")) {
            return Vec::new();
        }
        // these very words are the condition of the indexes over what was found
        return vec![format!("c.status = 'success' and {found} = any (c.found)")];
    }
    match states {
        None => vec!["true".into()],
        Some(states) => {
            let of = |state: &&'static str| match *state {
                "sent" => vec!["waiting", "delivered"],
                state => vec![state],
            };
            let states = states.iter().flat_map(of);
            states.map(|state| format!("c.status = '{state}'")).collect()
        }
    }
}
