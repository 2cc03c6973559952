//! Playbooks and executions over HTTP: versions, bad input, permissions, cancelling.
//!
//! Long because it is one list: each thing that can be asked of a playbook, with its refusals.

use crate::playbook_house::{House, KEY, alice, field, playbook};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PATIENCE, until};
use types::messages::ManualWithdrawn;
use types::messages::manual::ManualOutcome;
use types::{Message, Permission};

const POST: Method = Method::POST;

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_a_stranger() {
    let house = House::new(&[]).await;
    let asked =
        testkit::unauthorized_coverage(&house.process.running.url(), &["GET /status/ping"]).await;
    assert!(asked >= 20, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_wants_its_own_permission() {
    let house = House::new(&[]).await;
    for (version, permission) in (3..).zip(Permission::ALL) {
        house.process.running.parts.replica.learn(&[alice(version, permission.mask())]);
        for (method, path, wanted) in [
            (Method::GET, "/v1/playbooks", Permission::PlaybookRead),
            (Method::GET, "/reporter", Permission::PlaybookRead),
            (Method::GET, "/playbook/", Permission::PlaybookRead),
            (Method::GET, "/status", Permission::PlaybookRead),
            (Method::POST, "/v1/playbooks", Permission::PlaybookWrite),
            (Method::PUT, "/playbook/x", Permission::PlaybookWrite),
            (Method::DELETE, "/playbook/x/", Permission::PlaybookWrite),
            (Method::POST, "/v1/executions", Permission::PlaybookRun),
            (Method::POST, "/trigger/playbook/x", Permission::PlaybookRun),
            (
                Method::POST,
                "/v1/executions/01900000-0000-7000-8000-000000000001/cancel",
                Permission::PlaybookRun,
            ),
        ] {
            let (status, body) = house.ask(method, path, Some("{}".into())).await;
            assert_eq!(
                status == 403,
                *permission != wanted,
                "{path} with {}: {status} {body}",
                permission.name()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_soarcas_paths_are_open_and_no_others() {
    let house = House::new(&["--soarca-auth", "off"]).await;
    let answer = house.client.get(house.url("/reporter/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "[]"));
    let answer = house
        .client
        .post(house.url("/trigger/playbook/"))
        .body(field("one-question").to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(house.client.get(house.url("/v1/executions")).send().await.unwrap().status(), 401);
    let answer = house.client.get(house.url("/status/ping")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "pong"));
    // which version runs here since when is told to those who may read
    for path in ["/status", "/status/"] {
        assert_eq!(house.client.get(house.url(path)).send().await.unwrap().status(), 401, "{path}");
        assert_eq!(house.get(path).await["mode"], "production");
    }
    // pages of any origin read SOARCA's paths, and no others
    for (method, path, status, allowed) in [
        (Method::OPTIONS, "/trigger/playbook", 204, Some("*")),
        (Method::OPTIONS, "/playbook/meta/", 204, Some("*")),
        (Method::GET, "/reporter", 200, Some("*")),
        (Method::GET, "/status/ping", 200, Some("*")),
        (Method::OPTIONS, "/v1/executions", 404, None),
    ] {
        let request = house.client.request(method, house.url(path));
        let request = request.header("origin", "https://roaster.example");
        let answer = request.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("access-control-allow-origin"), allowed, "{path}");
        if status == 204 {
            let headers = header("access-control-allow-headers").unwrap();
            assert!(headers.contains("Authorization"), "{headers}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_kept_byte_for_byte() {
    let house = House::new(&[]).await;
    let id = field("one-question")["id"].as_str().unwrap().to_owned();
    let path = format!("{}/tests/playbooks/one-question.json", env!("CARGO_MANIFEST_DIR"));
    let first = std::fs::read_to_string(path).unwrap().replacen(
        '{',
        "{ \"signatures\" : [{\"value\":\"abc\"}],\n",
        1,
    );
    let second = first.replace(
        "\"modified\": \"2025-06-01T08:00:00.000Z\"",
        "\"modified\": \"2025-06-02T08:00:00.000Z\"",
    );
    assert_ne!(first, second);
    let (status, stored) = house.ask(POST, "/v1/playbooks", Some(first.clone())).await;
    assert_eq!(
        (status.as_u16(), &stored["id"], &stored["created_by"]),
        (201, &json!(id), &json!(1))
    );
    assert_eq!(
        house.ask(POST, "/v1/playbooks", Some(first.clone())).await.0,
        200,
        "the same again"
    );
    assert_eq!(house.ask(POST, "/v1/playbooks", Some(first.replace("Ask", "Ask!"))).await.0, 409);
    assert_eq!(house.ask(POST, "/v1/playbooks", Some(second.clone())).await.0, 201);
    assert_eq!(
        house.ask(POST, "/playbook/", Some(second.clone())).await.0,
        409,
        "SOARCA stores it once"
    );
    let text = async |path: String| {
        house
            .client
            .get(house.url(&path))
            .header("x-migapikey", KEY)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    assert_eq!(text(format!("/v1/playbooks/{id}/document")).await, second, "the newest");
    assert_eq!(text(format!("/playbook/{id}")).await, second);
    assert_eq!(
        text(format!("/v1/playbooks/{id}/document?version=2025-06-01T08:00:00Z")).await,
        first
    );
    let page = house.get("/v1/playbooks?limit=1").await;
    assert_eq!(
        (page["items"].as_array().unwrap().len(), page["items"][0].get("playbook")),
        (1, None)
    );
    let next = page["next"].as_str().unwrap();
    let page = house.get(&format!("/v1/playbooks?cursor={next}")).await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
    let replaced = second.replace("\"Ask\"", "\"Ask again\"");
    assert_eq!(
        house.ask(Method::PUT, &format!("/playbook/{id}"), Some(replaced.clone())).await.0,
        200
    );
    assert_eq!(
        house.get(&format!("/v1/playbooks/{id}")).await["playbook"]["workflow"]["action--5d3c2b1a-1111-4aaa-8bbb-000000000002"]
            ["name"],
        "Ask again"
    );
    let other = format!("/playbook/playbook--{}", uuid::Uuid::now_v7());
    assert_eq!(house.ask(Method::PUT, &other, Some(replaced)).await.0, 400);
    let metas = house.get("/playbook/meta").await;
    assert_eq!(
        (metas[0]["id"].as_str(), metas[0]["valid_from"].as_str()),
        (Some(id.as_str()), Some("0001-01-01T00:00:00Z"))
    );
    assert_eq!(
        house.ask(Method::DELETE, &format!("/playbook/{id}"), None).await,
        (200.try_into().unwrap(), json!(""))
    );
    assert_eq!(house.ask(Method::DELETE, &format!("/playbook/{id}"), None).await.0, 404);
    let (status, error) = house.ask(Method::GET, &format!("/playbook/{id}"), None).await;
    assert_eq!(
        (status.as_u16(), error["status"].as_str(), error["code"].as_str()),
        (404, Some("404"), Some("not-found"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_playbooks_are_refused_with_the_place_of_each_fault() {
    let house = House::new(&[]).await;
    let mut wrong = field("approval-gate");
    wrong["workflow"]["if-condition--58f740e3-b4c8-4c04-a143-058fd8ee8a8f"]["condition"] =
        json!("a b c");
    wrong["workflow"]
        .as_object_mut()
        .unwrap()
        .remove("action--d3f0a646-0502-4405-937a-f51d76d5de6d");
    wrong["playbook_variables"]["__decision__"]["type"] = json!("text");
    let (status, problem) = house.ask(POST, "/v1/playbooks", Some(wrong.to_string())).await;
    assert_eq!(status, 422, "{problem}");
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        [
            "/playbook_variables/__decision__/type",
            "/workflow/if-condition--58f740e3-b4c8-4c04-a143-058fd8ee8a8f/condition"
        ]
    );
    let (status, error) = house.ask(POST, "/trigger/playbook", Some(wrong.to_string())).await;
    assert_eq!((status.as_u16(), error["code"].as_str()), (400, Some("playbook-invalid")));
    assert!(
        error["message"].as_str().unwrap().contains("/playbook_variables/__decision__/type"),
        "{error}"
    );
    assert_eq!(error["original-call"], "POST /trigger/playbook");

    let many: serde_json::Map<_, _> =
        (0..100_000).map(|at| (format!("x{at}"), json!({"type": "end"}))).collect();
    let many = playbook(many.into(), &json!({})).to_string();
    for (body, status) in [
        (String::new(), 400),
        ("{".into(), 400),
        ("[]".into(), 422),
        ("[".repeat(100_000), 400),
        (" ".repeat(10 << 20), 413),
        (many, 422),
    ] {
        let size = body.len();
        let (answered, problem) = house.ask(POST, "/v1/playbooks", Some(body)).await;
        assert_eq!(answered, status, "{size} bytes: {problem}");
    }
    assert_eq!(house.process.count("playbook").await + house.process.count("execution").await, 0);
    for (body, status) in [
        (json!({}), 422),
        (json!({"playbook_id": "x", "playbook": {}}), 422),
        (json!({"playbook_id": "playbook--x"}), 404),
        (json!({"playbook": {}}), 422),
        (json!({"playbook_id": "x", "unknown": 1}), 422),
        (json!({"playbook_id": "x", "variables": {"__a__": 5}}), 422),
    ] {
        let (answered, problem) = house.ask(POST, "/v1/executions", Some(body.to_string())).await;
        assert_eq!(answered, status, "{body}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_out_of_its_time_does_not_run_and_variables_must_fit() {
    let house = House::new(&[]).await;
    for (key, value) in [
        ("revoked", json!(true)),
        ("valid_from", json!("2100-01-01T00:00:00Z")),
        ("valid_until", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut whole = field("one-question");
        whole[key] = value;
        let (status, error) = house.ask(POST, "/trigger/playbook", Some(whole.to_string())).await;
        assert_eq!(
            (status.as_u16(), error["code"].as_str()),
            (400, Some("playbook-not-valid")),
            "{error}"
        );
    }
    let gate = field("approval-gate");
    let path = format!("/trigger/playbook/{}", gate["id"].as_str().unwrap());
    assert_eq!(house.ask(POST, &path, Some("{}".into())).await.0, 404);
    assert_eq!(house.ask(POST, "/playbook", Some(gate.to_string())).await.0, 201);
    let variable = |value: Value| Some(json!({"__hostname__": value}).to_string());
    for (body, status, word) in [
        (
            variable(json!({"type": "integer", "value": "1"})),
            400,
            "mismatch in variables type for [ __hostname__ ]",
        ),
        (variable(json!({"type": "string", "value": 1})), 400, "must be a string"),
        (
            Some(json!({"__decision__": {"type": "string", "value": "approve"}}).to_string()),
            400,
            "not marked as external",
        ),
        (
            Some(json!({"__other__": {"type": "string", "value": ""}}).to_string()),
            400,
            "not a valid subset",
        ),
        (Some("{".into()), 400, "cannot unmarshal provided variables"),
        (None, 200, ""),
        (
            variable(
                json!({"type": "string", "value": "db-1", "description": "x", "constant": true, "external": true}),
            ),
            200,
            "",
        ),
    ] {
        let shown = format!("{body:?}");
        let (answered, error) = house.ask(POST, &path, body).await;
        assert_eq!(answered, status, "{shown}: {error}");
        assert!(error["message"].as_str().unwrap_or_default().contains(word), "{shown}: {error}");
    }
    let listed = house.get("/v1/executions").await;
    let values = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["variables"]["__hostname__"]["value"].as_str().unwrap());
    assert_eq!(
        values.collect::<Vec<_>>(),
        ["db-1", "ws-0042"],
        "newest first; the stored one is as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_children_and_pending_steps() {
    let mut house = House::new(&[]).await;
    let question = field("one-question");
    assert_eq!(house.ask(POST, "/v1/playbooks", Some(question.to_string())).await.0, 201);
    let steps = json!({"a": {"type": "playbook-action", "playbook_id": question["id"], "on_completion": "e"}});
    let id = house.trigger(&playbook(steps, &json!({"workflow_exception": "e"}))).await;
    let asked = house.asked().await;
    assert_ne!(asked.execution_id.to_string(), id);
    house.until(&id, "waiting").await;
    let (status, ended) = house.ask(POST, &format!("/v1/executions/{id}/cancel"), None).await;
    assert_eq!(
        (status.as_u16(), ended["state"].as_str(), ended["reason"].as_str()),
        (200, Some("cancelled"), Some("cancelled by alice"))
    );
    let withdrawn = house.process.tap.next::<ManualWithdrawn>().await.data;
    assert_eq!((withdrawn.step, withdrawn.execution_id), (asked.step, asked.execution_id));
    assert_eq!(house.execution(&asked.execution_id.to_string()).await["state"], "cancelled");
    // an answer that was on its way changes nothing
    house.done(&asked, &[("__answer__", "late")]).await;
    let (status, _) = house.ask(POST, &format!("/v1/executions/{id}/cancel"), None).await;
    assert_eq!(status, 409);
    until(PATIENCE, async || {
        house.process.servers.vhost.queue_length("scheduler.manual").await == Some(0)
    })
    .await;
    assert_eq!(house.execution(&id).await["state"], "cancelled");
    let report = house.get(&format!("/reporter/{id}")).await;
    assert_eq!(report["status"], "failed");
    house
        .process
        .tap
        .none_of(types::messages::ManualRequested::KIND, std::time::Duration::from_millis(200))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_playbook_takes_in_args_and_gives_out_args() {
    let mut house = House::new(&[]).await;
    let mut question = field("one-question");
    question["playbook_variables"]["__secret__"] = json!({"type": "string", "value": "kept"});
    question["workflow"]["action--5d3c2b1a-1111-4aaa-8bbb-000000000002"]["commands"][0]["command"] =
        json!("__answer__:value?");
    assert_eq!(house.ask(POST, "/v1/playbooks", Some(question.to_string())).await.0, 201);
    let steps = json!({"a": {"type": "playbook-action", "playbook_id": question["id"], "in_args": ["__answer__"], "out_args": ["__answer__"], "on_completion": "e"}});
    let variables =
        json!({"playbook_variables": {"__answer__": {"type": "string", "value": "green"}}});
    for outcome in [ManualOutcome::Success, ManualOutcome::Failure] {
        let id = house.trigger(&playbook(steps.clone(), &variables)).await;
        let asked = house.asked().await;
        assert_eq!(asked.commands[0].command, "green?");
        house.answer(&asked, outcome, &[("__answer__", "red")]).await;
        let state = if outcome == ManualOutcome::Success { "succeeded" } else { "failed" };
        let ended = house.until(&id, state).await;
        let value = if outcome == ManualOutcome::Success { "red" } else { "green" };
        assert_eq!(ended["variables"]["__answer__"]["value"], value);
        assert_eq!(ended["variables"].get("__secret__"), None);
    }
    // itself, without end
    let mut own =
        playbook(json!({"a": {"type": "playbook-action", "on_completion": "e"}}), &json!({}));
    own["workflow"]["a"]["playbook_id"] = own["id"].clone();
    assert_eq!(house.ask(POST, "/v1/playbooks", Some(own.to_string())).await.0, 201);
    let id = house.trigger(&own).await;
    let ended = house.until(&id, "failed").await;
    assert!(ended["reason"].as_str().unwrap().contains("8 deep"), "{ended:#}");
    let id = house.trigger(&playbook(json!({"a": {"type": "playbook-action", "playbook_id": format!("playbook--{}", uuid::Uuid::now_v7()), "on_completion": "e"}}), &json!({}))).await;
    assert!(
        house.until(&id, "failed").await["reason"]
            .as_str()
            .unwrap()
            .contains("there is no playbook")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nul_and_a_time_out_of_the_years_are_never_a_fault_of_ours() {
    let house = House::new(&[]).await;
    let id = field("one-question")["id"].as_str().unwrap().to_owned();
    assert_eq!(
        house.ask(POST, "/v1/playbooks", Some(field("one-question").to_string())).await.0,
        201
    );
    let far = "9999-12-31T23:59:59-23:00";
    for (method, path, body, status) in [
        (Method::GET, "/v1/playbooks/%00".to_owned(), None, 404),
        (Method::DELETE, "/v1/playbooks/%00".into(), None, 404),
        (Method::GET, "/v1/playbooks/%00/document".into(), None, 404),
        (Method::GET, "/playbook/%00".into(), None, 404),
        (Method::DELETE, "/playbook/%00".into(), None, 404),
        (POST, "/trigger/playbook/%00".into(), Some(json!({})), 404),
        (Method::GET, "/v1/executions?playbook_id=%00".into(), None, 200),
        (POST, "/v1/executions".into(), Some(json!({"playbook_id": "\0"})), 404),
        (POST, "/v1/executions".into(), Some(json!({"playbook_id": id, "version": far})), 404),
        (
            POST,
            "/v1/executions".into(),
            Some(json!({"playbook_id": id, "variables": {"\0": "\0"}})),
            422,
        ),
        (Method::GET, format!("/v1/playbooks/{id}?version={far}"), None, 404),
        (Method::DELETE, format!("/v1/playbooks/{id}?version={far}"), None, 404),
    ] {
        let shown = format!("{method} {path} {body:?}");
        let body = body.map(|body: Value| body.to_string());
        let (answered, problem) = house.ask(method, &path, body).await;
        assert_eq!(answered, status, "{shown}: {problem}");
    }
    for (key, value) in [
        ("labels", json!(["a\0"])),
        ("name", json!("a\0")),
        ("modified", json!(far)),
        ("valid_from", json!(far)),
        ("valid_until", json!(far)),
    ] {
        let mut whole = field("one-question");
        whole[key] = value;
        let (status, problem) = house.ask(POST, "/v1/playbooks", Some(whole.to_string())).await;
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert!(status == 422 && pointer.starts_with(&format!("/{key}")), "{key}: {problem}");
    }
    assert_eq!(house.process.count("playbook").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_playbooks_are_listed_however_many_there_are() {
    let house = House::new(&[]).await;
    assert_eq!(house.get("/playbook/meta").await, json!([]));
    let mut ids = Vec::new();
    for _ in 0..45 {
        let mut whole = field("one-question");
        whole["id"] = json!(format!("playbook--{}", uuid::Uuid::now_v7()));
        ids.push(whole["id"].clone());
        assert_eq!(house.ask(POST, "/v1/playbooks", Some(whole.to_string())).await.0, 201);
        whole["modified"] = json!("2025-06-02T08:00:00.000Z");
        assert_eq!(house.ask(POST, "/v1/playbooks", Some(whole.to_string())).await.0, 201);
    }
    for path in ["/playbook", "/playbook/", "/playbook/meta"] {
        let listed = house.get(path).await;
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.iter().map(|one| one["id"].clone()).collect::<Vec<_>>(), ids, "{path}");
    }
    let whole = house.get("/playbook").await;
    assert_eq!(whole[44]["modified"], "2025-06-02T08:00:00.000Z", "the newest version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_execution_leaves_room_for_the_others() {
    let mut house = House::new(&[]).await;
    let old = house.trigger(&field("one-question")).await;
    let asked = house.asked().await;
    let new = house.trigger(&field("one-question")).await;
    // as a loop would leave them
    let text = format!(
        "with more as (
             insert into execution_step
             select (step).* from (
                 select jsonb_populate_record(execution_step, jsonb_build_object('id', gen_random_uuid(), 'run', run + at,
                     'results', jsonb_build_object('__answer__', at::text))) as step
                 from execution_step, generate_series(1, 10000) as at where id = '{}'
             ) as made returning id
         ) select count(*)::text as text from more",
        asked.step
    );
    assert_eq!(house.process.text(&text).await, "10000");
    let listed = house.get("/v1/executions").await;
    let runs = |at: usize| listed["items"][at]["steps"].as_array().unwrap().len();
    assert_eq!((&listed["items"][0]["id"], runs(0), runs(1)), (&json!(new), 2, 100));
    let reported = house.get("/reporter").await;
    assert_eq!(reported[1]["execution_id"], json!(new));
    for report in [&reported[0], &house.get(&format!("/reporter/{old}")).await] {
        let result = &report["step_results"][&asked.step_id];
        assert_eq!(result["variables"]["__answer__"]["value"], "10000", "the last run: {result}");
    }
    assert!(reported[1]["step_results"][&asked.step_id].is_object());
}
