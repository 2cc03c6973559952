//! Takes a manifest: opens its archive once, and keeps each file by itself.

use super::{App, changed};
use crate::domain::shelf::{File, signed_string};
use crate::domain::text::{check_name, parse_target};
use crate::error::Error;
use crate::store::chunks::chunks_insert;
use crate::store::manifests::{
    Manifest, NewManifest, files_insert, manifest_by_digest, manifest_insert, revision_raise,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use signing::manifest::{ArchiveError, Limits, ROLLBACK};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use types::{InvestigatorId, instant};

/// Says how long an archive waits while another is opened.
const PATIENCE: Duration = Duration::from_secs(30);

/// Is a manifest to be created.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) target: &'a str,
    pub(crate) expires: Option<OffsetDateTime>,
    /// The gzip'd tar archive.
    pub(crate) archive: Vec<u8>,
}

/// Is an archive that was opened.
struct Opened {
    /// The archive itself, and then its files.
    files: Vec<File>,
    /// Their bytes, each gzip'd for itself; the archive as it came.
    contents: Vec<Vec<u8>>,
    rollback_to: Option<String>,
}

impl App {
    /// Creates a staged manifest.
    pub(crate) async fn create_manifest(
        &self,
        by: InvestigatorId,
        candidate: Candidate<'_>,
    ) -> Result<Manifest, Error> {
        let Candidate { name, target, expires, archive } = candidate;
        let now = self.clock.now();
        check_name("manifest", name)?;
        if target.trim().is_empty() {
            return Err(Error::invalid("target-invalid", "/target", "manifest has invalid target"));
        }
        parse_target(target).map_err(|error| {
            let detail = format!("manifest has invalid target: {error}");
            Error::invalid("target-invalid", "/target", detail)
        })?;
        if expires.is_some_and(|end| !instant::is_writable(end)) {
            let detail = "the moment is not in the years 1 to 9999 (UTC)";
            return Err(Error::invalid("expiry-invalid", "/expires", detail));
        }
        if expires.is_some_and(|end| end <= now) {
            let detail = "the manifest would be expired from the start";
            return Err(Error::invalid("expiry-invalid", "/expires", detail));
        }
        let opened = self.open_archive(archive).await?;
        let signed = opened.files.get(1..).unwrap_or_default();
        let digest = signing::manifest::digest(&signed_string(signed));
        let rollback_to = opened.rollback_to.as_deref();
        let made = self
            .store
            .tx(async |conn| -> Result<Manifest, Error> {
                if let Some(to) = rollback_to
                    && manifest_by_digest(conn, name, to).await?.is_none()
                {
                    let detail = format!(
                        "{ROLLBACK} names {to}, which is the digest of no manifest {name:?} that is not disabled"
                    );
                    return Err(Error::invalid("rollback-invalid", "/content", detail));
                }
                let new = NewManifest {
                    name,
                    target,
                    created_by: by,
                    expires,
                    digest: &digest,
                    rollback_to,
                };
                let made = manifest_insert(conn, &new, now).await?;
                files_insert(conn, made.id, &opened.files).await?;
                for (file, content) in opened.files.iter().zip(&opened.contents) {
                    chunks_insert(conn, made.id, file.position, content).await?;
                }
                revision_raise(conn).await?;
                self.bus.put(conn, now, &changed(&made, &[])).await?;
                Ok(made)
            })
            .await?;
        self.bus.wake();
        tracing::info!(manifest.id = %made.id, investigator.id = %by, "manifest created");
        Ok(made)
    }

    async fn open_archive(&self, archive: Vec<u8>) -> Result<Opened, Error> {
        let turn = Arc::clone(&self.opening).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, turn).await else {
            return Err(Error::Busy);
        };
        let limits = self.config.limits();
        // not among the short works of `web::cpu`: it may take seconds. The turn is over with the work, also where the
        // caller has gone away
        let opened = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            open(archive, &limits)
        })
        .await;
        opened.map_err(Error::internal)?
    }
}

fn open(archive: Vec<u8>, limits: &Limits) -> Result<Opened, Error> {
    // first without keeping anything: what is refused costs no memory
    signing::manifest::read(archive.as_slice(), limits, |_, _| Ok(())).map_err(refused)?;
    let mut packers: Vec<GzEncoder<Vec<u8>>> = Vec::new();
    let entries = signing::manifest::read(archive.as_slice(), limits, |place, part| {
        if packers.len() <= place {
            packers.push(GzEncoder::new(Vec::new(), Compression::default()));
        }
        packers.last_mut().map_or(Ok(()), |packer| packer.write_all(part))
    })
    .map_err(refused)?;
    let mut files = vec![archive_file(&archive)?];
    let mut contents = vec![archive];
    for (entry, packer) in entries.into_iter().zip(packers) {
        let content = packer.finish().map_err(Error::internal)?;
        files.push(File {
            position: i32::try_from(files.len()).map_err(Error::internal)?,
            name: entry.name,
            size: i64::try_from(entry.size).map_err(Error::internal)?,
            sha256: entry.sha256,
            cut_sha256: entry.cut_sha256,
            packed: i64::try_from(content.len()).map_err(Error::internal)?,
        });
        contents.push(content);
    }
    let rollback_to = rollback(&files, &contents)?;
    Ok(Opened { files, contents, rollback_to })
}

/// Describes the archive as it came; it has no name that a file could have.
fn archive_file(archive: &[u8]) -> Result<File, Error> {
    let size = i64::try_from(archive.len()).map_err(Error::internal)?;
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(archive));
    Ok(File {
        position: 0,
        name: "/".into(),
        size,
        sha256,
        cut_sha256: String::new(),
        packed: size,
    })
}

/// Reads the order to go back, where there is one; it stands alone, since nothing beside it would be installed.
fn rollback(files: &[File], contents: &[Vec<u8>]) -> Result<Option<String>, Error> {
    let Some((file, content)) = files.iter().zip(contents).find(|(file, _)| file.name == ROLLBACK)
    else {
        return Ok(None);
    };
    let invalid = |detail: &str| Error::invalid("rollback-invalid", "/content", detail);
    if files.len() != 2 {
        return Err(invalid(
            "a manifest that orders to go back holds the file writ-rollback alone",
        ));
    }
    let mut text = String::new();
    let read = flate2::read::GzDecoder::new(content.as_slice()).take(256).read_to_string(&mut text);
    let digest = text.trim();
    let right =
        digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if file.size > 128 || read.is_err() || !right {
        return Err(invalid(
            "the file writ-rollback holds the digest of the manifest to go back to: 64 lower-case hex digits",
        ));
    }
    Ok(Some(digest.to_owned()))
}

fn refused(error: ArchiveError) -> Error {
    let code = match error {
        ArchiveError::TooMany { .. }
        | ArchiveError::FileTooLarge { .. }
        | ArchiveError::TooLarge { .. } => "archive-too-large",
        ArchiveError::Sink(reason) => return Error::internal(anyhow::anyhow!(reason)),
        _ => "archive-invalid",
    };
    Error::invalid(code, "/content", error)
}
