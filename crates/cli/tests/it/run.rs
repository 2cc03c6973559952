//! `writ run`: what is sent, what comes out, how it ends.

use crate::support::documents::{Play, action, command, count, json_of};
use crate::support::{Answer, Ran, Server, Writ};
use serde_json::{Value, json};
use signing::action::signed_string;
use signing::{KeySet, Policy, Token};
use time::Duration;
use types::Action;
use types::api::action::{CommandCounters, CommandView};

const ORDER: [&str; 7] =
    ["run", "-t", "status='online'", "--name", "find it", "--op", "ping={\"a\":1}"];

fn order(writ: &Writ, more: &[&str]) -> Ran {
    writ.run(&[&ORDER, more].concat())
}

fn playing(play: Play) -> (Server, Writ) {
    let server = Server::start(move |request| play.answer(request));
    let writ = Writ::with_key(&server);
    (server, writ)
}

#[test]
fn what_is_posted_carries_a_signature_over_what_was_typed() {
    let (server, writ) = playing(Play::over(vec![command(1, "success", true, json!("pong"))]));
    order(&writ, &["--op", "file={\"z\":1,\"a\":\"<ü>\"}", "--expire", "90s"]).ends(0);
    let posted = &server.asked("POST /v1/actions")[0];
    let posted = Action::parse(&posted.body).unwrap();
    assert_eq!((posted.name.as_str(), posted.target.as_str()), ("find it", "status='online'"));
    assert_eq!(posted.expireafter - posted.validfrom, Duration::seconds(60 + 90));
    let modules: Vec<_> =
        posted.operations.iter().flatten().map(|operation| operation.module.as_str()).collect();
    assert_eq!(modules, ["ping", "file"]);
    let now = crate::support::documents::now();
    posted.check(now).unwrap();
    let keys: KeySet = [writ.public()].into_iter().collect();
    let signature = &posted.pgpsignatures.clone().unwrap()[0];
    let string = signed_string(&posted);
    keys.verify(signature, string.as_bytes(), now, &Policy::default()).unwrap();
    assert_eq!(
        server.asked("POST /v1/actions/preview")[0].json(),
        json!({"target": "status='online'"})
    );
    let mut tokens = Vec::new();
    for request in server.seen() {
        let header = request.header("x-pgpauthorization");
        let token = Token::parse(header).unwrap();
        token.verify(&keys, now, Duration::minutes(1), &Policy::default()).unwrap();
        tokens.push(header.to_owned());
    }
    let requests = tokens.len();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), requests, "a token per request");
}

#[test]
fn how_commands_are_given_out_stands_beside_what_is_signed() {
    let (server, writ) = playing(Play::over(vec![command(1, "success", true, json!("pong"))]));
    let pace = ["--rate", "2.5", "--waves", "1,10,all", "--stop-when-failed", "0.1"];
    order(&writ, &[&pace[..], &["--stop-when-timeouts", "3"]].concat()).ends(0);
    order(&writ, &[]).ends(0);
    let posted = server.asked("POST /v1/actions");
    assert_eq!(
        posted[0].json()["dispatch"],
        json!({"rate_per_second": 2.5, "waves": [1, 10, "all"], "stop_when": {"failed_ratio": 0.1, "timeouts": 3}})
    );
    assert_eq!(posted[1].json().get("dispatch"), None);
    let action = Action::parse(&posted[0].body).unwrap();
    let keys: KeySet = [writ.public()].into_iter().collect();
    let (signature, string) = (&action.pgpsignatures.clone().unwrap()[0], signed_string(&action));
    let now = crate::support::documents::now();
    keys.verify(signature, string.as_bytes(), now, &Policy::default()).unwrap();

    let ran = order(&writ, &["--rate", "0"]).ends(1);
    assert!(ran.stderr.contains("/rate_per_second: 0 is not in"), "{}", ran.stderr);
    assert_eq!(server.asked("POST /v1/actions").len(), 2, "nothing that cannot be done is sent");
}

#[test]
fn an_action_is_paused_and_goes_on() {
    let server = Server::start(|request| match request.line().as_str() {
        "POST /v1/actions/7/pause" => json_of(202, &action("inflight", CommandCounters::default())),
        "POST /v1/actions/7/resume" => json_of(202, &action("paused", CommandCounters::default())),
        _ => Answer::problem(404, "not-found", "There is no such thing", "action 8 not found"),
    });
    let writ = Writ::with_key(&server);
    writ.run(&["action", "pause", "7"]).ends(0);
    writ.run(&["action", "resume", "7"]).ends(0);
    assert_eq!(server.asked("POST /v1/actions/7/pause").len(), 1);
    assert_eq!(server.asked("POST /v1/actions/7/resume").len(), 1);
    let ran = writ.run(&["action", "pause", "8"]).ends(1);
    assert!(ran.stderr.contains("action 8 not found"), "{}", ran.stderr);
}

