//! Bad input: a clear error each, nothing stored, nothing sent.

use crate::support::Process;
use serde_json::{Value, json};
use std::time::Duration;

/// Asserts that nothing was stored and nothing of actions was sent.
async fn nothing_happened(process: &mut Process, what: &str) {
    assert_eq!(process.count("action").await, 0, "{what}");
    assert_eq!(process.count("signature").await, 0, "{what}");
    process.tap.none_of("action.accepted.v1", Duration::from_millis(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn an_order_that_is_wrong_is_refused_with_the_place_and_the_reason() {
    let mut process = Process::new().await;
    let with = |change: fn(&mut Value)| {
        let mut action = process.action();
        change(&mut action);
        action
    };
    let cases: Vec<(&str, String, u16, &str, &str)> = vec![
        (
            "unknown signer",
            process.sign(process.action(), &["mallory"]),
            422,
            "/pgpsignatures",
            "signature 1",
        ),
        (
            "disabled signer",
            process.sign(process.action(), &["bob"]),
            422,
            "/pgpsignatures",
            "signature 1",
        ),
        (
            "one good and one bad signer",
            process.sign(process.action(), &["alice", "bob"]),
            422,
            "/pgpsignatures",
            "signature 2",
        ),
        (
            "the same signer twice",
            process.sign(process.action(), &["alice", "alice"]),
            422,
            "/pgpsignatures",
            "twice",
        ),
        (
            "wrong signature",
            process.sign(process.action(), &["alice"]).replace("\"look\"", "\"loot\""),
            422,
            "/pgpsignatures",
            "signature 1",
        ),
        (
            "no signature",
            process.action().to_string(),
            422,
            "/pgpsignatures",
            "pgpsignatures is empty",
        ),
        (
            "a target that does not parse",
            process
                .sign(with(|action| action["target"] = "status = = 'online'".into()), &["alice"]),
            422,
            "/target",
            "position 10",
        ),
        (
            "a target over a column that does not exist",
            process.sign(with(|action| action["target"] = "password='x'".into()), &["alice"]),
            422,
            "/target",
            "position 1",
        ),
        (
            "a target that is SQL",
            process.sign(
                with(|action| action["target"] = "true); reset role; select (1".into()),
                &["alice"],
            ),
            422,
            "/target",
            "position 6",
        ),
        (
            "expired",
            process.sign(
                with(|action| {
                    action["validfrom"] = "2019-01-01T00:00:00Z".into();
                    action["expireafter"] = "2020-01-01T00:00:00Z".into();
                }),
                &["alice"],
            ),
            422,
            "/expireafter",
            "in the past",
        ),
        (
            "reversed",
            process.sign(
                with(|action| action["expireafter"] = "2020-01-01T00:00:00Z".into()),
                &["alice"],
            ),
            422,
            "/expireafter",
            "before action validfrom",
        ),
        (
            "unknown module",
            process.sign(
                with(|action| action["operations"][0]["module"] = "nosuch".into()),
                &["alice"],
            ),
            422,
            "/operations/0/module",
            "no agent has the module 'nosuch'",
        ),
        (
            "a module that cannot be one",
            process.sign(
                with(|action| action["operations"][0]["module"] = "../file".into()),
                &["alice"],
            ),
            422,
            "/operations/0/module",
            "operation 0",
        ),
        (
            "no agent matches",
            process.sign(with(|action| action["target"] = "name='nobody'".into()), &["alice"]),
            422,
            "/target",
            "no agent",
        ),
        (
            "no name",
            process.sign(with(|action| action["name"] = "".into()), &["alice"]),
            422,
            "/name",
            "name is empty",
        ),
        (
            "nothing to do",
            process.sign(with(|action| action["operations"] = json!([])), &["alice"]),
            422,
            "/operations",
            "operations is empty",
        ),
        (
            "another syntax",
            process.sign(with(|action| action["syntaxversion"] = 1.into()), &["alice"]),
            422,
            "/syntaxversion",
            "expected 2",
        ),
    ];
    for (what, document, status, pointer, text) in cases {
        let (got, problem) = process.post("/v1/actions", document).await;
        assert_eq!(got, status, "{what}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{what}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(text), "{what}: {detail}");
        assert!(!problem["request_id"].as_str().unwrap().is_empty());
        nothing_happened(&mut process, what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_an_action_at_all_is_refused() {
    let mut process = Process::new().await;
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("nothing", vec![], 400),
        ("broken JSON", b"{\"name\":".to_vec(), 400),
        ("a list", b"[]".to_vec(), 400),
        ("invalid UTF-8", b"{\"name\":\"\xff\"}".to_vec(), 400),
        ("deep nesting", [b"{\"name\":".to_vec(), vec![b'['; 100_000]].concat(), 400),
        ("a time that is none", b"{\"validfrom\":\"yesterday\"}".to_vec(), 400),
        ("a body that is too large", vec![b'a'; 2 << 20], 413),
        (
            "a document that is too large",
            format!("{{\"name\":\"{}\"}}", "n".repeat(1_000_000)).into_bytes(),
            422,
        ),
    ];
    for (what, body, status) in cases {
        let (got, problem) = process.post("/v1/actions", body).await;
        assert_eq!(got, status, "{what}: {problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.len() > 10),
            "{what}: {problem}"
        );
        nothing_happened(&mut process, what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migs_clients_are_told_in_their_envelope() {
    let mut process = Process::new().await;
    let mut action = process.action();
    action["target"] = "name LIKE".into();
    for (document, text) in [
        (String::new(), "not valid JSON"),
        ("{}".into(), "action name is empty"),
        (process.sign(action, &["alice"]), "target: position 10"),
        (
            process.sign(process.action(), &["mallory"]),
            "VerifySignatures() -> openpgp: signature made by unknown entity",
        ),
        (
            process.sign(process.action(), &["alice"]).replace("\"look\"", "\"loot\""),
            "VerifySignatures() -> openpgp: invalid signature: hash tag doesn't match",
        ),
    ] {
        let (status, answer) = process.post_form(&document).await;
        assert_eq!(status, 400, "{answer}");
        let message = answer["collection"]["error"]["message"].as_str().unwrap();
        assert!(message.contains(text), "{message}");
        assert!(answer["collection"].get("items").is_none());
        nothing_happened(&mut process, text).await;
    }
}
