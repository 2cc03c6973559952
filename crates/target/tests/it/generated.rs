//! Generated targets: whatever passes the check runs, and has the same answer in SQL and in memory for every row.

use crate::fleet::{Fleet, Machine, NOW};
use crate::pools::{self, KINDS, Kind, literal, of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use target::{Columns, Row, parse};

fn comparison() -> impl Strategy<Value = String> {
    select(&KINDS[..]).prop_flat_map(|kind| {
        let right = prop_oneof![3 => literal(kind), 1 => of(kind)].boxed();
        let op = select(vec!["=", "<>", "<", "<=", ">", ">="]);
        // in a list there are no functions and no casts
        let simple = literal(kind)
            .prop_map(|text| if text.contains(['(', ':', 'T', 'C']) && !text.starts_with('\'') { "NULL".into() } else { text })
            .prop_map(|text| text.split("::").next().unwrap_or_default().to_owned());
        let not = select(vec!["", "NOT "]);
        prop_oneof![
            4 => (of(kind), op, right.clone()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            1 => (right.clone(), of(kind)).prop_map(|(left, right)| format!("{left} < {right}")),
            1 => (of(kind), not.clone(), vec(simple, 1..4)).prop_map(|(left, not, list)| format!("{left} {not}IN ({})", list.join(", "))),
            1 => (of(kind), not.clone(), right.clone(), right).prop_map(|(left, not, low, high)| format!("{left} {not}BETWEEN {low} AND {high}")),
            1 => (of(kind), not).prop_map(|(left, not)| format!("{left} IS {not}NULL")),
        ]
    })
}

fn pattern() -> impl Strategy<Value = String> {
    let not = select(vec!["", "NOT "]);
    let like = "[abAB1%_.\\\\äÄ ]{0,5}";
    prop_oneof![
        (
            of(Kind::Text),
            not,
            select(vec!["LIKE", "ILIKE"]),
            like,
            select(vec!["", " ESCAPE ''", " ESCAPE 'b'", " ESCAPE '%'"])
        )
            .prop_map(|(left, not, word, pattern, escape)| format!(
                "{left} {not}{word} '{pattern}'{escape}"
            )),
        (of(Kind::Text), select(vec!["~", "~*", "!~", "!~*"]), regexp())
            .prop_map(|(left, op, pattern)| format!("{left} {op} '{pattern}'")),
    ]
}

fn regexp() -> impl Strategy<Value = String> {
    let atom = select(vec![
        "a",
        "b",
        "B",
        "1",
        ".",
        "ä",
        "-",
        " ",
        "[a-c]",
        "[^a-c]",
        "[]a]",
        "[^]-]",
        "[0-9.]",
        "[+--]",
        "[[:alpha:]]",
        "[[:digit:]x]",
        "[[:upper:]]",
        "[[:graph:]]",
        "[^[:print:]]",
        "[[:cntrl:]]",
        "[[:xdigit:]]",
        "[[:alnum:]_]",
        "[[:space:][:punct:]]",
        r"[\d.]",
        r"[\w-]",
        r"[\]\\]",
        r"\d",
        r"\D",
        r"\s",
        r"\S",
        r"\w",
        r"\W",
        r"\.",
        r"\\",
        r"\n",
        "(a|b)",
        "(?:ab|)",
        "()",
        "(a(b|c)*)",
        "}",
        "]",
        "é",
        "[ä-ü]",
    ]);
    let times = select(vec![
        "", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "??", "{0}", "{2,3}?",
        "{255}",
    ]);
    let piece = (atom, times).prop_map(|(atom, times)| format!("{atom}{times}"));
    let anchors = select(vec!["", "", "", "^", r"\A", r"\m", r"\y", "|", "$"]);
    (
        anchors.clone(),
        vec(piece, 0..5),
        anchors.clone(),
        "[a-z0-9(){}|*+?^$.,\\[\\]:-]{0,4}",
        select(vec!["", "", "$", r"\Z", r"\M", r"\Y"]),
    )
        .prop_map(|(start, pieces, middle, wild, end)| {
            format!("{start}{}{middle}{wild}{end}", pieces.concat())
        })
}

fn found() -> impl Strategy<Value = String> {
    (select(vec!["", "NOT "]), 0..4, select(vec!["true", "false"])).prop_map(|(not, action, found)| {
        format!(
            "id {not}IN (select agentid from commands, json_array_elements(commands.results) as r \
             where actionid={action} and r#>>'{{foundanything}}' = '{found}')"
        )
    })
}

fn target() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![10 => comparison(), 6 => pattern(), 1 => found(), 1 => of(Kind::Bool)];
    leaf.prop_recursive(3, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" OR "))),
            vec(inner.clone(), 2..3).prop_map(|parts| parts.join(" AND ")),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

/// Runs a target everywhere; says whether it was a good one.
async fn compare(fleet: &mut Fleet, machines: &[Machine], text: &str) -> bool {
    let Ok(target) = parse(text) else { return false };
    if target.check(&Columns::agents()).is_err() {
        return false;
    }
    let answers = fleet.answers(&target).await.unwrap_or_else(|error| panic!("{text}\n{error}"));
    for machine in machines {
        let answer = target.eval(machine, NOW);
        assert_eq!(answers[&machine.id], answer, "left SQL, right memory: {text}\n{machine:?}");
    }
    true
}

async fn compare_many(strategy: impl Strategy<Value = String>, count: usize, sessions: &[&str]) {
    let machines = pools::machines();
    let mut fleet = Fleet::of(&machines).await;
    for setting in sessions {
        fleet.run(setting).await;
    }
    let mut runner = TestRunner::deterministic();
    let mut good = 0;
    for _ in 0..count {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        good += usize::from(compare(&mut fleet, &machines, &text).await);
    }
    assert!(good * 2 > count, "only {good} of {count} were good targets");
}

#[tokio::test]
async fn sql_and_memory_agree() {
    compare_many(target(), 400, &[]).await;
}

#[tokio::test]
async fn sql_and_memory_agree_on_patterns() {
    compare_many(pattern(), 300, &[]).await;
}

#[tokio::test]
async fn the_session_does_not_change_the_answer() {
    let odd = [
        "set timezone = 'America/New_York'",
        "set datestyle = 'German'",
        "set intervalstyle = 'sql_standard'",
        "set bytea_output = 'escape'",
    ];
    compare_many(comparison(), 200, &odd).await;
}

#[test]
fn the_agents_are_hundreds_and_odd() {
    let machines = pools::machines();
    assert!(machines.len() > 300);
    let unknown = parse("tags->>'a' = 'a'").unwrap();
    assert!(machines.iter().any(|machine| unknown.eval(machine, NOW).is_none()));
    assert!(machines.iter().any(|machine| machine.found(types::ActionId(1), true)));
}