#[test]
fn each_end_has_its_exit_code() {
    let end = |status: &str| command(2, status, false, json!(null));
    for (last, code) in
        [("success", 0), ("failed", 2), ("timeout", 2), ("expired", 2), ("cancelled", 2)]
    {
        let commands = vec![command(1, "success", true, json!("x")), end(last)];
        let (_server, writ) = playing(Play::over(commands));
        order(&writ, &["--yes"]).ends(code);
    }
    let (_server, writ) =
        playing(Play::over(vec![end("expired"), command(3, "expired", false, json!(null))]));
    let ran = order(&writ, &["--yes"]).ends(4);
    assert!(
        ran.stderr
            .contains("2 of 2 agents did not answer\n  next: writ results 7 --status expired"),
        "{}",
        ran.stderr
    );
    let (_server, writ) = playing(Play::new(1, vec![("expired", vec![])]));
    order(&writ, &[]).ends(4);
    let (_server, writ) = playing(Play::new(1, vec![("cancelled", vec![])]));
    order(&writ, &[]).ends(2);
    let server = Server::start(|request| match request.line().as_str() {
        "GET /v1/actions/7" => {
            let mut invalid = action("invalid", CommandCounters::default());
            invalid.reason = Some("no agent\u{1b}[2J matched".into());
            json_of(200, &invalid)
        }
        _ => Play::new(1, vec![("invalid", vec![])]).answer(request),
    });
    let ran = order(&Writ::with_key(&server), &[]).ends(1);
    assert!(ran.stderr.contains("  why: no agent\\u{1b}[2J matched"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn the_table_comes_at_the_end_and_progress_goes_to_standard_error() {
    let open = vec![
        command(1, "delivered", false, json!(null)),
        command(2, "waiting", false, json!(null)),
    ];
    let half = vec![
        command(1, "success", true, json!({"s1": [{"file": "/etc/passwd"}]})),
        open[1].clone(),
    ];
    let done = vec![half[0].clone(), command(2, "failed", false, json!(null))];
    let play = Play::new(2, vec![("inflight", open), ("inflight", half), ("completed", done)]);
    let (_server, writ) = playing(play);
    let ran = order(&writ, &["--yes"]).ends(2);
    insta::assert_snapshot!(ran.stdout, @r"
    AGENT    STATUS   OPERATION  FOUND  RESULT
    agent-1  success  1 ping     yes    /etc/passwd in search s1
    agent-2  failed   1 ping     no
    ");
    insta::assert_snapshot!(ran.stderr, @r"
    reaches 2 agents: agent-1, agent-2
    action 7 is accepted; ctrl-C leaves it running
    action 7 pending: 0 of 0 done
    action 7 inflight: 0 of 2 done (1 waiting, 1 delivered)
    action 7 inflight: 1 of 2 done (1 waiting, 1 success)
    action 7 completed: 2 of 2 done (1 success, 1 failed)
    1 of 2 agents failed
      next: writ results 7 --status failed
    ");
}

#[test]
fn one_agent_needs_no_word_more_agents_need_yes_and_none_is_refused() {
    let one = vec![command(1, "success", false, json!(null))];
    for (reached, args, posts, code) in [
        (1, &[][..], 1, 0),
        (2, &[][..], 0, 1),
        (2, &["--yes"][..], 1, 0),
        (0, &["--yes"][..], 0, 1),
    ] {
        let (server, writ) = playing(Play::new(reached, vec![("completed", one.clone())]));
        let ran = order(&writ, args).ends(code);
        assert_eq!(server.asked("POST /v1/actions").len(), posts, "{reached} {args:?}");
        if code == 1 {
            assert_eq!(ran.stdout, "");
        }
        if reached == 2 && posts == 0 {
            insta::assert_snapshot!(ran.stderr, @r"
            reaches 2 agents: agent-1, agent-2
            error: not sent: it reaches 2 agents
              why: without a terminal to ask on, more than one agent needs --yes
              next: the same command with --yes
            ");
        }
        if reached == 0 {
            insta::assert_snapshot!(ran.stderr, @r"
            error: the target reaches no agent
              why: no agent that is online or idle matches: status='online'
              next: writ agents
            ");
        }
    }
}

#[test]
fn json_is_exact_and_found_leaves_out_what_found_nothing() {
    let hostile =
        json!({"deep": [1.5, "\u{1b}[31m\u{9b}", "=1+1", "é"], "n": 9_007_199_254_740_993_i64});
    let commands = vec![
        command(1, "success", true, hostile),
        command(2, "success", false, json!({})),
        command(3, "failed", false, json!(null)),
    ];
    let expected: Vec<Value> = commands.iter().map(|command| json!(command)).collect();
    let over = |commands: &[CommandView]| playing(Play::over(commands.to_vec()));
    let (_server, writ) = over(&commands);
    let ran = order(&writ, &["--yes", "-o", "json"]).ends(2);
    let printed: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(printed, [expected[0].clone(), expected[2].clone()]);
    assert!(ran.stdout.contains(&expected[0].to_string()), "byte for byte");
    let (_server, writ) = over(&commands);
    let ran = order(&writ, &["--yes", "-o", "jsonl", "--show", "all"]).ends(2);
    let lines: Vec<String> = expected.iter().map(Value::to_string).collect();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), lines);
    let (_server, writ) = over(&commands);
    let ran = order(&writ, &["--yes", "-o", "csv", "--show", "all"]).ends(2);
    assert_eq!(ran.stdout.lines().count(), 1 + 3, "{}", ran.stdout);
}

#[test]
fn numbers_and_spelling_of_the_server_are_kept() {
    let exact = r#"{"id":1,"agent_id":2,"agent_name":"a\u0041","status":"success","started":"2026-11-21T12:00:00Z","finished":null,"results":[{"foundanything":true,"success":true,"elements":1.2300,"statistics":123456789012345678901234567890,"errors":null}],"new":1e400}"#;
    let server = Server::start(move |request| match request.line().as_str() {
        "GET /v1/actions/7/commands" => {
            Answer::text(200, format!(r#"{{"items":[{exact}],"next":null}}"#))
        }
        _ => Play::over(vec![command(1, "success", true, json!(1))]).answer(request),
    });
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["results", "7", "-o", "jsonl"]).ends(0);
    assert_eq!(ran.stdout.trim_end(), exact);
}

#[test]
fn a_file_is_a_start_and_what_is_typed_goes_before_it() {
    let (server, writ) = playing(Play::over(vec![command(1, "success", false, json!(null))]));
    let file = writ.write(
        "action.json",
        r#"{"name":"old","target":"old","threat":{"ref":"T1"},"validfrom":"2020-01-01T00:00:00Z",
            "expireafter":"2020-01-01T01:00:00Z","operations":[{"module":"ping","parameters":{}}],
            "pgpsignatures":["abc=abcd"],"syntaxversion":2}"#,
    );
    writ.run(&["run", "--file", &file, "-t", "new"]).ends(0);
    let posted = Action::parse(&server.asked("POST /v1/actions")[0].body).unwrap();
    assert_eq!((posted.name.as_str(), posted.target.as_str()), ("old", "new"));
    assert_eq!(posted.threat["ref"], "T1");
    posted.check(crate::support::documents::now()).unwrap();
    assert_eq!(posted.pgpsignatures.unwrap().len(), 1);
}

#[test]
fn no_follow_prints_the_id_and_ends() {
    let (server, writ) = playing(Play::over(vec![command(1, "success", false, json!(null))]));
    let ran = order(&writ, &["--no-follow"]).ends(0);
    assert_eq!(ran.stdout, "7\n");
    assert!(ran.stderr.contains("writ wait 7"), "{}", ran.stderr);
    assert_eq!(server.asked("GET /v1/actions/7").len(), 0);
    let ran = order(&writ, &["--no-follow", "-o", "json"]).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["id"], 7);
}

#[test]
fn what_cannot_be_meant_is_said_before_anything_is_sent() {
    let (server, writ) = playing(Play::over(vec![]));
    for (args, says) in [
        (
            vec!["run", "-t", "x", "--name", "n", "--op", "ping={"],
            "the parameters of ping are not JSON",
        ),
        (vec!["run", "-t", "x", "--name", "n", "--op", "=1"], "'=1' names no module"),
        (
            vec!["run", "-t", "x", "--name", "n", "--op", "p", "--expire", "5"],
            "not a length of time",
        ),
        (vec!["run", "-t", "x", "--name", "n"], "--op"),
        (vec!["run", "--file", "/nowhere/a.json"], "cannot read /nowhere/a.json"),
        (vec!["frobnicate"], "frobnicate"),
    ] {
        let ran = writ.run(&args).ends(1);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn status_results_and_cancel() {
    let commands = vec![
        command(1, "success", true, json!("pong")),
        command(2, "success", false, json!(null)),
        command(3, "expired", false, json!(null)),
    ];
    assert_eq!(count(&commands).targeted, 3);
    let (server, writ) = playing(Play::over(commands));
    let ran = writ.run(&["status", "7", "-o", "json"]).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["counters"]["expired"], 1);
    let ran = writ.run(&["results", "7"]).ends(0);
    insta::assert_snapshot!(ran.stdout, @r"
    AGENT    STATUS   OPERATION  FOUND  RESULT
    agent-1  success  1          yes    pong
    agent-2  success  1          no
    agent-3  expired
    ");
    let ran = writ.run(&["results", "7", "--status", "expired", "-o", "jsonl"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    let ran = writ.run(&["results", "7", "--show", "found", "-o", "jsonl"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 2);
    let ran = writ.run(&["cancel", "7"]).ends(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(server.asked("POST /v1/actions/7/cancel").len(), 1);
    writ.run(&["status", "8"]).ends(1);
    writ.run(&["results", "7", "--status", "gone"]).ends(1);
}
