//! A server that speaks `/agent/v1` and the device flow, keys and orders, and the agent itself.
//!
//! Long because one server speaks every route that an agent calls.

use actix_web::dev::ServerHandle;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Bytes, Data, Json, Path as UrlPath, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use agent::{Agent, Ending, Pace, Rules, Settings};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use signing::SecretKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use types::api::plugin::{PluginCommand, PluginDocument, PluginView};
use types::api::work::{
    AgentReport, Receipt, ReceiptOutcome, Receipts, Return, Returns, Work, WorkItem,
};
use types::{Action, ActionId, Clock, PluginId, RunId};
use uuid::Uuid;

pub(crate) const TOKEN: &str = "the-token-of-this-agent";
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Is what the server knows and what tests tell it.
#[derive(Default)]
pub(crate) struct State {
    /// Work to hand out, and when: what was handed out and not answered comes again after a second.
    pub(crate) queue: Vec<(Instant, WorkItem)>,
    pub(crate) returns: Vec<Return>,
    pub(crate) reports: Vec<AgentReport>,
    pub(crate) plugins: BTreeMap<PluginId, PluginDocument>,
    pub(crate) revoked: bool,
    /// The runs that the last poll said that the agent is at.
    pub(crate) holds: BTreeSet<RunId>,
    pub(crate) polls: u64,
    /// What each poll called its question, and whether it said that it asked again.
    pub(crate) questions: Vec<(String, bool)>,
    /// How many of the next answers to polls break off, work and all.
    pub(crate) cut: u32,
    /// What `POST /agent/v1/results` answers instead of taking them.
    pub(crate) results_status: Option<u16>,
    /// What the next polls for work answer instead of work.
    pub(crate) nonsense: VecDeque<(u16, String)>,
    /// What the device flow answers, in order.
    pub(crate) device: VecDeque<(u16, Value)>,
    pub(crate) device_calls: Vec<(String, Value)>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    shared: Arc<(Mutex<State>, Notify)>,
    handle: Arc<Mutex<Option<ServerHandle>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let server = Self { port: 0, shared: Arc::default(), handle: Arc::default() };
        server.up().await
    }

    /// Serves, on the same port as before if there was one.
    pub(crate) async fn up(mut self) -> Self {
        let (tell, told) = oneshot::channel();
        let (shared, port) = (Data::from(Arc::clone(&self.shared)), self.port);
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(shared.clone())
                        .app_data(web::JsonConfig::default().limit(32 * 1024 * 1024))
                        .route("/agent/v1/self", web::put().to(describe))
                        .route("/agent/v1/work", web::get().to(work))
                        .route("/agent/v1/results", web::post().to(results))
                        .route("/agent/v1/plugins", web::get().to(plugins))
                        .route("/agent/v1/plugins/{id}", web::get().to(plugin))
                        .route("/oauth/device/code", web::post().to(device))
                        .route("/oauth/token", web::post().to(device))
                })
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", port))
                .unwrap();
                let port = server.addrs()[0].port();
                let server = server.run();
                tell.send((port, server.handle())).ok();
                server.await.unwrap();
            });
        });
        let (port, handle) = told.await.unwrap();
        self.port = port;
        *self.handle.lock().unwrap() = Some(handle);
        self
    }

    pub(crate) async fn down(&self) {
        let handle = self.handle.lock().unwrap().take();
        handle.unwrap().stop(false).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    /// Hands out an order under a run.
    pub(crate) fn order(&self, run: RunId, document: &str) {
        let item = WorkItem {
            run,
            action: ActionId(1),
            document: document.into(),
            leased_until: now() + time::Duration::minutes(1),
        };
        self.state().queue.push((Instant::now(), item));
        self.shared.1.notify_waiters();
    }

    /// Waits for the answer of a run.
    pub(crate) async fn answer(&self, run: RunId) -> Return {
        self.until("an answer", |state| {
            state.returns.iter().find(|answer| answer.run == run).cloned()
        })
        .await
    }

    /// Counts the answers of a run.
    pub(crate) fn answers(&self, run: RunId) -> usize {
        self.state().returns.iter().filter(|answer| answer.run == run).count()
    }

    /// Waits until `look` sees what it looks for.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        until(what, || look(&self.state())).await
    }

    /// Waits until the agent has asked for work `more` more times.
    pub(crate) async fn polls(&self, more: u64) {
        let want = self.state().polls + more;
        self.until("polls", |state| (state.polls >= want).then_some(())).await;
    }
}

/// Waits until `look` sees what it looks for.
pub(crate) async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

type Shared = Data<(Mutex<State>, Notify)>;

fn is_known(shared: &Shared, request: &HttpRequest) -> bool {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    token == Some(&format!("Bearer {TOKEN}")) && !shared.0.lock().unwrap().revoked
}

fn unknown() -> HttpResponse {
    HttpResponse::Unauthorized().json(json!({"status": 401, "title": "who are you"}))
}

