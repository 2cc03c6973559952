//! Hostile targets: refused with their place, or bound as the values they are.

use crate::fleet::{Fleet, Machine, NOW};
use serde_json::json;
use target::{Bind, Columns, parse};
use testkit::INJECTIONS;

/// Of [`INJECTIONS`], those that are good targets after all.
const HARMLESS: &[&str] = &["name=''''''"];

#[test]
fn as_targets_they_are_refused_at_a_place_inside_of_them() {
    for payload in INJECTIONS {
        match parse(payload) {
            Ok(_) => assert!(HARMLESS.contains(payload), "{payload}"),
            Err(error) => {
                assert!(
                    error.at <= payload.len() && payload.is_char_boundary(error.at),
                    "{payload}"
                );
                assert!(error.to_string().starts_with(&format!("position {}", error.column)));
                assert!(!error.to_string().contains(char::is_control), "{payload:?}: {error}");
            }
        }
    }
}

#[test]
fn as_values_they_are_binds_and_nothing_else() {
    for payload in INJECTIONS.iter().filter(|payload| !payload.contains('\0')) {
        let quoted = payload.replace('\'', "''");
        let target = parse(&format!("name = '{quoted}' AND tags->>'{quoted}' = 'x'")).unwrap();
        let sql = target.to_sql(&Columns::agents(), 1);
        assert_eq!(sql.text, "((agent.name = $1::text and (agent.tags ->> $2::text) = $3::text))");
        let text = |text: &str| Bind::Text(text.into());
        assert_eq!(sql.binds, [text(payload), text(payload), text("x")]);
    }
}

#[test]
fn great_ones_are_refused_at_once() {
    let deep =
        |open: &str, close: &str| format!("{}name='x'{}", open.repeat(1000), close.repeat(1000));
    for text in [
        "name='x' OR ".repeat(9000),
        format!("name='{}'", "x".repeat(100_000)),
        "(".repeat(100_000),
        " ".repeat(100_000),
        "NOT ".repeat(500),
        deep("(", ")"),
        deep("NOT (", ")"),
        format!("{}name='x'", "NOT ".repeat(500)),
        format!("{}name{} = 'x'", "lower(".repeat(300), ")".repeat(300)),
        format!("name = {}name{}", "(".repeat(900), ")".repeat(900)),
        format!("name{} = 'x'", "::text".repeat(300)),
    ] {
        assert!(parse(&text).is_err(), "{}", text.chars().take(40).collect::<String>());
    }
}

#[tokio::test]
async fn as_values_they_find_themselves_in_postgresql_and_do_no_harm() {
    let machines: Vec<Machine> = INJECTIONS
        .iter()
        .filter(|payload| !payload.contains('\0'))
        .zip(1..)
        .map(|(payload, id)| Machine {
            id,
            name: (*payload).into(),
            queueloc: String::new(),
            mode: String::new(),
            version: String::new(),
            pid: 0,
            status: "online".into(),
            environment: json!({}),
            tags: json!({*payload: "x"}),
            loader_name: None,
            started: NOW,
            destroyed: None,
            last_seen: NOW,
            found: vec![],
        })
        .collect();
    let mut fleet = Fleet::of(&machines).await;
    for machine in &machines {
        let quoted = machine.name.replace('\'', "''");
        let target = parse(&format!("name IN ('{quoted}') AND tags->>'{quoted}' = 'x'")).unwrap();
        let answers = fleet.answers(&target).await.unwrap();
        let found: Vec<i64> =
            answers.iter().filter(|(_, truth)| **truth == Some(true)).map(|(id, _)| *id).collect();
        assert_eq!((found, answers.len()), (vec![machine.id], machines.len()), "{}", machine.name);
    }
}
