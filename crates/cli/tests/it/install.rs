//! Loaders and manifests.

use crate::support::documents::json_of;
use crate::support::{Answer, Request, Server, Writ};
use serde_json::{Value, json};
use signing::manifest::{Builder, Limits, read, signed_string};

fn loader(enabled: bool) -> Value {
    json!({"id": 7, "name": "khan", "prefix": "abcdefgh", "enabled": enabled, "expect_env": null, "agent_name": null,
        "queueloc": null, "environment": {"isproxied": false, "aws": {}}, "tags": {},
        "last_seen": "2026-11-21T12:00:00Z", "manifest_id": null, "created": "2026-11-21T12:00:00Z"})
}

fn manifest(digest: &str) -> Value {
    json!({"id": 3, "name": "base", "target": "TRUE", "status": "staged", "created": "2026-11-21T12:00:00Z",
        "created_by": 1, "expires": null, "digest": digest, "rollback_to": null, "archive_size": 1,
        "files": [], "signatures": [], "signers": 0, "signers_required": 2})
}

#[test]
fn a_loader_is_created_enabled_and_given_another_key() {
    let key = "abcdefgh0123456789ABCDEFabcdef0123456789";
    let server = Server::start(move |request| match request.line().as_str() {
        "POST /v1/loaders" => json_of(201, &json!({"loader": loader(false), "key": key})),
        "POST /v1/loaders/7/key" => json_of(200, &json!({"loader": loader(true), "key": key})),
        "PATCH /v1/loaders/7" => json_of(200, &loader(true)),
        _ => Answer::problem(404, "not-found", "no such loader", "Loader ID '9' not found"),
    });
    let writ = Writ::with_key(&server);
    for command in [&["loader", "new", "khan", "--expect", "TRUE"][..], &["loader", "key", "7"]] {
        let ran = writ.run(command).ends(0);
        assert_eq!(ran.stdout, format!("{key}\n"), "the key alone");
        assert!(!ran.stderr.contains(key), "{}", ran.stderr);
    }
    let asked = server.asked("POST /v1/loaders")[0].json();
    assert_eq!(asked, json!({"name": "khan", "expect_env": "TRUE"}));
    writ.run(&["loader", "enable", "7"]).ends(0);
    writ.run(&["loader", "expect", "7", ""]).ends(0);
    let asked: Vec<_> = server.asked("PATCH /v1/loaders/7").iter().map(Request::json).collect();
    assert_eq!(asked, [json!({"enabled": true}), json!({"expect_env": ""})]);
    writ.run(&["loader", "enable", "9"]).ends(1);
}

#[test]
fn a_directory_is_packed_and_what_was_downloaded_is_signed() {
    let mut builder = Builder::default();
    builder.add("configuration", 3, &b"one"[..]).unwrap();
    let archive = builder.finish().unwrap();
    let files = read(archive.as_slice(), &Limits::default(), |_, _| Ok(())).unwrap();
    let text = signed_string([("configuration", files[0].sha256.as_str())]);
    let digest = signing::manifest::digest(&text);
    let server = Server::start(move |request| match request.line().as_str() {
        "POST /v1/manifests" => json_of(201, &manifest("00")),
        "GET /v1/manifests/3" => json_of(200, &manifest("00")),
        "POST /v1/manifests/3/status" => {
            Answer::problem(409, "conflict", "The state does not allow it", "1 of 2 signers")
        }
        "GET /v1/manifests/3/content" => Answer::text(200, "no archive"),
        _ => Answer::problem(404, "not-found", "no such manifest", ""),
    });
    let writ = Writ::with_key(&server);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("configuration"), "one").unwrap();
    let path = directory.path().to_str().unwrap();
    let build = ["manifest", "build", path, "--name", "base", "--target", "TRUE"];
    let ran = writ.run(&build).ends(0);
    assert!(ran.stderr.contains("needs 2 more signers"), "{}", ran.stderr);
    let asked = &server.asked("POST /v1/manifests")[0];
    assert_eq!((asked.query["name"].as_str(), asked.query["target"].as_str()), ("base", "TRUE"));
    let sent = read(asked.body.as_slice(), &Limits::default(), |_, _| Ok(())).unwrap();
    let sent = signed_string([("configuration", sent[0].sha256.as_str())]);
    assert_eq!(signing::manifest::digest(&sent), digest);
    // what does not fit together is not signed
    writ.run(&["manifest", "sign", "3"]).ends(1);
    assert!(server.asked("POST /v1/manifests/3/signatures").is_empty());
    writ.run(&["manifest", "activate", "3"]).ends(1);
    std::os::unix::fs::symlink("/etc/passwd", directory.path().join("mig-agent")).unwrap();
    let ran = writ.run(&build).ends(1);
    assert!(ran.stderr.contains("no regular file"), "{}", ran.stderr);
}
