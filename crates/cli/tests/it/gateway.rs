//! Teams, single agents and tasks of RunbookSolutions agents.

use crate::support::documents::json_of;
use crate::support::{Answer, Server, Writ};
use serde_json::{Value, json};

const AGENT: &str = "0190a1b2-0000-7000-8000-000000000001";
const PLUGIN: &str = "0190a1b2-0000-7000-8000-000000000002";
const OTHER: &str = "0190a1b2-0000-7000-8000-000000000003";
const BLUE: &str = "0190a1b2-0000-7000-8000-000000000004";
const TASK: &str = "0190a1b2-0000-7000-8000-000000000005";

fn agent(name: &str, team: impl Into<Value>, revoked: impl Into<Value>) -> Value {
    let (team, revoked) = (team.into(), revoked.into());
    json!({"id": AGENT, "number": 3, "name": name, "team_id": team, "transport": "runbook", "status": "offline",
        "last_seen": "2026-11-21T12:00:00Z", "plugins": [PLUGIN, OTHER], "tags": {}, "revoked": revoked})
}

fn machine(id: &str, number: i64, name: &str, status: &str) -> Value {
    let mut machine = agent(name, Value::Null, Value::Null);
    for (key, value) in [("id", json!(id)), ("number", json!(number)), ("status", json!(status))] {
        machine[key] = value;
    }
    machine
}

fn task(state: &str) -> Value {
    json!({"id": TASK, "agent_id": AGENT, "command": format!("{PLUGIN}.greet"), "cron": null, "arguments": {"n": 1},
        "state": state, "attempts": 0, "created": "2026-11-21T12:00:00Z", "offered": null, "last_run": null,
        "missing": false, "due": null, "ended": null, "command_id": null, "runs": []})
}

fn server() -> Server {
    let page = |items: Value| json_of(200, &json!({"items": items, "next": null}));
    let team = |id: &str, name: &str| json!({"id": id, "name": name});
    Server::start(move |request| match request.line().as_str() {
        "POST /v1/teams" => json_of(201, &team(BLUE, "blue")),
        "GET /v1/teams" => {
            page(json!([team(OTHER, "red"), team(BLUE, "blue"), team(AGENT, "red")]))
        }
        "GET /v1/agents" => page(json!([
            agent("web-1", Value::Null, json!("2026-11-20T12:00:00Z")),
            agent("web-1", Value::Null, Value::Null),
            machine(OTHER, 4, "mail-1", "offline"),
            machine(BLUE, 5, "mail-1", "idle"),
            machine(TASK, 6, "mail-1", "destroyed"),
            machine(OTHER, 7, "disk-1", "online"),
            machine(BLUE, 8, "disk-1", "idle"),
            machine(OTHER, 9, "tape-1", "offline"),
            machine(BLUE, 10, "tape-1", "offline"),
        ])),
        "POST /v1/device-codes/ABCD-EFGH/approve" => {
            json_of(200, &agent("web-1", json!(BLUE), Value::Null))
        }
        "GET /v1/tasks" => page(json!([task("overdue")])),
        "POST /v1/tasks" => json_of(201, &task("waiting")),
        line if line == format!("GET /v1/tasks/{TASK}") => json_of(200, &task("waiting")),
        line if line == format!("DELETE /v1/tasks/{TASK}") => Answer::text(204, ""),
        line if line == format!("DELETE /v1/agents/{AGENT}") => Answer::text(204, ""),
        line if line == format!("DELETE /v1/agents/{BLUE}") => Answer::text(204, ""),
        line if line == format!("PATCH /v1/agents/{AGENT}") => {
            json_of(200, &agent("web-1", json!(BLUE), Value::Null))
        }
        line if line == format!("PUT /v1/agents/{AGENT}/plugins") => {
            json_of(200, &agent("web-1", Value::Null, Value::Null))
        }
        _ => Answer::problem(404, "not-found", "nothing", "there is no such thing"),
    })
}

