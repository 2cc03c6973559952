//! Manual steps.

use crate::support::documents::{json_of, now, preview};
use crate::support::{Answer, Request, Server, Writ};
use serde_json::{Value, json};
use signing::action::signed_string;
use signing::{KeySet, Policy};
use types::Action;

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

/// Serves one step that asks for the signatures of an action over `agents` agents.
fn signing_server(agents: i64) -> Server {
    let action = json!({"name": "hunt\u{1b}[2J", "target": "status='online'", "syntaxversion": 2,
        "validfrom": "2026-12-01T09:30:00Z", "expireafter": "2026-12-01T10:30:00Z",
        "operations": [{"module": "file", "parameters": {"z": 1, "a": "<ü>"}}]});
    let mut asks = step("pending");
    asks["commands"] = json!([{"type": "manual", "command": action.to_string()}]);
    asks["out_args"] = json!([{"name": "__writ_signatures__", "type": "string"}]);
    Server::start(move |request| match request.line().rsplit('/').next() {
        Some("preview") => json_of(200, &preview(agents)),
        Some("answer") => json_of(200, &step("answered")),
        Some(ID) => json_of(200, &asks),
        _ => json_of(200, &step("pending")),
    })
}

#[test]
fn a_prepared_action_is_signed_and_answered() {
    let server = signing_server(1);
    let writ = Writ::with_key(&server);
    let first = writ.run(&["step", "sign", ID, "--print"]).ends(0);
    let line = first.stdout.trim();
    assert!(server.asked(&format!("POST /v1/steps/{ID}/answer")).is_empty());
    assert!(first.stderr.contains("\"target\": \"status='online'\""), "{}", first.stderr);
    assert!(!first.stderr.contains('\u{1b}'), "{}", first.stderr);

    writ.run(&["step", "sign", ID, "--with", "another"]).ends(0);
    let answer = server.asked(&format!("POST /v1/steps/{ID}/answer"))[0].json();
    let given = answer["variables"]["__writ_signatures__"].as_str().unwrap();
    let (another, own) = given.split_once(' ').unwrap();
    assert_eq!((answer["outcome"].as_str(), another), (Some("success"), "another"));
    let shown: Value =
        serde_json::from_str(&writ.run(&["step", "show", ID]).ends(0).stdout).unwrap();
    let action = shown["commands"][0]["command"].as_str().unwrap();
    let action = Action::parse(action.as_bytes()).unwrap();
    let keys: KeySet = [writ.public()].into_iter().collect();
    for signature in [line, own] {
        keys.verify(signature, signed_string(&action).as_bytes(), now(), &Policy::default())
            .unwrap();
    }
}

#[test]
fn what_reaches_many_or_asks_for_no_signature_is_not_signed() {
    let server = signing_server(2);
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["step", "sign", ID]).ends(1);
    assert!(ran.stderr.contains("it reaches 2 agents"), "{}", ran.stderr);
    writ.run(&["step", "sign", ID, "--yes"]).ends(0);
    assert_eq!(server.asked(&format!("POST /v1/steps/{ID}/answer")).len(), 1);
    let other = ID.replace("f1", "f2");
    let ran = writ.run(&["step", "sign", &other]).ends(1);
    assert!(ran.stderr.contains("asks for no signature"), "{}", ran.stderr);
}
