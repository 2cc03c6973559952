//! Where the database is and how to reach it.

use anyhow::{Context, bail};
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::SslMode;

/// Says where the database is and how it is used.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host/database?sslmode=…`; understands `sslmode` (`disable`, `prefer`, `require`,
    /// `verify-ca`, `verify-full`), `sslrootcert` (a file, or `system`), `sslcert` and `sslkey`, beside what
    /// `tokio-postgres` knows.
    pub url: String,
    /// How many connections the pool opens at most.
    pub max_size: usize,
    /// The PEM file of the certificate authorities; `sslrootcert` in the URL stands above it.
    pub ca_file: Option<PathBuf>,
    /// How long a statement may run before PostgreSQL cancels it; zero means for ever.
    pub statement_timeout: Duration,
    /// The name seen in `pg_stat_activity`; `application_name` in the URL stands above it.
    pub application: String,
}

impl Settings {
    /// Takes the defaults: 16 connections, statements of up to 30 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_size: 16,
            ca_file: None,
            statement_timeout: Duration::from_secs(30),
            application: "writ".into(),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("max_size", &self.max_size)
            .field("ca_file", &self.ca_file)
            .field("statement_timeout", &self.statement_timeout)
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

/// Names the files of certificates that are used towards a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The authorities that the server's certificate is checked against; the machine's own without it.
    pub authorities: Option<PathBuf>,
    /// Our own certificate, and those between it and its authority.
    pub client: Option<PathBuf>,
}

impl Settings {
    /// Lists the files of certificates that connections are made with.
    pub fn certificate_files(&self) -> anyhow::Result<CertificateFiles> {
        let Parsed { trust, roots, certificate, .. } = Parsed::new(self)?;
        if trust.is_none() {
            return Ok(CertificateFiles::default());
        }
        let client = certificate.map(|(certificate, _)| certificate);
        Ok(CertificateFiles { authorities: roots, client })
    }
}

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing; an eavesdropper is kept out, an impostor is not.
    Anyone,
    /// That one of the authorities issued it.
    Issuer,
    /// That, and the host name in it.
    Host,
}

/// Is the URL taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) config: tokio_postgres::Config,
    /// `None` for `sslmode=disable`.
    pub(crate) trust: Option<Trust>,
    /// `None` for the machine's own authorities.
    pub(crate) roots: Option<PathBuf>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
}

impl Parsed {
    /// Takes `settings.url` apart; errors never repeat it, as it holds the password.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let (base, query) = settings.url.split_once('?').unwrap_or((&settings.url, ""));
        let (mut mode, mut roots, mut cert, mut key) = (None, None, None, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => roots = Some(path(value)?),
                Some(("sslcert", value)) => cert = Some(path(value)?),
                Some(("sslkey", value)) => key = Some(path(value)?),
                _ => rest.push(pair),
            }
        }
        let mut config: tokio_postgres::Config =
            [base, &rest.join("&")].join("?").trim_end_matches('?').parse().context(
                "the database URL does not parse; it looks like postgres://user:password@host:port/database",
            )?;
        let roots = roots.or_else(|| settings.ca_file.clone());
        let (ssl, trust) = trust(mode.as_deref(), roots.is_some())?;
        config.ssl_mode(ssl);
        if config.get_application_name().is_none() {
            config.application_name(&settings.application);
        }
        // A peer that vanished without a word is noticed in seconds, not after the kernel's two hours.
        config.connect_timeout(Duration::from_secs(5));
        config.keepalives_idle(Duration::from_secs(15));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(15));
        let certificate = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => bail!("the database URL has only one of sslcert and sslkey; both are needed"),
        };
        let roots = roots.filter(|path| path.as_os_str() != "system");
        Ok(Self { config, trust, roots, certificate })
    }
}

/// Reads `sslmode` as libpq does; `require` with known authorities means `verify-ca`.
fn trust(mode: Option<&str>, rooted: bool) -> anyhow::Result<(SslMode, Option<Trust>)> {
    Ok(match mode.unwrap_or("prefer") {
        "disable" => (SslMode::Disable, None),
        "prefer" => (SslMode::Prefer, Some(Trust::Anyone)),
        "require" if rooted => (SslMode::Require, Some(Trust::Issuer)),
        "require" => (SslMode::Require, Some(Trust::Anyone)),
        "verify-ca" => (SslMode::Require, Some(Trust::Issuer)),
        "verify-full" => (SslMode::Require, Some(Trust::Host)),
        other => bail!(
            "the database URL has sslmode={other}; use disable, prefer, require, verify-ca or verify-full"
        ),
    })
}

fn path(value: &str) -> anyhow::Result<PathBuf> {
    let decoded = percent_decode_str(value).decode_utf8();
    Ok(decoded.context("a file name in the database URL is not UTF-8")?.into_owned().into())
}

#[cfg(test)]
mod tests {
    use super::{Parsed, Settings, Trust};

    fn parsed(query: &str) -> anyhow::Result<Parsed> {
        Parsed::new(&Settings::new(format!("postgres://app:secret@db:5433/x{query}")))
    }

    #[test]
    fn sslmode_says_what_is_checked() {
        let trust = |query| parsed(query).unwrap().trust;
        assert_eq!(trust("?sslmode=disable"), None);
        assert_eq!(trust(""), Some(Trust::Anyone));
        assert_eq!(trust("?sslmode=require"), Some(Trust::Anyone));
        assert_eq!(trust("?sslmode=require&sslrootcert=/ca.pem"), Some(Trust::Issuer));
        assert_eq!(trust("?sslmode=verify-full&sslrootcert=system"), Some(Trust::Host));
    }

    #[test]
    fn files_are_decoded_and_other_options_kept() {
        let found =
            parsed("?sslrootcert=/a%20b/ca.pem&application_name=other&sslcert=/c&sslkey=/k")
                .unwrap();
        assert_eq!(found.roots.unwrap().to_str(), Some("/a b/ca.pem"));
        assert_eq!(found.config.get_application_name(), Some("other"));
        assert_eq!(found.config.get_dbname(), Some("x"));
        assert!(found.certificate.is_some());
    }

    #[test]
    fn a_wrong_url_is_refused_without_the_password() {
        for query in ["?sslmode=maybe", "?sslcert=/c", "?nonsense=1", "?sslrootcert=%ff"] {
            let error = parsed(query).unwrap_err();
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
        assert!(!format!("{:?}", Settings::new("postgres://app:secret@db/x")).contains("secret"));
    }
}
