//! Every route, asked by everybody who may not.

use crate::support::{NOBODY, READER, gateway};
use reqwest::Method;
use serde_json::{Value, json};

/// Lists every route with who may call it.
const ROUTES: &[(&str, &str, &str)] = &[
    ("get", "/agent/v1/plugins", "agent"),
    ("get", "/agent/v1/plugins/{id}", "agent"),
    ("post", "/agent/v1/results", "agent"),
    ("put", "/agent/v1/self", "agent"),
    ("get", "/agent/v1/work", "agent"),
    ("get", "/api/agent", "agent"),
    ("get", "/api/agent/plugin/{id}", "agent"),
    ("post", "/api/agent/task/{id}", "agent"),
    ("get", "/api/agent/tasks", "agent"),
    ("get", "/api/v1/heartbeat", "anyone"),
    ("post", "/api/v1/heartbeat", "anyone"),
    ("get", "/api/v1/ip", "anyone"),
    ("get", "/device", "anyone"),
    ("post", "/device", "page"),
    ("post", "/device/code", "page"),
    ("post", "/device/session", "page"),
    ("post", "/device/session/end", "page"),
    ("post", "/oauth/device/code", "anyone"),
    ("post", "/oauth/token", "anyone"),
    ("get", "/v1/agents", "reader"),
    ("post", "/v1/agents", "writer"),
    ("delete", "/v1/agents/{id}", "writer"),
    ("get", "/v1/agents/{id}", "reader"),
    ("patch", "/v1/agents/{id}", "writer"),
    ("put", "/v1/agents/{id}/plugins", "writer"),
    ("get", "/v1/device-codes", "reader"),
    ("post", "/v1/device-codes/{user_code}/approve", "writer"),
    ("post", "/v1/device-codes/{user_code}/deny", "writer"),
    ("get", "/v1/plugins", "reader"),
    ("post", "/v1/plugins", "writer"),
    ("get", "/v1/plugins/{id}", "reader"),
    ("post", "/v1/plugins/{id}/signatures", "writer"),
    ("get", "/v1/tasks", "reader"),
    ("post", "/v1/tasks", "writer"),
    ("delete", "/v1/tasks/{id}", "writer"),
    ("get", "/v1/tasks/{id}", "reader"),
    ("get", "/v1/tasks/{id}/runs", "reader"),
    ("get", "/v1/teams", "reader"),
    ("post", "/v1/teams", "writer"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_every_route() {
    let gateway = gateway().await;
    let document = gateway.get("/openapi.json", "").await.expect(200).json();
    let mut listed = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            listed.push((method.as_str(), path.as_str()));
        }
    }
    listed.sort_by_key(|(method, path)| (*path, *method));
    let wanted: Vec<_> = ROUTES.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(listed, wanted);
    for (method, path, who) in ROUTES {
        let security = &document["paths"][path][method]["security"];
        let want = match *who {
            "agent" => json!([{"bearer": []}]),
            "anyone" | "page" => json!([{}]),
            _ => Value::Null,
        };
        assert_eq!(security, &want, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_the_right_credential() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let id = agent.id.to_string();
    for (method, path, who) in ROUTES {
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = path.replace("{id}", &id).replace("{user_code}", "BCDF-GHJK");
        // a body that nobody would take: who may not come in is told so first
        let body = json!({"nothing": "of use"});
        let body = (method != Method::GET).then_some(&body);
        let ask = async |token: &str| gateway.call(method.clone(), &path, token, body).await.status;
        let told = format!("{method} {path}");
        match *who {
            "anyone" => {
                for token in ["", "wrong", READER] {
                    assert!(!matches!(ask(token).await, 401 | 403), "{told}");
                }
            }
            // shows who may not come in a page that says so
            "page" => {
                for token in ["", "wrong", READER] {
                    assert_eq!(ask(token).await, 403, "{told}");
                }
            }
            "agent" => {
                for token in ["", "wrong", READER, &"x".repeat(300)] {
                    assert_eq!(ask(token).await, 401, "{told} {token:?}");
                }
                assert_ne!(ask(&agent.token).await, 401, "{told}");
            }
            _ => {
                for token in ["", "wrong", agent.token.as_str()] {
                    assert_eq!(ask(token).await, 401, "{told} {token:?}");
                }
                assert_eq!(ask(NOBODY).await, 403, "{told}");
                let reads = if *who == "reader" {
                    !matches!(ask(READER).await, 401 | 403)
                } else {
                    ask(READER).await == 403
                };
                assert!(reads, "{told}");
            }
        }
    }
    let request =
        gateway.client.get(gateway.url("/agent/v1/work")).header("authorization", "Basic eDp5");
    assert_eq!(request.send().await.unwrap().status(), 401);
    gateway.get("/v1/agents/nothing/here", READER).await.expect(404);
    gateway.get("/api/v1/agent", READER).await.expect(404);
}
