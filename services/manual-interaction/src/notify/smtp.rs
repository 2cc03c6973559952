//! Mail by SMTP (RFC 5321), as much of it as a message to a few people takes: TLS from the start or by STARTTLS, PLAIN
//! authentication. A password goes over TLS only, or to this machine itself.

use super::mail::Mail;
use crate::config::{Config, Secret};
use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Write;
use std::sync::Arc;
use time::format_description::well_known::Rfc2822;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// No honest line of a reply is longer.
const LONGEST_LINE: u64 = 4096;

/// Is the mail server, and who writes to whom.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    implicit: bool,
    login: Option<(String, String)>,
    tls: TlsConnector,
    from: String,
    to: Vec<String>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Smtp {
    pub(crate) fn new(url: &Secret, config: &Config) -> anyhow::Result<Self> {
        // the parser of the HTTP client knows how a URL is written
        let url: reqwest::Url =
            url.0.parse().ok().context("the mail server's URL does not parse")?;
        let implicit = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            other => bail!("the mail server's URL is {other}://; use smtp:// or smtps://"),
        };
        let host = url.host_str().context("the mail server's URL names no host")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let word = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let login = (!url.username().is_empty())
            .then(|| (word(url.username()), word(url.password().unwrap_or_default())));
        let from = config.mail_from.clone().context("mails need --mail-from")?;
        ensure!(!config.mail_to.is_empty(), "mails need --mail-to");
        for address in config.mail_to.iter().chain([&from]) {
            ensure!(is_address(address), "{address:?} is no mail address");
        }
        Ok(Self {
            port: url.port().unwrap_or(if implicit { 465 } else { 25 }),
            host,
            implicit,
            login,
            tls: connector(config)?,
            from,
            to: config.mail_to.clone(),
        })
    }

    /// Sends a mail to everybody whom the server takes it for, one at least; gives what it said of the others.
    pub(crate) async fn send(&self, mail: Mail) -> anyhow::Result<Option<String>> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .context("the mail server is not reached")?;
        let is_near = tcp.peer_addr()?.ip().is_loopback();
        let mut line = if self.implicit {
            Talk::new(self.secure(Box::new(tcp)).await?)
        } else {
            Talk::new(Box::new(tcp))
        };
        line.expect(220).await?;
        let mut offers = line.hello().await?;
        let mut safe = self.implicit;
        if !safe && offers.iter().any(|offer| offer == "STARTTLS") {
            line.say("STARTTLS", 220).await?;
            line = Talk::new(self.secure(line.0.into_inner()).await?);
            offers = line.hello().await?;
            safe = true;
        }
        if let Some((user, password)) = &self.login {
            ensure!(safe || is_near, "the mail server offers no TLS, so no password is sent");
            let plain = offers.iter().any(|o| o.starts_with("AUTH ") && o.contains("PLAIN"));
            ensure!(plain, "the mail server does not take PLAIN authentication");
            let proof = STANDARD.encode(format!("\0{user}\0{password}"));
            line.say(&format!("AUTH PLAIN {proof}"), 235).await.context("authentication")?;
        }
        line.say(&format!("MAIL FROM:<{}>", self.from), 250).await?;
        let mut refused = Vec::new();
        for to in &self.to {
            let reply = line.ask(&format!("RCPT TO:<{to}>")).await?;
            if let Err(error) = wanted(reply, 250) {
                refused.push(format!("{to}: {error}"));
            }
        }
        ensure!(refused.len() < self.to.len(), "{}", refused.join("; "));
        line.say("DATA", 354).await?;
        line.say(&format!("{}\r\n.", self.message(&mail)?), 250).await?;
        // it is sent; a server that has no good-bye changes nothing
        let _gone = line.say("QUIT", 221).await;
        Ok((!refused.is_empty()).then(|| refused.join("; ")))
    }

    async fn secure(&self, stream: Box<dyn Stream>) -> anyhow::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(self.host.clone()).context("the mail server's name")?;
        Ok(Box::new(self.tls.connect(name, stream).await.context("TLS with the mail server")?))
    }

    /// Writes the whole message; its text is Base64, so that no line of it is long or a dot alone.
    fn message(&self, mail: &Mail) -> anyhow::Result<String> {
        let mut text = String::new();
        let _ = write!(text, "Date: {}\r\n", mail.at.format(&Rfc2822)?);
        let _ = write!(text, "From: <{}>\r\nTo: <{}>\r\n", self.from, self.to.join(">, <"));
        let _ = write!(text, "Message-ID: <{}@writ>\r\n", uuid::Uuid::now_v7());
        let _ = write!(text, "Subject: {}\r\n", encoded(&mail.subject));
        text.push_str("MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n");
        text.push_str("Content-Type: text/plain; charset=utf-8\r\n");
        text.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
        let body = STANDARD.encode(mail.text.replace('\n', "\r\n"));
        let letters: Vec<char> = body.chars().collect();
        let lines: Vec<String> = letters.chunks(76).map(|line| line.iter().collect()).collect();
        text.push_str(&lines.join("\r\n"));
        Ok(text)
    }
}

