//! A server that answers as a test says and records what it was asked; the program in an empty world.

pub(crate) mod documents;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use signing::key::{PublicKey, SecretKey};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Is a request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Is an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![], body: body.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn problem(status: u16, code: &str, title: &str, detail: &str) -> Self {
        let body = serde_json::json!({"type": "about:blank", "title": title, "status": status,
            "detail": detail, "code": code, "request_id": "req-42"});
        Self::json(status, &body)
    }
}

/// Is what the server's one worker has at hand.
#[derive(Clone)]
struct State {
    answers: Arc<Answers>,
    seen: Arc<Mutex<Vec<Request>>>,
}

type Answers = dyn Fn(&Request) -> Answer + Send + Sync;

/// Is a server that runs as long as the test.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    stop: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answers: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let state = State { answers: Arc::new(answers), seen: Arc::clone(&seen) };
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(web::PayloadConfig::new(64 << 20))
                        .app_data(web::Data::new(state.clone()))
                        .default_service(web::to(answer))
                });
                let server = server.workers(1).disable_signals().shutdown_timeout(0);
                let server = server.bind("127.0.0.1:0").unwrap();
                let url = format!("http://{}", server.addrs()[0]);
                let running = server.run();
                tell.send((url, running.handle())).unwrap();
                running.await.unwrap();
            });
        });
        let (url, stop) = told.recv().unwrap();
        Self { url, seen, stop, thread: Some(thread) }
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Gives the requests with this method and path.
    pub(crate) fn asked(&self, line: &str) -> Vec<Request> {
        self.seen().into_iter().filter(|request| request.line() == line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // the command is sent when `stop` is called; the future only waits for the end
        drop(self.stop.stop(false));
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn answer(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string());
    let headers = request.headers().iter();
    let request = Request {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: query.unwrap().into_inner(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: body.to_vec(),
    };
    state.seen.lock().unwrap().push(request.clone());
    let answer = (state.answers)(&request);
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap());
    for header in answer.headers {
        response.insert_header(header);
    }
    response.body(answer.body)
}

/// Is the program with a configuration directory of its own.
pub(crate) struct Writ {
    pub(crate) home: TempDir,
    pub(crate) program: PathBuf,
}

/// Is what a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

impl Writ {
    /// Makes a world without a key.
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_writ")),
        }
    }

    /// Makes a world with a software key and the address of `server`.
    pub(crate) fn with_key(server: &Server) -> Self {
        let writ = Self::new();
        writ.run(&["key", "new", "--name", "Ada"]).ends(0);
        writ.run(&["config", "set", "url", &server.url]).ends(0);
        writ
    }

    /// Prepares a run: nothing of the outer world but PATH.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        self.settle(&mut command);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Takes the outer world away from a command.
    pub(crate) fn settle(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap();
        command.env_clear().env("PATH", path).env("HOME", self.home.path());
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join(".config/writ")
    }

    pub(crate) fn secret(&self) -> SecretKey {
        SecretKey::parse(&std::fs::read_to_string(self.dir().join("key.asc")).unwrap(), None)
            .unwrap()
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.secret().public().clone()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a program from a shell script.
pub(crate) fn script(path: &Path, text: &str) {
    install(format!("#!/bin/sh\n{text}\n").as_bytes(), path);
}

/// Makes a program that can be run at once: it is written by another process, as a file that this one has open to
/// write is still open in whatever another test starts at that moment, and such a file is busy.
pub(crate) fn install(program: &[u8], path: &Path) {
    use std::io::Write;
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    install.stdin.take().unwrap().write_all(program).unwrap();
    assert!(install.wait().unwrap().success(), "{} is not installed", path.display());
}
