//! What is open when the house is saved, beside an order that is out: an order that waits for its time, an execution
//! whose step waits for people, one whose step calls somebody, and a notification that nobody took yet.

use crate::house::{House, until};
use crate::investigator::Investigator;
use crate::pending::field;
use crate::playbook::waits;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Is who is called and told: what it is asked waits until it is let go.
#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: bool,
    /// Path and event of each request, in their order.
    heard: Vec<(String, String)>,
    /// What was answered with success.
    taken: Vec<(String, String)>,
}

impl Receiver {
    /// Starts one; gives its address too.
    fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let receiver = Self::default();
        let kept = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || kept.answer(stream.unwrap()));
            }
        });
        (receiver, address)
    }

    /// Takes what is told only when it is open; holds what is called until then.
    fn answer(&self, mut stream: TcpStream) {
        let Some(request) = read(&mut stream) else { return };
        self.0.lock().unwrap().heard.push(request.clone());
        let deadline = Instant::now() + Duration::from_mins(5);
        while request.0 == "/call" && !self.0.lock().unwrap().open && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut state = self.0.lock().unwrap();
        let status = if state.open { "200 OK" } else { "503 Not now" };
        if state.open {
            state.taken.push(request);
        }
        let _gone =
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }

    fn open(&self) {
        self.0.lock().unwrap().open = true;
    }

    fn heard(&self, path: &str) -> usize {
        self.0.lock().unwrap().heard.iter().filter(|(heard, _)| heard == path).count()
    }

    fn taken(&self, path: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        state.taken.iter().filter(|(taken, _)| taken == path).map(|(_, id)| id.clone()).collect()
    }
}

/// Gives the path of a request, and its event.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut event, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line == "\r\n" {
            break;
        }
        let line = line.trim_end().to_lowercase();
        if let Some(id) = line.strip_prefix("writ-event-id: ") {
            id.clone_into(&mut event);
        }
        if let Some(told) = line.strip_prefix("content-length: ") {
            length = told.parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), event))
}

/// Is all of it, by its ids.
pub(crate) struct Saved {
    receiver: Receiver,
    later: String,
    asking: String,
    step: String,
    calling: String,
}

/// Gives a playbook of one call.
fn a_call(address: &str) -> Value {
    let mut playbook = field("http-playbook");
    let targets = &mut playbook["target_definitions"];
    targets["http-api--1c3900b4-f86b-430d-b415-12312b9e31f4"]["address"] =
        json!({"url": [format!("http://{address}")]});
    let step = &mut playbook["workflow"]["action--eb9372d4-d524-49fc-bf24-be26ea084779"];
    step["commands"] = json!([{"type": "http-api", "command": "POST /call HTTP/1.1"}]);
    step["timeout"] = json!(300_000);
    playbook
}

/// Tells whether the scheduler has the run of an action, and it has not begun.
fn has_run(house: &House, action: &Value) -> bool {
    let query = format!("select status from run where action_id = {action}");
    let out = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", &query])
        .arg(house.service_var("scheduler", "DATABASE_URL"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout == b"pending\n"
}

/// Opens all of it, and waits until it is where it is to be saved.
pub(crate) async fn open(
    house: &mut House,
    investigator: &Investigator,
    (module, parameters): (&str, &Value),
) -> Saved {
    let (receiver, address) = Receiver::start();
    let settings = house.path("run/manual-interaction.env");
    let before = std::fs::read_to_string(&settings).unwrap();
    let text = format!(
        "{before}export WRIT_MANUAL_INTERACTION_WEBHOOK_URL='http://{address}/told'
export WRIT_MANUAL_INTERACTION_WEBHOOK_SECRET='0123456789abcdef0123456789abcdef'\n"
    );
    std::fs::write(&settings, text).unwrap();
    house.kill_and_restart("manual-interaction");

    let begins = [Duration::from_mins(30), Duration::from_mins(10)];
    let later = investigator.sign_for("later", "name='house'", module, parameters, begins);
    let later = investigator.ask(Method::POST, "/v1/actions", Some(&later)).await;
    until("the scheduler has the run that waits", || has_run(house, &later["id"]));
    let later = format!("/v1/actions/{}", later["id"]);

    let mut question = field("one-question");
    question["workflow"]["action--5d3c2b1a-1111-4aaa-8bbb-000000000002"]["timeout"] =
        json!(3_600_000);
    let run = async |playbook: Value| {
        let body = json!({"playbook": playbook}).to_string();
        let begun = investigator.ask(Method::POST, "/v1/executions", Some(&body)).await;
        format!("/v1/executions/{}", begun["id"].as_str().unwrap())
    };
    let asking = run(question).await;
    let step = waits(investigator, "Ask").await;
    let step = format!("/v1/steps/{}", step["id"].as_str().unwrap());
    let calling = run(a_call(&address)).await;
    let deadline = Instant::now() + Duration::from_mins(1);
    while receiver.heard("/call") == 0 || receiver.heard("/told") == 0 {
        assert!(Instant::now() < deadline, "nobody is called and told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Saved { receiver, later, asking, step, calling }
}

impl Saved {
    /// Lets everything go on, after it was saved: the call is answered, the notification taken, the step answered.
    pub(crate) async fn goes_on(&self, investigator: &Investigator) {
        self.receiver.open();
        let answer = json!({"outcome": "success", "variables": {"__answer__": "yes"}}).to_string();
        investigator.ask(Method::POST, &format!("{}/answer", self.step), Some(&answer)).await;
        for execution in [&self.asking, &self.calling] {
            investigator.ask_until(execution, |view| view["state"] == "succeeded").await;
        }
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.receiver.taken("/told").is_empty() {
            assert!(Instant::now() < deadline, "the notification is not taken");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks, in the house that was restored, that all of it has ended and nothing of it happened again.
    pub(crate) async fn has_ended(&self, investigator: &Investigator) {
        let (called, told) = (self.receiver.heard("/call"), self.receiver.taken("/told"));
        let restored = |view: &Value| view["reason"].to_string().contains("restored");
        let view = investigator.ask_until(&self.later, |view| view["status"] == "expired").await;
        assert!(restored(&view), "{view}");
        for execution in [&self.asking, &self.calling] {
            let view = investigator.ask(Method::GET, execution, None).await;
            assert_eq!(view["state"], "cancelled", "{view}");
            assert!(restored(&view), "{view}");
        }
        let view = investigator.ask(Method::GET, &self.step, None).await;
        assert_eq!(view["state"], "cancelled", "{view}");
        let pending = investigator.ask(Method::GET, "/v1/steps?state=pending", None).await;
        assert_eq!(pending["items"], json!([]));
        let waiting =
            investigator.ask(Method::GET, "/v1/steps/notifications?state=waiting", None).await;
        assert_eq!(waiting["items"], json!([]));
        let dead = investigator.ask(Method::GET, "/v1/steps/notifications?state=dead", None).await;
        assert!(!dead["items"].as_array().unwrap().is_empty(), "{dead}");

        // whoever would still act on the old ones has begun before this one has ended
        let mut another = field("one-question");
        another["id"] = json!("playbook--0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a99");
        let body = json!({"playbook": another}).to_string();
        investigator.ask(Method::POST, "/v1/executions", Some(&body)).await;
        waits(investigator, "Ask").await;
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.receiver.taken("/told").len() == told.len() {
            assert!(Instant::now() < deadline, "the new step is not told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let now = self.receiver.taken("/told");
        assert!(!now.iter().skip(told.len()).any(|event| told.contains(event)), "{now:?}");
        assert_eq!(self.receiver.heard("/call"), called, "it was called again");
    }
}
