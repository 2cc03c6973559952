//! A gateway with a database and a virtual host of its own, an ear on the exchange, and callers of every kind.

use agent_gateway::AgentGateway;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use service::{Running, Settings, Shutdown};
use std::time::Duration;
pub(crate) use testkit::Answer;
use testkit::{Database, PATIENCE, Proxy, Tap, Vhost, until};
use time::OffsetDateTime;
use types::api::device::GRANT_TYPE;
use types::messages::command::IssuedCommand;
use types::messages::{AgentChanged, CommandIssued};
use types::{ActionId, AgentId, AgentUid, Clock, CommandId, Permission};

pub(crate) const WRITER: &str = "writer-0123456789abcdef0123456789abcdef";
pub(crate) const READER: &str = "reader-0123456789abcdef0123456789abcdef";
pub(crate) const NOBODY: &str = "nobody-0123456789abcdef0123456789abcdef";

/// Is a gateway that runs.
pub(crate) struct Gateway {
    pub(crate) running: Running<AgentGateway>,
    pub(crate) clock: Clock,
    pub(crate) tap: Tap,
    pub(crate) vhost: Vhost,
    pub(crate) database: Database,
    pub(crate) client: Client,
}

/// Is an agent that fetched its token.
#[derive(Debug, Clone)]
pub(crate) struct Enrolled {
    pub(crate) id: AgentUid,
    pub(crate) number: AgentId,
    pub(crate) token: String,
}

/// Starts a gateway with a clock that stands until it is moved.
pub(crate) async fn gateway() -> Gateway {
    gateway_with(&[]).await
}

/// Starts a gateway with some settings.
pub(crate) async fn gateway_with(flags: &[&str]) -> Gateway {
    let (vhost, tap, database) = servers().await;
    let clock = Clock::fixed(Clock::system().now());
    let running = start(database.url(), &vhost, &clock, flags).await;
    let client = Client::builder().timeout(PATIENCE * 3).build().unwrap();
    Gateway { running, clock, tap, vhost, database, client }
}

/// Starts a gateway whose line to the database can be cut.
pub(crate) async fn gateway_through(flags: &[&str]) -> (Gateway, Proxy) {
    let (vhost, tap, database) = servers().await;
    let line = Proxy::before(database.url()).await;
    let clock = Clock::fixed(Clock::system().now());
    let running = start(&line.through(database.url()), &vhost, &clock, flags).await;
    let client = Client::builder().timeout(PATIENCE * 3).build().unwrap();
    (Gateway { running, clock, tap, vhost, database, client }, line)
}

/// Are the lines to the servers that a gateway stands on.
pub(crate) struct Lines {
    pub(crate) database: Proxy,
    pub(crate) broker: Proxy,
}

/// Starts a gateway whose lines to the database and to the broker can be cut.
pub(crate) async fn gateway_between(flags: &[&str]) -> (Gateway, Lines) {
    let (vhost, tap, database) = servers().await;
    let (line, broker) = (Proxy::before(database.url()).await, Proxy::before(vhost.url()).await);
    let clock = Clock::fixed(Clock::system().now());
    let (to_database, to_broker) = (line.through(database.url()), broker.through(vhost.url()));
    let running = start_on(&to_database, &to_broker, &clock, flags).await;
    let client = Client::builder().timeout(PATIENCE * 3).build().unwrap();
    let gateway = Gateway { running, clock, tap, vhost, database, client };
    (gateway, Lines { database: line, broker })
}

/// Makes a virtual host, an ear on it, and a database that knows three investigators.
pub(crate) async fn servers() -> (Vhost, Tap, Database) {
    // shown when a test fails
    let _first = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_test_writer()
        .try_init();
    let vhost = testkit::vhost().await;
    let tap = Tap::new(&vhost).await;
    let database =
        Database::new("agent_gateway", vec![messaging::MIGRATIONS, auth::MIGRATIONS]).await;
    let read = Permission::GatewayRead.mask();
    let write = read | Permission::GatewayWrite.mask();
    let known = [(1, WRITER, write), (2, READER, read), (3, NOBODY, 0)];
    testkit::know(&database.store(), &known, auth::api_key_hash).await;
    (vhost, tap, database)
}

/// Starts a gateway, or another replica of one.
pub(crate) async fn start(
    database: &str,
    vhost: &Vhost,
    clock: &Clock,
    flags: &[&str],
) -> Running<AgentGateway> {
    start_on(database, vhost.url(), clock, flags).await
}

async fn start_on(
    database: &str,
    broker: &str,
    clock: &Clock,
    flags: &[&str],
) -> Running<AgentGateway> {
    let common = [
        ["--database-url", database],
        ["--amqp-url", broker],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
    ];
    let flags = common.iter().flatten().chain(flags);
    let mut settings = Settings::<AgentGateway>::parse(flags).unwrap();
    settings.clock = clock.clone();
    service::start(settings, Shutdown::new()).await.unwrap()
}

