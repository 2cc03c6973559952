//! People are told: by webhook, signed and again until it is taken; by mail.

use crate::support::{ALICE, READER, manual_with, success};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use testkit::{PATIENCE, until};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Holds the headers and the body of each call.
type Calls = Arc<Mutex<Vec<(Vec<String>, String)>>>;

/// Is a receiver of calls that answers as it is told to.
struct Receiver {
    url: String,
    status: Arc<AtomicU16>,
    calls: Calls,
}

impl Receiver {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (status, calls) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let (answer, heard) = (Arc::clone(&status), Arc::clone(&calls));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                        break;
                    }
                    head.push(line.trim_end().to_lowercase());
                }
                let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
                let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                reader.read_exact(&mut body).unwrap();
                let status = answer.load(Ordering::SeqCst);
                heard.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
                let _gone = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
        });
        Self { url, status, calls }
    }

    fn calls(&self) -> Vec<(Vec<String>, String)> {
        self.calls.lock().unwrap().clone()
    }
}

fn header<'a>(head: &'a [String], name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    head.iter().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_signed_and_until_it_takes_it() {
    let receiver = Receiver::new();
    let flags = ["--webhook-url", &receiver.url, "--webhook-secret", SECRET];
    let manual = manual_with(&flags).await;
    let step = manual.asked().await;
    until(PATIENCE, async || !receiver.calls().is_empty()).await;
    let (head, body) = receiver.calls().remove(0);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&told["event"], &told["step"]["id"]), (&json!("step.new"), &json!(step.step)));
    assert_eq!(told["link"], format!("/manual/page/steps/{}", step.step));
    assert_eq!(header(&head, "writ-event"), "step.new");
    assert_eq!(header(&head, "writ-event-id"), told["id"].as_str().unwrap());
    // no command, no value: variables are filled in there, and may be secret
    assert!(!body.contains("X1") && !body.contains("__count__"), "{body}");
    let (at, mac) = header(&head, "writ-signature").split_once(",v1=").unwrap();
    let at = at.strip_prefix("t=").unwrap();
    let mut wanted = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    wanted.update(format!("{at}.{body}").as_bytes());
    assert_eq!(mac, hex::encode(wanted.finalize().into_bytes()));
    assert_eq!(at, manual.clock.now().unix_timestamp().to_string());

    // one that fails, or sends elsewhere, is tried again, later and later, under the same id
    for status in [500, 302] {
        receiver.status.store(status, Ordering::SeqCst);
        let before = receiver.calls().len();
        let step = manual.asked().await;
        until(PATIENCE, async || receiver.calls().len() == before + 1).await;
        until(PATIENCE, async || manual.count("notification where error is not null").await == 1)
            .await;
        let app = &manual.running.service.app;
        app.deliver_calls().await.unwrap();
        assert_eq!(receiver.calls().len(), before + 1, "not before its time");
        manual.clock.advance(time::Duration::seconds(2));
        until(PATIENCE, async || receiver.calls().len() == before + 2).await;
        // what it answered is written down, and when it is tried again: within the lease of whoever tries it
        let soon = manual.clock.now() + time::Duration::seconds(60);
        let failed = format!("notification where attempts = 2 and due < '{soon}'");
        until(PATIENCE, async || manual.count(&failed).await == 1).await;
        receiver.status.store(204, Ordering::SeqCst);
        manual.clock.advance(time::Duration::seconds(5));
        until(PATIENCE, async || receiver.calls().len() == before + 3).await;
        let ids: Vec<String> = receiver
            .calls()
            .split_off(before)
            .iter()
            .map(|(head, _)| header(head, "writ-event-id").to_owned())
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        until(PATIENCE, async || {
            manual.count("notification where state = 'sent' and error is null").await
                == manual.count("notification").await
        })
        .await;
        manual.post("/manual/continue", ALICE, &success(&step)).await.expect(200);
    }

    // after a day it is given up, and can be replayed
    receiver.status.store(500, Ordering::SeqCst);
    manual.asked().await;
    until(PATIENCE, async || manual.count("notification where error is not null").await == 1).await;
    manual.clock.advance(time::Duration::hours(24));
    let list = "/v1/steps/notifications?state=dead";
    let dead = async |event: &str| {
        let page = manual.get(list, READER).await.expect(200).json();
        page["items"].as_array().unwrap().iter().find(|item| item["event"] == event).cloned()
    };
    until(PATIENCE, async || dead("step.new").await.is_some()).await;
    let dead = dead("step.new").await.unwrap();
    assert_eq!(
        (&dead["channel"], &dead["error"]),
        (&json!("webhook"), &json!("the receiver answered 500 Internal Server Error"))
    );
    receiver.status.store(200, Ordering::SeqCst);
    let id = dead["id"].as_str().unwrap();
    let replay = format!("/v1/steps/notifications/{id}/replay");
    manual.post(&replay, READER, &json!({})).await.expect(403);
    manual.post(&replay, ALICE, &json!({})).await.expect(200);
    until(PATIENCE, async || {
        receiver.calls().last().is_some_and(|(head, _)| header(head, "writ-event-id") == id)
            || receiver
                .calls()
                .iter()
                .rev()
                .take(5)
                .any(|(head, _)| header(head, "writ-event-id") == id)
    })
    .await;
    until(PATIENCE, async || {
        manual.count(&format!("notification where id = '{id}' and state = 'sent'")).await == 1
    })
    .await;
    let missing = "/v1/steps/notifications/00000000-0000-0000-0000-000000000001/replay";
    manual.post(missing, ALICE, &json!({})).await.expect(404);
}

