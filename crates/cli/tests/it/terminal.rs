//! On a terminal, which util-linux `script` plays.

use crate::support::documents::{Play, command};
use crate::support::{Request, Server, Writ};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs the program on a terminal, types `typed`, gives the exit code and all that was shown.
fn on_terminal(writ: &Writ, args: &str, typed: &str, no_color: bool, width: u16) -> (i32, String) {
    let mut terminal = Command::new("script");
    writ.settle(&mut terminal);
    terminal.env("TERM", "xterm");
    if no_color {
        terminal.env("NO_COLOR", "1");
    }
    // the terminal that `script` makes has no width of its own
    let run = format!("stty cols {width} rows 40; {} {args}", writ.program.display());
    terminal.args(["--quiet", "--return", "--command", &run, "/dev/null"]);
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn hostile() -> (Server, Writ) {
    let elements = json!({"s1": [{"file": "/tmp/\u{1b}]0;owned\u{7}\u{9b}31m"}]});
    let mut commands =
        vec![command(1, "success", true, elements), command(2, "success", false, json!(null))];
    commands[0].agent_name = "web\u{1b}[2J\u{202e}1".into();
    let play = Play::over(commands);
    let server = Server::start(move |request| play.answer(request));
    let writ = Writ::with_key(&server);
    (server, writ)
}

#[test]
fn a_person_is_asked_and_no_is_no() {
    let order = "run -t x --name n --op ping";
    for (typed, code, posts) in [("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 1), ("yes\n", 0, 1)] {
        let (server, writ) = hostile();
        let (ended, shown) = on_terminal(&writ, order, typed, false, 120);
        assert!(shown.contains("reaches 2 agents: agent-1, agent-2"), "{shown}");
        assert!(shown.contains("Run 'n' there? [y/N]"), "{shown}");
        assert_eq!(ended, code, "{typed:?}: {shown}");
        assert_eq!(server.asked("POST /v1/actions").len(), posts, "{typed:?}");
    }
}

#[test]
fn no_format_lets_an_agent_reach_the_terminal() {
    for format in ["table", "json", "jsonl", "csv"] {
        let (_server, writ) = hostile();
        let (code, shown) = on_terminal(
            &writ,
            &format!("results 7 -o {format}"),
            "",
            true,
            if format == "table" { 0 } else { 120 },
        );
        assert_eq!(code, 0, "{shown}");
        for bad in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'] {
            assert!(!shown.contains(bad), "{format}: {bad:?} in {shown:?}");
        }
        assert!(shown.contains("]0;owned"), "{format}: {shown}");
        if format == "json" {
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(
                read[0]["agent_name"], "web\u{1b}[2J\u{202e}1",
                "another spelling, the same value"
            );
        }
    }
}

#[test]
fn a_bar_is_painted_unless_no_color_says_no() {
    let open =
        vec![command(1, "waiting", false, json!(null)), command(2, "waiting", false, json!(null))];
    let ended = [1, 2].map(|id| command(id, "success", true, json!(id)));
    let states = [open.clone(), open.clone(), open].map(|open| ("inflight", open));
    let states = [&states[..], &[("completed", ended.into())]].concat();
    let (play, again) = (Play::new(2, states.clone()), Play::new(2, states));
    let server = Server::start(move |request| match request.line().as_str() {
        "GET /v1/actions/8" => {
            again.answer(&Request { path: "/v1/actions/7".into(), ..request.clone() })
        }
        _ => play.answer(request),
    });
    let writ = Writ::with_key(&server);
    let (_, painted) = on_terminal(&writ, "wait 7", "", false, 120);
    assert!(painted.contains("\u{1b}["), "{painted:?}");
    let (_, plain) = on_terminal(&writ, "wait 8", "", true, 120);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(plain.contains("action 7 completed: 2 of 2 done (2 success)"), "{plain}");
}

#[test]
fn a_table_breaks_its_cells_at_the_width_of_the_terminal() {
    let elements = json!("word ".repeat(60));
    let play = Play::over(vec![command(1, "success", true, elements)]);
    let server = Server::start(move |request| play.answer(request));
    let writ = Writ::with_key(&server);
    let (_, shown) = on_terminal(&writ, "results 7", "", true, 80);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(
        writ.run(&["results", "7"]).stdout.lines().any(|line| line.len() > 300),
        "not elsewhere"
    );
}
