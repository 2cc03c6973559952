//! A collector of traces: takes what is posted by OTLP over HTTPS, from who has a certificate, and keeps the spans.

use crate::house::root;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Is a span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// The span it goes on with, and those it is linked to.
    pub(crate) before: Vec<String>,
    /// Names and values; of what is no text or number only the name.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) began: u64,
}

/// Listens on loopback until the process ends.
#[derive(Clone)]
pub(crate) struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Are the variables that lead to it.
    pub(crate) variables: Vec<(&'static str, String)>,
    _files: Arc<TempDir>,
}

impl Collector {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let made = Command::new("bash")
            .args(["-c", r#". "$1/certificates.sh"; make_tls "$2""#, "tls"])
            .args([root().join("scripts/lib").as_path(), files.path()])
            .status();
        assert!(made.unwrap().success());
        let tls = files.path().join("tls");
        let config = Arc::new(config(&tls));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let file = |name: &str| tls.join(name).to_str().unwrap().to_owned();
        let variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://{}", listener.local_addr().unwrap())),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", file("ca.crt")),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file("client.crt")),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", file("client.key")),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
        ];
        let collector = Self { spans: Arc::default(), variables, _files: Arc::new(files) };
        let kept = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, config) = (kept.clone(), Arc::clone(&config));
                std::thread::spawn(move || {
                    let tls = ServerConnection::new(config).unwrap();
                    let mut stream = StreamOwned::new(tls, stream.unwrap());
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
        collector
    }

    /// Tells whether a service of this name sent anything.
    pub(crate) fn heard_of(&self, service: &str) -> bool {
        self.spans.lock().unwrap().iter().any(|span| span.service == service)
    }

    /// Gives the spans of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.trace == id).cloned().collect()
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
            self.spans.lock().unwrap().extend(spans.map(|span| {
                Span {
                    service: service.clone(),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    before: std::iter::once(hex(&span.parent_span_id))
                        .chain(span.links.iter().map(|link| hex(&link.span_id)))
                        .collect(),
                    attributes: span
                        .attributes
                        .into_iter()
                        .map(|pair| (pair.key, text(pair.value)))
                        .collect(),
                    began: span.start_time_unix_nano,
                }
            }));
        }
    }
}

/// Asks callers for a certificate.
fn config(tls: &Path) -> ServerConfig {
    let certificates = |name: &str| -> Vec<_> {
        let read = CertificateDer::pem_file_iter(tls.join(name)).unwrap();
        read.map(Result::unwrap).collect()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca.crt"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(tls.join("server.key")).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(certificates("server.crt"), key)
        .unwrap()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn take(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
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
