//! The search for agents by parameters.

use super::{Bound, Statement};
use crate::domain::search::Search;

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    all.id("agent.id", search.agentid.wanted());
    all.like("agent.name", &search.agentname);
    all.like("agent.version", &search.agentversion);
    all.window("h.last_seen", "h.last_seen", search);
    if let Some(words) = search.statuses(&["online", "idle", "offline", "destroyed"]) {
        all.words("agent.status", &words);
    }
    all.related("agent.id in (select c.agent_id from command c where *)", |of| {
        of.id("c.id", search.commandid.wanted());
        of.id("c.action_id", search.actionid.wanted());
        of.related("c.action_id in (select a.id from action a where *)", |of| {
            of.action_names("a", search);
        });
        of.signers("c.action_id", search);
    });
    let select = "select h.agent_id as id from agent_heard h join agent on agent.id = h.agent_id";
    all.page(select, "h.last_seen desc, h.agent_id desc", search)
}
