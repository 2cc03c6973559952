//! An agent that took an order and said nothing is given up, and its late answer still counts: at the gateway, the
//! scheduler and investigation-api.

use crate::disabled::{Administrator, start, start_with};
use agent_gateway::AgentGateway;
use investigation_api::InvestigationApi;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use scheduler::Scheduler;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{PATIENCE, keys, until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::{Action, Clock};

/// Asks with any headers; the answer is a success.
async fn ask(
    administrator: &Administrator,
    method: Method,
    url: String,
    [header, value]: [&str; 2],
    body: Option<Value>,
) -> Value {
    let mut request = administrator.http.request(method, &url).header(header, value);
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{url}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Writes and signs an action for the agent.
fn order() -> Value {
    let now = Clock::system().now();
    let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
    let mut action = json!({
        "name": "late", "target": "name='late'", "syntaxversion": 2,
        "validfrom": text(now - Duration::from_mins(1)), "expireafter": text(now + Duration::from_mins(10)),
        "operations": [{"module": "file", "parameters": {"searches": {"s": {"paths": ["/etc"], "names": ["x"]}}}}],
    });
    let read = Action::parse(action.to_string().as_bytes()).unwrap();
    let signed = signing::action::signed_string(&read);
    action["pgpsignatures"] = json!([keys::of("admin").sign_line(signed.as_bytes(), now).unwrap()]);
    action
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_success_stands_above_a_failure_that_no_agent_told() {
    let _once = rustls::crypto::ring::default_provider().install_default();
    let vhost = testkit::vhost().await;
    let (_api_database, api) = start::<InvestigationApi>(&vhost).await;
    let (_scheduler_database, scheduler) = start::<Scheduler>(&vhost).await;
    let short = [["--lease", "1"], ["--attempts", "1"]];
    let (_gateway_database, gateway) = start_with::<AgentGateway>(&vhost, &short).await;
    let administrator = Administrator::new(&api).await;
    let token = Administrator::token();
    let who = ["x-pgpauthorization", token.as_str()];
    let at = |path: &str| format!("{}{path}", gateway.url());

    let grant = types::api::device::GRANT_TYPE;
    let mut code = json!({"client_id": "late", "grant_type": grant, "scope": ""});
    let nobody = ["accept", "application/json"];
    let device = at("/oauth/device/code");
    let told = ask(&administrator, Method::POST, device, nobody, Some(code.clone())).await;
    until(PATIENCE, async || {
        let keyring = gateway.parts.replica.current();
        keyring.iter().count() == 1 && gateway.parts.replica.is_fresh(Clock::system().now())
    })
    .await;
    let approve = format!("/v1/device-codes/{}/approve", told["user_code"].as_str().unwrap());
    ask(&administrator, Method::POST, at(&approve), who, Some(json!({"name": "late"}))).await;
    code["device_code"] = told["device_code"].clone();
    let token = ask(&administrator, Method::POST, at("/oauth/token"), nobody, Some(code)).await;
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let agent = ["authorization", bearer.as_str()];
    let machine =
        json!({"os": "linux", "arch": "amd64", "isproxied": false, "aws": {}, "modules": ["file"]});
    let report = json!({"version": "1", "pid": 1, "environment": machine});
    ask(&administrator, Method::PUT, at("/agent/v1/self"), agent, Some(report)).await;
    let parts = &scheduler.parts;
    until(PATIENCE, async || {
        testkit::count(&parts.store, "agent where status = 'online'").await == 1
            && parts.replica.current().iter().count() == 1
            && parts.replica.is_fresh(Clock::system().now())
    })
    .await;

    let actions = format!("{}/v1/actions", api.url());
    let accepted = ask(&administrator, Method::POST, actions.clone(), who, Some(order())).await;
    let action = format!("{actions}/{}", accepted["id"]);
    let work = ask(&administrator, Method::GET, at("/agent/v1/work?wait=60"), agent, None).await;
    let ended = async |status: &str| {
        until(PATIENCE, async || {
            let view = ask(&administrator, Method::GET, action.clone(), who, None).await;
            let of = |name: &str| view["counters"][name].as_i64().unwrap();
            of(status) == 1 && of("targeted") == 1 && view["status"] == "completed"
        })
        .await;
        let commands =
            ask(&administrator, Method::GET, format!("{action}/commands"), who, None).await;
        assert_eq!(commands["items"][0]["status"], status, "{commands}");
        commands["items"][0]["results"][0].clone()
    };
    let given_up = ended("failed").await;
    assert!(given_up["errors"][0].as_str().unwrap().contains("never answered"), "{given_up}");

    let result = json!({"foundanything": true, "success": true, "elements": {"late": 1}, "statistics": null, "errors": null});
    let answer = json!({"run": work["items"][0]["run"], "status": "success", "results": [result]});
    let answers = Some(json!({"items": [answer]}));
    let receipt =
        ask(&administrator, Method::POST, at("/agent/v1/results"), agent, answers.clone()).await;
    assert_eq!(receipt["items"][0]["outcome"], "accepted", "{receipt}");
    assert_eq!(ended("success").await["elements"], json!({"late": 1}));
    let again = ask(&administrator, Method::POST, at("/agent/v1/results"), agent, answers).await;
    assert_eq!(again["items"][0]["outcome"], "duplicate", "{again}");
    let store = &parts.store;
    assert_eq!(testkit::count(store, "command where status = 'success'").await, 1);
}
