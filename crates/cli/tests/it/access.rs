//! Who the caller is, and what the server says about it.

use crate::support::documents::{Play, command, json_of};
use crate::support::{Answer, Server, Writ};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

fn refusing(status: u16) -> Server {
    Server::start(move |_| Answer::problem(status, "refused", "you may not", "because"))
}

#[test]
fn a_refused_token_is_made_anew_once() {
    let play = Play::over(vec![command(1, "success", true, json!("x"))]);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::problem(401, "unauthorized", "who are you", ""),
        _ => play.answer(request),
    });
    Writ::with_key(&server).run(&["status", "7"]).ends(0);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].header("x-pgpauthorization"), seen[1].header("x-pgpauthorization"));
    let server = refusing(401);
    let ran = Writ::with_key(&server).run(&["status", "7"]).ends(3);
    assert_eq!(server.seen().len(), 2, "one more try, not many");
    assert!(ran.stderr.contains("writ key show"), "{}", ran.stderr);
}

#[test]
fn a_missing_permission_is_denied_and_not_asked_for_again() {
    let server = refusing(403);
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["run", "-t", "x", "--name", "n", "--op", "ping"]).ends(3);
    insta::assert_snapshot!(ran.stderr, @r"
    error: you may not
      why: because
      next: ask an administrator for the permission
      request id: req-42
    ");
    assert_eq!(ran.stdout, "");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn an_api_key_comes_from_a_file_and_goes_before_the_key() {
    let server = Server::start(|_| json_of(200, &json!({"items": [], "next": null})));
    let writ = Writ::with_key(&server);
    let file = writ.write("apikey", "s3cret\n");
    let mut command = writ.command(&["agents"]);
    assert!(command.env("WRIT_APIKEY_FILE", &file).status().unwrap().success());
    writ.run(&["config", "set", "apikey-file", &file]).ends(0);
    writ.run(&["agents", "ls"]).ends(0);
    writ.run(&["config", "unset", "apikey-file"]).ends(0);
    writ.run(&["agents"]).ends(0);
    let seen = server.seen();
    let keys: Vec<_> = seen.iter().map(|request| request.header("x-migapikey")).collect();
    assert_eq!(keys, ["s3cret", "s3cret", ""]);
    assert_eq!(seen[0].header("x-pgpauthorization"), "");
    assert!(seen[2].header("x-pgpauthorization").starts_with("1;"));
    let empty = writ.write("empty", "\n");
    let ran = writ.run(&["agents", "--apikey-file", &empty]).ends(1);
    assert!(ran.stderr.contains("is empty"), "{}", ran.stderr);
}

#[test]
fn a_problem_says_what_why_where_and_its_request_id() {
    let server = Server::start(|request| match request.line().as_str() {
        "POST /v1/actions/preview" => Answer::json(
            422,
            &json!({"type": "about:blank", "title": "the target is not valid", "status": 422,
                "detail": "column 8: expected a value\u{1b}[2J", "code": "target-invalid", "request_id": "req-42",
                "errors": [{"pointer": "/target", "detail": "column 8"}]}),
        ),
        _ => Answer::text(500, "<html>oops</html>").header("x-request-id", "req-43"),
    });
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["run", "-t", "status=", "--name", "n", "--op", "ping"]).ends(1);
    insta::assert_snapshot!(ran.stderr, @r"
    error: the target is not valid
      why: column 8: expected a value\u{1b}[2J
      why: at /target: column 8
      next: correct it and run the command again
      request id: req-42
    ");
    let ran = writ.run(&["status", "7"]).ends(1);
    insta::assert_snapshot!(ran.stderr, @r"
    error: the server answered 500 Internal Server Error
      why: <html>oops</html>
      next: ask the operators; they find it by the request id
      request id: req-43
    ");
}

#[test]
fn redirects_are_not_followed() {
    let other = refusing(500);
    let url = other.url.clone();
    let server = Server::start(move |_| Answer::text(307, "").header("location", &url));
    let ran = Writ::with_key(&server).run(&["status", "7"]).ends(1);
    assert!(ran.stderr.contains("redirects are not followed"), "{}", ran.stderr);
    assert!(other.seen().is_empty(), "the token stays with the server it was made for");
}

#[test]
fn a_lost_answer_to_an_order_is_asked_for_again_with_the_same_document() {
    let play = Play::over(vec![command(1, "success", true, json!("x"))]);
    let posts = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.line().as_str() {
        "POST /v1/actions" if posts.fetch_add(1, Ordering::SeqCst) == 0 => {
            Answer::text(503, "").header("retry-after", "1")
        }
        _ => play.answer(request),
    });
    Writ::with_key(&server).run(&["run", "-t", "x", "--name", "n", "--op", "ping"]).ends(0);
    let posts = server.asked("POST /v1/actions");
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].body, posts[1].body, "one order, not two");
}

#[test]
fn nothing_known_is_said_with_what_to_do() {
    let writ = Writ::new();
    let ran = writ.run(&["agents", "--url", "http://127.0.0.1:1"]).ends(1);
    assert!(ran.stderr.contains("next: writ key new"), "{}", ran.stderr);
    writ.run(&["key", "new"]).ends(0);
    let ran = writ.run(&["agents"]).ends(1);
    assert!(ran.stderr.contains("next: writ config set url"), "{}", ran.stderr);
    for url in ["ftp://x", "http://user:pass@host", "nonsense"] {
        let ran = writ.run(&["config", "set", "url", url]).ends(1);
        assert!(ran.stderr.contains("address"), "{url}: {}", ran.stderr);
    }
    let ran = writ.run(&["config", "show"]).ends(0);
    insta::assert_snapshot!(ran.stdout, @r#"
    {
      "key": {
        "kind": "file"
      }
    }
    "#);
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_pieces() {
    let server = Server::start(|request| {
        let limit: usize = request.query["limit"].parse().unwrap();
        let page = json!({"items": [command(1, "success", true, json!("x"))], "next": null});
        let padding = if limit > 4 { 101 << 20 } else { 0 };
        Answer::text(200, page.to_string() + &" ".repeat(padding))
    });
    let ran = Writ::with_key(&server).run(&["results", "7", "-o", "jsonl"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    let limits: Vec<_> =
        server.seen().iter().map(|request| request.query["limit"].clone()).collect();
    assert_eq!(limits, ["100", "20", "4"]);
}
