//! The searches for loaders and manifests.

use super::{Bound, Statement};
use crate::domain::search::Search;

pub(super) fn loaders(search: &Search) -> Bound {
    let mut all = Statement::default();
    all.id("l.id", search.loaderid.wanted());
    all.like("l.name", &search.loadername);
    all.like("l.agent_name", &search.agentname);
    all.window("l.last_seen", "l.last_seen", search);
    if let Some(words) = search.statuses(&["enabled", "disabled"]) {
        let states: Vec<_> =
            words.iter().map(|word| if *word == "enabled" { "true" } else { "false" }).collect();
        all.words("l.enabled", &states);
    }
    all.page("select l.id from loader l", "l.name, l.id", search)
}

pub(super) fn manifests(search: &Search) -> Bound {
    let mut all = Statement::default();
    all.id("m.id", search.manifestid.wanted());
    all.like("m.name", &search.manifestname);
    all.window("m.created", "m.created", search);
    if let Some(words) = search.statuses(&["staged", "active", "disabled"]) {
        all.words("m.status", &words);
    }
    all.page("select m.id from manifest m", "m.created desc, m.id desc", search)
}
