//! A device becomes an agent (specs/runbook/backend.md §3, RFC 8628).

use crate::support::{Answer, READER, WRITER, gateway, gateway_with};
use diesel::sql_types::Binary;
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::{PATIENCE, until};
use time::Duration;
use types::api::device::GRANT_TYPE;
use types::messages::{AgentChanged, CommandReturned};
use types::{AgentId, AgentStatus, CommandId, CommandStatus};

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[derive(diesel::QueryableByName)]
struct Hash {
    #[diesel(sql_type = Binary)]
    sha256: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_becomes_an_agent() {
    let mut gateway = gateway().await;
    let plugin = gateway.plugin().await;
    let team = gateway.post("/v1/teams", WRITER, &json!({"name": "blue"})).await.expect(201).json();

    let code = gateway.device_code().await;
    let user_code = code["user_code"].as_str().unwrap();
    assert_eq!((user_code.len(), user_code.find('-')), (9, Some(4)));
    assert_eq!(code["verification_uri"], json!(gateway.url("/device")));
    assert_eq!(
        code["verification_uri_complete"],
        json!(gateway.url(&format!("/device?code={user_code}")))
    );
    assert_eq!((&code["expires_in"], &code["interval"]), (&json!(600), &json!(5)));

    assert_eq!(error(&gateway.poll_token(&code).await), (400, "authorization_pending".into()));
    let pending = gateway.get("/v1/device-codes", READER).await.expect(200).json();
    assert_eq!(pending["items"][0]["user_code"], code["user_code"]);
    assert_eq!(pending["items"][0]["address"], "127.0.0.1");
    assert_eq!(pending["next"], Value::Null);

    // a person types it without the dash and in lower case
    let typed = user_code.replace('-', "").to_lowercase();
    let approval = json!({"name": "web-1", "team_id": team["id"], "plugins": [plugin, plugin], "tags": {"role": "web"}});
    let agent = gateway
        .post(&format!("/v1/device-codes/{typed}/approve"), WRITER, &approval)
        .await
        .expect(200)
        .json();
    assert_eq!((&agent["name"], &agent["team_id"]), (&json!("web-1"), &team["id"]));
    assert_eq!((&agent["status"], &agent["transport"]), (&json!("offline"), &json!("writ")));
    assert_eq!((&agent["plugins"], &agent["tags"]), (&json!([plugin]), &json!({"role": "web"})));

    let told = gateway.tap.next::<AgentChanged>().await;
    assert_eq!(
        (told.source.as_str(), told.subject.clone()),
        ("/agent-gateway", agent["number"].to_string())
    );
    let told = told.data;
    assert_eq!(json!(told.id), agent["id"]);
    assert_eq!((told.status, told.revision), (AgentStatus::Offline, 1));
    assert_eq!(told.queueloc, format!("writ.{}", told.id.0.simple()));
    assert_eq!(told.environment.modules, [format!("{plugin}.greet")]);
    assert_eq!(gateway.count("agent_token").await, 0, "nothing is issued before the device comes");

    let token = gateway.poll_token(&code).await.expect(200).json();
    assert_eq!((&token["token_type"], &token["scope"]), (&json!("Bearer"), &json!("")));
    assert_eq!(
        error(&gateway.poll_token(&code).await),
        (400, "expired_token".into()),
        "a code is redeemed once"
    );
    let pending = gateway.get("/v1/device-codes", READER).await.expect(200).json();
    assert_eq!(pending["items"], json!([]));
    let token = token["access_token"].as_str().unwrap();
    gateway.get("/agent/v1/work", token).await.expect(200);

    // neither secret is kept
    for (table, secret) in
        [("agent_token", token), ("device_code", code["device_code"].as_str().unwrap())]
    {
        let mut conn = gateway.database.store().get().await.unwrap();
        let row: Hash =
            store::sql(format!("select sha256 from {table}")).get_result(&mut conn).await.unwrap();
        assert_eq!(row.sha256, Sha256::digest(secret).to_vec(), "{table}");
        assert!(secret.len() >= 43, "256 bits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_its_answer_in_both_forms() {
    let gateway = gateway_with(&["--client-ids", "test,other"]).await;
    let code = gateway.device_code().await;
    let device_code = code["device_code"].as_str().unwrap();
    let grant = GRANT_TYPE;
    for (path, parameters, want) in [
        ("code", vec![], (400, "invalid_request")),
        ("code", vec![("client_id", "")], (400, "invalid_request")),
        ("code", vec![("client_id", "stranger")], (400, "invalid_client")),
        ("token", vec![], (400, "invalid_request")),
        (
            "token",
            vec![("grant_type", "password"), ("client_id", "test")],
            (400, "unsupported_grant_type"),
        ),
        ("token", vec![("grant_type", grant), ("client_id", "test")], (400, "invalid_request")),
        (
            "token",
            vec![("grant_type", grant), ("device_code", device_code)],
            (400, "invalid_request"),
        ),
        (
            "token",
            vec![("grant_type", grant), ("client_id", "test"), ("device_code", device_code)],
            (400, "authorization_pending"),
        ),
        (
            "token",
            vec![("grant_type", grant), ("client_id", "other"), ("device_code", device_code)],
            (400, "invalid_client"),
        ),
        (
            "token",
            vec![("grant_type", grant), ("client_id", "test"), ("device_code", "unknown")],
            (400, "expired_token"),
        ),
    ] {
        let path = if path == "code" { "/oauth/device/code" } else { "/oauth/token" };
        let object: serde_json::Map<_, _> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let want = (want.0, want.1.to_owned());
        let answer = gateway.post(path, "", &Value::Object(object)).await;
        assert_eq!(error(&answer), want, "{path} {parameters:?}");
        assert!(answer.json()["error_description"].is_string());
        let form = serde_urlencoded::to_string(&parameters).unwrap();
        assert_eq!(error(&gateway.form(path, &form).await), want, "{path} {form}");
    }
    for (body, want) in [
        ("{", "invalid_request"),
        ("[]", "invalid_request"),
        ("{\"client_id\":7}", "invalid_request"),
    ] {
        let request = gateway.client.post(gateway.url("/oauth/device/code"));
        let request = request.header("content-type", "application/json").body(body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(error(&answer), (400, want.into()), "{body}");
    }
    assert_eq!(gateway.form("/oauth/device/code", "client_id=test").await.status, 200);
    assert_eq!(gateway.count("device_code").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_once_and_in_time() {
    let gateway = gateway().await;
    let (denied, approved, late) =
        (gateway.device_code().await, gateway.device_code().await, gateway.device_code().await);
    let path = |code: &Value, verb: &str| {
        format!("/v1/device-codes/{}/{verb}", code["user_code"].as_str().unwrap())
    };

    gateway.post(&path(&denied, "deny"), WRITER, &json!({})).await.expect(204);
    assert_eq!(error(&gateway.poll_token(&denied).await), (400, "access_denied".into()));
    let problem = gateway.approve(&denied, &json!({"name": "a"})).await.expect(409).json();
    assert_eq!(problem["code"], "already-decided");

    gateway.approve(&approved, &json!({"name": "a"})).await.expect(200);
    gateway.approve(&approved, &json!({"name": "a"})).await.expect(409);
    gateway.post(&path(&approved, "deny"), WRITER, &json!({})).await.expect(409);

    gateway.clock.advance(Duration::seconds(600));
    for code in [&denied, &approved, &late] {
        assert_eq!(error(&gateway.poll_token(code).await), (400, "expired_token".into()));
    }
    gateway.approve(&late, &json!({"name": "a"})).await.expect(404);
    gateway.post("/v1/device-codes/BCDF-GHJK/deny", WRITER, &json!({})).await.expect(404);
    gateway.post("/v1/device-codes/no-code/deny", WRITER, &json!({})).await.expect(404);
    assert_eq!(gateway.get("/v1/device-codes", READER).await.json()["items"], json!([]));
    gateway.running.service.app.purge().await.unwrap();
    assert_eq!(gateway.count("device_code").await, 0);
    assert_eq!(gateway.count("agent").await, 0, "who never came for the token is no agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_device_never_came_is_removed() {
    let mut gateway = gateway().await;
    let plugin = gateway.plugin().await;
    let (lost, ordered, found) =
        (gateway.device_code().await, gateway.device_code().await, gateway.device_code().await);
    let mut agents = Vec::new();
    for code in [&lost, &ordered, &found] {
        let approval = json!({"name": "a", "plugins": [plugin]});
        agents.push(gateway.approve(code, &approval).await.expect(200).json());
        gateway.tap.next::<AgentChanged>().await;
    }
    gateway.poll_token(&found).await.expect(200);
    // somebody was quick and gave one of them work
    let number = agents[1]["number"].as_i64().unwrap();
    gateway.issue(1, &[(10, AgentId(number))]).await;
    until(PATIENCE, async || gateway.count("mailbox").await == 1).await;
    let app = &gateway.running.service.app;
    gateway.clock.advance(Duration::seconds(599));
    app.purge().await.unwrap();
    assert_eq!(gateway.count("agent where revoked_at is null").await, 3);
    gateway.clock.advance(Duration::seconds(1));
    app.purge().await.unwrap();
    let mut gone = Vec::new();
    for _ in 0..2 {
        let told = gateway.tap.next::<AgentChanged>().await.data;
        gone.push((json!(told.id), told.revision, told.status));
    }
    let revoked = |agent: &Value| (agent["id"].clone(), 2, AgentStatus::Offline);
    assert_eq!(gone, [revoked(&agents[0]), revoked(&agents[1])]);
    let failed = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((failed.id, failed.status), (CommandId(10), CommandStatus::Failed));
    assert_eq!(gateway.count("agent").await, 2, "one has its order still, and is revoked");
    assert_eq!(gateway.count("agent where revoked_at is null").await, 1);
    assert_eq!(gateway.count("device_code").await, 0);
    for code in [&lost, &ordered, &found] {
        assert_eq!(error(&gateway.poll_token(code).await), (400, "expired_token".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_guessed_ten_times_and_no_more() {
    let gateway = gateway().await;
    let code = gateway.device_code().await;
    let guess = async |verb: &str| {
        let path = format!("/v1/device-codes/BCDF-GHJK/{verb}");
        gateway.post(&path, WRITER, &json!({"name": "a"})).await
    };
    for verb in ["approve", "deny"].into_iter().cycle().take(10) {
        guess(verb).await.expect(404);
    }
    let problem = guess("deny").await.expect(429).json();
    assert_eq!(problem["code"], "too-many-guesses");
    // the right one does not help, nor does the page
    gateway.approve(&code, &json!({"name": "a"})).await.expect(429);
    gateway.form("/device/session", "key=wrong").await.expect(429);
    gateway.clock.advance(Duration::minutes(5));
    gateway.approve(&code, &json!({"name": "a"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_waits_for_nobody_while_nothing_changes() {
    let gateway = gateway().await;
    let code = gateway.device_code().await;
    // somebody holds the code for as long as they like
    let mut conn = gateway.database.store().get().await.unwrap();
    store::sql("begin").execute(&mut conn).await.unwrap();
    store::sql("select from device_code for update").execute(&mut conn).await.unwrap();
    for _ in 0..3 {
        assert_eq!(error(&gateway.poll_token(&code).await), (400, "authorization_pending".into()));
    }
    store::sql("rollback").execute(&mut conn).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_approval_changes_nothing() {
    let mut gateway = gateway().await;
    let code = gateway.device_code().await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let plugin = gateway.plugin().await;
    for (approval, status, pointers) in [
        (json!({}), 422, vec![""]),
        (json!({"name": ""}), 422, vec!["/name"]),
        (json!({"name": "n".repeat(1_025)}), 422, vec!["/name"]),
        (json!({"name": "a\u{0}"}), 422, vec!["/name"]),
        (json!({"name": "a", "tags": {"": "x"}}), 422, vec!["/tags/"]),
        (json!({"name": "a", "team_id": unknown}), 422, vec!["/team_id"]),
        (json!({"name": "a", "plugins": [plugin, unknown]}), 422, vec!["/plugins/1"]),
        (json!({"name": "a", "colour": "red"}), 422, vec!["/colour"]),
    ] {
        let problem = gateway.approve(&code, &approval).await.expect(status).json();
        let faults = problem["errors"].as_array().unwrap();
        let told: Vec<_> = faults.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
        assert_eq!(told, pointers, "{approval} {problem}");
    }
    gateway.approve(&code, &json!({"name": "a"})).await.expect(200);
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.name, "a");
    assert_eq!(gateway.count("agent").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_get_one_agent_and_one_token() {
    let gateway = gateway().await;
    let code = gateway.device_code().await;
    let approval = json!({"name": "a"});
    let (one, two) =
        tokio::join!(gateway.approve(&code, &approval), gateway.approve(&code, &approval));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let (one, two) = tokio::join!(gateway.poll_token(&code), gateway.poll_token(&code));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!((gateway.count("agent").await, gateway.count("agent_token").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_codes_wait_is_bounded_and_nobody_is_refused() {
    let flags = ["--device-codes-per-address", "2", "--device-codes", "3"];
    let gateway = gateway_with(&[&flags[..], &["--trusted-proxies", "127.0.0.1"]].concat()).await;
    let from = async |address: &str| {
        gateway.clock.advance(Duration::milliseconds(1));
        let request = gateway.client.post(gateway.url("/oauth/device/code"));
        let request =
            request.header("x-forwarded-for", address).json(&json!({"client_id": "test"}));
        Answer::of(request.send().await.unwrap()).await.expect(200).json()
    };
    let poll = async |code: &Value| error(&gateway.poll_token(code).await);
    let pending = (400, "authorization_pending".into());
    let gone = (400, "expired_token".into());
    let (first, second) = (from("192.0.2.1").await, from("192.0.2.1").await);
    let third = from("192.0.2.1").await;
    assert_eq!(poll(&second).await, gone, "the newest other one of that address gave way");
    assert_eq!((poll(&first).await, poll(&third).await), (pending.clone(), pending.clone()));
    // what was decided does not wait, and does not give way
    gateway.approve(&first, &json!({"name": "a"})).await.expect(200);
    let fourth = from("192.0.2.1").await;
    gateway.poll_token(&first).await.expect(200);
    // beyond what all may have, who has the most gives way
    let (fifth, sixth) = (from("192.0.2.2").await, from("192.0.2.3").await);
    assert_eq!(poll(&fourth).await, gone);
    for code in [&third, &fifth, &sixth] {
        assert_eq!(poll(code).await, pending);
    }
    // of those who have as many, who asked last
    let seventh = from("192.0.2.4").await;
    assert_eq!(poll(&sixth).await, gone);
    for code in [&third, &fifth, &seventh] {
        assert_eq!(poll(code).await, pending);
    }
    assert_eq!(gateway.count("device_code where state = 'pending'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_listed_in_pages() {
    let gateway = gateway().await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(gateway.device_code().await["user_code"].clone());
        gateway.clock.advance(Duration::microseconds(1));
    }
    let (mut listed, mut next) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = gateway
            .get(&format!("/v1/device-codes?limit=2{next}"), READER)
            .await
            .expect(200)
            .json();
        listed
            .extend(page["items"].as_array().unwrap().iter().map(|item| item["user_code"].clone()));
        next = page["next"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    }
    assert_eq!((listed, next.as_str()), (codes, ""));
    gateway.get("/v1/device-codes?limit=0", READER).await.expect(422);
    gateway.get("/v1/device-codes?limit=501", READER).await.expect(422);
    gateway.get("/v1/device-codes?limit=x", READER).await.expect(400);
    gateway.get("/v1/device-codes?cursor=x", READER).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_code_and_nothing_else_of_its_address() {
    let gateway = gateway_with(&["--public-url", "https://writ.example.org/"]).await;
    let code = gateway.device_code().await;
    assert_eq!(code["verification_uri"], "https://writ.example.org/device");
    let page = gateway.get("/device?code=bcdfghjk", "").await.expect(200);
    assert!(page.text.contains("value=\"BCDF-GHJK\""), "{}", page.text);
    let page = gateway.get("/device?code=%3Cscript%3E", "").await.expect(200);
    assert!(!page.text.contains("script>"), "{}", page.text);
}
