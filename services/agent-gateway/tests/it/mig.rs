//! What MIG's agents and loaders ask (specs/mig/api.md §3.1, §3.3; captures 001, 005).

use crate::support::{Answer, gateway_with};

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_is_the_originals() {
    let gateway = gateway_with(&["--public-url", "http://127.0.0.1:18340"]).await;
    let response = gateway.client.get(gateway.url("/api/v1/heartbeat")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(
        response.text().await.unwrap(),
        concat!(
            r#"{"collection":{"version":"1.0","href":"http://127.0.0.1:18340/api/v1/heartbeat","#,
            r#""items":[{"href":"/api/v1/heartbeat","data":[{"name":"heartbeat","value":"gatorz say hi"}]}],"#,
            r#""template":{},"error":{}}}"#
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_learns_its_address() {
    let plain = gateway_with(&[]).await;
    for path in ["/api/v1/ip", "/api/v1//ip"] {
        let request = plain.client.get(plain.url(path)).header("x-forwarded-for", "198.51.100.7");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.text().await.unwrap(), "127.0.0.1", "nobody is believed");
    }
    let behind = gateway_with(&["--trusted-proxies", "127.0.0.1,10.0.0.0/8"]).await;
    for (forwarded, want) in [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
    ] {
        let request =
            behind.client.get(behind.url("/api/v1/ip")).header("x-forwarded-for", forwarded);
        assert_eq!(Answer::of(request.send().await.unwrap()).await.expect(200).text, want);
    }
}
