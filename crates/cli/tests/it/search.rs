//! What is found, and the order itself.

use crate::support::documents::{action, command, count, json_of};
use crate::support::{Answer, Server, Writ};
use serde_json::{Value, json};
use types::api::Page;

/// Answers as MIG's routes do: items of one document each, and the parameters last.
fn collection(name: &str, values: &[Value]) -> Answer {
    let datum =
        |name: &str, value: &Value| json!({"href": "/", "data": [{"name": name, "value": value}]});
    let mut items: Vec<_> = values.iter().map(|value| datum(name, value)).collect();
    items.push(datum("search parameters", &json!({})));
    json_of(
        200,
        &json!({"collection": {"version": "1.0", "href": "/", "items": items, "template": {}, "error": {}}}),
    )
}

fn nothing() -> Answer {
    let error = json!({"code": "1", "message": "no results found"});
    json_of(
        404,
        &json!({"collection": {"version": "1.0", "href": "/", "template": {}, "error": error}}),
    )
}

fn agent(id: usize) -> Value {
    json!({"id": id, "name": format!("web-{id}\u{1b}"), "status": "online", "version": "1",
        "heartbeatts": "2026-11-21T12:00:00Z", "environment": {"os": "linux"}, "tags": {"role": "web"}})
}

#[test]
fn every_parameter_is_sent_by_the_servers_name_and_pages_are_joined() {
    let server = Server::start(|request| {
        let number = |name: &str| request.query[name].parse::<usize>().unwrap();
        let (offset, limit) = (number("offset"), number("limit"));
        let found: Vec<_> = (offset..(offset + limit).min(1203)).map(agent).collect();
        if found.is_empty() { nothing() } else { collection("agent", &found) }
    });
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["search", "agent", "--limit", "2"]).ends(0);
    insta::assert_snapshot!(ran.stdout, @r"
    NUMBER  NAME         STATUS  VERSION  LAST SEEN             OS     TAGS
    0       web-0\u{1b}  online  1        2026-11-21T12:00:00Z  linux  role=web
    1       web-1\u{1b}  online  1        2026-11-21T12:00:00Z  linux  role=web
    ");
    assert_eq!(ran.stderr, "there may be more\n  next: --offset 2\n");
    let ran = writ.run(&["search", "agent", "--limit", "1100", "-o", "csv"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 1 + 1100);
    let ran = writ.run(&["search", "agent", "--offset", "1203", "-o", "json"]).ends(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("[]\n", "nothing was found\n"));
    let ran = writ.run(&["agents", "-t", "name LIKE 'web%'", "-o", "jsonl"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 1203, "all of them");
    assert_eq!(server.seen().last().unwrap().query["target"], "name LIKE 'web%'");

    let parameters = [
        ("action-id", "1", "actionid"),
        ("action-name", "a%", "actionname"),
        ("after", "2026-11-21T12:00:00Z", "after"),
        ("before", "2026-11-21T13:00:00Z", "before"),
        ("agent-id", "2", "agentid"),
        ("agent-name", "b%", "agentname"),
        ("agent-version", "c", "agentversion"),
        ("command-id", "3", "commandid"),
        ("found", "false", "foundanything"),
        ("investigator-id", "4", "investigatorid"),
        ("investigator-name", "d", "investigatorname"),
        ("loader-id", "5", "loaderid"),
        ("loader-name", "e", "loadername"),
        ("manifest-id", "6", "manifestid"),
        ("manifest-name", "f", "manifestname"),
        ("status", "g", "status"),
        ("target", "h='&'", "target"),
        ("threat-family", "i", "threatfamily"),
    ];
    for ours in [true, false] {
        let mut args = vec!["search".to_owned(), "agent".into(), "--limit=1".into()];
        args.extend(parameters.map(|(name, value, theirs)| {
            format!("--{}={value}", if ours { name } else { theirs })
        }));
        writ.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ends(0);
        let mut asked = server.seen().pop().unwrap().query;
        for (name, value) in [("type", "agent"), ("limit", "1"), ("offset", "0")] {
            assert_eq!(asked.remove(name).as_deref(), Some(value));
        }
        let wanted = parameters.map(|(_, value, name)| (name.to_owned(), value.to_owned()));
        assert_eq!(asked, wanted.into());
    }
    writ.run(&["search", "report"]).ends(1);
    writ.run(&["search", "agent", "--limit", "0"]).ends(1);
}

#[test]
fn every_subject_has_its_columns() {
    let server = Server::start(|request| match request.query["type"].as_str() {
        "action" => collection(
            "action",
            &[json!({"id": 7, "name": "look", "target": "t", "status": "completed",
            "validfrom": "A", "expireafter": "B", "counters": {"sent": 3, "done": 2}})],
        ),
        "command" => collection(
            "command",
            &[json!({"id": 9, "status": "success", "starttime": "A", "finishtime": "B",
            "action": {"id": 7, "name": "look"}, "agent": {"id": 2, "name": "web-2"}})],
        ),
        "manifest" => collection(
            "manifest",
            &[json!({"id": 1, "name": "m", "status": "active", "timestamp": "A",
            "target": "t"})],
        ),
        "loader" => collection(
            "loader",
            &[json!({"id": 1, "name": "l", "agentname": "web-2", "enabled": true,
            "lastseen": "A"})],
        ),
        _ => Answer::problem(401, "x", "x", "x"),
    });
    let writ = Writ::with_key(&server);
    let mut shown = String::new();
    for subject in ["action", "command", "manifest", "loader"] {
        shown += &writ.run(&["search", subject, "-o", "csv"]).ends(0).stdout;
    }
    insta::assert_snapshot!(shown, @r"
    id,status,sent,done,valid_from,expire_after,name,target
    7,completed,3,2,A,B,look,t
    id,status,action_id,name,agent_id,agent_name,started,finished
    9,success,7,look,2,web-2,A,B
    id,name,status,time,target
    1,m,active,A,t
    id,name,agent,enabled,last_seen
    1,l,web-2,true,A
    ");
    writ.run(&["search", "investigator"]).ends(3);
}

#[test]
fn an_order_is_shown_with_everything_and_copied_to_be_signed_anew() {
    let all =
        vec![command(1, "success", true, json!("x")), command(2, "failed", false, json!(null))];
    let posted = json!({"id": 7, "name": "find it", "target": "status='online'", "threat": {"family": "f"},
        "validfrom": "2020-01-01T00:00:00Z", "expireafter": "2020-01-02T00:00:00Z", "syntaxversion": 2,
        "status": "completed", "operations": [{"module": "file", "parameters": {"n": 12_345_678_901_234_567_890_u64}}],
        "pgpsignatures": ["abc"], "investigators": [{"name": "Ada\u{1b}", "pgpfingerprint": "AB12", "status": "active",
            "createdat": "2020-01-01T00:00:00Z", "lastmodified": "2020-01-01T00:00:00Z", "permissions": {}}]});
    let view = action("completed", count(&all));
    let server = Server::start(move |request| match request.line().as_str() {
        "GET /api/v1/action" if request.query["actionid"] == "7" => {
            collection("action", std::slice::from_ref(&posted))
        }
        "GET /v1/actions/7" => json_of(200, &view),
        "GET /v1/actions/7/commands" => json_of(200, &Page { items: all.clone(), next: None }),
        "POST /v1/actions/preview" => json_of(200, &json!({"count": 1, "sample": []})),
        "POST /v1/actions" => json_of(202, &view),
        _ => Answer::problem(404, "not-found", "there is no such thing", "action 8"),
    });
    let writ = Writ::with_key(&server);
    let copy = writ.run(&["action", "copy", "7"]).ends(0).stdout;
    insta::assert_snapshot!(copy, @r#"
    {
      "name": "find it",
      "operations": [
        {
          "module": "file",
          "parameters": {
            "n": 12345678901234567890
          }
        }
      ],
      "syntaxversion": 2,
      "target": "status='online'",
      "threat": {
        "family": "f"
      }
    }
    "#);
    let file = writ.write("copy.json", &copy);
    writ.run(&["run", "--file", &file, "--yes", "--no-follow"]).ends(0);
    let sent = server.asked("POST /v1/actions")[0].json();
    assert_eq!(sent["operations"][0]["parameters"]["n"], 12_345_678_901_234_567_890_u64);
    assert!(sent["pgpsignatures"][0] != "abc" && sent["validfrom"] != "2020-01-01T00:00:00Z");

    let shown = writ.run(&["action", "show", "7"]).ends(0).stdout;
    for part in [
        "completed",
        "signed by Ada\\u{1b} AB12",
        "\"module\": \"file\"",
        "1 file",
        "agent-2  failed",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let whole = writ.run(&["action", "show", "7", "-o", "json"]).ends(0).stdout;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["document"]["pgpsignatures"], json!(["abc"]));
    assert_eq!(
        (&whole["action"]["counters"]["failed"], &whole["commands"][1]["id"]),
        (&json!(1), &json!(2))
    );
    let line = writ.run(&["action", "show", "7", "-o", "jsonl"]).ends(0).stdout;
    assert_eq!((line.lines().count(), serde_json::from_str::<Value>(&line).unwrap()), (1, whole));
    writ.run(&["action", "show", "7", "-o", "csv"]).ends(1);
    writ.run(&["action", "show", "8"]).ends(1);
    writ.run(&["action", "copy", "x"]).ends(1);
}

#[test]
fn migs_routes_tell_one_who_may_not_from_one_who_is_not_known() {
    let refusing = |message: &'static str| {
        Server::start(move |_| {
            json_of(
                401,
                &json!({"collection": {"version": "1.0", "href": "/", "template": {},
                "error": {"code": "1", "message": message}}}),
            )
        })
    };
    let server = refusing("Insufficient permissions to access endpoint");
    let ran = Writ::with_key(&server).run(&["search", "action"]).ends(3);
    assert!(ran.stderr.contains("next: ask an administrator"), "{}", ran.stderr);
    let server = refusing("API key authentication failed");
    let ran = Writ::with_key(&server).run(&["search", "action"]).ends(3);
    assert!(ran.stderr.contains("next: writ key show"), "{}", ran.stderr);
}
