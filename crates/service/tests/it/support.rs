//! The small service, and a process of it on servers of its own.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use auth::{HasReplica, Replica};
use messaging::{Bus, Subscription};
use serde_json::json;
use service::{EmbeddedMigrations, Job, Parts, Running, Service, Settings, Shutdown};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::Store;
use testkit::{Database, Vhost, keys};
use time::OffsetDateTime;
use tokio::sync::Notify;
use types::messages::{InvestigatorChanged, ReplicaRequested};
use types::{Clock, InvestigatorId, InvestigatorStatus, Permission};
use utoipa_actix_web::service_config::ServiceConfig;
use web::{Collection, Form, Investigator, Item, Json, Origin, Peer, Problem, Query};

pub(crate) struct Small {
    pub(crate) parts: Parts,
    pub(crate) arrived: Notify,
    pub(crate) gate: Notify,
    pub(crate) runs: AtomicUsize,
    pub(crate) kick: Notify,
    explode: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Config {
    /// Lets a job panic when it is woken
    #[arg(long)]
    explode: bool,
}

impl Service for Small {
    const NAME: &'static str = "investigation-api";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[];
    type Config = Config;

    async fn build(parts: Parts, config: Config) -> anyhow::Result<Self> {
        Ok(Self {
            parts,
            arrived: Notify::new(),
            gate: Notify::new(),
            runs: AtomicUsize::new(0),
            kick: Notify::new(),
            explode: config.explode,
        })
    }

    fn routes(config: &mut ServiceConfig<'_>) {
        config
            .service(dashboard)
            .service(create)
            .service(show)
            .service(list)
            .service(order)
            .service(token)
            .service(manual)
            .service(peer)
            .route("/v1/actions/run/slow", actix_web::web::get().to(slow))
            .route("/v1/actions/run/burst", actix_web::web::get().to(burst));
    }

    fn subscriptions() -> Vec<Subscription<Self>> {
        vec![auth::subscription()]
    }

    fn jobs() -> Vec<Job<Self>> {
        vec![Job::woken(
            "count",
            Duration::from_mins(10),
            |small| &small.kick,
            |small| {
                Box::pin(async {
                    let before = small.runs.fetch_add(1, Ordering::SeqCst);
                    assert!(!small.explode || before == 0, "exploded as told");
                    anyhow::ensure!(before != 1, "the second run fails");
                    Ok(())
                })
            },
        )]
    }
}

impl HasReplica for Small {
    fn replica(&self) -> &Replica {
        &self.parts.replica
    }

    fn store(&self) -> &Store {
        &self.parts.store
    }

    fn bus(&self) -> &Bus {
        &self.parts.bus
    }

    fn clock(&self) -> &Clock {
        &self.parts.clock
    }
}

/// Shows one item as MIG does.
#[utoipa::path(responses((status = 200)))]
#[get("/api/v1/dashboard")]
async fn dashboard(
    caller: Investigator,
    request: HttpRequest,
    origin: Data<Origin>,
) -> Result<HttpResponse, Problem> {
    caller.require(Permission::Dashboard)?;
    let item = Item::new(origin.link("/api/v1/dashboard")).with("caller", &caller.name);
    Collection::new(origin.href(&request)).item(item).respond(200.try_into().unwrap())
}

/// Takes a form as MIG does.
#[utoipa::path(request_body(content = Object), responses((status = 202)))]
#[post("/api/v1/action/create/")]
async fn create(
    caller: Investigator,
    request: HttpRequest,
    form: Form<1024>,
) -> Result<HttpResponse, Problem> {
    caller.require(Permission::ActionCreate)?;
    let action = form.first("action").unwrap_or("none");
    let item = Item::new("/api/v1/action?actionid=1").with("action", action);
    Collection::new(request.uri().to_string()).item(item).respond(202.try_into().unwrap())
}

/// Shows a thing that is not there.
#[utoipa::path(params(("id" = i64, Path)), responses((status = 404)))]
#[get("/v1/actions/{id}")]
async fn show(caller: Investigator, id: Path<i64>) -> Result<HttpResponse, Problem> {
    caller.require(Permission::Action)?;
    Err(Problem::not_found(format!("there is no action {id}")))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Paging {
    limit: Option<u16>,
}

/// Lists nothing.
#[utoipa::path(responses((status = 200)))]
#[get("/v1/actions")]
async fn list(_caller: Investigator, paging: Query<Paging>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "limit": paging.limit }))
}

#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    count: u8,
}

/// Takes JSON.
#[utoipa::path(responses((status = 200)))]
#[post("/v1/actions")]
async fn order(_caller: Investigator, order: Json<Order, 64>) -> HttpResponse {
    HttpResponse::Ok().json(order.count)
}

