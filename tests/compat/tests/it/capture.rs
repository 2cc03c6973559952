//! The recorded requests and answers of `captures`.

use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Is one recorded exchange.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) number: u16,
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Answer,
    pub(crate) at: OffsetDateTime,
}

/// Is an answer, its body put together.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Reads all of them, in the order in which they were recorded.
pub(crate) fn all() -> Vec<Capture> {
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/captures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "http"))
        .collect();
    files.sort();
    files.iter().map(|path| Capture::read(path)).collect()
}

impl Capture {
    fn read(path: &std::path::Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(path).unwrap();
        let bytes = bytes.strip_prefix(b"### REQUEST\n").unwrap();
        let cut = find(bytes, b"\n### RESPONSE\n").unwrap();
        let (request, rest) = bytes.split_at(cut);
        let answer = Answer::read(rest.strip_prefix(b"\n### RESPONSE\n").unwrap());
        let form = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let at = time::PrimitiveDateTime::parse(answer.header("date").unwrap(), form).unwrap();
        let number = name.split('_').next().unwrap().parse().unwrap();
        Self { number, name, request: request.to_vec(), answer, at: at.assume_utc() }
    }

    /// Gives the path that is asked for, without its query.
    pub(crate) fn path(&self) -> String {
        let line = String::from_utf8_lossy(&self.request);
        let target = line.split(' ').nth(1).unwrap();
        target.split('?').next().unwrap().to_owned()
    }

    /// Tells whether the request holds `text`.
    pub(crate) fn asks(&self, text: &str) -> bool {
        find(&self.request, text.as_bytes()).is_some()
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let cut = find(bytes, b"\r\n\r\n").unwrap();
        let (head, body) = bytes.split_at(cut);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let body = body.strip_prefix(b"\r\n\r\n").unwrap();
        let mut answer = Self { status, headers, body: String::new() };
        let body = match answer.header("content-length") {
            _ if answer.header("transfer-encoding") == Some("chunked") => unchunked(body),
            Some(length) => body.iter().copied().take(length.parse().unwrap()).collect(),
            None => body.to_vec(),
        };
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").unwrap();
        let (size, rest) = bytes.split_at(end);
        let size = usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        let (chunk, rest) = rest.split_at(2).1.split_at(size);
        body.extend_from_slice(chunk);
        bytes = rest.split_at(2).1;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Sends bytes as they are and reads the answer; the request must ask for the connection to be closed.
pub(crate) async fn exchange(address: std::net::SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(testkit::PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    Answer::read(&bytes)
}
