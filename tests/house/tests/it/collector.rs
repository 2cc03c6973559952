//! A collector of traces: takes what is posted by OTLP over HTTP and keeps the spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Is a span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// The span it goes on with, and those it is linked to.
    pub(crate) before: Vec<String>,
    pub(crate) attributes: Vec<String>,
    pub(crate) began: u64,
}

/// Listens on loopback until the process ends.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Starts one; gives its URL too.
    pub(crate) fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let kept = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some((path, body)) = take(&mut stream) {
                        if path == "/v1/traces" {
                            kept.keep(&body);
                        }
                        let _gone =
                            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                });
            }
        });
        (collector, url)
    }

    /// Gives the spans of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Span> {
        self.0.lock().unwrap().iter().filter(|span| span.trace == id).cloned().collect()
    }

    fn keep(&self, body: &[u8]) {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in request.resource_spans {
            let named = resource.resource.unwrap_or_default().attributes.into_iter();
            let service = named
                .filter(|pair| pair.key == "service.name")
                .find_map(|pair| match pair.value?.value? {
                    Value::StringValue(name) => Some(name),
                    _ => None,
                })
                .unwrap();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| {
                Span {
                    service: service.clone(),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    before: std::iter::once(hex(&span.parent_span_id))
                        .chain(span.links.iter().map(|link| hex(&link.span_id)))
                        .collect(),
                    attributes: span.attributes.into_iter().map(|pair| pair.key).collect(),
                    began: span.start_time_unix_nano,
                }
            }));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn take(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_lowercase().split_once("content-length: ")?.1.to_owned();
    let mut body = vec![0; length.split("\r\n").next()?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((head.split(' ').nth(1)?.to_owned(), body))
}
