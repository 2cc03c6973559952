//! Agents full of awkward values, and strategies for targets about them.

use crate::fleet::{Machine, NOW};
use crate::texts::TEXTS;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use std::sync::LazyLock;
use time::Duration;

/// Makes agents from the texts, some hundred of them.
pub(crate) fn machines() -> Vec<Machine> {
    let count = i64::try_from(TEXTS.len()).unwrap() * 3;
    (1..=count).map(machine).collect()
}

/// Gives a text by any number.
fn text(n: i64) -> &'static str {
    let index = n.rem_euclid(i64::try_from(TEXTS.len()).unwrap());
    TEXTS[usize::try_from(index).unwrap()]
}

fn machine(n: i64) -> Machine {
    let odd: [Json; 8] = [
        json!(null),
        json!([text(n), n, null, ["x"], {"a": "b"}]),
        json!("scalar"),
        json!(17),
        json!({}),
        json!({"a": null, "b": {"x": text(n), "longer": [1, "é\"\n"]}, "c": [text(n), "z"]}),
        json!({"a": n, "b": n % 2 == 0, "c": 1.5}),
        json!({"0": "zero", "-1": "minus", "": "empty"}),
    ];
    let tags = if n % 3 == 0 {
        odd[usize::try_from(n / 3 % 8).unwrap()].clone()
    } else {
        json!({"a": text(n), "b": text(n * 7), "c": text(n * 31 + 5)})
    };
    Machine {
        id: n,
        name: text(n * 13).into(),
        queueloc: format!(
            "{}.{}",
            ["linux", "darwin", "windows"][usize::try_from(n % 3).unwrap()],
            text(n)
        ),
        mode: text(n * 5).into(),
        version: text(n * 11 + 3).into(),
        pid: [0, 1, 42, 4242, -1, i64::MAX][usize::try_from(n % 6).unwrap()],
        status: ["online", "idle", "offline"][usize::try_from(n % 3).unwrap()].into(),
        environment: json!({
            "os": if n % 2 == 0 { "linux" } else { "darwin" },
            "ident": text(n * 17),
            "isproxied": n % 2 == 0,
            "addresses": [text(n), "10.0.0.1/8"],
            "aws": {"amiid": text(n * 3)},
        }),
        tags,
        loader_name: (n % 4 != 0).then(|| text(n * 29).into()),
        started: NOW - Duration::hours(n * 5) + Duration::microseconds(n),
        destroyed: (n % 5 == 0).then(|| NOW - Duration::days(n)),
        last_seen: NOW - Duration::seconds(n * 7),
        found: (0..n % 4)
            .map(|action| (action, vec![n % 2 == 0; usize::try_from(n % 3).unwrap()]))
            .collect(),
    }
}

/// Names what a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Num,
    Bool,
    Time,
    Interval,
    Inet,
}

pub(crate) const KINDS: [Kind; 7] =
    [Kind::Text, Kind::Int, Kind::Num, Kind::Bool, Kind::Time, Kind::Interval, Kind::Inet];

/// Makes texts of rows.
fn plain() -> impl Strategy<Value = String> {
    select(vec![
        "name",
        "agents.queueloc",
        "mode",
        "version",
        "status",
        "loadername",
        "environment->>'os'",
        "environment->>'ident'",
        "environment->>'isproxied'",
        "environment->>'addresses'",
        "environment->'aws'->>'amiid'",
        "environment#>>'{aws,amiid}'",
        "environment#>>'{addresses,0}'",
        "environment->'addresses'->>-1",
        "environment#>>'{addresses,-2}'",
        "environment#>>'{addresses,\" 1\"}'",
        "tags->>'a'",
        "tags->>'b'",
        "tags->>'c'",
        "tags->>''",
        "tags->>0",
        "tags->-1->>'a'",
        "tags#>>'{}'",
        "tags#>>'{0}'",
        "tags#>>'{c,0}'",
        "tags#>>'{b,longer,1}'",
        "tags::text",
        "tags::json->>'a'",
        "(tags->'b')::text",
        "environment::text",
    ])
    .prop_map(String::from)
}

