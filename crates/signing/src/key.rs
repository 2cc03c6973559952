//! Keys: public ones that verify, secret ones that sign.

mod secret;

use crate::armor::{self, ArmorError, Block};
use crate::certificate::{Certificate, Moment, Part};
use crate::{Policy, VerifyError};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::{Packet, PacketParser, Signature};
use pgp::types::{KeyDetails, KeyVersion};
pub use secret::{SecretKey, SignError};
use std::fmt;
use std::sync::Arc;
use time::OffsetDateTime;

/// Says why a text is not a key that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not one armored block.
    #[error("the text is not an armored key")]
    Armor(#[from] ArmorError),
    /// It is something else than a key of this kind.
    #[error("the text is a {found}, not a {wanted}")]
    OtherBlock {
        /// What it is.
        found: Block,
        /// What it should be.
        wanted: Block,
    },
    /// There is no key in it, or more than one.
    #[error("the text holds {0} keys; exactly one is needed")]
    NotOne(usize),
    /// Something in it is not read.
    #[error("the key is damaged or of an unknown kind: {0}")]
    Malformed(String),
    /// It is of an old version without a safe fingerprint.
    #[error("keys of version {0} are not used here; make a new one")]
    Version(u8),
    /// It carries no valid signature of its own.
    #[error("the key has no valid signature of its own; export it again with its user id")]
    Unbound,
    /// It cannot be made with that user id.
    #[error("a user id is 1 to 255 characters on one line")]
    UserId,
    /// It cannot be made at that time.
    #[error("a key cannot be made at {0}")]
    Created(OffsetDateTime),
    /// Its secret is behind a passphrase that was not given.
    #[error("the key is protected by a passphrase")]
    Locked,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key")]
    Passphrase,
    /// Its secret is elsewhere, on a card for instance.
    #[error("the key holds no secret that signs; it may be on a card: let gpg sign")]
    NoSecret,
}

/// Is a public key: what an investigator's signatures are checked with.
#[derive(Clone)]
pub struct PublicKey {
    certificate: Arc<Certificate>,
    packets: Arc<[u8]>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.fingerprint()).finish()
    }
}

impl PublicKey {
    /// Reads exactly one armored public key of at most 64 KiB.
    pub fn parse(armored: &str) -> Result<Self, KeyError> {
        let bytes = unarmor(armored, Block::PublicKey)?;
        let packets = packets(&bytes)?;
        let count = packets.iter().filter(|packet| matches!(packet, Packet::PublicKey(_))).count();
        if count != 1 {
            return Err(KeyError::NotOne(count));
        }
        let signatures = signatures(&packets);
        let key = SignedPublicKey::from_packets(packets.into_iter().map(Ok).peekable())
            .next()
            .ok_or(KeyError::NotOne(0))?
            .map_err(malformed)?;
        Self::build(&key, &signatures, bytes)
    }

    fn build(
        key: &SignedPublicKey,
        signatures: &[Signature],
        packets: Vec<u8>,
    ) -> Result<Self, KeyError> {
        let subkeys = key.public_subkeys.iter().map(|subkey| subkey.key.version());
        for version in subkeys.chain([key.primary_key.version()]) {
            if !matches!(version, KeyVersion::V4 | KeyVersion::V6) {
                return Err(KeyError::Version(version.into()));
            }
        }
        let certificate = Arc::new(Certificate::read(key, signatures));
        if !certificate.is_bound() {
            return Err(KeyError::Unbound);
        }
        Ok(Self { certificate, packets: packets.into() })
    }

    /// Gives the primary key's fingerprint in upper-case hex.
    pub fn fingerprint(&self) -> String {
        self.certificate.fingerprint()
    }

    /// Gives the ids of the primary key and of its signing subkeys in upper-case hex, the primary key's last.
    pub fn key_ids(&self) -> Vec<String> {
        let parts = self.certificate.parts().into_iter();
        parts.map(|part| hex::encode_upper(self.certificate.names_of(part).0)).collect()
    }

    /// Gives when the primary key was made.
    pub fn created(&self) -> OffsetDateTime {
        self.certificate.created()
    }

    /// Gives the key in armor, with all packets it came with, without headers.
    pub fn armored(&self) -> String {
        armor::to_block(Block::PublicKey, &self.packets)
    }

    /// Checks that a signature made with this key now would count.
    pub fn check(&self, now: OffsetDateTime, policy: &Policy) -> Result<(), VerifyError> {
        self.signing_part(now, policy).map(|_| ())
    }

    pub(crate) fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// Gives the part to sign with now: the newest subkey that counts, else the primary key. When none counts, what
    /// is wrong with the newest is the answer.
    fn signing_part(&self, now: OffsetDateTime, policy: &Policy) -> Result<Part, VerifyError> {
        let at = Moment { signed: now.unix_timestamp(), now, policy };
        let mut refusal = None;
        for part in self.certificate.parts() {
            match self.certificate.check(part, at) {
                Ok(()) => return Ok(part),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| VerifyError::Unbound { key: self.fingerprint() }))
    }
}

/// Reads a block that must be of the kind `wanted`.
fn unarmor(armored: &str, wanted: Block) -> Result<Vec<u8>, KeyError> {
    let (found, bytes) = armor::from_block(armored)?;
    if found != wanted {
        return Err(KeyError::OtherBlock { found, wanted });
    }
    Ok(bytes)
}

/// Reads a key's packets. Kinds of packet and subkeys that are unknown are passed over, as the standard wants it.
fn packets(bytes: &[u8]) -> Result<Vec<Packet>, KeyError> {
    let mut known = Vec::new();
    for packet in PacketParser::new(bytes) {
        match packet {
            Ok(packet) => known.push(packet),
            Err(error) if is_unknown_kind(&error) => {}
            Err(error) => return Err(malformed(error)),
        }
    }
    Ok(known)
}

fn is_unknown_kind(error: &pgp::errors::Error) -> bool {
    match error {
        pgp::errors::Error::Unsupported { .. } => true,
        pgp::errors::Error::InvalidPacketContent { source } => is_unknown_kind(source),
        _ => false,
    }
}

fn signatures(packets: &[Packet]) -> Vec<Signature> {
    let one = |packet: &Packet| match packet {
        Packet::Signature(signature) => Some(signature.clone()),
        _ => None,
    };
    packets.iter().filter_map(one).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn malformed(error: pgp::errors::Error) -> KeyError {
    KeyError::Malformed(error.to_string())
}
