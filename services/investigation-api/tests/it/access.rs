//! Who may ask what.

use crate::support::{API_KEY, Process};
use reqwest::Method;
use serde_json::json;
use testkit::keys;

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_a_stranger() {
    let process = Process::new().await;
    let open = ["GET /api/v1/heartbeat", "GET /api/v1/ip", "GET /api/v1/publickey/{fingerprint}"];
    let asked = testkit::unauthorized_coverage(&process.running.url(), &open).await;
    assert!(asked >= 10, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_proves_who_asks() {
    let process = Process::new().await;
    let url = format!("{}/v1/actions", process.running.url());
    let status = async |name: &str, value: String| {
        process.http.get(&url).header(name, value).send().await.unwrap().status().as_u16()
    };
    let token = |name: &str| signing::token::make(&keys::of(name), process.now, "1").unwrap();
    assert_eq!(status("x-pgpauthorization", token("alice")).await, 200);
    assert_eq!(status("x-migapikey", API_KEY.into()).await, 200);
    assert_eq!(status("authorization", format!("Bearer {API_KEY}")).await, 200);
    assert_eq!(status("x-pgpauthorization", token("bob")).await, 401, "bob is disabled");
    assert_eq!(status("x-pgpauthorization", token("mallory")).await, 401);
    assert_eq!(status("x-migapikey", API_KEY.to_lowercase()).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_counts_and_names_whom_a_target_reaches() {
    let process = Process::new().await;
    let (status, preview) = process
        .post("/v1/actions/preview", json!({"target": "tags->>'role'='web'"}).to_string())
        .await;
    assert_eq!(status, 200, "{preview}");
    let uid = "select uid::text as text from agent where id = 1";
    let uid = testkit::texts(&process.running.parts.store, uid).await.remove(0);
    let agent = json!({"id": 1, "uid": uid, "name": "web-1", "status": "online"});
    assert_eq!(preview, json!({"count": 1, "sample": [agent]}));
    let (status, problem) =
        process.post("/v1/actions/preview", json!({"target": "1=="}).to_string()).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("target-invalid")));
    let (status, _) = process.post("/v1/actions/preview", json!({"targets": ""}).to_string()).await;
    assert_eq!(status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let process = Process::new().await;
    for (path, status) in [
        ("/v1/actions/7", 404),
        ("/v1/actions/7/commands", 404),
        ("/v1/actions?limit=0", 422),
        ("/v1/actions?cursor=x", 400),
        ("/api/v1/action?actionid=7", 404),
        ("/api/v1/action?actionid=-1", 400),
        ("/api/v1/action", 400),
        ("/api/v1/command?commandid=x", 400),
        ("/api/v1/search?type=command", 404),
        ("/api/v1/search?type=command&limit=NaN", 400),
        ("/api/v1/search?type=command&foundanything=maybe", 400),
        ("/api/v1/search?type=nosuch", 400),
    ] {
        assert_eq!(process.get(path).await.0, status, "{path}");
    }
    let nothing = process.get("/api/v1/search?type=command").await.1;
    assert_eq!(nothing["collection"]["error"]["message"], "no results found");
    let unknown = process.ask(Method::GET, "/api/v1/action/", vec![]).await;
    assert_eq!(
        (unknown.status().as_u16(), unknown.text().await.unwrap().as_str()),
        (404, "404 page not found\n")
    );
}
