//! A process's telemetry reaches a collector, and what is left at its end too.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use telemetry::{Format, Settings};

/// Takes what is posted, as a collector does, and tells the path and the body of each post.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let told = told.clone();
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                while let Some(post) = take(&mut stream) {
                    let _ = told.send(post);
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (url, heard)
}

fn take(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_lowercase().split_once("content-length: ").unwrap().1.to_owned();
    let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some((head.split(' ').nth(1).unwrap().to_owned(), body))
}

#[test]
fn spans_and_measures_arrive() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let (url, heard) = collector();
    let settings = Settings {
        service: "scheduler",
        filter: "info".into(),
        format: Format::Pretty,
        otlp_endpoint: Some(url),
    };
    let guard = telemetry::init(&settings).unwrap();
    let (path, body) = heard.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(path, "/v1/traces");
    assert!(contains(&body, "telemetry check"), "the first span is the check of the collector");
    assert!(contains(&body, "scheduler"));

    tracing::info_span!("launch", agents = 3).in_scope(|| tracing::info!("launched"));
    opentelemetry::global::meter("test").u64_counter("launches").build().add(1, &[]);
    let text = telemetry::metrics_text();
    assert!(text.contains("launches_total"), "{text}");
    drop(guard);
    let rest: Vec<_> = heard.try_iter().collect();
    let came =
        |at: &str, word: &str| rest.iter().any(|(path, body)| path == at && contains(body, word));
    assert!(came("/v1/traces", "launch") && came("/v1/metrics", "launches"), "{}", rest.len());

    assert!(telemetry::init(&settings).is_err(), "a process is set up once");
    let wrong = Settings { filter: "=,=".into(), ..settings };
    assert!(telemetry::init(&wrong).err().unwrap().to_string().contains("log filter"));
}

fn contains(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|part| part == word.as_bytes())
}