/// Makes values of rows.
pub(crate) fn of(kind: Kind) -> BoxedStrategy<String> {
    let cast = |to: &'static str| plain().prop_map(move |text| format!("({text})::{to}"));
    let fixed = |values: &'static [&'static str]| select(values).prop_map(String::from);
    match kind {
        Kind::Text => prop_oneof![
            6 => plain(),
            1 => plain().prop_map(|text| format!("lower({text})")),
            1 => plain().prop_map(|text| format!("upper({text})")),
            1 => fixed(&["pid::text", "starttime::text", "destructiontime::text", "NOW()::text", "(tags->>'a')::boolean::text", "(tags->>'b')::int::text",
                "(tags->>'c')::timestamptz::text"]),
        ]
        .boxed(),
        Kind::Int => prop_oneof![
            fixed(&["id", "pid", "agents.pid", "(tags->>'a')::numeric::int", "(version)::numeric::bigint", "(tags->>'b')::boolean::int", "id::int"]),
            cast("int"),
            cast("bigint"),
        ]
        .boxed(),
        Kind::Num => prop_oneof![2 => cast("numeric"), 1 => fixed(&["id::numeric", "pid::numeric"])].boxed(),
        Kind::Bool => prop_oneof![3 => cast("boolean"), 1 => fixed(&["TRUE", "FALSE"])].boxed(),
        Kind::Time => prop_oneof![
            2 => cast("timestamptz"),
            2 => fixed(&["starttime", "destructiontime", "heartbeattime", "refreshtime", "NOW()", "CURRENT_TIMESTAMP"]),
        ]
        .boxed(),
        Kind::Interval => cast("interval").boxed(),
        Kind::Inet => cast("inet").boxed(),
    }
}

/// Makes literals that may be compared with a kind.
pub(crate) fn literal(kind: Kind) -> BoxedStrategy<String> {
    static QUOTED: LazyLock<Vec<String>> = LazyLock::new(|| {
        TEXTS.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect()
    });
    let literals: Vec<&'static str> = match kind {
        Kind::Text => {
            return prop_oneof![20 => select(&QUOTED[..]), 1 => Just("NULL".into())].boxed();
        }
        Kind::Int => {
            vec!["0", "42", "-1", "'4242'", "'+007'", "999999999999999999", "1.5", "42.0", "NULL"]
        }
        Kind::Num => vec![
            "0",
            "-1.5",
            "1.50",
            "2.5",
            "'2.5'",
            "0.000000000000000001",
            "'999999999999999999.5'",
            "NULL",
        ],
        Kind::Bool => vec!["TRUE", "FALSE", "'yes'", "'0'", "'F'", "NULL"],
        Kind::Time => vec![
            "NOW()",
            "NOW() - INTERVAL '30 days'",
            "CURRENT_TIMESTAMP - INTERVAL '1 month'",
            "NOW() + INTERVAL '-1 year 2 days 03:04:05.678901'",
            "NOW() - '1 hour'::interval",
            "NOW() - INTERVAL '9 months ago'",
            "TIMESTAMP '2026-11-21'",
            "TIMESTAMP WITH TIME ZONE '2026-11-21 20:15:00.123456+05:30'",
            "'2026-11-21'",
            "'0001-01-01'",
            "'9998-01-11 11:11:11Z'",
            "'2024-02-29 00:00'::timestamptz",
            "NOW() - INTERVAL '1000 years'",
            "NULL",
        ],
        Kind::Interval => vec![
            "'1 day'",
            "'24 hours'",
            "'1 month'::interval",
            "'30 days'",
            "'-3 hours'",
            "'1 year 1 second'",
            "'400000 hours'",
            "NULL",
        ],
        Kind::Inet => vec![
            "'10.0.0.1'",
            "'10.0.0.0/8'",
            "'10.0.0.1/8'",
            "'0.0.0.0/0'",
            "'::1'",
            "'fe80::/10'",
            "'::ffff:10.0.0.1'",
            "NULL",
        ],
    };
    select(literals).prop_map(String::from).boxed()
}
