//! Every recorded request that concerns investigation-api or loader-manifest is answered as it was, but for the table
//! of differences.

use crate::capture::{Answer, Capture};
use crate::differences::INTENDED;
use crate::json::{Difference, Json, differences};
use crate::world::World;
use std::collections::BTreeSet;

/// Lists the recordings of what agents say, which agent-gateway answers.
const AGENTS: [u16; 6] = [313, 315, 317, 319, 321, 323];

/// Tells whether a recording is what an agent says of itself.
fn is_agents(capture: &Capture) -> bool {
    capture.path() == "/api/v1/heartbeat" && capture.asks("POST ")
}

/// Lists where an answer differs from the recorded one.
fn compare(recorded: &Answer, came: &Answer) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut note = |at: &str, recorded: &str, came: &str| {
        if recorded != came {
            let (recorded, came) = (recorded.to_owned(), came.to_owned());
            out.push(Difference { at: at.to_owned(), recorded, came });
        }
    };
    note("status", &recorded.status.to_string(), &came.status.to_string());
    for name in ["content-type", "cache-control", "location"] {
        if let Some(value) = recorded.header(name) {
            note(name, value, came.header(name).unwrap_or("none"));
        }
    }
    if !recorded.body.starts_with('{') || !came.body.starts_with('{') {
        note("body", &recorded.body, &came.body);
        return out;
    }
    differences("", &Json::parse(&recorded.body), &Json::parse(&came.body), &mut out);
    // operation ids count up; that it is one is checked
    out.retain(|difference| {
        difference.at != "/collection/error/code"
            || !difference.came.bytes().all(|byte| byte.is_ascii_digit())
    });
    out
}

/// Tells whether a pattern with at most one `*`, which stands for anything, is this text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
        None => text == pattern,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_are_answered_as_they_were() {
    let world = World::begin().await;
    let (mut replayed, mut agents) = (0, Vec::new());
    let (mut unexpected, mut used) = (Vec::new(), BTreeSet::new());
    for capture in &world.captures {
        world.before(capture.number).await;
        if is_agents(capture) {
            agents.push(capture.number);
        } else {
            let came = world.send(capture).await;
            replayed += 1;
            for Difference { at, recorded, came } in compare(&capture.answer, &came) {
                let mut rows =
                    INTENDED.iter().enumerate().filter(|(_, (numbers, place, what, _))| {
                        (numbers.is_empty() || numbers.contains(&capture.number))
                            && matches(place, &at)
                            && matches(what, &came)
                    });
                match rows.next() {
                    Some((row, (numbers, ..))) => {
                        let number = if numbers.is_empty() { 0 } else { capture.number };
                        used.insert((row, number));
                    }
                    None => unexpected.push(format!(
                        "{} {at}\n    recorded: {recorded}\n    came:     {came}",
                        capture.name
                    )),
                }
            }
        }
    }
    assert!(unexpected.is_empty(), "{} differences:\n{}", unexpected.len(), unexpected.join("\n"));
    let mut stale = Vec::new();
    for (row, (numbers, place, ..)) in INTENDED.iter().enumerate() {
        let numbers = if numbers.is_empty() { &[0] } else { *numbers };
        let gone = numbers.iter().filter(|number| !used.contains(&(row, **number)));
        stale.extend(gone.map(|number| format!("{number} {place}")));
    }
    assert!(stale.is_empty(), "what does not differ any more: {stale:?}");
    assert_eq!(agents, AGENTS);
    assert_eq!(replayed + agents.len(), world.captures.len());
}
