//! Manual steps.

use crate::support::documents::json_of;
use crate::support::{Answer, Request, Server, Writ};
use serde_json::{Value, json};

const ID: &str = "0198a000-0000-7000-8000-0000000000f1";

fn step(state: &str) -> Value {
    json!({"id": ID, "execution_id": "0198a000-0000-7000-8000-0000000000e1", "playbook_id": "playbook--1",
        "playbook_name": "Lock out", "step_id": "action--1", "run": 1, "name": "ask\u{1b}[2J", "description": "",
        "commands": [], "out_args": [{"name": "__ok__", "type": "bool"}, {"name": "__c__", "type": "string", "constant": true}],
        "state": state, "created": "2026-12-01T09:30:00Z", "deadline": "2026-12-01T10:30:00Z", "assignee": null,
        "answered_by": null, "answered_at": null, "answer": null})
}

#[test]
fn steps_are_listed_and_answered() {
    let path = format!("/v1/steps/{ID}");
    let server = Server::start(move |request| {
        let line = request.line();
        let what = line.rsplit('/').next().unwrap_or_default().to_owned();
        if line == format!("GET {path}") {
            return json_of(200, &step("pending"));
        }
        match what.split('?').next().unwrap_or_default() {
            "steps" => json_of(200, &json!({"items": [step("pending")], "next": null})),
            "claim" | "release" | "assign" | "comments" | "answer" => {
                json_of(200, &step("answered"))
            }
            _ => Answer::problem(404, "not-found", "no such step", ""),
        }
    });
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["step", "ls"]).ends(0);
    for shown in [ID, "Lock out", "__ok__:bool"] {
        assert!(ran.stdout.contains(shown), "{shown}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains("__c__"), "{}", ran.stdout);
    let csv = writ.run(&["step", "ls", "--state", "all", "-o", "csv"]).ends(0).stdout;
    assert!(csv.starts_with("id,state,name,playbook_name,deadline,"), "{csv}");
    let file = writ.write("value", "true");
    let ran =
        writ.run(&["step", "answer", ID, "-v", &format!("__ok__=@{file}"), "-o", "json"]).ends(0);
    assert!(ran.stdout.contains("\"state\":\"answered\""), "{}", ran.stdout);
    writ.run(&["step", "answer", ID, "--failure"]).ends(0);
    let asked: Vec<_> =
        server.asked(&format!("POST /v1/steps/{ID}/answer")).iter().map(Request::json).collect();
    assert_eq!(
        asked,
        [
            json!({"outcome": "success", "variables": {"__ok__": "true"}}),
            json!({"outcome": "failure", "variables": {}})
        ]
    );
    for words in [
        &["claim", ID][..],
        &["release", ID],
        &["assign", ID, "--to", "bob"],
        &["comment", ID, "soon"],
    ] {
        let mut command = vec!["step"];
        command.extend(words);
        writ.run(&command).ends(0);
    }
    assert!(writ.run(&["step", "show", ID]).ends(0).stdout.contains("\"pending\""));
    writ.run(&["step", "answer", "nonsense"]).ends(1);
    writ.run(&["step", "answer", ID, "-v", "novalue"]).ends(1);
}
