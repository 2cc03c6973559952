//! The certificates for `amqps`, by the names that RabbitMQ's own clients give them in a URL. The files are read for
//! each connection, so that renewed certificates are taken.

use crate::Settings;
use anyhow::{Context, bail};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use store::CertificateFiles;

impl Settings {
    /// Lists the files of certificates that connections are made with.
    pub fn certificate_files(&self) -> anyhow::Result<CertificateFiles> {
        if !self.url.starts_with("amqps:") {
            return Ok(CertificateFiles::default());
        }
        let authorities = named(self, "cacertfile")?.or_else(|| self.ca_file.clone());
        Ok(CertificateFiles { authorities, client: named(self, "certfile")? })
    }
}

/// Gives the file that the URL has under a name.
fn named(settings: &Settings, wanted: &str) -> anyhow::Result<Option<PathBuf>> {
    let (_, query) = settings.url.split_once('?').unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = pairs.find(|(name, _)| *name == wanted) else { return Ok(None) };
    let path = percent_decode_str(value).decode_utf8();
    Ok(Some(path.context("a file name in the broker's URL is not UTF-8")?.into_owned().into()))
}

/// Reads the files that the settings name.
pub(crate) fn config(settings: &Settings) -> anyhow::Result<OwnedTLSConfig> {
    let named = |wanted: &str| named(settings, wanted);
    let read = |what: &str, file: PathBuf| {
        std::fs::read(&file)
            .with_context(|| format!("cannot read the broker's {what} {}", file.display()))
    };
    let authorities = named("cacertfile")?.or_else(|| settings.ca_file.clone());
    let cert_chain = match authorities {
        Some(file) => Some(
            String::from_utf8(read("certificate authorities", file)?)
                .context("the broker's certificate authorities are not PEM")?,
        ),
        None => None,
    };
    let identity = match (named("certfile")?, named("keyfile")?) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(OwnedIdentity::PKCS8 {
            pem: read("client certificate", certificate)?,
            key: read("client key", key)?,
        }),
        _ => bail!("the broker's URL has only one of certfile and keyfile; both are needed"),
    };
    Ok(OwnedTLSConfig { identity, cert_chain })
}

#[cfg(test)]
mod tests {
    use super::config;
    use crate::Settings;

    #[test]
    fn what_is_wrong_is_named() {
        for (query, expected) in [
            ("certfile=/c", "only one of certfile and keyfile"),
            ("cacertfile=/no%20such", "cannot read the broker's certificate authorities /no such"),
            ("keyfile=%ff", "not UTF-8"),
        ] {
            let url = format!("amqps://app:secret@broker/x?{query}");
            let error = format!("{:#}", config(&Settings::new(url)).unwrap_err());
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
        assert!(config(&Settings::new("amqp://broker")).unwrap().identity.is_none());
    }
}
