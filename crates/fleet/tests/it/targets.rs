//! The targets that people write (specs/mig/data-model.md §4.2), over a small fleet.

use crate::support::{Copy, NOW, agent};
use std::collections::BTreeMap;
use time::Duration;
use types::messages::AgentChanged;
use types::{AgentStatus, Environment};

fn os(os: &str, ident: &str, arch: &str) -> Environment {
    let ident = ident.to_owned();
    Environment { os: os.into(), ident, arch: arch.into(), ..Environment::default() }
}

fn operator(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("operator".into(), name.into())])
}

async fn small_fleet() -> Copy {
    let copy = Copy::with(&[
        AgentChanged {
            queueloc: "linux.xyz".into(),
            environment: Environment { isproxied: true, ..os("linux", "Ubuntu 22.04", "386") },
            tags: operator("IT"),
            started: NOW - Duration::days(40),
            ..agent(1, "myserver.example.net")
        },
        AgentChanged {
            version: "201409171023+c4d6f50.prod".into(),
            environment: os("linux", "Debian 12", "amd64"),
            ..agent(2, "mysql1.phx1.example.net")
        },
        AgentChanged {
            queueloc: "darwin.3".into(),
            environment: os("darwin", "macOS 15", "arm64"),
            tags: operator("opsec"),
            ..agent(3, "mac.scl3.example.net")
        },
        AgentChanged {
            status: AgentStatus::Idle,
            mode: "checkin".into(),
            environment: os("linux", "Ubuntu 24.04", "amd64"),
            started: NOW - Duration::minutes(30),
            last_seen: NOW - Duration::minutes(20),
            loader_name: "realhost".into(),
            ..agent(4, "db12.example.net")
        },
        AgentChanged {
            status: AgentStatus::Offline,
            version: "201409171023+c4d6f50.prod".into(),
            ..agent(5, "mysql9.phx1.example.net")
        },
        AgentChanged { environment: Environment::default(), ..agent(6, "DB7.Example.Net") },
    ])
    .await;
    copy.run(
        "insert into command (id, action_id, agent_id, found) values
             (1, 12345, 1, '{false,true}'), (2, 12345, 2, '{false}'), (3, 12345, 4, '{}'),
             (4, 12345, 5, '{true}'), (5, 999, 3, '{true}')",
    )
    .await;
    copy.run("update agent set tags = 'null' where id = 6").await;
    copy
}

/// Each with the numbers of the agents that it reaches.
const TARGETS: &[(&str, &[i64])] = &[
    ("status='online'", &[1, 2, 3, 6]),
    ("status='online' OR status='idle'", &[1, 2, 3, 4, 6]),
    ("name='myserver.example.net'", &[1]),
    ("name like '%mysql%'", &[2]),
    ("name LIKE '%phx1%'", &[2]),
    ("name ILIKE 'db%'", &[4, 6]),
    ("name LIKE 'db%'", &[4]),
    ("queueloc LIKE 'linux.%'", &[1, 2, 4, 6]),
    ("agents.queueloc like 'linux.%'", &[1, 2, 4, 6]),
    ("version='201409171023+c4d6f50.prod' and heartbeattime > NOW() - interval '1 minute'", &[2]),
    ("heartbeattime > NOW() - interval '5 seconds'", &[]),
    ("starttime < NOW() - INTERVAL '30 days'", &[1]),
    (
        "mode='checkin' AND environment->>'os'='linux' AND status='idle' AND starttime > NOW() - INTERVAL '1 hour'",
        &[4],
    ),
    ("environment->>'os'='linux'", &[1, 2, 4]),
    ("environment->>'os' IN ('linux', 'darwin')", &[1, 2, 3, 4]),
    ("environment->>'ident' LIKE 'Ubuntu%' AND environment->>'arch'='386'", &[1]),
    ("environment->>'isproxied' = 'true'", &[1]),
    ("environment->>'isproxied' = 'false'", &[2, 3, 4, 6]),
    ("environment#>>'{os}'='linux'", &[1, 2, 4]),
    (r"environment->>'os'='darwin' AND name LIKE '%\.scl3\.%'", &[3]),
    ("tags->>'operator'='IT'", &[1]),
    ("tags#>>'{operator}'='opsec'", &[3]),
    ("NOT tags->>'operator'='IT'", &[3]),
    ("tags->>'operator' IS NULL", &[2, 4, 6]),
    ("environment#>>'{os}'='linux' AND loadername='realhost'", &[4]),
    ("name ~* '^db[0-9]+'", &[4, 6]),
    ("name ~ '^db[0-9]+'", &[4]),
    ("name !~* '^db[0-9]+' AND name !~ 'mac'", &[1, 2]),
    (
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 and r#>>'{foundanything}' = 'true') AND status='online'",
        &[1],
    ),
    (
        "id IN (SELECT agentid FROM commands, json_array_elements(commands.results) AS r WHERE commands.actionid = 12345 AND r#>>'{foundanything}' = 'true')",
        &[1],
    ),
    (
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 and r#>>'{foundanything}' = 'false')",
        &[1, 2],
    ),
    (
        "id NOT IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 and r#>>'{foundanything}' = 'true')",
        &[2, 3, 4, 6],
    ),
    (
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=1 and r#>>'{foundanything}' = 'true') AND status='online' OR name='mac.scl3.example.net'",
        &[3],
    ),
    ("queueloc='linux.xyz'", &[1]),
    ("queueloc='darwin.3' OR name='x'' OR true OR '''", &[3]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_reaches_whom_it_means() {
    let copy = small_fleet().await;
    let mut faults = Vec::new();
    for (target, want) in TARGETS {
        let mut ids: Vec<i64> = copy.agents(target).await.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        if ids != *want {
            faults.push(format!("{target}: {ids:?} instead of {want:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn now_is_the_moment_that_the_caller_says() {
    let copy = small_fleet().await;
    let target = fleet::parse_target("heartbeattime > NOW() - interval '1 minute'").unwrap();
    let mut conn = copy.conn().await;
    assert_eq!(fleet::count(&mut conn, &target, NOW).await.unwrap(), 4);
    let later = NOW + Duration::minutes(2);
    assert_eq!(fleet::count(&mut conn, &target, later).await.unwrap(), 0);
}
