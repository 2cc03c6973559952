//! Manifests as people see them (specs/mig/api.md §3.18–3.22; captures 126–163).

use crate::house::{Answer, api_key, archive, house};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const LINUX: &str = "env#>>'{os}'='linux'";

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_exchanges_come_out_as_they_were() {
    let house = house(&[]).await;
    let new =
        async |manifest: &str| house.form("/api/v1/manifest/new/", &[("manifest", manifest)]).await;
    for (manifest, text) in [
        ("", "no manifest record specified in form"),
        ("{", "does not parse"),
        (
            r#"{"name":"m","target":"TRUE","status":"staged","content":""}"#,
            "manifest record has no content",
        ),
        (
            r#"{"name":"m","target":"TRUE","status":"zombie","content":"x"}"#,
            "manifest has invalid status",
        ),
        (
            r#"{"name":"m","target":"","status":"staged","content":"AAAA"}"#,
            "manifest has invalid target",
        ),
        (
            r#"{"name":"","target":"TRUE","status":"staged","content":"AAAA"}"#,
            "manifest has invalid name",
        ),
        (r#"{"name":"m","target":"TRUE","status":"staged","content":"!!"}"#, "not base64"),
        (r#"{"name":"m","target":"TRUE","status":"staged","content":"AAAA"}"#, "not gzip"),
    ] {
        let answer = new(manifest).await.expect(400);
        assert!(answer.error().contains(text), "{answer:?}");
    }
    let content = archive(&[("configuration", b"one"), ("mig-agent", b"two")]);
    let encoded = STANDARD.encode(&content);
    let made = house.post_manifest("test manifest", LINUX, &encoded).await.expect(201);
    assert_eq!(
        made.text,
        r#"{"collection":{"version":"1.0","href":"http://127.0.0.1:18340/api/v1/manifest/new/","template":{},"error":{}}}"#
    );
    for path in ["/api/v1/manifest", "/api/v1/manifest/"] {
        let shown = house.get(&format!("{path}?manifestid=1")).await.expect(200);
        let value = shown.value();
        assert_eq!(value["content"], encoded, "the archive comes back as it went");
        assert_eq!((&value["signatures"], &value["status"]), (&json!(null), &json!("staged")));
        assert_eq!(value["target"], LINUX);
    }
    for (query, status) in
        [("", 400), ("?manifestid=0", 400), ("?manifestid=x", 400), ("?manifestid=999", 404)]
    {
        house.get(&format!("/api/v1/manifest{query}")).await.expect(status);
        house.get(&format!("/api/v1/manifest/loaders/{query}")).await.expect(status);
    }
    house.sign_as("alice", 1).await.expect(200);
    let value = house.get("/api/v1/manifest?manifestid=1").await.value();
    assert_eq!(
        (&value["status"], value["signatures"].as_array().unwrap().len()),
        (&json!("active"), 1)
    );
    // it works with its permission, and disabled is final
    house.set_status(1, "staged").await.expect(200);
    assert_eq!(house.get("/api/v1/manifest?manifestid=1").await.value()["signatures"], json!(null));
    assert_eq!(
        house.set_status(1, "zombie").await.expect(400).error(),
        "Invalid status specified, must be disabled or staged"
    );
    house.set_status(1, "active").await.expect(409);
    house.set_status(9, "staged").await.expect(404);
    house.set_status(1, "disabled").await.expect(200);
    for status in ["staged", "active", "disabled"] {
        house.set_status(1, status).await.expect(409);
    }
    house.sign_as("alice", 1).await.expect(409);
    house.get("/api/v1/manifest/loaders/?manifestid=1").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_counts_once_from_its_maker_over_exactly_the_files() {
    let house = house(&["--required-signatures", "2"]).await;
    // long enough that a cut-off console hashes something else
    let long = vec![5_u8; 10_000];
    let id =
        house.new_manifest("m", "TRUE", &[("configuration", b"one"), ("mig-agent", &long)]).await;
    let sign = async |who: &str, line: &str| {
        let form = [("manifestid", &*id.to_string()), ("signature", line)];
        house.form_as(who, "/api/v1/manifest/sign/", &form).await
    };
    let by_hand = |who: &str, text: &str| {
        testkit::keys::of(who).sign_line(text.as_bytes(), house.clock.now()).unwrap()
    };
    let other = by_hand("alice", "another text");
    let foreign = house.signature("bob", id).await;
    let stranger = house.signature("mallory", id).await;
    // what Go reads of the two files before the piece that comes with the end
    let cut = |content: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(content));
    let (first, second) = (cut(b""), cut(&long[..8192]));
    let cut = by_hand(
        "alice",
        &signing::manifest::signed_string([("configuration", &*first), ("mig-agent", &*second)]),
    );
    for (line, text) in [
        ("", "Invalid signature specified"),
        ("garbage", "does not count"),
        (&*other, "does not count"),
        (&*foreign, "everybody posts their own signature"),
        (&*stranger, "does not count"),
        (&*cut, "Go 1.10 or later"),
    ] {
        let answer = sign("alice", line).await.expect(400);
        assert!(answer.error().contains(text), "{answer:?}");
    }
    house.form("/api/v1/manifest/sign/", &[("signature", &*other)]).await.expect(400);
    assert_eq!(house.count("manifest_signature").await, 0);
    house.sign_as("alice", id).await.expect(200);
    assert_eq!(house.status_of(id).await, "staged", "two are required");
    let twice = house.sign_as("alice", id).await.expect(409);
    assert!(twice.error().contains("each signer counts once"), "{twice:?}");
    let missing = house.set_status(id, "active").await.expect(409);
    assert!(missing.error().contains("1 of 2 signers"), "{missing:?}");
    house.sign_as("bob", id).await.expect(200);
    assert_eq!(house.status_of(id).await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loaders_it_is_for_are_shown() {
    let house = house(&[]).await;
    let (khan, _) = house.enabled_loader("khan").await;
    house.enabled_loader("kirk").await;
    house.new_loader("disabled", "").await;
    let id =
        house.new_manifest("m", "loadername='khan' OR loadername='disabled'", &[("x", b"")]).await;
    let shown = house.get(&format!("/api/v1/manifest/loaders/?manifestid={id}")).await.expect(200);
    let items = shown.json()["collection"]["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1);
    assert_eq!(items[0]["href"], format!("http://127.0.0.1:18340/api/v1/loader?loaderid={khan}"));
    assert_eq!((&shown.value()["prefix"], &shown.value()["name"]), (&json!(""), &json!("khan")));
    let nobody = house.new_manifest("m", "loadername='x' AND FALSE", &[("x", b"")]).await;
    let shown =
        house.get(&format!("/api/v1/manifest/loaders/?manifestid={nobody}")).await.expect(200);
    assert_eq!(shown.json()["collection"].get("items"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_plain_json() {
    let house = house(&[]).await;
    let content = archive(&[("configuration", b"one")]);
    let post = async |query: &[(&str, &str)], body: Vec<u8>| {
        let request = house.client.post(house.url("/v1/manifests")).query(query);
        Answer::to(request.bearer_auth(api_key("alice")).body(body)).await
    };
    let made = post(&[("name", "m"), ("target", LINUX)], content.clone()).await.expect(201).json();
    let file = &made["files"][0];
    assert_eq!((&file["name"], &file["size"]), (&json!("configuration"), &json!(3)));
    assert_eq!(file["sha256"], "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    assert_eq!((&made["signers_required"], &made["status"]), (&json!(1), &json!("staged")));
    let request = house.client.get(house.url("/v1/manifests/1/content"));
    let bytes = request.bearer_auth(api_key("alice")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, content);
    let line = house.signature("alice", 1).await;
    let signed = house
        .post("/v1/manifests/1/signatures", &json!({"signature": line}))
        .await
        .expect(200)
        .json();
    assert_eq!((&signed["status"], &signed["signers"]), (&json!("active"), &json!(1)));
    house.post("/v1/manifests/1/signatures", &json!({"signature": line})).await.expect(409);
    house.post("/v1/manifests/1/signatures", &json!({"signature": "x"})).await.expect(422);
    for (query, body, status) in [
        (vec![("name", "m")], content.clone(), 400),
        (vec![("name", "m"), ("target", "nonsense")], content.clone(), 422),
        (
            vec![("name", "m"), ("target", "TRUE"), ("expires", "2020-01-01T00:00:00Z")],
            content.clone(),
            422,
        ),
        (
            vec![("name", "m"), ("target", "TRUE"), ("expires", "9999-12-31T23:59:59-23:00")],
            content.clone(),
            422,
        ),
        (vec![("name", "m"), ("target", "TRUE"), ("expires", "soon")], content.clone(), 400),
        (vec![("name", "m"), ("target", "TRUE"), ("more", "1")], content, 400),
        (vec![("name", "m"), ("target", "TRUE")], b"x".to_vec(), 422),
    ] {
        post(&query, body).await.expect(status);
    }
    assert_eq!(
        house.get("/v1/manifests?status=active").await.expect(200).json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        house.get("/v1/manifests?status=staged").await.expect(200).json()["items"],
        json!([])
    );
    house.get("/v1/manifests?status=zombie").await.expect(400);
    house.post("/v1/manifests/1/status", &json!({"status": "disabled"})).await.expect(200);
    house.get("/v1/manifests/9").await.expect(404);
    house.get("/v1/manifests/9/content").await.expect(404);
    house.get("/v1/manifests/9/rollout").await.expect(404);
}
