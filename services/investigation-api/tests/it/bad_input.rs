//! Whatever is sent: a 4xx that says what was wrong, never the database's words, nothing stored and nothing told.
//!
//! Long because it is one list: every route with every kind of bad input, read from top to bottom.

use crate::support::{API_KEY, Process};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;
use testkit::INJECTIONS;

/// Lists words that only a database or a crash would say.
const NEVER_SAID: &[&str] = &[
    "syntax error at or near",
    "invalid byte sequence",
    "SQLSTATE",
    "pq:",
    "db error",
    "relation \"",
    "diesel",
    "constraint \"",
    "panicked",
    "internal",
];

/// Is a request as it goes out.
struct Bad {
    what: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    status: u16,
}

fn bad(what: &str, method: Method, path: &str, status: u16) -> Bad {
    let headers = vec![("x-migapikey", API_KEY.as_bytes().to_vec())];
    Bad { what: what.into(), method, path: path.into(), headers, body: Vec::new(), status }
}

fn get(path: &str, status: u16) -> Bad {
    bad(path, Method::GET, path, status)
}

impl Bad {
    fn with(mut self, header: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(name, _)| *name != header);
        self.headers.push((header, value.into()));
        self
    }

    fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with("content-type", kind)
    }
}

fn form(what: &str, path: &str, body: impl Into<Vec<u8>>, status: u16) -> Bad {
    bad(what, Method::POST, path, status).body("application/x-www-form-urlencoded", body)
}

fn plain(what: &str, path: &str, body: impl Into<Vec<u8>>, status: u16) -> Bad {
    bad(what, Method::POST, path, status).body("application/json", body)
}

fn multipart(what: &str, parts: &[(&str, &[u8])], status: u16) -> Bad {
    let mut body = Vec::new();
    for (name, value) in parts {
        let file = if *name == "publickey" { "; filename=\"k\"" } else { "" };
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    let path = "/api/v1/investigator/create/";
    bad(what, Method::POST, path, status).body("multipart/form-data; boundary=b", body)
}

/// Writes every byte as an escape.
pub(crate) fn encoded(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        write!(escaped, "%{byte:02X}").unwrap();
    }
    escaped
}

/// Counts everything that a request could have stored.
async fn rows(process: &Process) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["action", "signature", "command", "agent", "investigator", "auth.investigator"] {
        counts.push(process.count(table).await);
    }
    counts.push(process.count("investigator where version > 1").await);
    counts.push(process.count("audit where outcome = 'done'").await);
    counts
}

