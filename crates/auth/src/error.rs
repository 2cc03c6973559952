//! Why a proof does not count.

use signing::{TokenError, VerifyError};

/// Says why someone is not who they say they are; the texts are those that MIG's clients show.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The signed token does not count.
    #[error("verifySignedToken() -> {0}")]
    Token(TokenError),
    /// The token was used before, where each counts once.
    #[error("verifySignedToken() -> the token was used before; make a new one for each request")]
    TokenUsed,
    /// So many tokens were used lately that no other can be remembered.
    #[error("verifySignedToken() -> too many tokens were used lately; try again in some minutes")]
    TokensFull,
    /// The API key belongs to no active investigator.
    #[error("API key authentication failed")]
    ApiKey,
    /// The key is known, its owner is not.
    #[error("InvestigatorByFingerprint: no investigator found for fingerprint '{0}'")]
    Nobody(String),
    /// The action has no signature.
    #[error("action pgpsignatures is empty")]
    Unsigned,
    /// The action has more signatures than anyone needs.
    #[error("the action has {count} signatures; at most {most} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// One of the action's signatures does not count.
    #[error("signature {number} does not count: {reason}")]
    Signature {
        /// Which one, from 1 on.
        number: usize,
        /// Why.
        reason: VerifyError,
    },
    /// One investigator signed twice.
    #[error("investigator {name:?} signed the action twice; each signer counts once")]
    SameSigner {
        /// Their name.
        name: String,
    },
}

impl AuthError {
    /// Gives what the original answers to a poster of an action, where it has a text (specs/mig/captures, 301–303).
    pub fn mig_text(&self) -> String {
        match self {
            Self::Signature { reason, .. } => {
                format!("VerifySignatures() -> {}", reason.mig_text())
            }
            Self::Nobody(_) => format!("VerifySignatures() -> {self}"),
            other => other.to_string(),
        }
    }

    /// Tells whether only the signer is not known: a copy may hear of them a moment later.
    pub fn is_unknown_signer(&self) -> bool {
        match self {
            Self::Nobody(_) => true,
            Self::Signature { reason, .. } => matches!(reason, VerifyError::UnknownSigner { .. }),
            _ => false,
        }
    }
}
