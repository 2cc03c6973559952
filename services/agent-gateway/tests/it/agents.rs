//! `/v1/agents` and what agents fetch.

use crate::support::{Enrolled, READER, WRITER, gateway, success};
use reqwest::Method;
use serde_json::{Value, json};
use types::messages::{AgentChanged, CommandReturned};
use types::{AgentStatus, CommandId, CommandStatus};

#[tokio::test(flavor = "multi_thread")]
async fn people_change_agents_and_the_house_is_told() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let path = format!("/v1/agents/{}", agent.id);
    let team = gateway.post("/v1/teams", WRITER, &json!({"name": "blue"})).await.expect(201).json();

    let patch = json!({"name": "two", "tags": {"role": "db"}, "team_id": team["id"]});
    let view = gateway.call(Method::PATCH, &path, WRITER, Some(&patch)).await.expect(200).json();
    assert_eq!(
        (&view["name"], &view["team_id"], &view["tags"]),
        (&json!("two"), &team["id"], &patch["tags"])
    );
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.name.as_str(), told.tags["role"].as_str()), ("two", "db"));
    assert_eq!(json!(told.team), team["id"]);
    let before = told.revision;

    let view = gateway
        .call(Method::PATCH, &path, WRITER, Some(&json!({"tags": {}})))
        .await
        .expect(200)
        .json();
    assert_eq!((&view["name"], &view["tags"]), (&json!("two"), &json!({})), "what is absent stays");
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert!(told.revision > before);

    let plugin = gateway.plugin().await;
    let key = format!("{plugin}.greet");
    let view =
        gateway.put(&format!("{path}/plugins"), WRITER, &json!([plugin])).await.expect(200).json();
    assert_eq!(view["plugins"], json!([plugin]));
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!(
        told.environment.modules,
        [key.clone(), "file".into()],
        "the built-in ones and the plugin's"
    );
    assert_eq!(json!(told.plugins), json!([plugin]));

    let assigned = gateway.get("/agent/v1/plugins", &agent.token).await.expect(200).json();
    assert_eq!(
        assigned["items"][0]["commands"][&key],
        json!({"id": key, "name": "greet", "function": "greet"})
    );
    let document =
        gateway.get(&format!("/agent/v1/plugins/{plugin}"), &agent.token).await.expect(200).json();
    assert_eq!(document["script"], crate::support::plugin()["script"]);

    gateway.put(&format!("{path}/plugins"), WRITER, &json!([])).await.expect(200);
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.environment.modules, ["file"]);
    gateway.clock.advance(time::Duration::minutes(2));
    gateway.get(&format!("/agent/v1/plugins/{plugin}"), &agent.token).await.expect(404);
    assert_eq!(gateway.get("/agent/v1/plugins", &agent.token).await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_changes_are_pointed_at() {
    let mut gateway = gateway().await;
    let agent = gateway.enrol("one").await;
    let path = format!("/v1/agents/{}", agent.id);
    let unknown = "00000000-0000-7000-8000-000000000000";
    for (method, path, body, status, pointer) in [
        (Method::PATCH, path.clone(), json!({"name": ""}), 422, "/name"),
        (Method::PATCH, path.clone(), json!({"team_id": unknown}), 422, "/team_id"),
        (Method::PATCH, path.clone(), json!({"status": "online"}), 422, "/status"),
        (Method::PUT, format!("{path}/plugins"), json!([unknown]), 422, "/0"),
        (Method::PUT, format!("{path}/plugins"), json!({}), 422, ""),
        (Method::PUT, format!("{path}/plugins"), json!(vec![unknown; 257]), 422, ""),
    ] {
        let problem = gateway.call(method, &path, WRITER, Some(&body)).await.expect(status).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    gateway.get(&format!("/v1/agents/{unknown}"), READER).await.expect(404);
    gateway.get("/v1/agents/7", READER).await.expect(404);
    gateway.call(Method::DELETE, &format!("/v1/agents/{unknown}"), WRITER, None).await.expect(404);
    gateway.put(&format!("/v1/agents/{unknown}/plugins"), WRITER, &json!([])).await.expect(404);
    gateway
        .put(
            "/agent/v1/self",
            &agent.token,
            &json!({"version": "v".repeat(129), "pid": 1, "environment": {}}),
        )
        .await
        .expect(422);
    gateway
        .put("/agent/v1/self", &agent.token, &json!({"version": "1", "pid": -1, "environment": {}}))
        .await
        .expect(422);
    let view = gateway.get(&path, READER).await.expect(200).json();
    assert_eq!((&view["name"], &view["number"]), (&json!("one"), &json!(agent.number)));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_in_pages() {
    let mut gateway = gateway().await;
    let mut numbers = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        numbers.push(gateway.enrol(name).await.number);
    }
    let (mut listed, mut next) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page =
            gateway.get(&format!("/v1/agents?limit=2{next}"), READER).await.expect(200).json();
        listed.extend(page["items"].as_array().unwrap().iter().map(|item| item["number"].clone()));
        next = page["next"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    }
    assert_eq!((json!(listed), next.as_str()), (json!(numbers), ""));
}

fn text(at: time::OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_join_teams_and_leave_them() {
    let mut gateway = gateway().await;
    let team = async |name: &str| {
        let made = gateway.post("/v1/teams", WRITER, &json!({"name": name})).await.expect(201);
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let (blue, red) = (team("blue").await, team("red").await);
    let (one, two) = (gateway.enrol("one").await, gateway.enrol("two").await);
    let change = async |agent: &Enrolled, patch: Value| {
        let path = format!("/v1/agents/{}", agent.id);
        gateway.call(Method::PATCH, &path, WRITER, Some(&patch)).await.expect(200).json()
    };
    let of = async |team: &str| {
        let page = gateway.get(&format!("/v1/agents?team_id={team}"), READER).await.expect(200);
        let page = page.json();
        page["items"].as_array().unwrap().iter().map(|a| a["name"].clone()).collect::<Vec<_>>()
    };
    for agent in [&one, &two] {
        assert_eq!(change(agent, json!({"team_id": blue})).await["team_id"], json!(blue));
    }
    assert_eq!(of(&blue).await, ["one", "two"]);
    assert_eq!(change(&two, json!({"name": "2"})).await["team_id"], json!(blue), "absent stays");
    assert_eq!(change(&one, json!({"team_id": null})).await["team_id"], Value::Null);
    assert_eq!(change(&two, json!({"team_id": red})).await["team_id"], json!(red));
    assert_eq!((of(&blue).await, of(&red).await), (vec![], vec![json!("2")]));
    let path = format!("/v1/agents/{}", one.id);
    let nowhere = json!({"team_id": "00000000-0000-7000-8000-000000000000"});
    gateway.call(Method::PATCH, &path, WRITER, Some(&nowhere)).await.expect(422);
    gateway
        .get("/v1/agents?team_id=00000000-0000-7000-8000-000000000000", READER)
        .await
        .expect(404);
    gateway.get("/v1/agents?team_id=blue", READER).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_gone_at_once() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number), (71, agent.number)]).await;
    let work = gateway.work(&agent).await;
    let path = format!("/v1/agents/{}", agent.id);

    gateway.call(Method::DELETE, &path, WRITER, None).await.expect(204);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.status, told.number), (AgentStatus::Offline, agent.number));
    // what it had not answered fails now, not when the action ends
    let mut returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    returned.sort_by_key(|command| command.id);
    assert_eq!(
        returned.iter().map(|command| command.id).collect::<Vec<_>>(),
        [CommandId(70), CommandId(71)]
    );
    for command in &returned {
        assert_eq!((command.status, command.results.len()), (CommandStatus::Failed, 2));
        assert!(command.results[0].errors.as_ref().unwrap()[0].contains("revoked"), "{command:?}");
    }

    for path in ["/agent/v1/work", "/agent/v1/plugins"] {
        gateway.get(path, &agent.token).await.expect(401);
    }
    let answer = json!({"items": [success(&work[0]["run"])]});
    gateway.post("/agent/v1/results", &agent.token, &answer).await.expect(401);
    gateway.put("/agent/v1/self", &agent.token, &crate::support::report()).await.expect(401);

    gateway.call(Method::DELETE, &path, WRITER, None).await.expect(204);
    let problem = gateway
        .call(Method::PATCH, &path, WRITER, Some(&json!({"name": "x"})))
        .await
        .expect(409)
        .json();
    assert_eq!(problem["code"], "agent-revoked");
    gateway.put(&format!("{path}/plugins"), WRITER, &json!([])).await.expect(409);
    let view: Value = gateway.get(&path, READER).await.expect(200).json();
    assert_eq!(
        (&view["status"], &view["revoked"]),
        (&json!("offline"), &json!(text(gateway.now())))
    );
    gateway.tap.none_of("agent.changed.v1", std::time::Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_revoked_before_it_comes_gets_no_token() {
    let gateway = gateway().await;
    let code = gateway.device_code().await;
    let agent = gateway.approve(&code, &json!({"name": "one"})).await.expect(200).json();
    let path = format!("/v1/agents/{}", agent["id"].as_str().unwrap());
    gateway.call(Method::DELETE, &path, WRITER, None).await.expect(204);
    assert_eq!(gateway.poll_token(&code).await.expect(400).json()["error"], "access_denied");
    assert_eq!(gateway.count("agent_token").await, 0);
}
