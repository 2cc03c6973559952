//! Who is let in, with which words the others are refused, and what a body may be.

use crate::support::{Answer, Process, investigator, process};
use testkit::keys;
use time::Duration;
use types::{InvestigatorStatus, Permission, Permissions};

const PREFIX: &str = "Authorization verification failed with error";
const NO_KEY: &str = "Authorization verification failed with error 'API key authentication failed'";

async fn asked(process: &Process, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = process.request("GET", path);
    Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
        .await
}

fn token(process: &Process, name: &str, ahead: Duration) -> String {
    let at = process.running.parts.clock.now() + ahead;
    signing::token::make(&keys::of(name), at, "1").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_tried_in_order_and_refused_in_the_originals_words() {
    let process = process(&["--public-url", "https://writ.example/"]).await;
    process.know(investigator(1, "alice", Permissions::all().0)).await;
    let disabled = InvestigatorStatus::Disabled;
    let carol = investigator(3, "carol", Permissions::all().0);
    process.know(types::messages::InvestigatorChanged { status: disabled, ..carol }).await;
    let good = token(&process, "alice", Duration::ZERO);
    let old = token(&process, "alice", Duration::minutes(-11));
    let strange = token(&process, "mallory", Duration::ZERO);
    let gone = token(&process, "carol", Duration::ZERO);
    let key = "key of alice";
    let unknown = format!(
        "{PREFIX} 'verifySignedToken() -> GetFingerprintFromSignature() -> \
         openpgp: signature made by unknown entity'"
    );
    let late = format!(
        "{PREFIX} 'verifySignedToken() -> token timestamp is not within acceptable time limits'"
    );
    let format = format!("{PREFIX} 'verifySignedToken() -> invalid token format'");
    let missing = "Valid authentication header not found";
    let table: [(&[(&str, &str)], &str); 16] = [
        (&[("x-pgpauthorization", &good)], ""),
        (&[("X-MIGAPIKEY", key)], ""),
        (&[("authorization", "bearer key of alice")], ""),
        (&[("x-pgpauthorization", &good), ("x-migapikey", "wrong")], ""),
        (&[("x-pgpauthorization", ""), ("x-migapikey", key)], ""),
        (&[], missing),
        (&[("x-pgpauthorization", "")], missing),
        (&[("authorization", "Basic a2V5")], missing),
        (&[("x-pgpauthorization", "garbage"), ("x-migapikey", key)], &format),
        (&[("x-pgpauthorization", "1;2;3;4;5")], &format),
        (&[("x-pgpauthorization", &old)], &late),
        (&[("x-pgpauthorization", &strange)], &unknown),
        (&[("x-pgpauthorization", &gone)], &unknown),
        (&[("x-migapikey", "wrong"), ("authorization", "Bearer key of alice")], NO_KEY),
        (&[("x-migapikey", "key of carol")], NO_KEY),
        (&[("authorization", "Bearer wrong")], NO_KEY),
    ];
    for (headers, refusal) in table {
        let answer = asked(&process, "/api/v1/dashboard?a=1&b=2", headers).await;
        assert_eq!(answer.mig_error(), refusal, "{headers:?}");
        assert_eq!(answer.status, if refusal.is_empty() { 200 } else { 401 }, "{headers:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let href = r#"{"collection":{"version":"1.0","href":"https://writ.example/api/v1/dashboard?a=1\u0026b=2","#;
        assert!(answer.text.starts_with(href), "{}", answer.text);
    }
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_401_for_mig_and_403_elsewhere() {
    let process = process(&[]).await;
    process.know(investigator(2, "bob", Permission::Search.mask())).await;
    let key = [("x-migapikey", "key of bob")];
    let mig = asked(&process, "/api/v1/dashboard", &key).await;
    assert_eq!(mig.status, 401);
    assert_eq!(mig.mig_error(), "Insufficient permissions to access endpoint");
    let plain = asked(&process, "/v1/actions/1", &key).await;
    assert_eq!((plain.status, &plain.json()["code"]), (403, &"permission-missing".into()));
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_on_the_word_of_a_stale_copy() {
    let process = process(&[]).await;
    process.know(investigator(1, "alice", Permissions::all().0)).await;
    let post = || {
        let request = process.request("POST", "/v1/actions").header("x-migapikey", "key of alice");
        Answer::of(request.json(&serde_json::json!({ "count": 7 })))
    };
    let refused = post().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "30"), "{refused:?}");
    let read = asked(&process, "/v1/actions", &[("x-migapikey", "key of alice")]).await;
    assert_eq!(read.status, 200, "reading goes on");
    process.confirm().await;
    assert_eq!(post().await.text, "7");
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_the_input_is_pointed_at() {
    let process = process(&[]).await;
    process.know(investigator(1, "alice", Permissions::all().0)).await;
    process.confirm().await;
    let post = |body: String| {
        let request = process.request("POST", "/v1/actions").header("x-migapikey", "key of alice");
        Answer::of(request.header("content-type", "application/json").body(body))
    };
    for (body, status, code, pointer) in [
        (r#"{"count":"x"}"#, 422, "body-invalid", "/count"),
        (r#"{"count":1,"more":2}"#, 422, "body-invalid", "/more"),
        ("{}", 422, "body-invalid", ""),
        ("{", 400, "body-not-json", "none"),
    ] {
        let answer = post(body.into()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{body}");
        let at = answer.json()["errors"][0]["pointer"].as_str().unwrap_or("none").to_owned();
        assert_eq!(at, pointer, "{body}: {}", answer.text);
    }
    assert_eq!(post(format!("{:>70}", "{}")).await.status, 413);

    let key = [("x-migapikey", "key of alice")];
    let query = asked(&process, "/v1/actions?limit=many", &key).await;
    assert_eq!((query.status, &query.json()["errors"][0]["pointer"]), (400, &"?limit".into()));
    let id = asked(&process, "/v1/actions/seven", &key).await;
    assert_eq!((id.status, &id.json()["code"]), (404, &"not-found".into()));

    let kind = "application/x-www-form-urlencoded";
    for (body, kind, action) in [
        ("action=a%3Cb&action=second", kind, r#""value":"a\u003cb""#),
        ("other=1", kind, r#""value":"query""#),
        ("action=body", "application/json", r#""value":"query""#),
    ] {
        let request = process.request("POST", "/api/v1/action/create/?action=query");
        let request = request.header("x-migapikey", "key of alice").header("content-type", kind);
        let answer = Answer::of(request.body(body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(answer.text.contains(action), "{}", answer.text);
    }
    let large = process.request("POST", "/api/v1/action/create/").header("content-type", kind);
    let large = large.header("x-migapikey", "key of alice").body("x".repeat(1025));
    let large = Answer::of(large).await;
    assert_eq!(
        (large.status, large.mig_error().as_str()),
        (413, "at most 1024 bytes are taken here")
    );
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_lets_anyone_in() {
    let process = process(&[]).await;
    let public = ["GET /api/v1/ip", "GET /manual/{execution}/{step}", "POST /oauth/token"];
    assert_eq!(testkit::unauthorized_coverage(&process.url, &public).await, 8);
    let url = process.url.clone();
    let walk =
        tokio::spawn(async move { testkit::unauthorized_coverage(&url, &public[1..]).await });
    let fault = walk.await.unwrap_err().into_panic();
    let text = fault.downcast_ref::<String>().unwrap();
    assert!(text.contains("GET /api/v1/ip with no credential answers 200"), "{text}");
    process.running.stop().await.unwrap();
}
