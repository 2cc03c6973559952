//! Until when the certificates hold that a service uses towards its servers: one that expires stops it, and nobody sees
//! it coming but who looks.

use crate::Tasks;
use anyhow::{Context, anyhow};
use messaging::Shutdown;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;
use store::CertificateFiles;

/// How often the files are looked at; a renewed certificate is another file under the same name.
const EVERY: Duration = Duration::from_mins(1);

static EXPIRATION: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("service")
        .i64_gauge("writ.certificate.expiration.timestamp")
        .with_unit("s")
        .with_description("When a certificate that the service uses expires, in seconds since 1970")
        .build()
});

/// Measures until `shutdown` until when the certificates hold that `service` uses towards `peer`.
pub fn watch_certificates(
    service: &'static str,
    peer: &'static str,
    files: CertificateFiles,
    tasks: &Tasks,
    shutdown: Shutdown,
) {
    if files == CertificateFiles::default() {
        return;
    }
    tasks.spawn("certificates", async move {
        while !shutdown.is_triggered() {
            look(service, peer, &files);
            let _ = tokio::time::timeout(EVERY, shutdown.wait()).await;
        }
    });
}

fn look(service: &'static str, peer: &'static str, files: &CertificateFiles) {
    // our own chain breaks with the first of it; of several authorities, as while one replaces another, the last counts
    let ours = files.client.as_deref().map(|file| (file, "client", false));
    let theirs = files.authorities.as_deref().map(|file| (file, "authority", true));
    for (file, usage, last) in ours.into_iter().chain(theirs) {
        match expiration(file, last) {
            Ok(at) => {
                let service = KeyValue::new("service.name", service);
                let (peer, usage) = (KeyValue::new("peer", peer), KeyValue::new("usage", usage));
                EXPIRATION.record(at, &[service, peer, usage]);
            }
            Err(error) => {
                let (file, error) = (file.display(), format!("{error:#}"));
                tracing::warn!(%file, error, "a certificate cannot be read");
            }
        }
    }
}

/// Gives when the first or the last of a file's certificates expires.
fn expiration(file: &Path, last: bool) -> anyhow::Result<i64> {
    let mut ends = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).context("cannot be read")? {
        let certificate = certificate.context("is not PEM")?;
        let (_, read) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|error| anyhow!("is no certificate: {error}"))?;
        ends.push(read.validity().not_after.timestamp());
    }
    let end = if last { ends.into_iter().max() } else { ends.into_iter().min() };
    end.context("holds no certificate")
}

#[cfg(test)]
mod tests {
    use super::expiration;
    use std::process::Command;

    /// Makes a certificate of so many days.
    fn certificate(folder: &std::path::Path, days: u32) -> String {
        let (key, out) = (folder.join("key"), folder.join("crt"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-subj", "/CN=test", "-days", &days.to_string(), "-keyout"])
            .arg(key)
            .arg("-out")
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::read_to_string(out).unwrap()
    }

    #[test]
    fn the_first_of_a_chain_counts_and_the_last_of_several_authorities() {
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
        let both = certificate(folder.path(), 10) + &certificate(folder.path(), 100);
        let file = folder.path().join("both");
        std::fs::write(&file, both).unwrap();
        let days = |last| (expiration(&file, last).unwrap() - now + 3600) / 86_400;
        assert_eq!((days(false), days(true)), (10, 100));
        for (text, expected) in [
            ("", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is no certificate"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", expiration(&file, false).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