/// Sends each, and asserts that each is refused as it should be and leaves nothing.
async fn all_are_refused(cases: Vec<Bad>) {
    let mut process = Process::new().await;
    let before = rows(&process).await;
    let mut faults = Vec::new();
    for case in cases {
        let url = format!("{}{}", process.running.url(), case.path);
        let mut request = process.http.request(case.method, url).body(case.body);
        for (name, value) in case.headers {
            request = request.header(name, HeaderValue::from_bytes(&value).unwrap());
        }
        let what: String = case.what.chars().take(100).collect();
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                faults.push(format!("{what}: no answer: {error:?}"));
                continue;
            }
        };
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        if status != StatusCode::from_u16(case.status).unwrap() {
            faults.push(format!("{what}: {status} instead of {}: {:.200}", case.status, text));
        }
        // what was sent may come back in `href` and `search parameters`; the message is ours
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = json["collection"]["error"]["message"].as_str().or(json["detail"].as_str());
        let said = said.unwrap_or(&text);
        if let Some(word) = NEVER_SAID.iter().find(|word| said.contains(**word)) {
            faults.push(format!("{what}: says {word:?}: {said:.300}"));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(rows(&process).await, before);
    process.tap.none_of("action.accepted.v1", Duration::from_millis(100)).await;
    process.tap.none_of("investigator.changed.v1", Duration::from_millis(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn great_and_deep_bodies() {
    let ten = vec![b'a'; 10 << 20];
    let deep = |open: &str, close: &str| [open.repeat(1000), close.repeat(1000)].concat();
    let target = |text: &str| json!({"target": text}).to_string();
    let form_of = |document: &str| format!("action={}", encoded(document));
    let mut cases = vec![
        form(
            "a form of 10 MiB",
            "/api/v1/action/create/",
            [b"action=".to_vec(), ten.clone()].concat(),
            413,
        ),
        form(
            "a form of 9 MiB",
            "/api/v1/action/create/",
            [b"action=".as_slice(), &ten[..9 << 20]].concat(),
            400,
        ),
        form(
            "a change of 10 MiB",
            "/api/v1/investigator/update/",
            [b"id=".to_vec(), ten.clone()].concat(),
            413,
        ),
        multipart(
            "a file of 10 MiB",
            &[("name", b"x"), ("permissions", b"{}"), ("publickey", &ten)],
            413,
        ),
        plain("a document of 10 MiB", "/v1/actions", ten.clone(), 413),
        plain("a preview of 10 MiB", "/v1/actions/preview", ten, 413),
        plain("a target of 100 kB", "/v1/actions/preview", target(&"x".repeat(100_000)), 422),
        plain(
            "a deep target",
            "/v1/actions/preview",
            target(&format!("{}true{}", "(".repeat(1000), ")".repeat(1000))),
            422,
        ),
        plain("an unfinished deep target", "/v1/actions/preview", target(&"(".repeat(1000)), 422),
        plain(
            "many NOTs",
            "/v1/actions/preview",
            target(&format!("{}true", "not ".repeat(400))),
            422,
        ),
        get(&format!("/api/v1/search?type=command&status={}", "x".repeat(60_000)), 400),
    ];
    for (what, document) in [
        ("lists", deep("[", "]")),
        ("objects", deep("{\"a\":", "}").replace(":}", ":1}")),
        ("a member", format!("{{\"name\":{}}}", deep("[", "]"))),
        ("parameters", format!("{{\"operations\":[{{\"parameters\":{}}}]}}", deep("[", "]"))),
        ("a threat", format!("{{\"threat\":{{\"a\":{}}}}}", deep("[", "]"))),
    ] {
        cases.push(plain(what, "/v1/actions", document.clone(), 400));
        cases.push(form(what, "/api/v1/action/create/", form_of(&document), 400));
        cases.push(plain(what, "/v1/actions/preview", document.clone(), 422));
        cases.push(multipart(what, &[("name", b"x"), ("permissions", document.as_bytes())], 400));
    }
    all_are_refused(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text() {
    let create = "/api/v1/action/create/";
    let update = "/api/v1/investigator/update/";
    all_are_refused(vec![
        plain("a NUL in JSON", "/v1/actions", b"{\"name\":\"a\0b\"}".to_vec(), 400),
        plain(
            "a NUL in a target",
            "/v1/actions/preview",
            json!({"target": "name='a\0b'"}).to_string(),
            422,
        ),
        plain(
            "a NUL beside a target",
            "/v1/actions/preview",
            json!({"target": "true\0"}).to_string(),
            422,
        ),
        plain("invalid UTF-8 in JSON", "/v1/actions", b"{\"name\":\"\xff\xfe\"}".to_vec(), 400),
        plain(
            "invalid UTF-8 in a preview",
            "/v1/actions/preview",
            b"{\"target\":\"\xff\"}".to_vec(),
            400,
        ),
        plain("a lone surrogate", "/v1/actions/preview", br#"{"target":"\ud800"}"#.to_vec(), 400),
        form("invalid UTF-8 in a form", create, b"action=\xff\xfe".to_vec(), 400),
        form("invalid UTF-8, encoded", create, "action=%FF%FE", 400),
        form("NUL, encoded", create, "action=%00", 400),
        form("half an escape", create, "action=%7", 400),
        form("an id with a NUL", update, "id=1%00&status=active", 400),
        form("a status with a NUL", update, "id=1&status=active%00", 400),
        form("permissions that are no text", update, "id=1&permissions=%FF", 400),
        form("another encoding", create, "\u{feff}action={}", 400),
        multipart("a name with a NUL", &[("name", b"a\0b"), ("permissions", b"{}")], 400),
        multipart("permissions that are no text", &[("name", b"x"), ("permissions", b"\xff")], 400),
        multipart(
            "a key that is no text",
            &[("name", b"x"), ("permissions", b"{}"), ("publickey", b"\xff\0")],
            400,
        ),
        get("/api/v1/publickey/%FF", 404),
        get("/api/v1/publickey/%00", 404),
        get(&format!("/api/v1/publickey/{}", "A".repeat(10_000)), 404),
        get("/api/v1/action?actionid=%00", 400),
        get("/api/v1/action?actionid=%FF", 400),
        get("/api/v1/action?%FF=%FF", 400),
        get("/api/v1/command?commandid=1%002", 400),
        get("/api/v1/investigator?investigatorid=%00", 400),
        get("/v1/actions/%00", 404),
        get("/v1/actions/%FF", 404),
        get("/v1/actions/99999999999999999999", 404),
        get("/v1/actions/-1", 404),
        get("/v1/actions/1.5", 404),
        get("/v1/actions?limit=%FF", 400),
        get("/v1/actions?cursor=%00", 400),
        get("/v1/actions/1/commands?status=%00", 422),
        get("/api/v1/%FF", 404),
        get("/api/v1/%00", 404),
        get("/v1/actions", 401).with("x-migapikey", b"\xff\xfe".to_vec()),
        get("/v1/actions", 401).with("x-migapikey", "é"),
        get("/v1/actions", 401).with("x-migapikey", "k".repeat(10_000)),
        get("/v1/actions", 401).with("x-pgpauthorization", b"1;\xff;1;x".to_vec()),
        get("/v1/actions", 401).with("x-pgpauthorization", ";".repeat(10_000)),
        get("/v1/actions", 401).with(
            "x-pgpauthorization",
            format!("1;2026-11-21T18:25:43Z;1;{}=AAAA", "A".repeat(30_000)),
        ),
        get("/v1/actions", 401)
            .with("x-migapikey", "")
            .with("authorization", b"Bearer \xff".to_vec()),
        get("/v1/actions", 401).with("x-migapikey", "").with("authorization", "Basic YTpi"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_doubles_that_mean_nothing() {
    let mut cases = Vec::new();
    for (route, name) in
        [("action", "actionid"), ("command", "commandid"), ("investigator", "investigatorid")]
    {
        for (value, status) in [
            ("NaN", 400),
            ("Inf", 404),
            ("-Inf", 400),
            ("+Infinity", 404),
            ("0", 400),
            ("-1", 400),
            ("1e400", 404),
            ("9007199254740993", 404),
            ("18446744073709551616", 404),
            ("1e308", 404),
            ("0.5", 404),
            ("0x10", 400),
            ("1_000", 400),
            ("1,5", 400),
            ("٣", 400),
            (" 1", 400),
            ("1;drop table action", 400),
            ("", 400),
        ] {
            cases.push(get(&format!("/api/v1/{route}?{name}={}", encoded(value)), status));
        }
        // the first counts
        cases.push(get(&format!("/api/v1/{route}?{name}=0&{name}=1"), 400));
        cases.push(get(&format!("/api/v1/{route}?{name}=x&{name}=1"), 400));
        cases.push(get(&format!("/api/v1/{route}?{}=1", name.to_uppercase()), 400));
        cases.push(get(&format!("/api/v1/{route}"), 400));
    }
    for value in ["NaN", "Inf", "0", "-1", "x", ""] {
        let status = if value == "Inf" { 404 } else { 400 };
        let body = format!("id={value}&status=active");
        cases.push(form(&body, "/api/v1/investigator/update/", body.clone(), status));
    }
    for body in [
        "id=0&id=1&status=active",
        "id=1&status=zombie&status=active",
        "id=1&apikey=maybe&apikey=active",
        "ID=1&status=disabled",
        "id=1&Status=disabled",
    ] {
        cases.push(form(body, "/api/v1/investigator/update/", body, 400));
    }
    for limit in ["0", "-1", "501", "1e2", "NaN", "", "99999999999999999999"] {
        let status = if limit.parse::<i64>().is_ok() { 422 } else { 400 };
        cases.push(get(&format!("/v1/actions?limit={limit}"), status));
    }
    cases.push(get("/v1/actions?limit=1&limit=2", 400));
    cases.push(get("/v1/actions?unknown=1", 400));
    all_are_refused(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_mean_harm() {
    let mut cases = Vec::new();
    for payload in INJECTIONS {
        if *payload != "name=''''''" {
            let preview = json!({"target": payload}).to_string();
            cases.push(plain(payload, "/v1/actions/preview", preview, 422));
        }
        let quoted = encoded(payload);
        for name in ["actionid", "commandid"] {
            let route = name.trim_end_matches("id");
            cases.push(get(&format!("/api/v1/{route}?{name}={quoted}"), 400));
        }
        cases.push(get(&format!("/api/v1/publickey/{quoted}"), 404));
        cases.push(get(&format!("/v1/actions?cursor={quoted}"), 400));
        cases.push(get(&format!("/v1/actions/1/commands?status={quoted}"), 422));
        cases.push(form(
            payload,
            "/api/v1/investigator/update/",
            format!("id={quoted}&status=active"),
            400,
        ));
        cases.push(form(
            payload,
            "/api/v1/investigator/update/",
            format!("id=1&status={quoted}"),
            400,
        ));
        cases.push(get("/v1/actions", 401).with("x-migapikey", encoded(payload)));
    }
    all_are_refused(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_orders_that_mean_harm() {
    let mut process = Process::new().await;
    let before = rows(&process).await;
    for payload in INJECTIONS.iter().filter(|payload| **payload != "name=''''''") {
        let mut action = process.action();
        action["target"] = (*payload).into();
        let document = process.sign(action, &["alice"]);
        let (status, problem) = process.post("/v1/actions", document.clone()).await;
        assert_eq!(status, 422, "{payload}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/target", "{payload}: {problem}");
        let (status, answer) = process.post_form(&document).await;
        assert_eq!(status, 400, "{payload}: {answer}");
        let message = answer["collection"]["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("target: position "), "{payload}: {message}");
    }
    // what is no target but a text anywhere else is taken as the text it is
    let odd = [
        ("a NUL in a threat", json!({"threat": {"family": "a\0b"}}), 422),
        ("a NUL in a description", json!({"description": {"author": "a\0b"}}), 422),
        ("a threat that is no object", json!({"threat": "x"}), 400),
        ("a description that is a list", json!({"description": []}), 400),
        ("a name that is a number", json!({"name": 5}), 400),
        ("signatures that are numbers", json!({"pgpsignatures": [1]}), 400),
        ("a signature that is a NUL", json!({"pgpsignatures": ["\0"]}), 422),
        ("operations that are an object", json!({"operations": {}}), 400),
        ("an operation that is a text", json!({"operations": ["file"]}), 400),
        ("too many operations", json!({"operations": vec![json!({"module": "file"}); 300]}), 422),
        ("too many signatures", json!({"pgpsignatures": vec!["x"; 300]}), 422),
        ("a name of 100 kB", json!({"name": "n".repeat(100_000)}), 422),
        ("a target of 100 kB", json!({"target": format!("name='{}'", "n".repeat(100_000))}), 422),
        (
            "a deep target",
            json!({"target": format!("{}true{}", "(".repeat(1000), ")".repeat(1000))}),
            422,
        ),
        ("a time without a zone", json!({"validfrom": "2026-11-21T18:35:44"}), 400),
        ("a year of five digits", json!({"expireafter": "10000-01-01T00:00:00Z"}), 400),
        ("the last moment, elsewhere", json!({"expireafter": "9999-12-31T23:59:59-12:00"}), 422),
        ("the first moment, elsewhere", json!({"validfrom": "0000-01-01T00:00:00+12:00"}), 422),
    ];
    for (what, change, status) in odd {
        let mut action = process.action();
        for (name, value) in change.as_object().unwrap() {
            action[name] = value.clone();
        }
        let document = match change.get("pgpsignatures") {
            None if types::Action::parse(action.to_string().as_bytes()).is_ok() => {
                process.sign(action, &["alice"])
            }
            _ => action.to_string(),
        };
        let (got, problem) = process.post("/v1/actions", document.clone()).await;
        assert_eq!(got, status, "{what}: {problem}");
        let (got, answer) = process.post_form(&document).await;
        assert_eq!(got, 400, "{what}: {answer}");
    }
    assert_eq!(rows(&process).await, before);
    process.tap.none_of("action.accepted.v1", Duration::from_millis(100)).await;
}

const TYPES: [&str; 6] = ["action", "agent", "command", "investigator", "loader", "manifest"];

#[tokio::test(flavor = "multi_thread")]
async fn searches_that_mean_nothing() {
    let search = |kind: &str, name: &str, value: &str| {
        format!("/api/v1/search?type={kind}&{name}={}", encoded(value))
    };
    let mut cases = Vec::new();
    for kind in TYPES {
        for name in ["actionid", "agentid", "commandid", "investigatorid", "loaderid", "manifestid"]
        {
            for value in ["x", "1 or 1=1", "0x10", "\0"] {
                cases.push(get(&search(kind, name, value), 400));
            }
            // ids of loaders and manifests say nothing about the other types
            if !matches!(name, "loaderid" | "manifestid") {
                for value in ["NaN", "-Inf", "-1", "1e300", "0.5"] {
                    cases.push(get(&search(kind, name, value), 404));
                }
            }
            cases.push(get(&format!("{}&{name}=1", search(kind, name, "x")), 400));
        }
        for name in ["limit", "offset"] {
            for value in ["NaN", "-Inf", "Inf", "-1", "1e300", "x", "\0"] {
                cases.push(get(&search(kind, name, value), 400));
            }
        }
        for name in ["after", "before"] {
            for value in
                ["yesterday", "2026-13-01T00:00:00Z", "2026-11-21", "10000-01-01T00:00:00Z", "\0"]
            {
                cases.push(get(&search(kind, name, value), 400));
            }
        }
        // their offsets lead out of the years there are; then, no row is from then
        cases.push(get(&search(kind, "after", "9999-12-31T23:59:59-12:00"), 400));
        cases.push(get(&search(kind, "before", "0000-01-01T00:00:00+12:00"), 400));
        cases.push(get(&search(kind, "after", "9999-12-31T23:59:59Z"), 404));
        cases.push(get(&search(kind, "before", "0001-01-01T00:00:00Z"), 404));
        cases.push(get(&search(kind, "foundanything", "maybe"), 400));
        cases.push(get(&format!("/api/v1/search?type={kind}&status=%FF"), 404));
    }
    for kind in ["", "nosuch", "Action", "action'--", "\0"] {
        let status = if kind.is_empty() { 404 } else { 400 };
        cases.push(get(&format!("/api/v1/search?type={}", encoded(kind)), status));
    }
    for value in ["NaN", "-1", "0", "x", "", "\0", "1;drop table agent"] {
        cases.push(get(&format!("/api/v1/agent?agentid={}", encoded(value)), 400));
    }
    for value in ["Inf", "1e308", "0.5", "18446744073709551616"] {
        cases.push(get(&format!("/api/v1/agent?agentid={value}"), 404));
    }
    for value in ["x", "1.5", "1:2", "\u{e9}"] {
        cases.push(get("/v1/actions/1/events", 400).with("last-event-id", value));
    }
    cases.push(get("/v1/actions/1/events", 400).with("last-event-id", b"\xff".to_vec()));
    all_are_refused(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_that_mean_harm() {
    let patterns = [
        "actionname",
        "agentname",
        "agentversion",
        "investigatorname",
        "loadername",
        "manifestname",
        "status",
        "threatfamily",
    ];
    let mut cases = Vec::new();
    for payload in INJECTIONS {
        let quoted = encoded(payload);
        // a pattern finds nothing, unless it cannot be one
        let status = if payload.contains('\0') { 400 } else { 404 };
        for (number, name) in patterns.iter().enumerate() {
            for kind in [TYPES[number % 6], TYPES[(number + 1) % 6]] {
                let path = format!("/api/v1/search?type={kind}&{name}={quoted}");
                cases.push(get(&path, status));
            }
        }
        if *payload != "name=''''''" {
            cases.push(get(&format!("/api/v1/search?type=agent&target={quoted}"), 400));
        }
        for name in ["type", "actionid", "limit", "after", "foundanything"] {
            cases.push(get(&format!("/api/v1/search?{name}={quoted}"), 400));
        }
        cases.push(get(&format!("/api/v1/agent?agentid={quoted}"), 400));
        cases.push(get("/v1/actions/1/events", 400).with("last-event-id", quoted));
    }
    for hostile in ["\\", "%\\", "\u{e9}\\"] {
        for name in patterns {
            let path = format!("/api/v1/search?type=action&{name}={}", encoded(hostile));
            cases.push(get(&path, 400));
        }
    }
    all_are_refused(cases).await;
}