/// Is a conversation with the server.
struct Talk(BufReader<Box<dyn Stream>>);

impl Talk {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    /// Says hello; gives what the server offers.
    async fn hello(&mut self) -> anyhow::Result<Vec<String>> {
        let lines = self.say("EHLO writ.localdomain", 250).await?;
        Ok(lines.into_iter().skip(1).map(|line| line.to_uppercase()).collect())
    }

    async fn say(&mut self, line: &str, code: u16) -> anyhow::Result<Vec<String>> {
        wanted(self.ask(line).await?, code)
    }

    /// Says a line and gives the reply, whatever it is.
    async fn ask(&mut self, line: &str) -> anyhow::Result<(u16, Vec<String>)> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.0.get_mut().flush().await?;
        reply(&mut self.0).await
    }

    async fn expect(&mut self, code: u16) -> anyhow::Result<Vec<String>> {
        wanted(reply(&mut self.0).await?, code)
    }
}

/// Gives the lines of a reply that has the code, or one that says the same: 251 is a 250 too, it is passed on.
fn wanted((given, lines): (u16, Vec<String>), code: u16) -> anyhow::Result<Vec<String>> {
    if given / 10 == code / 10 {
        return Ok(lines);
    }
    bail!("the mail server said {given} {}", lines.join(" "))
}

/// Reads one reply: its code and its lines.
async fn reply(reader: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<(u16, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        ensure!(line.ends_with(b"\n"), "the mail server hung up");
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).context("no reply")?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok((code, lines));
        }
        ensure!(lines.len() < 100, "the mail server does not stop talking");
    }
}

/// Writes a header's text so that it cannot end the header (RFC 2047).
fn encoded(text: &str) -> String {
    let letters: Vec<char> = text.chars().filter(|letter| !letter.is_control()).collect();
    let words: Vec<String> = letters
        .chunks(12)
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word.iter().collect::<String>())))
        .collect();
    words.join("\r\n ")
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && text.chars().all(|letter| letter.is_ascii_graphic() && !matches!(letter, '<' | '>'))
}

fn connector(config: &Config) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &config.smtp_ca_file {
        let read = || format!("cannot read the mail server's authority {}", file.display());
        for cert in rustls::pki_types::CertificateDer::pem_file_iter(file).with_context(read)? {
            roots.add(cert.with_context(read)?).with_context(read)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_header() {
        let header = encoded("a\r\nBcc: evil@example.org é");
        assert!(!header.contains("\r\nBcc") && header.split("\r\n ").all(|w| w.starts_with("=?")));
        for bad in ["a", "@", "a@", "a b@c", "a@b>\r\nRCPT TO:<x@y"] {
            assert!(!is_address(bad), "{bad}");
        }
        assert!(is_address("soc@example.org"));
    }
}
