//! Secret keys: made here, or exported from GnuPG. They live with a person or a tool, never in a service.

use super::{KeyError, PublicKey, malformed, packets, signatures, unarmor};
use crate::armor::{self, Block};
use crate::certificate::Part;
use crate::seconds::stamp;
use crate::{Policy, VerifyError};
use pgp::composed::{Deserializable, SignedKeyDetails, SignedPublicKey, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::{ed25519, eddsa_legacy};
use pgp::packet::{
    self, Features, KeyFlags, Packet, PacketTrait, PubKeyInner, Signature, SignatureConfig,
    SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{
    KeyDetails, KeyVersion, PacketHeaderVersion, Password, PlainSecretParams, PublicParams,
    S2kParams, SecretParams, SigningKey, StringToKey, Tag, Timestamp,
};
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::fmt;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Says why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A signature by this key would not count.
    #[error("a signature by this key would be refused")]
    Refused(#[source] VerifyError),
    /// The secret of the key that would count is not there.
    #[error("the secret of the key that signs is not there; it may be on a card: let gpg sign")]
    NoSecret,
    /// A signature cannot be dated then.
    #[error("a signature cannot be made at {0}")]
    Time(OffsetDateTime),
    /// A nonce would break the token apart.
    #[error("a nonce is one word without semicolons")]
    Nonce,
    /// The arithmetic failed.
    #[error("signing failed: {0}")]
    Failed(String),
}

/// Is a secret key with its public half.
///
/// `Debug` shows the fingerprint only; memory is wiped when it goes.
pub struct SecretKey {
    public: PublicKey,
    packets: Zeroizing<Vec<u8>>,
    signers: Vec<(Part, Signer)>,
}

enum Signer {
    Primary(packet::SecretKey),
    Subkey(packet::SecretSubkey),
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public.fingerprint()).finish()
    }
}

impl SecretKey {
    /// Makes an Ed25519 key that certifies and signs, without expiry and without a passphrase, in the form that GnuPG
    /// 2.1 and later read.
    pub fn generate(user_id: &str, created: OffsetDateTime) -> Result<Self, KeyError> {
        let length = user_id.chars().count();
        if length == 0 || length > 255 || user_id.chars().any(char::is_control) {
            return Err(KeyError::UserId);
        }
        let at = stamp(created).ok_or(KeyError::Created(created))?;
        let mut seed = Zeroizing::new([0; ed25519::KEY_LEN]);
        OsRng.try_fill_bytes(&mut *seed).map_err(|error| KeyError::Malformed(error.to_string()))?;
        let key = assemble(&seed, user_id, at).map_err(malformed)?;
        let packets = Zeroizing::new(key.to_bytes().map_err(malformed)?);
        Self::build(&key, packets, None)
    }

    /// Reads exactly one armored secret key of at most 64 KiB, and opens what is locked in it.
    pub fn parse(armored: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(unarmor(armored, Block::PrivateKey)?);
        let packets = packets(&bytes)?;
        let count = packets.iter().filter(|packet| matches!(packet, Packet::SecretKey(_))).count();
        if count != 1 {
            return Err(KeyError::NotOne(count));
        }
        let key = SignedSecretKey::from_packets(packets.into_iter().map(Ok).peekable())
            .next()
            .ok_or(KeyError::NotOne(0))?
            .map_err(malformed)?;
        Self::build(&key, bytes, passphrase)
    }

    fn build(
        key: &SignedSecretKey,
        packets: Zeroizing<Vec<u8>>,
        passphrase: Option<&str>,
    ) -> Result<Self, KeyError> {
        let public = SignedPublicKey::from(key.clone());
        let bytes = public.to_bytes().map_err(malformed)?;
        let signatures = signatures(&super::packets(&bytes)?);
        let public = PublicKey::build(&public, &signatures, bytes)?;
        let mut signers = Vec::new();
        for part in public.certificate.parts() {
            let (_, fingerprint) = public.certificate.names_of(part);
            let found = match part {
                Part::Primary => Some(Signer::Primary(key.primary_key.clone())),
                Part::Subkey(_) => {
                    let mut subkeys = key.secret_subkeys.iter();
                    let subkey = subkeys.find(|subkey| subkey.key.fingerprint() == fingerprint);
                    subkey.map(|subkey| Signer::Subkey(subkey.key.clone()))
                }
            };
            if let Some(signer) = found.filter(Signer::has_secret) {
                signers.push((part, signer.open(passphrase)?));
            }
        }
        if signers.is_empty() {
            return Err(KeyError::NoSecret);
        }
        Ok(Self { public, packets, signers })
    }

    /// Gives the public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Gives the key in armor as it came: what was locked is locked. **This is the secret.**
    pub fn armored(&self) -> String {
        armor::to_block(Block::PrivateKey, &self.packets)
    }

