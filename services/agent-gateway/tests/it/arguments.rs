//! What tasks are given: as it was written, and only what fits.

use crate::runbook::{enrol, task, tools};
use crate::scripted::exchange;
use crate::support::{READER, WRITER, gateway};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use types::messages::CommandReturned;
use types::{AgentId, CommandId, CommandStatus};

#[tokio::test(flavor = "multi_thread")]
async fn arguments_arrive_as_they_were_given() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (agent, id) = enrol(&gateway, &[&plugin]).await;
    let given = r#"{"value": [1180591620717411303424, 1e400, 0.10, "x y"]}"#;
    let body =
        format!(r#"{{"agent_id": "{id}", "command": "{plugin}.echo", "arguments": {given}}}"#);
    let request = gateway.client.post(gateway.url("/v1/tasks")).bearer_auth(WRITER);
    let made = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let compact = r#"{"value":[1180591620717411303424,1e400,0.10,"x y"]}"#;
    let text = made.text().await.unwrap();
    assert!(text.contains(&format!("\"arguments\":{compact}")), "{text}");
    let (_, text) = exchange(agent.server, "GET", "/api/agent/tasks", agent.token.as_deref(), None)
        .await
        .unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["data"][0]["arguments"], compact);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_action_whose_arguments_do_not_fit_fails_at_once() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let number = gateway.get(&format!("/v1/agents/{id}"), READER).await.json()["number"].clone();
    let echo = format!("{plugin}.echo");
    for (at, (parameters, why)) in (1..).zip([
        (r#"{"value": 1, "more": 2}"#, "\"more\""),
        ("{}", "lacks \"value\""),
        (r#"{"value": 1180591620717411303424}"#, "more than 64 bits"),
    ]) {
        let mut issued = gateway.issued(at, &[(at, AgentId(number.as_i64().unwrap()))]);
        issued.document = format!(
            r#"{{"syntaxversion": 2, "name": "n", "operations": [{{"module": "{echo}", "parameters": {parameters}}}]}}"#
        );
        gateway.vhost.publish("scheduler", gateway.now(), issued).await;
        let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
        assert_eq!((returned.id, returned.status), (CommandId(at), CommandStatus::Failed));
        let errors = returned.results[0].errors.clone().unwrap();
        assert!(errors[0].contains(why), "{errors:?}");
    }
    assert_eq!(gateway.count("task").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_published_before_its_parameters_were_read_takes_any_arguments() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (_agent, id) = enrol(&gateway, &[&plugin]).await;
    let mut conn = gateway.database.store().get().await.unwrap();
    conn.batch_execute("update plugin set parameters = null").await.unwrap();
    task(&gateway, &id, &format!("{plugin}.echo"), Value::Null, json!({"other": 1})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_has_so_many_open_tasks_and_no_more() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (_agent, id) = enrol(&gateway, &[&plugin]).await;
    let boom = format!("{plugin}.boom");
    let last = task(&gateway, &id, &boom, Value::Null, json!({})).await;
    let mut conn = gateway.database.store().get().await.unwrap();
    conn.batch_execute(
        "insert into task (id, agent, plugin, command, arguments, state, created)
         select gen_random_uuid(), agent, plugin, command, arguments, state, created
         from task, generate_series(1, 999)",
    )
    .await
    .unwrap();
    let new = json!({"agent_id": id, "command": boom, "arguments": {}});
    let problem = gateway.post("/v1/tasks", WRITER, &new).await.expect(409).json();
    assert_eq!(problem["code"], "too-many-tasks");
    assert_eq!(gateway.count("task").await, 1000);
    gateway
        .call(reqwest::Method::DELETE, &format!("/v1/tasks/{last}"), WRITER, None)
        .await
        .expect(204);
    task(&gateway, &id, &boom, Value::Null, json!({})).await;
    let of = async |state: &str| {
        let path = format!("/v1/tasks?limit=500&state={state}");
        gateway.get(&path, READER).await.expect(200).json()["items"].as_array().unwrap().len()
    };
    assert_eq!((of("withdrawn").await, of("overdue").await, of("waiting").await), (1, 0, 500));
    gateway.get("/v1/tasks?state=nothing", READER).await.expect(400);
}
