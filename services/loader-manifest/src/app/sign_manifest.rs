//! Signs manifests, and takes signatures or manifests back.

use super::keep_shelf::without_archive;
use super::{App, beside, changed};
use crate::domain::shelf::{File, Signature, counting, cut_string, signed_string};
use crate::error::Error;
use crate::store::manifests::{Manifest, files_of, manifest_lock, manifest_set, revision_raise};
use crate::store::signatures::{signature_insert, signatures_delete, signatures_of};
use auth::{Caller, Keyring};
use signing::VerifyError;
use std::sync::Arc;
use store::Conn;
use time::OffsetDateTime;
use types::{InvestigatorId, ManifestId, ManifestStatus};

impl App {
    /// Takes the caller's own signature; the manifest becomes active when it has as many signers as are required.
    pub(crate) async fn sign_manifest(
        &self,
        caller: &Caller,
        id: ManifestId,
        line: &str,
    ) -> Result<Manifest, Error> {
        let (now, keyring) = (self.clock.now(), self.replica.current());
        let line = line.trim();
        if line.is_empty() {
            return Err(invalid("Invalid signature specified"));
        }
        let signed = self
            .store
            .tx(async |conn| -> Result<Manifest, Error> {
                let manifest = usable(conn, id).await?;
                let files = files(conn, id).await?;
                let (ring, signer, text) = (Arc::clone(&keyring), caller.clone(), line.to_owned());
                let files = beside(move || -> Result<Vec<File>, Error> {
                    verify(&ring, &signer, (manifest.created, &files), &text, now)?;
                    Ok(files)
                })
                .await??;
                let signature = Signature { signer: caller.id, line: line.into(), signed: now };
                if !signature_insert(conn, id, &signature).await? {
                    let detail = format!("investigator {:?} has signed manifest {id} already; each signer counts once", caller.name);
                    return Err(Error::Conflict(detail));
                }
                Ok(self.settle(conn, id, files, &keyring, now).await?.0)
            })
            .await?;
        self.bus.wake();
        tracing::info!(manifest.id = %id, investigator.id = %caller.id, status = signed.status.name(), "manifest signed");
        Ok(signed)
    }

    /// Takes the signatures from a manifest, or the manifest from the loaders, or counts its signers anew.
    pub(crate) async fn set_manifest_status(
        &self,
        by: InvestigatorId,
        id: ManifestId,
        status: ManifestStatus,
    ) -> Result<Manifest, Error> {
        let (now, keyring) = (self.clock.now(), self.replica.current());
        let set = self
            .store
            .tx(async |conn| -> Result<Manifest, Error> {
                usable(conn, id).await?;
                match status {
                    ManifestStatus::Disabled => {
                        let signatures = signatures(conn, id).await?;
                        self.put_status(conn, id, ManifestStatus::Disabled, &signatures, now).await
                    }
                    ManifestStatus::Staged => {
                        signatures_delete(conn, id).await?;
                        self.put_status(conn, id, ManifestStatus::Staged, &[], now).await
                    }
                    ManifestStatus::Active => {
                        let files = files(conn, id).await?;
                        let (settled, count) =
                            self.settle(conn, id, files, &keyring, now).await?;
                        if settled.status == ManifestStatus::Active {
                            return Ok(settled);
                        }
                        let detail = format!(
                            "manifest {id} has {count} of {} signers that are required; let others sign it",
                            self.required()
                        );
                        Err(Error::Conflict(detail))
                    }
                }
            })
            .await?;
        self.bus.wake();
        tracing::info!(manifest.id = %id, investigator.id = %by, status = set.status.name(), "manifest's status set");
        Ok(set)
    }

    /// Counts the signers of a locked manifest and writes what follows; gives the count as well.
    pub(super) async fn settle(
        &self,
        conn: &mut Conn,
        id: ManifestId,
        files: Vec<File>,
        keyring: &Arc<Keyring>,
        now: OffsetDateTime,
    ) -> Result<(Manifest, usize), Error> {
        let signatures = signatures(conn, id).await?;
        let (ring, signed) = (Arc::clone(keyring), signatures.clone());
        let count = beside(move || counting(&ring, &files, &signed, now).len()).await?;
        let enough = count >= self.required();
        let status = if enough { ManifestStatus::Active } else { ManifestStatus::Staged };
        Ok((self.put_status(conn, id, status, &signatures, now).await?, count))
    }

    async fn put_status(
        &self,
        conn: &mut Conn,
        id: ManifestId,
        status: ManifestStatus,
        signatures: &[Signature],
        now: OffsetDateTime,
    ) -> Result<Manifest, Error> {
        let manifest = manifest_set(conn, id, status).await?;
        revision_raise(conn).await?;
        self.bus.put(conn, now, &changed(&manifest, signatures)).await?;
        Ok(manifest)
    }
}

/// Locks a manifest that is not disabled.
async fn usable(conn: &mut Conn, id: ManifestId) -> Result<Manifest, Error> {
    let manifest = manifest_lock(conn, id).await?;
    let manifest =
        manifest.ok_or_else(|| Error::NotFound(format!("Manifest ID '{id}' not found")))?;
    if manifest.status == ManifestStatus::Disabled {
        let detail = format!("manifest {id} is disabled, and that is final; make a new one");
        return Err(Error::Conflict(detail));
    }
    Ok(manifest)
}

pub(super) async fn files(conn: &mut Conn, id: ManifestId) -> Result<Vec<File>, Error> {
    let files = files_of(conn, &[id.0]).await?.into_iter().map(|(_, file)| file);
    Ok(without_archive(files.collect()))
}

pub(super) async fn signatures(conn: &mut Conn, id: ManifestId) -> Result<Vec<Signature>, Error> {
    let signatures = signatures_of(conn, &[id.0]).await?;
    Ok(signatures.into_iter().map(|(_, signature)| signature).collect())
}

/// Checks that the signature is the caller's, over exactly what loaders will rebuild, and was made for this manifest:
/// what is signed names neither manifest nor target, so one that was made for the same files before might be used
/// again.
fn verify(
    keyring: &Keyring,
    caller: &Caller,
    (created, files): (OffsetDateTime, &[File]),
    line: &str,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let policy = &keyring.settings().policy;
    let check = |text: String| keyring.keys().verify(line, text.as_bytes(), now, policy);
    match check(signed_string(files)) {
        Ok(verified) if verified.signed_at + policy.clock_skew < created => {
            Err(invalid("the signature is older than the manifest; sign what was uploaded, anew"))
        }
        Ok(verified) if Some(&verified.fingerprint) == caller.fingerprint.as_ref() => Ok(()),
        Ok(verified) => Err(invalid(format!(
            "the signature is by the key {}, which is not that of {:?}; everybody posts their own signature",
            verified.fingerprint, caller.name
        ))),
        Err(VerifyError::OtherText) if check(cut_string(files)).is_ok() => Err(invalid(
            "the signature is over files that were cut off at their end: this console was built with Go 1.10 or later, \
             whose tar reader hands out the last piece of a file together with its end, and the console forgets that piece. \
             No loader would accept the signature. Sign with `writ manifest sign`, or with a console built with Go 1.9",
        )),
        Err(error) => Err(invalid(format!("the signature does not count: {error}"))),
    }
}

fn invalid(detail: impl std::fmt::Display) -> Error {
    Error::invalid("signature-invalid", "/signature", detail)
}
