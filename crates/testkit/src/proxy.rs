//! A line that can be held and cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Says what the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    Held,
    Cut,
}

/// Passes TCP connections on to a server, until told otherwise.
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `target` (`host:port`).
    #[expect(clippy::disallowed_methods, reason = "the task is ended when the proxy is dropped")]
    pub async fn new(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("no free port");
        let address = listener.local_addr().expect("no address");
        let (line, state) = watch::channel(Line::Open);
        let asked = Arc::default();
        let task = tokio::spawn(accept(listener, target.to_owned(), state, Arc::clone(&asked)));
        Self { address, line, asked, task }
    }

    /// Stands before the server of `url`.
    pub async fn before(url: &str) -> Self {
        Self::new(authority(url)).await
    }

    /// Gives `url` with the proxy in place of its server.
    pub fn through(&self, url: &str) -> String {
        url.replacen(authority(url), &self.address.to_string(), 1)
    }

    /// Counts the connections that were asked for until now, also those that were refused.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends all connections, and refuses new ones until [`Proxy::resume`].
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Passes nothing on, but ends nothing: a line that went dead without a word.
    pub fn hold(&self) {
        self.line.send_replace(Line::Held);
    }

    /// Passes everything on again.
    pub fn resume(&self) {
        self.line.send_replace(Line::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gives `host:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("//").expect("a URL").1;
    let rest = rest.split(['/', '?']).next().expect("a host");
    rest.rsplit_once('@').map_or(rest, |(_, server)| server)
}

async fn accept(
    listener: TcpListener,
    target: String,
    line: watch::Receiver<Line>,
    asked: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        asked.fetch_add(1, Ordering::Relaxed);
        if *line.borrow() != Line::Cut {
            connections.spawn(connect(client, target.clone(), line.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, target: String, mut line: watch::Receiver<Line>) {
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let _nodelay = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let (there, back) = (line.clone(), line.clone());
    tokio::select! {
        _cut = line.wait_for(|line| *line == Line::Cut) => {}
        () = copy(from_client, to_server, there) => {}
        () = copy(from_server, to_client, back) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let open = line.wait_for(|line| *line == Line::Open).await.is_ok();
        let passed = buffer.get(..read).expect("read into it");
        if !open || to.write_all(passed).await.is_err() {
            return;
        }
    }
}
