//! `healthcheck`: asks a probe over HTTP and says by its exit code what it heard. An image that holds nothing but the
//! program has no other tool for it.

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The subcommand's name.
pub(crate) const NAME: &str = "healthcheck";
/// How long connecting, and each read and write, may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of an answer is looked at.
const MOST: u64 = 64 << 10;

/// Describes the subcommand.
pub(crate) fn command() -> Command {
    let url = Arg::new("url").long("url").value_name("URL").action(ArgAction::Append);
    let url =
        url.help("An http:// address that must answer 200; the process's own /readyz without");
    Command::new(NAME).about("Asks whether the service is ready and ends").arg(url)
}

/// Asks each address; `own` is where the process itself has its probes.
pub(crate) fn run(matches: &ArgMatches, own: &str) -> anyhow::Result<()> {
    let given = matches.get_many::<String>("url").unwrap_or_default().cloned();
    let mut urls: Vec<String> = given.collect();
    if urls.is_empty() {
        urls.push(format!("http://{}/readyz", reachable(own)));
    }
    for url in urls {
        let (status, body) = get(&url).with_context(|| format!("{url} does not answer"))?;
        if status != 200 {
            bail!("{url} answers {status}: {}", body.trim());
        }
        writeln!(std::io::stdout(), "{url} answers 200")?;
    }
    Ok(())
}

/// Gives the address under which a process that listens on all addresses reaches itself.
fn reachable(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => listen.to_owned(),
    }
}

fn get(url: &str) -> anyhow::Result<(u16, String)> {
    let rest = url.strip_prefix("http://").context("the address does not begin with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let place = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let addresses: Vec<_> = place.to_socket_addrs()?.collect();
    let mut stream = connect(&addresses)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let asked = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    Ok((status.context("the answer is no HTTP")?, body.to_owned()))
}

fn connect(addresses: &[SocketAddr]) -> anyhow::Result<TcpStream> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("the name has no address")?.into())
}

#[cfg(test)]
mod tests {
    use super::{command, run};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers one request with `status`.
    fn answering(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut some = [0; 1024];
                let read = stream.read(&mut some).unwrap();
                assert!(read > 0, "the request ended early");
                asked.extend_from_slice(&some[..read]);
            }
            assert!(asked.starts_with(b"GET /readyz HTTP/1.1\r\n"));
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\nwords").unwrap();
        });
        address
    }

    #[test]
    fn only_200_is_healthy() {
        let none = command().get_matches_from(["healthcheck"]);
        run(&none, &answering("200 OK")).unwrap();
        let error = run(&none, &answering("503 Service Unavailable")).unwrap_err().to_string();
        assert!(error.ends_with("answers 503: words"), "{error}");
        let url = format!("http://{}/readyz", answering("200 OK"));
        let named = command().get_matches_from(["healthcheck", "--url", &url]);
        run(&named, "127.0.0.1:1").unwrap();
        let closed = command().get_matches_from(["healthcheck"]);
        assert!(run(&closed, "127.0.0.1:1").is_err());
    }
}