#[test]
fn agents_are_put_into_teams_and_taken_out() {
    let server = server();
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["team", "new", "blue"]).ends(0);
    assert!(ran.stdout.contains(BLUE), "{}", ran.stdout);
    assert_eq!(server.asked("POST /v1/teams")[0].json(), json!({"name": "blue"}));
    let ran = writ.run(&["team", "ls", "-o", "csv"]).ends(0);
    assert_eq!(ran.stdout.lines().nth(2), Some(format!("{BLUE},blue").as_str()));

    let approve = ["enrol", "approve", "ABCD-EFGH", "--name", "web-1", "--team"];
    writ.run(&[&approve[..], &["blue"]].concat()).ends(0);
    writ.run(&[&approve[..], &[OTHER]].concat()).ends(0);
    let asked = server.asked("POST /v1/device-codes/ABCD-EFGH/approve");
    assert_eq!(
        (&asked[0].json()["team_id"], &asked[1].json()["team_id"]),
        (&json!(BLUE), &json!(OTHER))
    );
    for (name, why) in [("red", "more than one team"), ("green", "there is no team")] {
        let ran = writ.run(&[&approve[..], &[name]].concat()).ends(1);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }

    writ.run(&["agent", "join", "web-1", "blue"]).ends(0);
    writ.run(&["agent", "leave", "3"]).ends(0);
    let asked = server.asked(&format!("PATCH /v1/agents/{AGENT}"));
    assert_eq!(
        (asked[0].json(), asked[1].json()),
        (json!({"team_id": BLUE}), json!({"team_id": null}))
    );
}

#[test]
fn an_agent_is_revoked_and_loses_plugins() {
    let server = server();
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["agents", "-o", "csv"]).ends(0);
    assert!(ran.stdout.contains("3,web-1,revoked,") && ran.stdout.contains("3,web-1,offline,"));
    // the one of this name that was revoked is not meant
    writ.run(&["agent", "revoke", "web-1"]).ends(0);
    assert_eq!(server.asked(&format!("DELETE /v1/agents/{AGENT}")).len(), 1);
    writ.run(&["plugin", "take", "web-1", OTHER]).ends(0);
    let asked = server.asked(&format!("PUT /v1/agents/{AGENT}/plugins"));
    assert_eq!(asked[0].json(), json!([PLUGIN]));
    let ran = writ.run(&["plugin", "take", "web-1", BLUE]).ends(1);
    assert!(ran.stderr.contains("has no plugin"), "{}", ran.stderr);
}

#[test]
fn of_agents_of_one_name_the_only_one_that_is_not_gone_is_meant() {
    let server = server();
    let writ = Writ::with_key(&server);
    writ.run(&["agent", "revoke", "mail-1"]).ends(0);
    assert_eq!(server.asked(&format!("DELETE /v1/agents/{BLUE}")).len(), 1);
    for name in ["disk-1", "tape-1"] {
        let ran = writ.run(&["agent", "revoke", name]).ends(1);
        assert!(ran.stderr.contains("more than one agent is called"), "{}", ran.stderr);
    }
    assert_eq!(server.asked(&format!("DELETE /v1/agents/{BLUE}")).len(), 1);
}

#[test]
fn tasks_are_given_listed_and_taken_back() {
    let server = server();
    let writ = Writ::with_key(&server);
    let command = format!("{PLUGIN}.greet");
    let new = ["task", "new", "web-1", &command];
    let large = r#"{"n": 1180591620717411303424}"#;
    writ.run(&[&new[..], &["--cron", "*/5 * * * *", "--arguments", large]].concat()).ends(0);
    let asked = server.asked("POST /v1/tasks");
    let sent = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(sent.contains("1180591620717411303424"), "{sent}");
    assert_eq!(
        (&asked[0].json()["agent_id"], &asked[0].json()["cron"]),
        (&json!(AGENT), &json!("*/5 * * * *"))
    );
    writ.run(&[&new[..], &["--arguments", "[1]"]].concat()).ends(1);
    let ran = writ.run(&["task", "ls", "--agent", "web-1", "--state", "overdue"]).ends(0);
    assert!(ran.stdout.contains("overdue"), "{}", ran.stdout);
    let query = &server.asked("GET /v1/tasks")[0].query;
    assert_eq!((query["agent_id"].as_str(), query["state"].as_str()), (AGENT, "overdue"));
    let ran = writ.run(&["task", "show", TASK]).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["state"], "waiting");
    writ.run(&["task", "withdraw", TASK]).ends(0);
    assert_eq!(server.asked(&format!("DELETE /v1/tasks/{TASK}")).len(), 1);
}
