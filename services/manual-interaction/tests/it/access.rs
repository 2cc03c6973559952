//! Every route, asked by everybody who may not.

use crate::support::{NOBODY, READER, manual};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_the_right_credential() {
    let manual = manual().await;
    let pages = [
        "GET /manual/page",
        "POST /manual/page/session",
        "POST /manual/page/session/end",
        "GET /manual/page/steps/{id}",
        "POST /manual/page/steps/{id}",
    ];
    let asked = testkit::unauthorized_coverage(&manual.running.url(), &pages).await;
    assert_eq!(asked, 20);
    for route in testkit::routes(&manual.running.url()).await {
        if pages.contains(&route.name().as_str()) {
            continue;
        }
        let body = json!({"nothing": "of use"});
        let reads = route.method == reqwest::Method::GET;
        let body = (!reads).then_some(&body);
        let method = || route.method.clone();
        let refused = manual.call(method(), &route.filled, NOBODY, body).await;
        assert_eq!(refused.status, 403, "{}", route.name());
        let soarca = route.path.starts_with("/manual");
        let key = if soarca { "message" } else { "detail" };
        assert!(refused.json()[key].is_string(), "{refused:?}");
        assert_eq!(refused.json()["code"], "permission-missing");
        let status = manual.call(method(), &route.filled, READER, body).await.status;
        assert_eq!(status == 403, !reads, "{}", route.name());
    }
}