    /// Signs `data` at the time `at`, with the newest subkey that counts then or else the primary key; gives the
    /// one-line form.
    pub fn sign_line(&self, data: &[u8], at: OffsetDateTime) -> Result<String, SignError> {
        let made = stamp(at).ok_or(SignError::Time(at))?;
        let part = self.public.signing_part(at, &Policy::default()).map_err(SignError::Refused)?;
        let (_, signer) =
            self.signers.iter().find(|(other, _)| *other == part).ok_or(SignError::NoSecret)?;
        let signature = match signer {
            Signer::Primary(key) => sign(key, data, made),
            Signer::Subkey(key) => sign(key, data, made),
        };
        let packet = signature.and_then(|signature| {
            let mut packet = Vec::new();
            signature.to_writer_with_header(&mut packet)?;
            Ok(packet)
        });
        packet
            .map(|packet| armor::to_line(&packet))
            .map_err(|error| SignError::Failed(error.to_string()))
    }
}

impl Signer {
    fn secret(&self) -> &SecretParams {
        match self {
            Self::Primary(key) => key.secret_params(),
            Self::Subkey(key) => key.secret_params(),
        }
    }

    /// Tells whether the secret is there at all; GnuPG writes a stub for one on a card or kept apart.
    fn has_secret(&self) -> bool {
        let SecretParams::Encrypted(locked) = self.secret() else { return true };
        match locked.string_to_key_params() {
            S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } => {
                !matches!(s2k, StringToKey::Private { .. })
            }
            _ => true,
        }
    }

    fn open(mut self, passphrase: Option<&str>) -> Result<Self, KeyError> {
        if !self.secret().is_encrypted() {
            return Ok(self);
        }
        let password = Password::from(passphrase.ok_or(KeyError::Locked)?);
        let opened = match &mut self {
            Self::Primary(key) => key.remove_password(&password),
            Self::Subkey(key) => key.remove_password(&password),
        };
        match opened {
            Ok(()) => Ok(self),
            Err(_) => Err(KeyError::Passphrase),
        }
    }
}

/// Makes a binary signature of version 4, as every OpenPGP program reads it.
fn sign(key: &impl SigningKey, data: &[u8], made: Timestamp) -> pgp::errors::Result<Signature> {
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), key.hash_alg());
    describe(&mut config, key, made, Vec::new())?;
    config.sign(key, &Password::empty(), data)
}

/// Puts time and signer into a signature to be made, and `more`.
fn describe(
    config: &mut SignatureConfig,
    key: &impl KeyDetails,
    made: Timestamp,
    more: Vec<SubpacketData>,
) -> pgp::errors::Result<()> {
    let first = [
        SubpacketData::SignatureCreationTime(made),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    config.hashed_subpackets =
        first.into_iter().chain(more).map(Subpacket::regular).collect::<Result<_, _>>()?;
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(())
}

/// Puts a key together from its seed; by hand, because the library's own builder asks the machine's clock.
fn assemble(
    seed: &[u8; ed25519::KEY_LEN],
    user_id: &str,
    made: Timestamp,
) -> pgp::errors::Result<SignedSecretKey> {
    let secret = ed25519::SecretKey::try_from_bytes(*seed, ed25519::Mode::EdDSALegacy)?;
    let public = PublicParams::EdDSALegacy((&secret).into());
    let algorithm = PublicKeyAlgorithm::EdDSALegacy;
    let public = PubKeyInner::new(KeyVersion::V4, algorithm, made, None, public)?;
    let public = packet::PublicKey::from_inner(public)?;
    let secret = PlainSecretParams::EdDSALegacy(eddsa_legacy::SecretKey::Ed25519(secret));
    let key = packet::SecretKey::new(public.clone(), SecretParams::Plain(secret))?;

    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut features = Features::default();
    features.set_seipd_v1(true);
    let more = vec![
        SubpacketData::KeyFlags(flags),
        SubpacketData::Features(features),
        SubpacketData::PreferredHashAlgorithms(
            [HashAlgorithm::Sha512, HashAlgorithm::Sha256].into_iter().collect(),
        ),
    ];
    let mut config = SignatureConfig::v4(SignatureType::CertPositive, algorithm, key.hash_alg());
    describe(&mut config, &key, made, more)?;
    let user = UserId::from_str(PacketHeaderVersion::New, user_id)?;
    let own = config.sign_certification(&key, &public, &Password::empty(), Tag::UserId, &user)?;
    let details = SignedKeyDetails::new(vec![], vec![], vec![user.into_signed(own)], vec![]);
    Ok(SignedSecretKey::new(key, details, vec![], vec![]))
}
