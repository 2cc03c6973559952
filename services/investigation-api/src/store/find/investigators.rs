//! The search for investigators.

use super::{Bound, Statement};
use crate::domain::search::Search;

pub(super) fn write(search: &Search) -> Bound {
    let mut all = Statement::default();
    all.id("i.id", search.investigatorid.wanted());
    all.like("i.name", &search.investigatorname);
    // the original's document speaks of the creation, its program of the last change: either will do
    all.window("greatest(i.created, i.modified)", "i.modified", search);
    if let Some(words) = search.statuses(&["active", "disabled"]) {
        all.words("i.status", &words);
    }
    all.related("i.id in (select s.investigator_id from signature s where *)", |of| {
        of.id("s.action_id", search.actionid.wanted());
        of.related("s.action_id in (select a.id from action a where *)", |of| {
            of.action_names("a", search);
        });
        of.related("s.action_id in (select c.action_id from command c where *)", |of| {
            of.id("c.id", search.commandid.wanted());
            of.id("c.agent_id", search.agentid.wanted());
            of.agent_names("c.agent_id", search);
        });
    });
    all.page("select i.id from investigator i", "i.id", search)
}
