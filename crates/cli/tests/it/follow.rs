//! Following: results as they come, servers that go away, deadlines, ctrl-C.

use crate::support::documents::{Play, action, command, count, json_of};
use crate::support::{Answer, Server, Writ, until};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use types::api::action::CommandCounters;

#[test]
fn jsonl_comes_as_it_comes_and_each_command_once() {
    let open = |id| command(id, "waiting", false, json!(null));
    let found = |id| command(id, "success", true, json!(id));
    // the second state stays until the test has read what came in it
    let first = vec![found(1), open(2), open(3)];
    let all = vec![found(1), found(2), found(3)];
    let go_on = Arc::new(Mutex::new(false));
    let (before, after) = (Play::new(3, vec![("inflight", first)]), Play::over(all));
    let gate = Arc::clone(&go_on);
    let server = Server::start(move |request| {
        if *gate.lock().unwrap() { after.answer(request) } else { before.answer(request) }
    });
    let writ = Writ::with_key(&server);
    let mut child =
        writ.command(&["wait", "7", "-o", "jsonl"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"], 1);
    *go_on.lock().unwrap() = true;
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let mut ids: Vec<i64> = rest
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [2, 3]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn results_that_come_after_the_news_of_the_end_are_waited_for() {
    let late = Play::new(
        1,
        vec![
            ("cancelled", vec![command(1, "delivered", false, json!(null))]),
            ("cancelled", vec![command(1, "delivered", false, json!(null))]),
            ("cancelled", vec![command(1, "success", true, json!("late"))]),
        ],
    );
    let server = Server::start(move |request| late.answer(request));
    let ran = Writ::with_key(&server).run(&["wait", "7", "-o", "jsonl"]).ends(2);
    assert!(ran.stdout.contains("late"), "{}", ran.stdout);
}

#[test]
fn a_server_that_goes_away_for_a_while_is_waited_for() {
    let play = Play::over(vec![command(1, "success", true, json!("x"))]);
    let inflight =
        Play::new(1, vec![("inflight", vec![command(1, "waiting", false, json!(null))])]);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        match (request.line().as_str(), asked.load(Ordering::SeqCst)) {
            ("GET /v1/actions/7", at) => {
                asked.fetch_add(1, Ordering::SeqCst);
                match at {
                    0 => inflight.answer(request),
                    1 | 2 => Answer::problem(503, "unavailable", "the database is away", "wait"),
                    _ => play.answer(request),
                }
            }
            _ => play.answer(request),
        }
    });
    let ran = Writ::with_key(&server).run(&["wait", "7"]).ends(0);
    assert_eq!(
        ran.stderr.matches("the database is away; trying again").count(),
        1,
        "{}",
        ran.stderr
    );
    // but a server that never answered is an error at once
    let nobody = Writ::new();
    nobody.run(&["key", "new"]).ends(0);
    let ran = nobody.run(&["wait", "7", "--url", "http://127.0.0.1:1"]).ends(1);
    assert!(ran.stderr.contains("http://127.0.0.1:1/ cannot be reached"), "{}", ran.stderr);
}

#[test]
fn the_waits_own_deadline_ends_it_with_what_there_is() {
    let commands = vec![
        command(1, "success", true, json!("early")),
        command(2, "waiting", false, json!(null)),
    ];
    let play = Play::new(2, vec![("inflight", commands)]);
    let server = Server::start(move |request| play.answer(request));
    let ran = Writ::with_key(&server).run(&["wait", "7", "--timeout", "1s"]).ends(4);
    assert!(ran.stdout.contains("early"), "{}", ran.stdout);
    assert!(ran.stderr.contains("action 7 was not over in time"), "{}", ran.stderr);
    assert!(ran.stderr.contains("  next: writ wait 7"), "{}", ran.stderr);
}

#[test]
fn an_action_that_nobody_ends_is_given_up_a_minute_after_its_end() {
    let server = Server::start(|_| {
        let mut stuck =
            action("inflight", CommandCounters { targeted: 1, waiting: 1, ..Default::default() });
        stuck.expire_after -= time::Duration::minutes(7);
        json_of(200, &stuck)
    });
    Writ::with_key(&server).run(&["wait", "7"]).ends(4);
}

#[test]
fn ctrl_c_leaves_the_action_running_and_says_how_to_go_on() {
    let play = Play::new(1, vec![("inflight", vec![command(1, "waiting", false, json!(null))])]);
    let server = Server::start(move |request| play.answer(request));
    let writ = Writ::with_key(&server);
    let mut child = writ
        .command(&["run", "-t", "x", "--name", "n", "--op", "ping"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("following", || server.asked("GET /v1/actions/7").len() > 1);
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("detached: action 7 goes on\n  next: writ wait 7"), "{stderr}");
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(stdout, "");
    assert!(server.asked("POST /v1/actions/7/cancel").is_empty());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let commands =
        (1..200).map(|id| command(id, "success", true, json!("x".repeat(4096)))).collect();
    let play = Play::over(commands);
    let server = Server::start(move |request| play.answer(request));
    let writ = Writ::with_key(&server);
    let mut child = writ
        .command(&["results", "7", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("agent-1"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

fn event(name: &str, id: &str, data: &impl serde::Serialize) -> String {
    format!("event: {name}\n{id}data: {}\n\n", json!(data))
}

#[test]
fn events_are_followed_and_taken_up_where_a_stream_ended() {
    let open =
        vec![command(1, "success", true, json!("x")), command(2, "waiting", false, json!(null))];
    let all =
        vec![command(1, "success", true, json!("x")), command(2, "success", true, json!("y"))];
    let (before, after) = (Play::new(2, vec![("inflight", open.clone())]), Play::over(all.clone()));
    let over = Arc::new(Mutex::new(false));
    let (at, inflight) = (Arc::clone(&over), action("inflight", count(&open)));
    let completed = action("completed", count(&all));
    let server = Server::start(move |request| {
        let answer = match (request.line().as_str(), request.header("last-event-id")) {
            ("GET /v1/actions/7/events", "") => {
                format!("retry: 1000\n\n:\n\n{}", event("action", "id: 3\r\n", &inflight))
            }
            ("GET /v1/actions/7/events", "3") => {
                *at.lock().unwrap() = true;
                event("action", "id: 4\n", &completed)
                    + &event("end", "", &json!({"status": "completed"}))
            }
            _ if *at.lock().unwrap() => return after.answer(request),
            _ => return before.answer(request),
        };
        Answer::text(200, answer).header("content-type", "text/event-stream")
    });
    let ran = Writ::with_key(&server).run(&["wait", "7", "-o", "jsonl"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert!(server.asked("GET /v1/actions/7").is_empty(), "nobody asks who is told");
    assert_eq!(server.asked("GET /v1/actions/7/events").len(), 2);
}

#[test]
fn a_server_whose_events_do_not_come_through_is_asked() {
    let play = Play::over(vec![command(1, "success", true, json!("x"))]);
    let server = Server::start(move |request| match request.line().as_str() {
        "GET /v1/actions/7/events" => {
            Answer::text(200, "retry: 1000\n\n").header("content-type", "text/event-stream")
        }
        _ => play.answer(request),
    });
    Writ::with_key(&server).run(&["wait", "7"]).ends(0);
    assert_eq!(server.asked("GET /v1/actions/7/events").len(), 1);
    assert_eq!(server.asked("GET /v1/actions/7").len(), 1);
}
