//! `/v1/plugins` and `/v1/teams`.

use crate::support::{READER, WRITER, gateway, plugin};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use testkit::{PATIENCE, keys, until};
use types::messages::InvestigatorChanged;
use types::{InvestigatorId, InvestigatorStatus};

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_published_as_it_is() {
    let gateway = gateway().await;
    let view = gateway.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
    let id = view["id"].as_str().unwrap();
    let key = format!("{id}.greet");
    assert_eq!(view["commands"], json!({&key: {"id": key, "name": "greet", "function": "greet"}}));
    let script = plugin()["script"].as_str().unwrap().to_owned();
    assert_eq!(view["hash"], hex::encode(Sha512::digest(script)));
    assert_eq!(gateway.get(&format!("/v1/plugins/{id}"), READER).await.expect(200).json(), view);
    assert!(view.get("script").is_none());

    // the same again is another plugin
    let other = gateway.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
    assert_ne!(other["id"], view["id"]);
    let listed = gateway.get("/v1/plugins?limit=1", READER).await.expect(200).json();
    assert_eq!(listed["items"], json!([view]));
    let next = listed["next"].as_str().unwrap();
    let listed =
        gateway.get(&format!("/v1/plugins?limit=1&cursor={next}"), READER).await.expect(200).json();
    assert_eq!((&listed["items"], &listed["next"]), (&json!([other]), &Value::Null));
    gateway.get("/v1/plugins/00000000-0000-7000-8000-000000000000", READER).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_plugin_is_refused_whole() {
    let gateway = gateway().await;
    let with = |pointer: &str, value: Value| {
        let mut plugin = plugin();
        *plugin.pointer_mut(pointer).unwrap() = value;
        plugin
    };
    let many_mib = format!("class Plugin: pass\n{}", "#".repeat(1 << 20));
    for (plugin, status, pointer) in [
        (with("/name", json!("")), 422, "/name"),
        (with("/version", json!("v".repeat(65))), 422, "/version"),
        (with("/script", json!("x = 1")), 422, "/script"),
        (with("/script", json!("class Plugin: pass\u{0}")), 422, "/script"),
        (with("/script", json!(many_mib)), 422, "/script"),
        (with("/commands", json!({"a b": {"function": "f"}})), 422, "/commands/a b"),
        (with("/commands/greet/function", json!("_f")), 422, "/commands/greet/function"),
        (with("/commands/greet", json!({})), 422, "/commands/greet"),
        (with("/commands", json!([])), 422, "/commands"),
        (with("/commands", json!(null)), 422, "/commands"),
        (with("/script", json!(null)), 422, "/script"),
        (with("/script", json!("# coding: rot13\nclass Plugin: pass\n")), 422, "/script"),
        (
            with("/script", json!("class Plugin:\n    async def greet(self): pass\n")),
            422,
            "/commands/greet/function",
        ),
        (json!({"name": "n"}), 422, ""),
    ] {
        let problem = gateway.post("/v1/plugins", WRITER, &plugin).await.expect(status).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let broken = gateway.client.post(gateway.url("/v1/plugins")).bearer_auth(WRITER).body("{");
    assert_eq!(broken.send().await.unwrap().status(), 400);
    assert_eq!(gateway.count("plugin").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_made_and_listed() {
    let gateway = gateway().await;
    let blue = gateway.post("/v1/teams", WRITER, &json!({"name": "blue"})).await.expect(201).json();
    let red = gateway.post("/v1/teams", WRITER, &json!({"name": "red"})).await.expect(201).json();
    let page = gateway.get("/v1/teams", READER).await.expect(200).json();
    assert_eq!(page, json!({"items": [blue, red], "next": null}));
    gateway.post("/v1/teams", WRITER, &json!({"name": ""})).await.expect(422);
    gateway.post("/v1/teams", WRITER, &json!({"name": "x", "colour": "red"})).await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn investigators_vouch_for_a_plugin() {
    let gateway = gateway().await;
    let now = gateway.now();
    let key = keys::of("dave");
    let dave = |status, version| InvestigatorChanged {
        id: InvestigatorId(4),
        name: "dave".into(),
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        status,
        permissions: 0,
        api_key_sha256: None,
        created: now,
        modified: now,
        version,
    };
    let active = dave(InvestigatorStatus::Active, 1);
    gateway.vhost.publish("investigation-api", now, active).await;
    let keyring = || gateway.running.parts.replica.current();
    until(PATIENCE, async || keyring().get(InvestigatorId(4)).is_some()).await;

    let view = gateway.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
    let (id, hash) = (view["id"].as_str().unwrap(), view["hash"].as_str().unwrap());
    assert_eq!(view["signers"], json!([]));
    let path = format!("/v1/plugins/{id}/signatures");
    let signature = key.sign_line(hash.as_bytes(), now).unwrap();
    let body = json!({"signature": signature});
    let signed = gateway.post(&path, WRITER, &body).await.expect(201).json();
    assert_eq!(signed["signers"], json!([key.public().fingerprint()]));
    // the same again changes nothing
    let again = gateway.post(&path, WRITER, &body).await.expect(201).json();
    assert_eq!(again, signed);
    assert_eq!(gateway.count("plugin_signature").await, 1);

    // over something else, by a stranger, no signature at all, of no plugin, without the right
    let over = |text: &str| json!({"signature": key.sign_line(text.as_bytes(), now).unwrap()});
    let script = plugin()["script"].as_str().unwrap().to_owned();
    let stranger = keys::of("mallory").sign_line(hash.as_bytes(), now).unwrap();
    for wrong in
        [over(&script), over(""), json!({"signature": stranger}), json!({"signature": "x"})]
    {
        let problem = gateway.post(&path, WRITER, &wrong).await.expect(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/signature", "{problem}");
    }
    let nowhere = "/v1/plugins/00000000-0000-7000-8000-000000000000/signatures";
    gateway.post(nowhere, WRITER, &body).await.expect(404);
    gateway.post(&path, READER, &body).await.expect(403);
    assert_eq!(gateway.count("plugin_signature").await, 1);

    // a plugin may come with its signatures; a wrong one refuses the whole
    let mut whole = plugin();
    whole["signatures"] = json!([signature]);
    let view = gateway.post("/v1/plugins", WRITER, &whole).await.expect(201).json();
    assert_eq!(view["signers"], json!([key.public().fingerprint()]));
    whole["signatures"] = json!([signature, stranger]);
    let problem = gateway.post("/v1/plugins", WRITER, &whole).await.expect(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/signatures/1", "{problem}");
    assert_eq!(gateway.count("plugin").await, 2);

    // who is disabled vouches for nothing any more
    let disabled = dave(InvestigatorStatus::Disabled, 2);
    gateway.vhost.publish("investigation-api", now, disabled).await;
    let is_disabled = |state: &InvestigatorChanged| state.status == InvestigatorStatus::Disabled;
    until(PATIENCE, async || keyring().get(InvestigatorId(4)).is_some_and(is_disabled)).await;
    let view = gateway.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
    let path = format!("/v1/plugins/{}/signatures", view["id"].as_str().unwrap());
    gateway.post(&path, WRITER, &body).await.expect(422);
}