/// Waits for the gate, then writes a message.
async fn slow(small: Data<Small>) -> Result<HttpResponse, Problem> {
    small.arrived.notify_one();
    small.gate.notified().await;
    let (parts, now) = (&small.parts, small.parts.clock.now());
    let asked = ReplicaRequested { of: "last words".into(), by: Small::NAME.into() };
    let written = parts.store.tx(async |conn| -> Result<(), store::Failure> {
        Ok(parts.bus.put(conn, now, &asked).await?)
    });
    written.await.map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().body("done"))
}

/// Panics.
async fn burst() -> HttpResponse {
    panic!("a handler burst")
}

/// Fails as the OAuth dialect does.
#[utoipa::path(request_body(content = Object), responses((status = 400)))]
#[post("/oauth/token")]
async fn token(form: Form<64>) -> Result<HttpResponse, Problem> {
    match form.first("device_code") {
        Some("ours") => Err(Problem::malformed("authorization_pending", "not yet approved")),
        Some(_) => Err(Problem::internal(anyhow::anyhow!("the secret cause"))),
        None => Err(Problem::invalid("device-code-missing", "device_code is missing")),
    }
}

/// Fails as SOARCA does.
#[utoipa::path(responses((status = 400)))]
#[get("/manual/{execution}/{step}")]
async fn manual(path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    Err(Problem::invalid("not-pending", format!("step {} is not pending", path.1)))
}

/// Tells the caller's address.
#[utoipa::path(responses((status = 200)))]
#[get("/api/v1/ip")]
async fn peer(peer: Peer) -> String {
    peer.0.to_string()
}

/// Is a process of the small service on a database and a virtual host of its own.
pub(crate) struct Process {
    pub(crate) running: Running<Small>,
    pub(crate) vhost: Vhost,
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    _database: Database,
}

/// Starts one; `flags` come after those that it needs.
pub(crate) async fn process(flags: &[&str]) -> Process {
    let (database, vhost) = servers().await;
    let settings = settings(database.url(), vhost.url(), flags);
    let running = service::start(settings, Shutdown::new()).await.unwrap();
    let url = running.url();
    Process { running, vhost, http: client(), url, _database: database }
}

pub(crate) async fn servers() -> (Database, Vhost) {
    set_up();
    (Database::new("service", vec![]).await, testkit::vhost().await)
}

/// Sets up once what a process has once.
pub(crate) fn set_up() {
    static GUARD: LazyLock<telemetry::Guard> = LazyLock::new(|| {
        let settings = telemetry::Settings {
            service: "test",
            filter: "error,lapin=off".into(),
            ..telemetry::Settings::default()
        };
        telemetry::init(&settings).unwrap()
    });
    LazyLock::force(&GUARD);
}

pub(crate) fn settings(database: &str, broker: &str, flags: &[&str]) -> Settings<Small> {
    let fixed = ["--database-url", database, "--amqp-url", broker];
    let usual =
        ["--database-pool", "4", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let given = |flag: &&str| flags.contains(flag);
    let usual: Vec<_> = usual.chunks(2).filter(|pair| !given(&pair[0])).flatten().collect();
    Settings::parse(fixed.iter().chain(usual).chain(flags))
        .unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().timeout(testkit::PATIENCE);
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Process {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.running.admin_url()))).await
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    /// Makes an investigator known, as its owner's message would.
    pub(crate) async fn know(&self, state: InvestigatorChanged) {
        let parts = &self.running.parts;
        let mut conn = parts.store.get().await.unwrap();
        parts.replica.apply(&mut conn, &state).await.unwrap();
        parts.replica.learn(&[state]);
    }

    /// Confirms the investigators, as a digest that matches would.
    pub(crate) async fn confirm(&self) {
        let parts = &self.running.parts;
        parts.replica.refresh(&parts.store, parts.clock.now()).await.unwrap();
    }
}

/// Gives the state of an investigator with a key, the API key `key of <name>` and `permissions`.
pub(crate) fn investigator(id: i64, name: &str, permissions: i64) -> InvestigatorChanged {
    let key = keys::of(name);
    InvestigatorChanged {
        id: InvestigatorId(id),
        name: name.into(),
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        status: InvestigatorStatus::Active,
        permissions,
        api_key_sha256: Some(auth::api_key_hash(&format!("key of {name}"))),
        created: OffsetDateTime::UNIX_EPOCH,
        modified: OffsetDateTime::UNIX_EPOCH,
        version: 1,
    }
}

/// Is an answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Gives the message of a Collection+JSON error.
    pub(crate) fn mig_error(&self) -> String {
        self.json()["collection"]["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}