async fn describe(shared: Shared, request: HttpRequest, report: Json<AgentReport>) -> HttpResponse {
    if !is_known(&shared, &request) {
        return unknown();
    }
    shared.0.lock().unwrap().reports.push(report.into_inner());
    HttpResponse::NoContent().finish()
}

async fn work(
    shared: Shared,
    request: HttpRequest,
    query: Query<BTreeMap<String, String>>,
) -> HttpResponse {
    if !is_known(&shared, &request) {
        return unknown();
    }
    let end = Instant::now() + Duration::from_secs(query["wait"].parse().unwrap());
    {
        let mut state = shared.0.lock().unwrap();
        state.polls += 1;
        let again = query.get("again").is_some_and(|again| again == "true");
        state.questions.push((query["ask"].clone(), again));
        let holds = query.get("holds").map(String::as_str).unwrap_or_default().split(',');
        state.holds = holds.filter_map(|run| run.parse().ok()).collect();
    }
    loop {
        let rung = shared.1.notified();
        {
            let mut state = shared.0.lock().unwrap();
            if let Some((status, body)) = state.nonsense.pop_front() {
                let status = actix_web::http::StatusCode::from_u16(status).unwrap();
                return HttpResponse::build(status).body(body);
            }
            if state.revoked {
                return unknown();
            }
            let (now, lease) = (Instant::now(), Duration::from_secs(1));
            let due = state.queue.iter_mut().filter(|(due, _)| *due <= now);
            let items: Vec<WorkItem> =
                due.map(|(due, item)| (*due = now + lease, item.clone()).1).collect();
            if !items.is_empty() && state.cut > 0 {
                state.cut -= 1;
                let body = [Ok(Bytes::from_static(b"{\"items\":")), Err(io::Error::other("cut"))];
                return HttpResponse::Ok().streaming(futures_util::stream::iter(body));
            }
            if !items.is_empty() {
                return HttpResponse::Ok().json(Work { items });
            }
        }
        // short, so that what tests set without ringing is seen too
        let soon = Instant::now() + Duration::from_millis(50);
        if tokio::time::timeout_at(soon.min(end), rung).await.is_err() && Instant::now() >= end {
            return HttpResponse::Ok().json(Work { items: Vec::new() });
        }
    }
}

async fn results(shared: Shared, request: HttpRequest, body: Json<Returns>) -> HttpResponse {
    if !is_known(&shared, &request) {
        return unknown();
    }
    let mut state = shared.0.lock().unwrap();
    let body = body.into_inner();
    let big = body.items.iter().any(|item| !item.results[0].elements.is_null());
    match state.results_status {
        // too large only while there is something in it
        Some(413) if !big => {}
        Some(status) => {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap();
            return HttpResponse::build(status).finish();
        }
        None => {}
    }
    let mut items = Vec::new();
    for answer in body.items {
        let run = answer.run;
        let known = state.returns.iter().any(|returned| returned.run == run);
        let outcome = if known { ReceiptOutcome::Duplicate } else { ReceiptOutcome::Accepted };
        items.push(Receipt { run, outcome });
        state.queue.retain(|(_, item)| item.run != run);
        state.returns.push(answer);
    }
    HttpResponse::Ok().json(Receipts { items })
}

async fn plugins(shared: Shared, request: HttpRequest) -> HttpResponse {
    if !is_known(&shared, &request) {
        return unknown();
    }
    let state = shared.0.lock().unwrap();
    let view = |plugin: &PluginDocument| PluginView {
        id: plugin.id,
        name: plugin.name.clone(),
        version: plugin.version.clone(),
        description: plugin.description.clone(),
        hash: plugin.hash.clone(),
        commands: plugin.commands.clone(),
        signers: Vec::new(),
    };
    let items: Vec<PluginView> = state.plugins.values().map(view).collect();
    HttpResponse::Ok().json(json!({ "items": items }))
}

async fn plugin(shared: Shared, request: HttpRequest, id: UrlPath<Uuid>) -> HttpResponse {
    if !is_known(&shared, &request) {
        return unknown();
    }
    match shared.0.lock().unwrap().plugins.get(&PluginId(*id)) {
        Some(plugin) => HttpResponse::Ok().json(plugin),
        None => HttpResponse::NotFound().json(json!({"status": 404})),
    }
}

async fn device(shared: Shared, request: HttpRequest, body: Json<Value>) -> HttpResponse {
    let mut state = shared.0.lock().unwrap();
    state.device_calls.push((request.path().into(), body.into_inner()));
    let (status, answer) = state.device.pop_front().unwrap_or((500, Value::Null));
    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap()).json(answer)
}

