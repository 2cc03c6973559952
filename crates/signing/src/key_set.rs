//! The keys that are known, and whose signature a signature is.

use crate::certificate::{Certificate, Moment, Part};
use crate::seconds::{self, moment};
use crate::{Policy, PublicKey, VerifyError, armor};
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData};
use pgp::types::{Fingerprint, KeyId};
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;

/// Says who made a signature, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The fingerprint of the signer's primary key in upper-case hex, whichever of its keys signed.
    pub fingerprint: String,
    /// When the signature says it was made.
    pub signed_at: OffsetDateTime,
}

/// Holds known keys, to be found by the ids of their primary keys and signing subkeys.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    by_id: HashMap<KeyId, Vec<Entry>>,
    fingerprints: HashMap<String, PublicKey>,
}

#[derive(Debug, Clone)]
struct Entry {
    certificate: Arc<Certificate>,
    part: Part,
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.insert(key);
        }
        set
    }
}

impl KeySet {
    /// Adds a key; one with the same fingerprint is replaced.
    pub fn insert(&mut self, key: PublicKey) {
        let fingerprint = key.fingerprint();
        if self.fingerprints.contains_key(&fingerprint) {
            self.by_id.retain(|_, entries| {
                entries.retain(|entry| entry.certificate.fingerprint() != fingerprint);
                !entries.is_empty()
            });
        }
        let certificate = key.certificate();
        for part in certificate.parts() {
            let (id, _) = certificate.names_of(part);
            let entry = Entry { certificate: Arc::clone(certificate), part };
            self.by_id.entry(id).or_default().push(entry);
        }
        self.fingerprints.insert(fingerprint, key);
    }

    /// Gives the key with that fingerprint, in upper-case hex.
    pub fn get(&self, fingerprint: &str) -> Option<&PublicKey> {
        self.fingerprints.get(fingerprint)
    }

    /// Counts the keys.
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Tells whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Finds out who signed `data`, and whether that counts at `now`.
    ///
    /// Of several signature packets the first one is judged whose signer is known, as the original does.
    pub fn verify(
        &self,
        signature_line: &str,
        data: &[u8],
        now: OffsetDateTime,
        policy: &Policy,
    ) -> Result<Verified, VerifyError> {
        let packets = armor::from_line(signature_line)?;
        let mut issuers = Vec::new();
        for packet in PacketParser::new(packets.as_slice()) {
            let signature = match packet {
                Ok(Packet::Signature(signature)) => signature,
                Ok(Packet::Marker(_) | Packet::Padding(_)) => continue,
                Ok(_) => return Err(malformed("another packet is in its place")),
                Err(error) => return Err(malformed(&error.to_string())),
            };
            let signers = self.signers(&signature);
            if !signers.is_empty() {
                return judge(&signers, &signature, data, now, policy);
            }
            issuers.extend(issuers_of(&signature));
        }
        if packets.is_empty() {
            return Err(malformed("it is empty"));
        }
        Err(VerifyError::UnknownSigner { issuers })
    }

    /// Lists the known keys that `signature` names; several, when key ids collide.
    fn signers(&self, signature: &Signature) -> Vec<&Entry> {
        let fingerprints = signature.issuer_fingerprint();
        let ids = signature.issuer_key_id().into_iter().copied();
        let ids = ids.chain(fingerprints.iter().filter_map(|print| key_id(print)));
        let mut found: Vec<&Entry> = Vec::new();
        for entry in ids.filter_map(|id| self.by_id.get(&id)).flatten() {
            let (_, fingerprint) = entry.certificate.names_of(entry.part);
            let named = fingerprints.is_empty() || fingerprints.contains(&&fingerprint);
            if named && !found.iter().any(|other| other.is_same(entry)) {
                found.push(entry);
            }
        }
        found
    }
}

impl Entry {
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.certificate, &other.certificate) && self.part == other.part
    }
}

/// Judges `signature` against each of `signers`, and gives the first answer that is not "someone else's".
fn judge(
    signers: &[&Entry],
    signature: &Signature,
    data: &[u8],
    now: OffsetDateTime,
    policy: &Policy,
) -> Result<Verified, VerifyError> {
    let config = signature.config().ok_or_else(|| malformed("its version is unknown"))?;
    if !matches!(config.typ(), SignatureType::Binary | SignatureType::Text) {
        return Err(VerifyError::NotOverData);
    }
    if config.hashed_subpackets().any(|part| part.is_critical && is_strange(&part.data)) {
        return Err(VerifyError::Critical);
    }
    let mut failure = VerifyError::Wrong;
    for entry in signers {
        match entry.certificate.verify(entry.part, signature, data) {
            Ok(()) => return accept(entry, signature, now, policy),
            Err(error) => failure = arithmetic(&error),
        }
    }
    Err(failure)
}

/// Applies the policy to a signature that is arithmetically right.
fn accept(
    entry: &Entry,
    signature: &Signature,
    now: OffsetDateTime,
    policy: &Policy,
) -> Result<Verified, VerifyError> {
    let signed = signature.created().map(seconds::of).ok_or(VerifyError::Undated)?;
    let length = signature.signature_expiration_time().map(|length| i64::from(length.as_secs()));
    let ends = length.filter(|length| *length > 0).map(|length| signed + length);
    policy.check_times(signed, ends, now)?;
    policy.check_hash(signature.hash_alg().ok_or(VerifyError::Wrong)?)?;
    entry.certificate.check(entry.part, Moment { signed, now, policy })?;
    Ok(Verified { fingerprint: entry.certificate.fingerprint(), signed_at: moment(signed) })
}

/// Gives the key id that is part of a fingerprint.
fn key_id(fingerprint: &Fingerprint) -> Option<KeyId> {
    let id = match fingerprint {
        Fingerprint::V4(bytes) => bytes.last_chunk::<8>(),
        Fingerprint::V6(bytes) => bytes.first_chunk::<8>(),
        _ => None,
    };
    id.copied().map(KeyId::new)
}

/// Tells what failed. The library has one kind of error for all; only its text says that the hash differs.
fn arithmetic(error: &pgp::errors::Error) -> VerifyError {
    if error.to_string().contains("signed hash value") {
        VerifyError::OtherText
    } else {
        VerifyError::Wrong
    }
}

/// Tells whether a part of a signature is one that nothing here acts on.
fn is_strange(data: &SubpacketData) -> bool {
    matches!(
        data,
        SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
    )
}

fn issuers_of(signature: &Signature) -> Vec<String> {
    let prints: Vec<_> =
        signature.issuer_fingerprint().iter().map(|p| hex::encode_upper(p.as_bytes())).collect();
    if !prints.is_empty() {
        return prints;
    }
    signature.issuer_key_id().into_iter().map(hex::encode_upper).collect()
}

fn malformed(reason: &str) -> VerifyError {
    VerifyError::Malformed(reason.into())
}
