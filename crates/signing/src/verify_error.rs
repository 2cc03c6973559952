//! Why a signature does not count, for people and in the original's words.

use crate::armor::ArmorError;
use time::OffsetDateTime;

/// Says why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The line is not armor.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// The bytes are no signature packets.
    #[error("the text is base64, but not an OpenPGP signature: {0}")]
    Malformed(String),
    /// No known key made it.
    #[error("no known key made this signature; it names {}", named(.issuers))]
    UnknownSigner {
        /// The key ids or fingerprints that the signature names.
        issuers: Vec<String>,
    },
    /// It is not a signature over a document.
    #[error("the signature is not one over a document")]
    NotOverData,
    /// It asks for something that is not understood here.
    #[error("the signature has a critical part that is not understood here")]
    Critical,
    /// The document is not what was signed: the first bytes of the hash differ.
    #[error("the signature does not belong to this text")]
    OtherText,
    /// The hash begins right, but the arithmetic fails.
    #[error("the signature is wrong")]
    Wrong,
    /// It is over a hash that does not count.
    #[error("the signature is made over {hash}, which is too weak; sign with SHA-256 or better")]
    WeakHash {
        /// The hash's name.
        hash: String,
    },
    /// The subkey agreed to its primary key over a hash that does not count.
    #[error(
        "the subkey {key} is tied to its key over {hash}, which is too weak; make a new subkey"
    )]
    WeakBinding {
        /// The subkey's fingerprint.
        key: String,
        /// The hash's name.
        hash: String,
    },
    /// The key is too short.
    #[error("the key has {bits} bits; at least {least} are needed")]
    WeakKey {
        /// The key's length.
        bits: u32,
        /// The least that counts.
        least: u32,
    },
    /// It does not say when it was made.
    #[error("the signature does not say when it was made")]
    Undated,
    /// It was made later than now.
    #[error(
        "the signature says it is made at {at}, which is in the future; set the signer's clock"
    )]
    FromTheFuture {
        /// When it says it was made.
        at: OffsetDateTime,
    },
    /// It said when it ends, and that has passed.
    #[error("the signature was good until {at}")]
    SignatureExpired {
        /// When it ended.
        at: OffsetDateTime,
    },
    /// It is older than the key.
    #[error("the signature says it is older than its key, made at {made}")]
    OlderThanKey {
        /// When the key was made.
        made: OffsetDateTime,
    },
    /// The key is expired.
    #[error("the key {key} expired at {at}")]
    KeyExpired {
        /// The fingerprint of the key, or of the subkey.
        key: String,
        /// When it expired.
        at: OffsetDateTime,
    },
    /// The key is revoked.
    #[error("the key {key} is revoked")]
    KeyRevoked {
        /// The fingerprint of the key, or of the subkey.
        key: String,
    },
    /// The key says of itself that it does not sign.
    #[error("the key {key} is not made for signing")]
    NotForSigning {
        /// The fingerprint of the key, or of the subkey.
        key: String,
    },
    /// No statement of the key about itself holds.
    #[error("the key {key} has no valid signature of its own")]
    Unbound {
        /// The fingerprint of the key, or of the subkey.
        key: String,
    },
}

impl VerifyError {
    /// Gives the text that the original answers, where it has one (specs/mig/auth.md §1).
    pub fn mig_text(&self) -> String {
        match self {
            Self::Armor(ArmorError::NoChecksum) => "EOF".into(),
            Self::Armor(ArmorError::Base64 { at }) => {
                format!("illegal base64 data at input byte {at}")
            }
            Self::UnknownSigner { .. } => "openpgp: signature made by unknown entity".into(),
            Self::OtherText => "openpgp: invalid signature: hash tag doesn't match".into(),
            Self::Wrong => "openpgp: invalid signature: verification failure".into(),
            other => format!("openpgp: {other}"),
        }
    }
}

fn named(issuers: &[String]) -> String {
    if issuers.is_empty() { "no key".into() } else { issuers.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signers_are_named() {
        let error = VerifyError::UnknownSigner { issuers: vec!["AB".into(), "CD".into()] };
        assert_eq!(error.to_string(), "no known key made this signature; it names AB, CD");
        let nobody = VerifyError::UnknownSigner { issuers: vec![] };
        assert_eq!(nobody.to_string(), "no known key made this signature; it names no key");
        assert_eq!(nobody.mig_text(), "openpgp: signature made by unknown entity");
    }
}
