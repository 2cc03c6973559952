//! One problem, five forms.

use crate::support::{Answer, process};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_or_method_is_not_found_in_the_words_of_its_dialect() {
    let process = process(&[]).await;
    for (method, path) in [
        ("GET", "/api/v1/"),
        ("GET", "/api/v1/nothing"),
        ("POST", "/api/v1/dashboard"),
        ("PUT", "/api/v1/action/create/"),
        ("GET", "/api/v1/dashboard/"),
    ] {
        let answer = Answer::of(process.request(method, path)).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let head = Answer::of(process.request("HEAD", "/api/v1/dashboard")).await;
    assert_eq!((head.status, head.text.as_str()), (404, ""));

    let plain = Answer::of(process.request("DELETE", "/v1/actions")).await;
    assert_eq!((plain.status, plain.header("content-type")), (404, "application/problem+json"));
    assert_eq!(plain.json()["code"], "no-route");
    assert_eq!(plain.json()["request_id"], plain.header("x-request-id"));

    let soarca = process.get("/playbook/nothing").await;
    assert_eq!(
        soarca.text,
        concat!(
            r#"{"code":"no-route","downstream-call":"","message":"no route answers this path and method","#,
            r#""original-call":"GET /playbook/nothing","status":"404"}"#
        )
    );
    let runbook = process.get("/api/agent/nothing").await.json();
    assert_eq!(runbook["message"], "no route answers this path and method");
    assert_eq!(process.get("/oauth/nothing").await.json()["error"], "invalid_request");
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_slashes_count_as_one() {
    let process = process(&[]).await;
    for path in ["/api/v1//ip", "//api/v1/ip", "/api///v1//ip"] {
        assert_eq!(process.get(path).await.text, "127.0.0.1", "{path}");
    }
    let answer = process.get("/api//v1/dashboard").await;
    assert_eq!(answer.mig_error(), "Valid authentication header not found");
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_the_dialects_status_and_code() {
    let process = process(&[]).await;
    let form = |body: &'static str| {
        let kind = "application/x-www-form-urlencoded";
        process.request("POST", "/oauth/token").header("content-type", kind).body(body)
    };
    let answer = Answer::of(form("device_code=ours&device_code=second")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text,
        r#"{"error":"authorization_pending","error_description":"not yet approved"}"#
    );
    let missing = Answer::of(form("")).await;
    assert_eq!((missing.status, &missing.json()["error"]), (400, &"invalid_request".into()));
    let large = Answer::of(form(Box::leak("x".repeat(65).into_boxed_str()))).await;
    assert_eq!((large.status, &large.json()["error"]), (413, &"invalid_request".into()));

    let step = process.get("/manual/execution/step").await;
    assert_eq!((step.status, &step.json()["status"]), (400, &"400".into()));
    assert_eq!(step.json()["code"], "not-pending");
    assert_eq!(step.json()["original-call"], "GET /manual/execution/step");
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_is_told_by_an_id_only() {
    let process = process(&[]).await;
    let answer = Answer::of(
        process
            .request("POST", "/oauth/token?device_code=x")
            .header("x-request-id", "request-of-a-test"),
    )
    .await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("x-request-id"), "request-of-a-test");
    assert!(answer.text.contains("quote request-of-a-test"), "{}", answer.text);
    assert!(!answer.text.contains("secret cause"), "{}", answer.text);

    let own = Answer::of(process.request("GET", "/").header("x-request-id", "bad id\t")).await;
    assert_eq!(own.header("x-request-id").len(), 32, "a strange id is not repeated");

    let burst = process.request("GET", "/v1/actions/run/burst").send().await;
    assert!(burst.is_err(), "a panic ends its connection");
    assert_eq!(process.get("/api/v1/ip").await.status, 200, "and nothing else");
    assert_eq!(process.admin("/livez").await.status, 200);
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_counts_behind_a_trusted_proxy_only() {
    for (flags, want) in
        [(&[][..], "127.0.0.1"), (&["--trusted-proxies", "10.0.0.0/8,127.0.0.1"], "192.0.2.7")]
    {
        let process = process(flags).await;
        let request = process.request("GET", "/api/v1/ip");
        let answer = Answer::of(request.header("x-forwarded-for", "198.51.100.1, 192.0.2.7")).await;
        assert_eq!(answer.text, want);
        process.running.stop().await.unwrap();
    }
}
