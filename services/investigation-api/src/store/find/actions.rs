//! The search for actions.

use super::{Bound, Statement};
use crate::domain::search::Search;

/// Says how many of the commands of an action are over.
const OVER: &str = "(select coalesce(sum(n.count), 0) from command_count n where n.action_id = a.id
    and n.status not in ('waiting', 'delivered'))";

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    all.id("a.id", search.actionid.wanted());
    all.action_names("a", search);
    all.window("a.valid_from", "a.expire_after", search);
    statuses(&mut all, search);
    all.signers("a.id", search);
    all.related("a.id in (select c.action_id from command c where *)", |of| {
        of.id("c.id", search.commandid.wanted());
        of.id("c.agent_id", search.agentid.wanted());
        of.agent_names("c.agent_id", search);
    });
    all.page("select a.id from action a", "a.valid_from desc, a.id desc", search)
}

/// Wants actions by the status that they are shown with: completed only once every answer is here
/// ([`crate::domain::state::shown_status`]).
fn statuses(all: &mut Statement, search: &Search) {
    let known = ["pending", "scheduled", "preparing", "inflight", "completed", "invalid"];
    let Some(wanted) = search.statuses(&known) else { return };
    let over = wanted.contains(&"completed");
    let mut stored = wanted.clone();
    stored.extend(wanted.contains(&"invalid").then_some("expired"));
    stored.extend(over.then_some("cancelled"));
    all.words("a.status", &stored);
    if over && !wanted.contains(&"inflight") {
        all.clauses.push(format!("(a.status <> 'completed' or {OVER} >= a.targeted)"));
    }
}