/// Is a mail server that keeps what it is sent; it refuses as many recipients as it is told to, and then nobody but
/// `nobody@`.
fn mail_server(refusals: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://soc:hunter2%40@{}", listener.local_addr().unwrap());
    let mails = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&mails);
    std::thread::spawn(move || {
        let mut refusals = refusals;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let reader = BufReader::new(stream.try_clone().unwrap());
            let mut said = String::new();
            let mut data = false;
            write!(stream, "220-here\r\n220 ready\r\n").unwrap();
            for line in reader.lines() {
                let Ok(line) = line else { break };
                said.push_str(&line);
                said.push('\n');
                let reply = match line.split(' ').next().unwrap_or_default() {
                    "." if data => {
                        data = false;
                        kept.lock().unwrap().push(said.clone());
                        "250 kept"
                    }
                    _ if data => continue,
                    "EHLO" => "250-here\r\n250-AUTH LOGIN PLAIN\r\n250 8BITMIME",
                    "AUTH" => "235 welcome",
                    "RCPT" if refusals > 0 => {
                        refusals -= 1;
                        "450 busy"
                    }
                    "RCPT" if line.contains("<nobody@") => "550 no such user",
                    "DATA" => {
                        data = true;
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    _ => "250 ok",
                };
                if write!(stream, "{reply}\r\n").is_err() {
                    break;
                }
            }
        }
    });
    (url, mails)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_one_mail_a_minute_about_all_there_is() {
    let (url, mails) = mail_server(2);
    let flags = [
        "--smtp-url",
        &url,
        "--mail-from",
        "writ@example.org",
        "--mail-to",
        "a@example.org,b@example.org",
    ];
    let manual = manual_with(&flags).await;
    let mut step = manual.step();
    step.name = "näme\r\nBcc: evil@example.org".into();
    manual.ask(&step).await;
    // refused at first
    until(PATIENCE, async || manual.count("notification where error like '%450 busy%'").await == 1)
        .await;
    assert!(mails.lock().unwrap().is_empty());
    manual.clock.advance(time::Duration::seconds(2));
    until(PATIENCE, async || mails.lock().unwrap().len() == 1).await;
    let mail = mails.lock().unwrap()[0].clone();
    let proof = STANDARD.encode("\0soc\0hunter2@");
    for line in [
        format!("AUTH PLAIN {proof}"),
        "MAIL FROM:<writ@example.org>".into(),
        "RCPT TO:<a@example.org>".into(),
        "RCPT TO:<b@example.org>".into(),
        "To: <a@example.org>, <b@example.org>".into(),
    ] {
        assert!(mail.lines().any(|said| said == line), "{line}: {mail}");
    }
    assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    let text = |mail: &str| {
        let (_, body) = mail.split_once("\n\n").unwrap();
        let body: String = body.lines().filter(|line| *line != ".").collect();
        String::from_utf8(STANDARD.decode(body).unwrap()).unwrap()
    };
    let said = text(&mail);
    assert!(said.contains("a step waits: näme") && said.contains(&step.step.to_string()), "{said}");
    assert!(!said.contains("X1"), "{said}");
    until(PATIENCE, async || manual.count("notification where state = 'sent'").await == 1).await;

    for _ in 0..3 {
        manual.asked().await;
    }
    manual.running.service.app.deliver_mails().await.unwrap();
    assert_eq!(mails.lock().unwrap().len(), 1, "a minute is not over");
    manual.clock.advance(time::Duration::minutes(1));
    until(PATIENCE, async || mails.lock().unwrap().len() == 2).await;
    let said = text(&mails.lock().unwrap()[1]);
    assert_eq!(said.matches("a step waits").count(), 3, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_refused_keeps_nobody_else_from_their_mail() {
    let (url, mails) = mail_server(0);
    let flags = ["--smtp-url", &url, "--mail-from", "writ@example.org", "--mail-to"];
    let to = "nobody@example.org,b@example.org";
    let manual = manual_with(&[&flags[..], &[to]].concat()).await;
    manual.asked().await;
    until(PATIENCE, async || manual.count("notification where state = 'sent'").await == 1).await;
    assert_eq!(mails.lock().unwrap().len(), 1);
    let told = "notification where error like 'nobody@example.org: %550 no such user%'";
    assert_eq!(manual.count(told).await, 1);
}
