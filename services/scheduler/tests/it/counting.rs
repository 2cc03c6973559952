//! A server that counts what it is asked, on a port of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Is one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// Is the server.
#[derive(Clone)]
pub(crate) struct Counting {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Has a permit for each answer that may be given while answers are held back.
    gate: Option<Arc<Semaphore>>,
}

impl Counting {
    pub(crate) async fn new() -> Self {
        Self::start(None).await
    }

    /// Starts one that holds every answer back until it is let go.
    pub(crate) async fn held() -> Self {
        Self::start(Some(Arc::new(Semaphore::new(0)))).await
    }

    async fn start(gate: Option<Arc<Semaphore>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, asked: Arc::default(), gate };
        let serving = server.clone();
        Handle::current().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                Handle::current().spawn(async move { serving.serve(stream).await });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Lets one answer go.
    pub(crate) fn let_go(&self) {
        self.gate.as_ref().unwrap().add_permits(1);
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        loop {
            let asked = loop {
                if let Some(asked) = parse(&mut bytes) {
                    break asked;
                }
                let mut chunk = [0; 4096];
                match stream.read(&mut chunk).await.ok()? {
                    0 => return None,
                    count => bytes.extend_from_slice(&chunk[..count]),
                }
            };
            let line = asked.line.clone();
            self.asked.lock().unwrap().push(asked);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            stream.write_all(answer(&line, self.port).as_bytes()).await.ok()?;
        }
    }
}

/// Says what is answered, by path.
fn answer(line: &str, port: u16) -> String {
    let path = line.split(' ').nth(1).unwrap();
    let (status, extra, body) = match path {
        "/fails" => ("500 Internal Server Error", String::new(), "it broke".to_owned()),
        "/away" => ("302 Found", "location: http://127.0.0.2:9/\r\n".into(), String::new()),
        "/elsewhere" => (
            "307 Temporary Redirect",
            format!("location: http://localhost:{port}/ok\r\n"),
            String::new(),
        ),
        "/here" => ("307 Temporary Redirect", "location: /ok\r\n".into(), String::new()),
        "/large" => ("200 OK", String::new(), "x".repeat(300_000)),
        // what it was given, across the place where a refusal is cut
        "/refuses" => (
            "403 Forbidden",
            String::new(),
            format!("{}{}", "x".repeat(900), "hunter22".repeat(20)),
        ),
        "/echo" => ("200 OK", String::new(), "the secret is hunter22".into()),
        _ => ("200 OK", String::new(), format!("answer to {path}")),
    };
    format!("HTTP/1.1 {status}\r\n{extra}content-length: {}\r\n\r\n{body}", body.len())
}

/// Takes a whole request off the front of `bytes`.
fn parse(bytes: &mut Vec<u8>) -> Option<Asked> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| {
            line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        })
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    if bytes.len() < end + 4 + length {
        return None;
    }
    let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
    bytes.drain(..end + 4 + length);
    Some(Asked { line, headers, body })
}
