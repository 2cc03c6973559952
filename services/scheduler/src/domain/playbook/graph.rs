//! Whether the steps of a playbook hang together: every name is there, nothing goes round, every way comes to an end.

use super::read::{Faults, join};
use super::{MAX_DEPTH, Playbook, Step, StepKind};
use std::collections::HashMap;

/// Is a way from one step to another.
struct Edge<'a> {
    to: &'a str,
    /// Its place in the step.
    key: String,
    /// Whether the other step is inside of this one.
    branch: bool,
}

pub(super) fn check(playbook: &Playbook, faults: &mut Faults) {
    ends(playbook, faults);
    names(playbook, faults);
    if faults.0.is_empty() {
        order(playbook, faults);
    }
}

/// Checks the two entries.
fn ends(playbook: &Playbook, faults: &mut Faults) {
    match playbook.steps.get(&playbook.start) {
        None => faults.add("/workflow_start", format!("there is no step {:?}", playbook.start)),
        Some(Step { kind: StepKind::Start, .. }) => {}
        Some(_) => faults.add("/workflow_start", "must name a step of type start"),
    }
    if let Some(exception) =
        playbook.exception.as_deref().filter(|id| !playbook.steps.contains_key(*id))
    {
        faults.add("/workflow_exception", format!("there is no step {exception:?}"));
    }
}

fn edges(step: &Step) -> Vec<Edge<'_>> {
    let mut edges = Vec::new();
    edges.extend(step.next.as_ref().map(|to| edge_of(to, "on_completion", false)));
    edges.extend(step.on_failure.as_ref().map(|to| edge_of(to, "on_failure", false)));
    match &step.kind {
        StepKind::Parallel(branches) => {
            edges.extend(branches.iter().enumerate().map(|(at, to)| Edge {
                to,
                key: format!("next_steps/{at}"),
                branch: true,
            }));
        }
        StepKind::If { on_true, on_false, .. } => {
            edges.push(edge_of(on_true, "on_true", true));
            edges.extend(on_false.as_ref().map(|to| edge_of(to, "on_false", true)));
        }
        StepKind::While { on_true, .. } => edges.push(edge_of(on_true, "on_true", true)),
        StepKind::Switch { cases, .. } => edges.extend(cases.iter().map(|(case, to)| Edge {
            to,
            key: join("cases", case),
            branch: true,
        })),
        _ => {}
    }
    edges
}

fn edge_of<'a>(to: &'a str, key: &str, branch: bool) -> Edge<'a> {
    Edge { to, key: key.to_owned(), branch }
}

/// Checks that all that is named is there.
fn names(playbook: &Playbook, faults: &mut Faults) {
    for (id, step) in &playbook.steps {
        let at = join("/workflow", id);
        for edge in edges(step) {
            match playbook.steps.get(edge.to) {
                None => faults
                    .add(format!("{at}/{}", edge.key), format!("there is no step {:?}", edge.to)),
                Some(Step { kind: StepKind::Start, .. }) => {
                    faults.add(format!("{at}/{}", edge.key), "leads back to a start");
                }
                Some(_) => {}
            }
        }
        let StepKind::Action(action) = &step.kind else { continue };
        if !playbook.agents.contains_key(&action.agent) {
            faults.add(format!("{at}/agent"), format!("there is no agent {:?}", action.agent));
        }
        for (index, target) in action.targets.iter().enumerate() {
            if !playbook.targets.contains_key(target) {
                let place = format!("{at}/targets/{index}");
                faults.add(place, format!("there is no target {target:?}"));
            }
        }
    }
    let holders =
        [("agent_definitions", &playbook.agents), ("target_definitions", &playbook.targets)];
    for (key, definitions) in holders {
        for (id, definition) in definitions {
            let named = definition.get("authentication_info").and_then(|id| id.as_str());
            if let Some(named) = named
                .filter(|named| !named.is_empty() && !playbook.credentials.contains_key(*named))
            {
                let place = join(&format!("/{key}"), id);
                faults.add(
                    format!("{place}/authentication_info"),
                    format!("there is no {named:?} in authentication_info_definitions"),
                );
            }
        }
    }
}

/// Walks through the steps without recursion: a way back is a loop, and branches nest only so deep.
fn order(playbook: &Playbook, faults: &mut Faults) {
    /// Is how deep branches nest from a step on; nothing while the walk is inside of it.
    type Depths<'a> = HashMap<&'a str, Option<u32>>;
    let mut depths: Depths<'_> = HashMap::new();
    for start in playbook.steps.keys() {
        if depths.contains_key(start.as_str()) {
            continue;
        }
        depths.insert(start, None);
        let mut stack =
            vec![(start.as_str(), playbook.steps.get(start).map(edges).unwrap_or_default(), 0)];
        while let Some((id, edges, at)) = stack.last_mut() {
            if let Some(edge) = edges.get(*at) {
                let to = edge.to;
                match depths.get(to) {
                    Some(None) => {
                        faults.add(
                            format!("{}/{}", join("/workflow", id), edge.key),
                            format!("leads back to {to:?}: steps must not go in a circle; a while-condition repeats"),
                        );
                        return;
                    }
                    Some(Some(_)) => *at += 1,
                    None => {
                        let Some((key, step)) = playbook.steps.get_key_value(to) else { return };
                        depths.insert(key, None);
                        stack.push((key, self::edges(step), 0));
                    }
                }
                continue;
            }
            let depth = edges
                .iter()
                .map(|edge| {
                    depths.get(edge.to).copied().flatten().unwrap_or(0) + u32::from(edge.branch)
                })
                .max()
                .unwrap_or(0);
            if depth > MAX_DEPTH {
                faults.add(join("/workflow", id), format!("branches nest deeper than {MAX_DEPTH}"));
                return;
            }
            depths.insert(id, Some(depth));
            stack.pop();
        }
    }
}
