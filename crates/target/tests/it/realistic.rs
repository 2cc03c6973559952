//! The targets that MIG's documents, help texts and clients have (specs/mig/data-model.md §4.2).

use crate::fleet::{Fleet, Machine, NOW};
use serde_json::json;
use target::{Columns, Field, Row, parse};
use time::Duration;

/// Each target, its canonical form where that differs, and the agents of [`machines`] that it means.
const AGENTS: &[(&str, &str, &[i64])] = &[
    ("status='online'", "status = 'online'", &[1, 3]),
    ("status='online' OR status='idle'", "status = 'online' OR status = 'idle'", &[1, 2, 3]),
    ("name='myserver.example.net'", "name = 'myserver.example.net'", &[1]),
    ("name like '%mysql%'", "name LIKE '%mysql%'", &[2]),
    ("name LIKE '%phx1%'", "", &[2]),
    ("name ILIKE 'x%'", "", &[3]),
    ("queueloc LIKE 'linux.%'", "", &[1, 2]),
    ("agents.queueloc like 'linux.%'", "agents.queueloc LIKE 'linux.%'", &[1, 2]),
    (
        "version='201409171023+c4d6f50.prod' and heartbeattime > NOW() - interval '1 minute'",
        "version = '201409171023+c4d6f50.prod' AND heartbeattime > NOW() - INTERVAL '1 minute'",
        &[1],
    ),
    ("starttime < NOW() - INTERVAL '30 days'", "", &[2]),
    (
        "mode='checkin' AND environment->>'os'='linux' AND status='idle' AND starttime > NOW() - INTERVAL '1 hour'",
        "mode = 'checkin' AND environment->>'os' = 'linux' AND status = 'idle' AND starttime > NOW() - INTERVAL '1 hour'",
        &[],
    ),
    ("environment->>'os'='linux'", "environment->>'os' = 'linux'", &[1, 2]),
    ("environment->>'os' IN ('linux', 'darwin')", "", &[1, 2, 3]),
    (
        "environment->>'ident' LIKE 'Ubuntu%' AND environment->>'arch'='386'",
        "environment->>'ident' LIKE 'Ubuntu%' AND environment->>'arch' = '386'",
        &[2],
    ),
    ("environment->>'isproxied' = 'true'", "", &[3]),
    ("environment#>>'{os}'='linux'", "environment#>>'{os}' = 'linux'", &[1, 2]),
    (
        r"environment->>'os'='darwin' AND name LIKE '%\.scl3\.%'",
        r"environment->>'os' = 'darwin' AND name LIKE '%\.scl3\.%'",
        &[3],
    ),
    ("tags->>'operator'='IT'", "tags->>'operator' = 'IT'", &[1]),
    ("tags#>>'{operator}'='opsec'", "tags#>>'{operator}' = 'opsec'", &[2]),
    ("name ~* '^db[0-9]+'", "", &[2]),
    ("name ~* '^X[12]'", "", &[3]),
    (
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 \
         and r#>>'{foundanything}' = 'true') AND status='online'",
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 \
         and r#>>'{foundanything}' = 'true') AND status = 'online'",
        &[1],
    ),
    (
        "id IN (SELECT agentid FROM commands, json_array_elements(commands.results) AS r WHERE commands.actionid = 12345 \
         AND r#>>'{foundanything}' = 'true')",
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 \
         and r#>>'{foundanything}' = 'true')",
        &[1, 2],
    ),
    (
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 \
         and r#>>'{foundanything}' = 'false') AND status='online' OR status='idle'",
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 \
         and r#>>'{foundanything}' = 'false') AND status = 'online' OR status = 'idle'",
        &[1, 2],
    ),
    ("queueloc='linux.xyz'", "queueloc = 'linux.xyz'", &[1]),
    // sent by real clients (specs/mig/captures)
    ("name LIKE '%a%' AND tags->>'o'='x;y'", "name LIKE '%a%' AND tags->>'o' = 'x;y'", &[3]),
    (
        "environment#>>'{os}'='linux' AND tags->>'operator'='opsec'",
        "environment#>>'{os}' = 'linux' AND tags->>'operator' = 'opsec'",
        &[2],
    ),
    // what the demonstration asks for
    (
        "tags->>'role'='demo' AND status='online'",
        "tags->>'role' = 'demo' AND status = 'online'",
        &[3],
    ),
];

const LOADERS: &[(&str, bool)] = &[
    ("env#>>'{os}'='linux'", true),
    ("env#>>'{os}'='darwin'", false),
    ("env#>>'{os}'='linux' AND loadername='realhost'", true),
    ("loaders.name LIKE 'my%' AND enabled AND lastseen > NOW() - INTERVAL '1 hour'", true),
    ("expectenv IS NULL AND queueloc IS NOT NULL AND tags->>'x' IS NULL", true),
];

