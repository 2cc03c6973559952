//! Hostile targets: refused with their place, or bound as the values they are.

use crate::fleet::{Fleet, Machine, NOW};
use serde_json::json;
use target::{Bind, Columns, parse};

/// Texts that end a statement, a string or a comment somewhere in SQL.
const PAYLOADS: &[&str] = &[
    "1=1); SELECT 1; --",
    "1=1) UNION ALL SELECT 1 --",
    "1=0) UNION ALL SELECT id, encode(apikey,'hex'), name, 'v',1,now(),now(),now(),now(),'online','m','{}'::json,'{}'::json,'' \
     FROM investigators WHERE (apikey IS NOT NULL",
    "1=1); RESET ROLE; UPDATE investigators SET permissions=524287; --",
    "name='x' OR 1=1--",
    "name='x' OR ''='' /* */",
    "name='x'; drop table agent",
    "name='x' AND pg_sleep(10) IS NULL",
    "name='x' OR current_setting('is_superuser')='on'",
    "name='x' OR (select count(*) from agent) > 0",
    "exists(select 1)",
    "id IN (select id from investigators)",
    "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=1 or 1=1)",
    "name=$1",
    "name=$$x$$",
    "name=$tag$x$tag$",
    "name=E'\\''",
    "name=U&'\\0027'",
    "name=B'1'",
    "name=X'41'",
    "name=N'x'",
    "name='a' 'b'",
    "name='a'\n'b'",
    "name=\"name\"",
    "\"name\"='x'",
    "name=`name`",
    "name='x' || 'y'",
    "name='x' COLLATE \"C\"",
    "name OPERATOR(pg_catalog.=) 'x'",
    "name='x' AND (name, name)=('x','x')",
    "name=ANY(ARRAY['x'])",
    "name='x' LIMIT 1",
    "name='x' ORDER BY 1",
    "name='x' FOR UPDATE",
    "name='x' INTO OUTFILE '/tmp/x'",
    "name::regclass='agent'",
    "name=CAST('x' AS text)",
    "pg_read_file('/etc/passwd')='x'",
    "name='x' AND 1=1\u{0}",
    "name='x\u{0}'",
    "name=\u{2019}x\u{2019}",
    "name\u{a0}=\u{a0}'x'",
    "name='x\\' OR 1=1 --'",
    "ｎame='x'",
    "name='x' \u{ff1b} drop table agent",
    "@@version='x'",
    "name='x' # comment",
    "name='x' -- comment",
    "--",
    ";",
    "'",
    "')",
    "*",
    "%00",
    "name='x' && 1=1",
    "name='x' XOR 1=1",
    "tags @> '{}'",
    "tags ? 'x'",
    "0x31=1",
    "1e1=10",
    "name=''''''",
];

/// Of [`PAYLOADS`], those that are good targets after all.
const HARMLESS: &[&str] = &["name=''''''"];

#[test]
fn as_targets_they_are_refused_at_a_place_inside_of_them() {
    for payload in PAYLOADS {
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
    for payload in PAYLOADS.iter().filter(|payload| !payload.contains('\0')) {
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
    let machines: Vec<Machine> = PAYLOADS
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