impl Gateway {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    /// Calls with a bearer token (an API key or an agent's), or with none when it is empty.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.client.request(method, self.url(path));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, token, Some(body)).await
    }

    /// Posts a form.
    pub(crate) async fn form(&self, path: &str, body: &str) -> Answer {
        let request = self
            .client
            .post(self.url(path))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    /// Asks for a device code.
    pub(crate) async fn device_code(&self) -> Value {
        let body = json!({"client_id": "test", "grant_type": GRANT_TYPE, "scope": ""});
        self.post("/oauth/device/code", "", &body).await.expect(200).json()
    }

    /// Polls for the token of a device code.
    pub(crate) async fn poll_token(&self, code: &Value) -> Answer {
        let body = json!({"client_id": "test", "grant_type": GRANT_TYPE, "device_code": code["device_code"]});
        self.post("/oauth/token", "", &body).await
    }

    /// Approves a device code.
    pub(crate) async fn approve(&self, code: &Value, approval: &Value) -> Answer {
        let code = code["user_code"].as_str().unwrap();
        self.post(&format!("/v1/device-codes/{code}/approve"), WRITER, approval).await
    }

    /// Enrols an agent through the whole device flow; it has not been heard on the agents' paths.
    pub(crate) async fn enrol(&mut self, name: &str) -> Enrolled {
        let code = self.device_code().await;
        let agent = self.approve(&code, &json!({"name": name})).await.expect(200).json();
        let token = self.poll_token(&code).await.expect(200).json();
        let told = self.tap.next::<AgentChanged>().await.data;
        assert_eq!(json!(told.number), agent["number"]);
        Enrolled {
            id: agent["id"].as_str().unwrap().parse().unwrap(),
            number: told.number,
            token: token["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// Enrols an agent and lets it describe itself.
    pub(crate) async fn online(&mut self, name: &str) -> Enrolled {
        let agent = self.enrol(name).await;
        self.put("/agent/v1/self", &agent.token, &report()).await.expect(204);
        self.tap.next::<AgentChanged>().await;
        agent
    }

    /// Publishes a plugin and gives its id.
    pub(crate) async fn plugin(&self) -> String {
        let view = self.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
        view["id"].as_str().unwrap().to_owned()
    }

    /// Makes commands as the scheduler does; their action has two operations and ends in an hour.
    pub(crate) async fn issue(&self, action: i64, commands: &[(i64, AgentId)]) -> String {
        let message = self.issued(action, commands);
        let document = message.document.clone();
        self.vhost.publish("scheduler", self.clock.now(), message).await;
        document
    }

    pub(crate) fn issued(&self, action: i64, commands: &[(i64, AgentId)]) -> CommandIssued {
        let now = self.clock.now();
        let commands = commands
            .iter()
            .map(|(id, agent)| IssuedCommand { id: CommandId(*id), agent: *agent, failed: None })
            .collect();
        CommandIssued {
            action: ActionId(action),
            document: document(action),
            at: now,
            expire_after: now + Duration::from_hours(1),
            commands,
        }
    }

    /// Waits until the agent is given work, and gives its items.
    pub(crate) async fn work(&self, agent: &Enrolled) -> Vec<Value> {
        let work = self.get("/agent/v1/work?wait=30", &agent.token).await.expect(200).json();
        work["items"].as_array().unwrap().clone()
    }

    /// Waits until an agent waits for work here.
    pub(crate) async fn polled(&self) {
        polled(&self.running).await;
    }

    /// Asks for work and does not wait.
    pub(crate) async fn work_now(&self, agent: &Enrolled) -> Vec<Value> {
        let work = self.get("/agent/v1/work", &agent.token).await.expect(200).json();
        work["items"].as_array().unwrap().clone()
    }

    /// Answers runs and gives what became of each.
    pub(crate) async fn results(&self, agent: &Enrolled, items: &[Value]) -> Vec<String> {
        let answer = self
            .post("/agent/v1/results", &agent.token, &json!({"items": items}))
            .await
            .expect(200);
        let receipts = answer.json();
        let items = receipts["items"].as_array().unwrap();
        items.iter().map(|receipt| receipt["outcome"].as_str().unwrap().to_owned()).collect()
    }

    /// Counts rows.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        count(&self.database, from).await
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

/// Waits until an agent waits for work at this replica.
pub(crate) async fn polled(running: &Running<AgentGateway>) {
    until(PATIENCE, async || running.service.app.count_polls() > 0).await;
}

/// Counts rows, whether a gateway runs or not.
pub(crate) async fn count(database: &Database, from: &str) -> i64 {
    testkit::count(&database.store(), from).await
}

/// Is an action's document with two operations; blanks and order must come through as they are.
pub(crate) fn document(action: i64) -> String {
    format!(
        "{{ \"syntaxversion\":2, \"name\":\"action {action}\",\n \"operations\":[{{\"module\":\"file\"}},{{\"module\":\"file\"}}]}} "
    )
}

pub(crate) fn report() -> Value {
    json!({
        "version": "0.1.0",
        "pid": 4711,
        "environment": {"os": "linux", "arch": "amd64", "isproxied": false, "aws": {}, "modules": ["file"]},
    })
}

pub(crate) fn plugin() -> Value {
    json!({
        "name": "greeter",
        "version": "1.0",
        "description": "greets",
        "script": "class Plugin:\r\n    def greet(self):\r\n        return 'ü'\r\n",
        "commands": {"greet": {"function": "greet"}},
    })
}

/// Answers a run with two results.
pub(crate) fn success(run: &Value) -> Value {
    let result = json!({"foundanything": true, "success": true, "elements": {"a": 1}, "statistics": null, "errors": null});
    json!({"run": run, "status": "success", "results": [result, result]})
}