fn machines() -> Vec<Machine> {
    let base = Machine {
        id: 1,
        name: "myserver.example.net".into(),
        queueloc: "linux.xyz".into(),
        mode: "daemon".into(),
        version: "201409171023+c4d6f50.prod".into(),
        pid: 321,
        status: "online".into(),
        environment: json!({"os": "linux", "ident": "Debian 12", "arch": "amd64", "isproxied": false, "aws": {}}),
        tags: json!({"operator": "IT"}),
        loader_name: None,
        started: NOW - Duration::days(3),
        destroyed: None,
        last_seen: NOW - Duration::seconds(5),
        found: vec![(12345, vec![true, false])],
    };
    vec![
        Machine {
            id: 2,
            name: "db7.mysql.phx1.example.net".into(),
            queueloc: "linux.abc".into(),
            mode: "checkin".into(),
            status: "idle".into(),
            environment: json!({"os": "linux", "ident": "Ubuntu 22.04", "arch": "386", "isproxied": false, "aws": {}}),
            tags: json!({"operator": "opsec"}),
            started: NOW - Duration::days(31),
            last_seen: NOW - Duration::minutes(9),
            found: vec![(12345, vec![true]), (12346, vec![false])],
            ..base.clone()
        },
        Machine {
            id: 3,
            name: "X1a.scl3.example.net".into(),
            queueloc: "darwin.xyz".into(),
            version: "2".into(),
            environment: json!({"os": "darwin", "isproxied": true, "aws": {}}),
            tags: json!({"o": "x;y", "role": "demo"}),
            found: vec![(12345, vec![])],
            ..base.clone()
        },
        Machine {
            id: 4,
            name: "gone".into(),
            queueloc: "windows.xyz".into(),
            version: String::new(),
            status: "offline".into(),
            environment: json!({"isproxied": false, "aws": {}}),
            tags: json!(null),
            found: vec![],
            ..base.clone()
        },
        base,
    ]
}

#[test]
fn each_has_its_canonical_form_and_means_the_right_agents_in_memory() {
    for (text, canonical, meant) in AGENTS {
        let target = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(target.check(&Columns::agents()), Ok(()), "{text}");
        assert_eq!(target.to_string(), *if canonical.is_empty() { text } else { canonical });
        assert_eq!(parse(&target.to_string()).unwrap(), target);
        let machines = machines();
        let mut found: Vec<i64> = machines
            .iter()
            .filter(|machine| target.eval(*machine, NOW) == Some(true))
            .map(|machine| machine.id)
            .collect();
        found.sort_unstable();
        assert_eq!(found, *meant, "{text}");
    }
}

#[tokio::test]
async fn each_means_the_same_agents_in_postgresql() {
    let mut fleet = Fleet::of(&machines()).await;
    for (text, _, meant) in AGENTS {
        let answers = fleet.answers(&parse(text).unwrap()).await.unwrap();
        let found: Vec<i64> = answers
            .into_iter()
            .filter(|(_, truth)| *truth == Some(true))
            .map(|(id, _)| id)
            .collect();
        assert_eq!(found, *meant, "{text}");
    }
}

#[tokio::test]
async fn now_is_the_time_of_the_database() {
    let mut fleet = Fleet::of(&machines()).await;
    fleet.run("update agent set last_seen = now() - interval '30 days 1 minute'").await;
    fleet
        .run("update agent set last_seen = now() - interval '29 days 23 hours' where id = 1")
        .await;
    let target = parse("heartbeattime > NOW() - INTERVAL '30 days'").unwrap();
    let answers = fleet.ask(target.to_sql(&Columns::agents(), 1)).await.unwrap();
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [true, false, false, false].map(Some));
}

struct Loader;

impl Row for Loader {
    fn field(&self, column: &str) -> Field<'_> {
        static ENV: std::sync::LazyLock<serde_json::Value> =
            std::sync::LazyLock::new(|| json!({"os": "linux"}));
        match column {
            "loadername" => Field::Text("realhost"),
            "name" => Field::Text("myserver"),
            "queueloc" => Field::Text("linux.xyz"),
            "env" => Field::Json(&ENV),
            "lastseen" => Field::Time(NOW),
            "enabled" => Field::Bool(true),
            _ => Field::Null,
        }
    }
}

#[test]
fn manifests_are_for_loaders() {
    for (text, meant) in LOADERS {
        let target = parse(text).unwrap();
        assert_eq!(target.check(&Columns::loaders()), Ok(()), "{text}");
        assert_eq!(target.eval(&Loader, NOW), Some(*meant), "{text}");
    }
}
