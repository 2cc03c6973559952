//! TLS: whose certificate counts. The keys beside this file are throw-away ones of the tests.

use crate::support::Writ;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

const EMPTY: &str = r#"{"items":[],"next":null}"#;

/// Answers with an empty list until the test process ends; gives the address.
fn serve() -> String {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("server.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, socket.unwrap()));
            let mut line = String::new();
            // a client that does not trust us hangs up in the middle
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let length = EMPTY.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{EMPTY}"
            );
            let _ = stream.get_mut().write_all(answer.as_bytes());
            stream.get_mut().conn.send_close_notify();
            let _ = stream.get_mut().flush();
        }
    });
    url
}

#[test]
fn only_a_certificate_that_leads_to_the_ca_file_counts() {
    let (url, writ) = (serve(), Writ::new());
    writ.run(&["key", "new"]).ends(0);
    let ca = writ.write("ca.pem", include_str!("ca.pem"));
    let ran = writ.run(&["agents", "-o", "json", "--url", &url, "--ca-file", &ca]).ends(0);
    assert_eq!(ran.stdout, "[]\n");
    let empty = writ.write("empty.pem", "");
    let ran = writ.run(&["agents", "--url", &url, "--ca-file", &empty]).ends(1);
    assert!(ran.stderr.contains("holds no certificates"), "{}", ran.stderr);
    let ran = writ.run(&["agents", "--url", &url]).ends(1);
    assert!(ran.stderr.contains("cannot"), "{}", ran.stderr);
    let other = url.replace("127.0.0.1", "localhost");
    let ran = writ.run(&["agents", "--url", &other, "--ca-file", &ca]).ends(1);
    assert!(ran.stderr.contains("cannot be reached"), "{}", ran.stderr);
}
