//! Playbooks and their runs.

use crate::support::documents::json_of;
use crate::support::{Answer, Request, Server, Writ};
use serde_json::{Value, json};

const PLAYBOOK: &str = "playbook--0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a01";
const RUN: &str = "0198a000-0000-7000-8000-0000000000e1";

fn stored(name: &str) -> Value {
    json!({"id": PLAYBOOK, "modified": "2026-12-01T09:30:00Z", "name": name, "description": "", "labels": [],
        "sha256": "00", "valid_from": null, "valid_until": null, "revoked": false, "created": "2026-12-01T09:30:00Z",
        "created_by": 1})
}

fn execution(state: &str) -> Value {
    let step = |name: &str, state: &str, detail: Value| {
        json!({"id": RUN, "step_id": "action--1", "run": 2, "type": "action", "name": name, "state": state,
            "detail": detail, "started": "2026-12-01T09:30:00Z", "ended": null, "variables": {}})
    };
    json!({"id": RUN, "playbook_id": PLAYBOOK, "name": "Lock out", "state": state, "handled": false, "reason": null,
        "started": "2026-12-01T09:30:00Z", "ended": null, "started_by": 1, "parent_step": null, "variables": {},
        "steps": [step("ask\u{1b}[2J", "waiting", Value::Null), step("", "failed", json!("it broke"))]})
}

fn server() -> Server {
    Server::start(|request| match request.line().as_str() {
        "POST /v1/playbooks" if request.body.starts_with(b"{\"wrong") => {
            Answer::problem(422, "playbook-invalid", "Invalid", "/workflow: workflow is missing")
        }
        "POST /v1/playbooks" => json_of(201, &stored("Lock out")),
        "GET /v1/playbooks" if request.query.contains_key("cursor") => {
            json_of(200, &json!({"items": [stored("second")], "next": null}))
        }
        "GET /v1/playbooks" => json_of(200, &json!({"items": [stored("first")], "next": "2"})),
        "POST /v1/executions" => json_of(201, &execution("running")),
        line if line == format!("GET /v1/executions/{RUN}") => json_of(200, &execution("waiting")),
        line if line == format!("POST /v1/executions/{RUN}/cancel") => {
            json_of(200, &execution("cancelled"))
        }
        _ => Answer::problem(404, "not-found", "There is no such thing", "no such execution"),
    })
}

#[test]
fn a_playbook_is_stored_byte_for_byte_and_listed_to_the_last_page() {
    let server = server();
    let writ = Writ::with_key(&server);
    let text = "{ \"type\" : \"playbook\",\n  \"n\": 1.0 }\n";
    let file = writ.write("playbook.json", text);
    let ran = writ.run(&["playbook", "add", &file]).ends(0);
    assert!(
        ran.stdout.contains(PLAYBOOK) && ran.stderr.contains("stored playbook"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.asked("POST /v1/playbooks")[0].body, text.as_bytes());
    let wrong = writ.write("wrong.json", "{\"wrong\":1}");
    let ran = writ.run(&["playbook", "add", &wrong]).ends(1);
    assert!(ran.stderr.contains("/workflow: workflow is missing"), "{}", ran.stderr);
    writ.run(&["playbook", "add", "/nowhere/at/all"]).ends(1);
    let ran = writ.run(&["playbook", "ls", "-o", "csv"]).ends(0).stdout;
    let names: Vec<_> = ran.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(names, ["name", "first", "second"]);
}

#[test]
fn a_run_is_begun_shown_and_cancelled() {
    let server = server();
    let writ = Writ::with_key(&server);
    let ran = writ
        .run(&[
            "playbook",
            "run",
            PLAYBOOK,
            "--set",
            "host=ws-1=a",
            "--set",
            "__n__=",
            "-o",
            "json",
        ])
        .ends(0);
    let began: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(began["id"], RUN);
    assert!(ran.stderr.contains(&format!("writ playbook status {RUN}")), "{}", ran.stderr);
    let asked: Vec<_> = server.asked("POST /v1/executions").iter().map(Request::json).collect();
    let wanted = json!({"playbook_id": PLAYBOOK, "variables": {"__host__": "ws-1=a", "__n__": ""}});
    assert_eq!(asked, [wanted]);
    writ.run(&["playbook", "run", PLAYBOOK, "--set", "novalue"]).ends(1);

    let shown = writ.run(&["playbook", "status", RUN]).ends(0).stdout;
    for word in ["Lock out", "waiting", "action--1", "it broke"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown}");
    writ.run(&["playbook", "cancel", RUN]).ends(0);
    assert_eq!(server.asked(&format!("POST /v1/executions/{RUN}/cancel")).len(), 1);
    let other = RUN.replace("e1", "e2");
    let ran = writ.run(&["playbook", "status", &other]).ends(1);
    assert!(ran.stderr.contains("no such execution"), "{}", ran.stderr);
    writ.run(&["playbook", "status", "nonsense"]).ends(1);
}
