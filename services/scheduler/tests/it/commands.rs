//! Commands that go out: where they may go, what they carry, and what never leaves its place.

use crate::counting::Counting;
use crate::playbook_house::{House, playbook};
use serde_json::{Value, json};

/// Makes a playbook with one HTTP step.
fn one(command: &Value, address: &Value, rest: &Value) -> Value {
    let steps = json!({"a": {"type": "action", "commands": [command], "agent": "g", "targets": ["t"], "on_completion": "e",
        "timeout": 20_000}});
    let mut whole = playbook(steps, rest);
    whole["agent_definitions"] = json!({"g": {"type": "soarca", "name": "soarca-http-api"}});
    let mut target = json!({"type": "http-api", "name": "t", "authentication_info": "c"});
    target.as_object_mut().unwrap().extend(address.as_object().unwrap().clone());
    whole["target_definitions"] = json!({"t": target});
    if whole.get("authentication_info_definitions").is_none() {
        target["authentication_info"] = json!("");
        whole["target_definitions"] = json!({"t": target});
    }
    whole
}

fn get(path: &str) -> Value {
    json!({"type": "http-api", "command": format!("GET {path} HTTP/1.1")})
}

async fn ends(house: &House, playbook: &Value, state: &str) -> String {
    let id = house.trigger(playbook).await;
    let ended = house.until(&id, state).await;
    let whole = ended.to_string();
    assert!(!whole.contains("hunter22"), "{whole}");
    let report = house.get(&format!("/reporter/{id}")).await.to_string();
    assert!(!report.contains("hunter22"), "{report}");
    ended["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_operators_allowed_is_reached() {
    let server = Counting::new().await;
    let port = server.port;
    let house =
        House::new(&["--http-allow", &format!("127.0.0.1:{port},localhost:1,*.invalid")]).await;
    let url = |url: String| json!({"address": {"url": [url]}});
    for (address, word) in [
        (url(format!("http://127.0.0.2:{port}")), "not on the list"),
        (url(format!("http://[::1]:{port}")), "not on the list"),
        (url(format!("http://[::ffff:127.0.0.2]:{port}")), "not on the list"),
        (url(format!("http://0x7f000002:{port}")), "not on the list"),
        (url("http://169.254.169.254/latest/meta-data".into()), "not on the list"),
        (url("http://127.0.0.1:9".into()), "not on the list"),
        (url("http://localhost:1".into()), "leads to an address that is not"),
        (url("file:///etc/passwd".into()), "must be http or https"),
        (url(format!("http://user:pass@127.0.0.1:{port}")), "without a user"),
        (json!({"address": {"ipv4": ["10.0.0.1"]}}), "not on the list"),
        (json!({"address": {"ipv4": ["10.0.0.1/../x"]}}), "is none"),
        (json!({"address": {"dname": ["a b"]}}), "is none"),
        (json!({"address": {"dname": ["x@127.0.0.1"]}}), "is none"),
        (json!({"address": {"dname": ["x"]}, "port": "99999"}), "port"),
        (json!({}), "no address"),
    ] {
        let reason = ends(&house, &one(&get("/"), &address, &json!({})), "failed").await;
        assert!(reason.contains(word), "{address}: {reason}");
    }
    assert_eq!(server.asked().len(), 0);
    let here = url(server.url());
    for (path, state, word) in [
        ("/ok", "succeeded", ""),
        ("/here", "succeeded", ""),
        ("/fails", "failed", "answered 500 Internal Server Error: it broke"),
        ("/away", "failed", "answered 302"),
        ("/elsewhere", "failed", "answered 307"),
        ("/large", "failed", "more than 262144 bytes"),
    ] {
        let reason = ends(&house, &one(&get(path), &here, &json!({})), state).await;
        assert!(reason.contains(word), "{path}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_unless_something_was_allowed() {
    let server = Counting::new().await;
    let house = House::new(&[]).await;
    let here = json!({"address": {"url": [server.url()]}});
    let reason = ends(&house, &one(&get("/ok"), &here, &json!({})), "failed").await;
    assert!(reason.contains("--http-allow"), "{reason}");
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_stay_where_they_are_put() {
    let server = Counting::new().await;
    let house = House::new(&["--http-allow", "127.0.0.0/8"]).await;
    let evil = "a\"}b'\\ &c=d/../?x#\u{e9}";
    let variables = json!({"playbook_variables": {
        "__evil__": {"type": "string", "value": evil}, "__n__": {"type": "integer", "value": "7"},
        "__line__": {"type": "string", "value": "x\r\nX-Injected: 1"}, "__out__": {"type": "string"},
    }});
    let here = json!({"address": {"url": [server.url()]}});
    let mut command = json!({"type": "http-api", "command": "POST /p/__evil__:value?q=__evil__:value HTTP/1.1",
        "headers": {"Content-Type": ["application/json"], "X-Number": ["__n__:value"]},
        "content": "{\"evil\":\"<__evil__:value>\",\"n\":__n__:value,\"unknown\":\"__x__:value\"}"});
    let mut whole = one(&command, &here, &variables);
    whole["workflow"]["a"]["out_args"] = json!(["__out__"]);
    let id = house.trigger(&whole).await;
    let ended = house.until(&id, "succeeded").await;
    let asked = server.asked().pop().unwrap();
    let encoded = "a%22%7Db%27%5C%20%26c%3Dd%2F..%2F%3Fx%23%C3%A9";
    assert_eq!(asked.line, format!("POST /p/{encoded}?q={encoded}"));
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body, json!({"evil": format!("<{evil}>"), "n": 7, "unknown": "__x__:value"}));
    assert_eq!(asked.headers["x-number"], "7");
    assert!(asked.headers["idempotency-key"].ends_with(".0"));
    assert_eq!(
        ended["variables"]["__out__"]["value"],
        format!("answer to /p/{encoded}?q={encoded}")
    );
    command["headers"]["X-Line"] = json!(["__line__:value"]);
    let reason = ends(&house, &one(&command, &here, &variables), "failed").await;
    assert!(reason.contains("X-Line: the value of __line__ has a line break"), "{reason}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_used_and_never_told() {
    let server = Counting::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("soc-token"), "hunter22\n").unwrap();
    let path = folder.path().to_str().unwrap();
    let house = House::new(&["--http-allow", "127.0.0.1", "--secrets-dir", path]).await;
    let here = json!({"address": {"url": [server.url()]}});
    let with = |credentials: Value| {
        one(&get("/echo"), &here, &json!({"authentication_info_definitions": {"c": credentials}}))
    };
    for (credentials, want) in [
        (
            json!({"type": "oauth2", "token": "", "kms": true, "kms_key_identifier": "soc-token"}),
            "Bearer hunter22",
        ),
        (
            json!({"type": "http-basic", "user_id": "me", "kms": true, "kms_key_identifier": "soc-token"}),
            "Basic bWU6aHVudGVyMjI=",
        ),
    ] {
        ends(&house, &with(credentials), "succeeded").await;
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.headers["authorization"], want);
    }
    let before = server.asked().len();
    for name in ["../soc-token", "", "missing", ".hidden", "/etc/hostname"] {
        let credentials = json!({"type": "oauth2", "kms": true, "kms_key_identifier": name});
        ends(&house, &with(credentials), "failed").await;
    }
    assert_eq!(server.asked().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_fails_with_a_reason() {
    let house = House::new(&[]).await;
    let here = json!({"address": {"ipv4": ["127.0.0.1"]}, "type": "ssh"});
    for (command, word) in [
        (
            json!({"type": "bash", "command": "true"}),
            "commands of type \"bash\" cannot be done here",
        ),
        (json!({"type": "x-anything"}), "commands of type \"x-anything\""),
        (json!({"type": "ssh", "command": "true"}), "--ssh-known-hosts"),
        (json!({"type": "openc2-http", "command": "GET / HTTP/1.1"}), "always POST"),
    ] {
        let reason = ends(&house, &one(&command, &here, &json!({})), "failed").await;
        assert!(reason.contains(word), "{command}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_goes_nowhere_without_a_known_host_and_harmless_values() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("known_hosts");
    std::fs::write(&hosts, "").unwrap();
    let house =
        House::new(&["--ssh-known-hosts", hosts.to_str().unwrap(), "--ssh-allow", "127.0.0.1:1"])
            .await;
    let credentials = json!({"authentication_info_definitions": {"c": {"type": "user-auth", "username": "me", "password": "hunter22"}},
        "playbook_variables": {"__v__": {"type": "string", "value": "x; rm -rf /"}, "__o__": {"type": "string", "value": "-oProxyCommand=x"}}});
    let address =
        |host: &str, port: &str| json!({"type": "ssh", "address": {"ipv4": [host]}, "port": port});
    let ssh = |command: &str| json!({"type": "ssh", "command": command});
    for (command, target, word) in [
        (ssh("echo '__v__:value'"), address("127.0.0.1", "1"), "__v__ has ';'"),
        (ssh("ls __o__:value"), address("127.0.0.1", "1"), "begins with '-'"),
        (ssh("true"), address("127.0.0.1", "22"), "not on the list"),
        (ssh("true"), address("-oProxyCommand=touch", "1"), "is none"),
        // nobody listens there: the client itself was run
        (ssh("true"), address("127.0.0.1", "1"), "no session came about"),
    ] {
        let reason = ends(&house, &one(&command, &target, &credentials), "failed").await;
        assert!(reason.contains(word), "{command} {target}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_only_to_its_hosts() {
    let server = Counting::new().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for name in ["free", "bound", "other", "wrong"] {
        write(name, "hunter22");
    }
    write("bound.hosts", &format!("# the ticket system\n\n127.0.0.1:{} # here\n", server.port));
    write("other.hosts", "tickets.example.org\n127.0.0.1:1\n");
    write("wrong.hosts", "a b\n");
    let path = folder.path().to_str().unwrap();
    let house = House::new(&["--http-allow", "127.0.0.1,*", "--secrets-dir", path]).await;
    let with = |address: &str, name: &str| {
        let credentials = json!({"c": {"type": "oauth2", "kms": true, "kms_key_identifier": name}});
        one(
            &get("/ok"),
            &json!({"address": {"url": [address]}}),
            &json!({"authentication_info_definitions": credentials}),
        )
    };
    let here = server.url();
    for name in ["free", "bound"] {
        ends(&house, &with(&here, name), "succeeded").await;
        assert_eq!(server.asked().pop().unwrap().headers["authorization"], "Bearer hunter22");
    }
    for (address, name, word) in [
        (here.as_str(), "other", "is not for 127.0.0.1"),
        (here.as_str(), "wrong", "wrong.hosts: "),
        (here.as_str(), "bound.hosts", "is not the name of a secret"),
        // allowed as every public host is, but not named by anybody
        ("http://attacker.example.com", "free", "allowed by `*` alone"),
        ("http://93.184.215.14", "free", "allowed by `*` alone"),
        ("http://attacker.example.com", "bound", "is not for attacker.example.com:80"),
    ] {
        let reason = ends(&house, &with(address, name), "failed").await;
        assert!(reason.contains(word), "{address} {name}: {reason}");
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_secret_is_not_told_either() {
    let server = Counting::new().await;
    let folder = tempfile::tempdir().unwrap();
    // the refusal is cut in the middle of it
    let secret = "hunter22".repeat(20);
    std::fs::write(folder.path().join("long"), &secret).unwrap();
    let path = folder.path().to_str().unwrap();
    let house = House::new(&["--http-allow", "127.0.0.1", "--secrets-dir", path]).await;
    let credentials = json!({"c": {"type": "oauth2", "kms": true, "kms_key_identifier": "long"}});
    let here = json!({"address": {"url": [server.url()]}});
    let rest = json!({"authentication_info_definitions": credentials});
    let reason = ends(&house, &one(&get("/refuses"), &here, &rest), "failed").await;
    assert!(reason.contains("answered 403 Forbidden"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_takes_longer_than_the_operators_say() {
    let server = Counting::held().await;
    let house = House::new(&["--http-allow", "127.0.0.1", "--command-limit", "1"]).await;
    let here = json!({"address": {"url": [server.url()]}});
    let reason = ends(&house, &one(&get("/ok"), &here, &json!({})), "failed").await;
    assert!(reason.contains("within 1 seconds"), "{reason}");
}
