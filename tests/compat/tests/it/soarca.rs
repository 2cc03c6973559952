//! SOARCA's own front ends and tools, request by request (specs/soarca/gui-and-clients.md), against the scheduler and
//! manual-interaction with open paths: what they send, how they read it, and no more.

use crate::soarca_models::{Began, Failed, Pending, Report, Taken};
use crate::world::start;
use manual_interaction::ManualInteraction;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use scheduler::Scheduler;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use service::Running;
use testkit::{Database, PATIENCE, Vhost, until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::Clock;

/// Is a page's origin that nobody has heard of.
const ORIGIN: &str = "https://roaster.example";

struct Soarca {
    scheduler: Running<Scheduler>,
    manual: Running<ManualInteraction>,
    http: Client,
    _vhost: Vhost,
    _databases: [Database; 2],
}

impl Soarca {
    async fn new() -> Self {
        let vhost = testkit::vhost().await;
        let databases =
            [Database::new("compat", vec![]).await, Database::new("compat", vec![]).await];
        let open = ["--soarca-auth", "off"];
        let scheduler = start(&databases[0], &vhost, open, Clock::system()).await;
        let manual = start(&databases[1], &vhost, open, Clock::system()).await;
        let http = Client::builder().timeout(PATIENCE).build().unwrap();
        Self { scheduler, manual, http, _vhost: vhost, _databases: databases }
    }

    /// Gives where a path leads, as one front does for both services.
    fn url(&self, path: &str) -> String {
        let to = if path.starts_with("/manual") { self.manual.url() } else { self.scheduler.url() };
        format!("{to}{path}")
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let mut request = self.http.request(method, self.url(path));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Takes nothing but exactly 200 with a body for an answer.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, text) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> T {
        let (status, text) = self.call(Method::POST, path, Some(body)).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Waits for the pending command of an execution, as a front end that looks every few seconds.
    async fn pending(&self, execution: &str) -> Pending {
        let mut found = None;
        until(PATIENCE, async || {
            let all: Vec<Pending> = self.get("/manual").await;
            found = all.into_iter().find(|one| one.execution_id == execution);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Looks at an execution until it is not `ongoing` any more.
    async fn followed(&self, execution: &str) -> Report {
        let mut last = None;
        until(PATIENCE, async || {
            let report: Report = self.get(&format!("/reporter/{execution}")).await;
            let over = report.status != "ongoing";
            last = Some(report);
            over
        })
        .await;
        last.unwrap()
    }
}

/// Makes a playbook of manual steps, one after the other, each with its out args.
fn playbook(name: &str, variables: &Value, steps: &[(&str, &[&str])]) -> Value {
    let id = |number: usize| format!("action--00000003-0000-4000-8000-{number:012}");
    let end = "end--00000003-0000-4000-8000-00000000000e";
    let mut workflow = Map::new();
    workflow.insert(
        "start--00000003-0000-4000-8000-00000000000a".into(),
        json!({"type": "start", "on_completion": id(0)}),
    );
    for (number, (command, out_args)) in steps.iter().enumerate() {
        let next = if number + 1 == steps.len() { end.to_owned() } else { id(number + 1) };
        let mut step = json!({"type": "action", "name": command, "on_completion": next, "timeout": 60_000,
            "commands": [{"type": "manual", "command": command, "description": "as told"}],
            "agent": "soarca--00000003-0000-4000-8000-00000000000b",
            "targets": ["individual--00000003-0000-4000-8000-00000000000c"]});
        if !out_args.is_empty() {
            step["out_args"] = json!(out_args);
        }
        workflow.insert(id(number), step);
    }
    workflow.insert(end.into(), json!({"type": "end"}));
    json!({"type": "playbook", "spec_version": "cacao-2.0", "name": name,
        "id": format!("playbook--{}", uuid::Uuid::now_v7()),
        "created_by": "identity--00000003-0000-4000-8000-00000000000d",
        "created": "2025-06-01T08:00:00.000Z", "modified": "2025-06-01T08:00:00.000Z",
        "playbook_variables": variables, "workflow_start": "start--00000003-0000-4000-8000-00000000000a",
        "workflow": workflow,
        "agent_definitions": {"soarca--00000003-0000-4000-8000-00000000000b": {"type": "soarca", "name": "soarca-manual"}},
        "target_definitions": {"individual--00000003-0000-4000-8000-00000000000c": {"type": "individual", "name": "Ops"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn soarcas_gui_lists_answers_and_counts() {
    let soarca = Soarca::new().await;
    let (status, pong) = soarca.call(Method::GET, "/status/ping", None).await;
    assert_eq!((status, pong.as_str()), (200, "pong"));
    assert!(soarca.get::<Vec<Report>>("/reporter").await.is_empty());
    assert!(soarca.get::<Vec<Pending>>("/manual").await.is_empty());

    let began: Began =
        soarca.post("/trigger/playbook", playbook("p", &json!({}), &[("look", &[])])).await;
    let pending = soarca.pending(&began.execution_id).await;
    // its models follow the documentation: a flag, a map of targets, a map of out args
    assert!(!pending.command_is_base64);
    assert_eq!(
        pending.targets.values().map(|target| target.name.as_str()).collect::<Vec<_>>(),
        ["Ops"]
    );
    assert!(pending.out_args.is_empty());
    // it sends no type and never a value
    let answer = json!({"execution_id": pending.execution_id, "playbook_id": pending.playbook_id, "step_id": pending.step_id,
        "response_status": "success", "response_out_args": {}});
    let taken: Taken = soarca.post("/manual/continue", answer).await;
    assert_eq!(taken.execution_id, began.execution_id);
    soarca.followed(&began.execution_id).await;
    let reports: Vec<Report> = soarca.get("/reporter").await;
    let count = |status: &str| reports.iter().filter(|report| report.status == status).count();
    assert_eq!((count("successfully_executed"), count("ongoing"), count("failed")), (1, 0, 0));
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
    assert!(time(&reports[0].ended) >= time(&reports[0].started));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_react_front_end_answers_with_whole_variables() {
    let soarca = Soarca::new().await;
    let variables = json!({"__out__": {"type": "integer", "description": "d", "value": "1"}, "__fixed__": {"type": "string", "value": "x", "constant": true}});
    let stored = playbook("stored", &variables, &[("count", &["__out__"]), ("confirm", &[])]);
    let (status, text) = soarca.call(Method::POST, "/playbook/", Some(stored.clone())).await;
    assert_eq!(status, 201, "{text}");
    let trigger = format!("/trigger/playbook/{}", stored["id"].as_str().unwrap());
    for (value, status, ends) in
        [("7", "success", "successfully_executed"), ("7", "failure", "failed")]
    {
        let began: Began = soarca.post(&trigger, json!({})).await;
        assert_eq!(began.payload, stored["id"]);
        let listed = soarca.pending(&began.execution_id).await;
        let path = format!("/manual/{}/{}", listed.execution_id, listed.step_id);
        let pending: Pending = soarca.get(&path).await;
        assert_eq!((pending.commandb64, pending.target.name.as_str()), (None, "Ops"));
        assert_eq!(pending.command, "count");
        // the variable as it came, with a new value
        let mut values = Map::new();
        for (name, variable) in &pending.out_args {
            let mut variable = variable.clone();
            variable["value"] = json!(value);
            values.insert(name.clone(), variable);
        }
        let answer = |values: Value| {
            json!({"type": "manual-command-info", "execution_id": pending.execution_id,
            "playbook_id": pending.playbook_id, "step_id": pending.step_id, "response_status": status,
            "response_out_args": values})
        };
        // what is refused is shown as `status: message`
        let wrong =
            answer(json!({"__other__": {"type": "string", "name": "__other__", "value": "x"}}));
        let (code, text) = soarca.call(Method::POST, "/manual/continue", Some(wrong)).await;
        let refused: Failed = serde_json::from_str(&text).unwrap();
        assert_eq!((code, refused.status.as_str()), (400, "400"));
        assert!(!refused.message.is_empty());
        let _taken: Taken = soarca.post("/manual/continue", answer(values.into())).await;
        if status == "success" {
            let next = soarca.pending(&began.execution_id).await;
            assert_eq!(next.command, "confirm");
            let answer = json!({"type": "manual-command-info", "execution_id": next.execution_id, "playbook_id": next.playbook_id,
                "step_id": next.step_id, "response_status": "success", "response_out_args": {}});
            let _taken: Taken = soarca.post("/manual/continue", answer).await;
        }
        assert_eq!(soarca.followed(&began.execution_id).await.status, ends);
        let (code, text) = soarca.call(Method::GET, &path, None).await;
        let gone: Failed = serde_json::from_str(&text).unwrap();
        assert_eq!((code, gone.status.as_str()), (404, "404"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roaster_triggers_and_colours_steps_from_another_origin() {
    let soarca = Soarca::new().await;
    let preflight = soarca
        .http
        .request(Method::OPTIONS, soarca.url("/trigger/playbook"))
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    let allows = |headers: &HeaderMap| {
        headers.get("access-control-allow-origin").is_some_and(|value| value == "*")
    };
    assert!(allows(preflight.headers()));
    let body = playbook("roasted", &json!({}), &[("first", &[]), ("second", &[])]);
    let answer = soarca
        .http
        .post(soarca.url("/trigger/playbook"))
        .header("origin", ORIGIN)
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(allows(answer.headers()));
    let began: Began = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    for number in 0..2 {
        let pending = soarca.pending(&began.execution_id).await;
        let report: Report = soarca.get(&format!("/reporter/{}", began.execution_id)).await;
        assert_eq!(report.status, "ongoing");
        assert_eq!(report.step_results.len(), number + 1, "only steps that began");
        assert_eq!(report.step_results[&pending.step_id].status, "await_user_input");
        let answer = json!({"type": "x", "execution_id": pending.execution_id, "playbook_id": pending.playbook_id,
            "step_id": pending.step_id, "response_status": "success", "response_out_args": null});
        let _taken: Taken = soarca.post("/manual/continue", answer).await;
        until(PATIENCE, async || {
            let report: Report = soarca.get(&format!("/reporter/{}", began.execution_id)).await;
            report.step_results[&pending.step_id].status == "successfully_executed"
        })
        .await;
    }
    let report = soarca.followed(&began.execution_id).await;
    assert_eq!((report.status.as_str(), report.step_results.len()), ("successfully_executed", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wazuh_hook_gives_nine_variables() {
    let soarca = Soarca::new().await;
    let names: Vec<String> = (1..=9).map(|number| format!("__alert_{number}__")).collect();
    let declared: Map<_, _> = names
        .iter()
        .map(|name| {
            (
                name.clone(),
                json!({"type": "string", "external": true, "constant": true, "value": ""}),
            )
        })
        .collect();
    let stored = playbook("hook", &declared.into(), &[("see __alert_9__:value", &[])]);
    // `curl -X POST …/playbook/ -d @starter.json`
    assert_eq!(soarca.call(Method::POST, "/playbook/", Some(stored.clone())).await.0, 201);
    let given: Map<_, _> = names
        .iter()
        .map(|name| {
            let value = json!({"type": "string", "description": "of the alert", "value": format!("of {name}"), "constant": true, "external": true});
            (name.clone(), value)
        })
        .collect();
    let path = format!("/trigger/playbook/{}", stored["id"].as_str().unwrap());
    let began: Began = soarca.post(&path, given.into()).await;
    assert_eq!(soarca.pending(&began.execution_id).await.command, "see of __alert_9__");
    // a name that the playbook does not have is refused, with SOARCA's words
    let (status, text) = soarca
        .call(Method::POST, &path, Some(json!({"__x__": {"type": "string", "value": ""}})))
        .await;
    let refused: Failed = serde_json::from_str(&text).unwrap();
    assert_eq!((status, refused.status.as_str()), (400, "400"));
    assert!(text.contains("not a valid subset of the variables"), "{text}");
    // the playbook itself stayed as it was, a second alert finds it so
    let shown: Value = soarca.get(&format!("/playbook/{}", stored["id"].as_str().unwrap())).await;
    assert_eq!(shown, stored);
}