/// Is a machine with an enrolled agent: its directories, its pinned key.
pub(crate) struct Machine {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) key: SecretKey,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = new_key("bob");
        fs::create_dir(dir.path().join("keys")).unwrap();
        fs::write(dir.path().join("keys/bob.asc"), key.public().armored()).unwrap();
        let machine = Self { dir, key };
        machine.keep_token();
        machine
    }

    fn keep_token(&self) {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        fs::DirBuilder::new().mode(0o700).create(self.state()).unwrap();
        let mut options = fs::OpenOptions::new();
        let file =
            options.write(true).create_new(true).mode(0o600).open(self.state().join("token"));
        io::Write::write_all(&mut file.unwrap(), TOKEN.as_bytes()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Counts the finished files in a part of the agent's state.
    pub(crate) fn files(&self, part: &str) -> usize {
        let files = fs::read_dir(self.state().join(part)).into_iter().flatten().flatten();
        files.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
    }

    pub(crate) fn settings(&self, server: &Server) -> Settings {
        let rules = Rules::with_keys_of(&self.path("keys")).unwrap();
        let url = server.url().parse().unwrap();
        let server = agent::Server { url, ca_file: None, proxy: None };
        let mut settings = Settings::new(server, self.state(), rules);
        settings.pace = Pace { first: Duration::from_millis(20), most: Duration::from_millis(200) };
        settings.wait = Duration::from_secs(5);
        settings.grace = Duration::from_millis(500);
        settings
    }

    pub(crate) fn start(&self, server: &Server) -> Running {
        Running::new(self.settings(server))
    }

    /// Gives an order with these operations, signed by the pinned key, valid for ten minutes.
    pub(crate) fn order(&self, operations: &Value) -> String {
        sign(&[&self.key], draft(operations))
    }
}

/// Is an agent at work in this process.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<anyhow::Result<Ending>>,
}

impl Running {
    #[expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]
    pub(crate) fn new(settings: Settings) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let agent = Agent::open(settings, Clock::system()).unwrap();
        let ended = tokio::spawn(agent.run(async {
            stopped.await.ok();
        }));
        Self { stop: Some(stop), ended }
    }

    pub(crate) async fn stop(mut self) -> Ending {
        self.stop.take();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> Ending {
        tokio::time::timeout(PATIENCE, self.ended).await.unwrap().unwrap().unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the agent under test follows the machine's clock")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub(crate) fn new_key(name: &str) -> SecretKey {
    SecretKey::generate(name, now() - time::Duration::DAY).unwrap()
}

/// Gives an unsigned order; no two are alike.
pub(crate) fn draft(operations: &Value) -> Value {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    json!({
        "name": format!("order {}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        "target": "status='online'",
        "validfrom": (now() - time::Duration::minutes(1)).format(&Rfc3339).unwrap(),
        "expireafter": (now() + time::Duration::minutes(10)).format(&Rfc3339).unwrap(),
        "operations": operations,
        "syntaxversion": 2,
    })
}

pub(crate) fn sign(keys: &[&SecretKey], draft: Value) -> String {
    sign_at(keys, draft, now())
}

/// Signs an order in this second.
pub(crate) fn sign_at(keys: &[&SecretKey], draft: Value, at: OffsetDateTime) -> String {
    let text = signed_string(&draft);
    let lines = keys.iter().map(|key| key.sign_line(text.as_bytes(), at).unwrap());
    with_signatures(draft, lines)
}

pub(crate) fn signed_string(draft: &Value) -> String {
    let action = Action::parse(draft.to_string().as_bytes()).unwrap();
    signing::action::signed_string(&action)
}

pub(crate) fn with_signatures(mut draft: Value, lines: impl IntoIterator<Item = String>) -> String {
    draft["pgpsignatures"] = lines.into_iter().collect();
    draft.to_string()
}

pub(crate) fn new_run() -> RunId {
    RunId(Uuid::now_v7())
}

/// Publishes a plugin whose one command, `go`, has this body; gives the command's key.
pub(crate) fn publish(server: &Server, body: &str) -> String {
    let script = script(body);
    let document = document(PluginId(Uuid::now_v7()), &script);
    let key = document.commands.keys().next().unwrap().clone();
    server.state().plugins.insert(document.id, document);
    key
}

pub(crate) fn script(body: &str) -> String {
    format!("import os, sys, time\nclass Plugin:\n  def go(self, **given):\n    {body}\n")
}

pub(crate) fn document(id: PluginId, script: &str) -> PluginDocument {
    let key = format!("{id}.go");
    let command = PluginCommand { id: key.clone(), name: "go".into(), function: "go".into() };
    PluginDocument {
        id,
        name: "test".into(),
        version: "1".into(),
        description: String::new(),
        hash: hash(script),
        script: script.into(),
        commands: BTreeMap::from([(key, command)]),
        signatures: Vec::new(),
    }
}

pub(crate) fn hash(script: &str) -> String {
    hex::encode(Sha512::digest(script.as_bytes()))
}

/// Is the body of a plugin that adds a letter to a file.
pub(crate) fn writes_to(path: &Path) -> String {
    format!("open({path:?}, 'a').write('x'); return 'ran'")
}

/// Gives the errors of an answer, each once.
pub(crate) fn errors(answer: &Return) -> BTreeSet<String> {
    answer.results.iter().flat_map(|result| result.errors.clone().unwrap_or_default()).collect()
}
