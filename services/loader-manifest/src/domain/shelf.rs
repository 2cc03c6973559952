//! The manifest cache: those that may be given out, and which one a loader gets (specs/mig/loader.md §3).

use auth::Keyring;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use target::{Row, Target};
use time::OffsetDateTime;
use types::{InvestigatorId, InvestigatorStatus, ManifestId, Permission, Permissions};

/// Is a file of a manifest, as loaders are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) position: i32,
    pub(crate) name: String,
    pub(crate) size: i64,
    pub(crate) sha256: String,
    pub(crate) cut_sha256: String,
    pub(crate) packed: i64,
}

/// Is a signature that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) signer: InvestigatorId,
    pub(crate) line: String,
    pub(crate) signed: OffsetDateTime,
}

/// Is a manifest that is active in the table.
#[derive(Debug, Clone)]
pub(crate) struct Shelved {
    pub(crate) id: ManifestId,
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) digest: String,
    pub(crate) rollback_to: Option<String>,
    pub(crate) files: Vec<File>,
    pub(crate) signatures: Vec<Signature>,
}

/// Is what a loader gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) manifest: &'a Arc<Shelved>,
    /// Whether a newer manifest ordered to go back to it.
    pub(crate) ordered: bool,
}

/// Holds the manifests that may be given out, the newest first, as they stood at one moment.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) manifests: Vec<Arc<Shelved>>,
}

impl Shelf {
    /// Chooses what a loader gets: the newest that is for it, none older than what it took of the same name, unless a
    /// newer one orders to go back. An order counts like any other manifest: one that is older than what the loader
    /// took since then is over.
    pub(crate) fn choose(
        &self,
        loader: &dyn Row,
        floors: &BTreeMap<String, i64>,
        now: OffsetDateTime,
    ) -> Option<Choice<'_>> {
        let is_new = |manifest: &Shelved| {
            manifest.id.0 >= floors.get(&manifest.name).copied().unwrap_or_default()
        };
        let mut usable = self.manifests.iter().filter(|manifest| manifest.is_for(loader, now));
        usable.find_map(|manifest| {
            if !is_new(manifest) {
                return None;
            }
            let Some(digest) = &manifest.rollback_to else {
                return Some(Choice { manifest, ordered: false });
            };
            let back = self.manifests.iter().find(|other| {
                other.id < manifest.id
                    && other.name == manifest.name
                    && other.digest == *digest
                    && other.rollback_to.is_none()
                    && other.is_for(loader, now)
            });
            back.map(|manifest| Choice { manifest, ordered: true })
        })
    }

    /// Gives a manifest that may still be given to this loader.
    pub(crate) fn get(
        &self,
        id: ManifestId,
        loader: &dyn Row,
        now: OffsetDateTime,
    ) -> Option<&Arc<Shelved>> {
        self.manifests.iter().find(|manifest| manifest.id == id && manifest.is_for(loader, now))
    }
}

impl Shelved {
    fn is_for(&self, loader: &dyn Row, now: OffsetDateTime) -> bool {
        self.expires.is_none_or(|end| now < end) && self.target.eval(loader, now) == Some(true)
    }

    /// Finds a file by its name.
    pub(crate) fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// Gives the string that is signed.
pub(crate) fn signed_string(files: &[File]) -> String {
    signing::manifest::signed_string(
        files.iter().map(|file| (file.name.as_str(), file.sha256.as_str())),
    )
}

/// Gives what a console signs that forgets the last piece of each file (specs/mig/loader.md §5).
pub(crate) fn cut_string(files: &[File]) -> String {
    signing::manifest::signed_string(
        files.iter().map(|file| (file.name.as_str(), file.cut_sha256.as_str())),
    )
}

/// Gives the signatures that count now: by investigators who are active and have the right to sign, with a key that is
/// good.
pub(crate) fn counting(
    keyring: &Keyring,
    files: &[File],
    signatures: &[Signature],
    now: OffsetDateTime,
) -> Vec<Signature> {
    let text = signed_string(files);
    let mut signers = BTreeSet::new();
    let counting = signatures.iter().filter(|signature| counts(keyring, &text, signature, now));
    counting.filter(|signature| signers.insert(signature.signer)).cloned().collect()
}

fn counts(keyring: &Keyring, text: &str, signature: &Signature, now: OffsetDateTime) -> bool {
    let Some(signer) = keyring.get(signature.signer) else { return false };
    let may = signer.status == InvestigatorStatus::Active
        && Permissions(signer.permissions).has(Permission::ManifestSign);
    let policy = &keyring.settings().policy;
    may && keyring
        .keys()
        .verify(&signature.line, text.as_bytes(), now, policy)
        .is_ok_and(|verified| Some(verified.fingerprint) == signer.fingerprint)
}
