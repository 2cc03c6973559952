//! `X-PGPAUTHORIZATION`, version 1: `1;<timestamp>;<nonce>;<signature>` (specs/mig/auth.md §1).
//!
//! Checks come in the original's order and fail with its words; they follow `verifySignedToken() -> ` there. The nonce
//! is not looked at: within its window a token may be used again, by design.

pub use crate::go_time::TimestampError;
use crate::key::SignError;
use crate::{KeySet, Policy, SecretKey, Verified, VerifyError, go_time};
use std::fmt;
use time::{Duration, OffsetDateTime};

/// Says why a token is refused, in the original's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has not four parts.
    #[error("invalid token format")]
    Format,
    /// It is of another version.
    #[error("invalid token version, must be 1")]
    Version,
    /// Its time is not one.
    #[error("{0}")]
    Timestamp(TimestampError),
    /// It was made too long ago, or too far ahead.
    #[error("token timestamp is not within acceptable time limits")]
    Window,
    /// Its signature does not count.
    #[error("GetFingerprintFromSignature() -> {}", .0.mig_text())]
    Signature(VerifyError),
}

/// Is a token that is well formed; who made it is not known before [`Token::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    timestamp: String,
    nonce: String,
    signature: String,
    at: OffsetDateTime,
}

impl fmt::Debug for Token {
    /// Leaves the signature out: with it, whoever reads the log could ask in the signer's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("at", &self.timestamp).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads the header's value.
    pub fn parse(header: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = header.split(';').take(5).collect();
        let [version, timestamp, nonce, signature] = *parts else {
            return Err(TokenError::Format);
        };
        if version != "1" {
            return Err(TokenError::Version);
        }
        let at = go_time::parse(timestamp).map_err(TokenError::Timestamp)?;
        Ok(Self {
            timestamp: timestamp.into(),
            nonce: nonce.into(),
            signature: signature.into(),
            at,
        })
    }

    /// Gives when it says it was made.
    pub fn at(&self) -> OffsetDateTime {
        self.at
    }

    /// Gives the bytes that are signed; they end in a newline.
    pub fn signed_bytes(&self) -> Vec<u8> {
        signed_text(&self.timestamp, &self.nonce).into_bytes()
    }

    /// Checks that it was made at most `tolerance` before or after `now`.
    pub fn check_window(&self, now: OffsetDateTime, tolerance: Duration) -> Result<(), TokenError> {
        if (self.at - now).abs() > tolerance {
            return Err(TokenError::Window);
        }
        Ok(())
    }

    /// Finds out who made it, and whether it counts at `now`.
    pub fn verify(
        &self,
        keys: &KeySet,
        now: OffsetDateTime,
        tolerance: Duration,
        policy: &Policy,
    ) -> Result<Verified, TokenError> {
        self.check_window(now, tolerance)?;
        keys.verify(&self.signature, &self.signed_bytes(), now, policy)
            .map_err(TokenError::Signature)
    }
}

/// Makes a header's value with `key` at `now`, in whole seconds.
pub fn make(key: &SecretKey, now: OffsetDateTime, nonce: &str) -> Result<String, SignError> {
    let text = text(now, nonce)?;
    let signature = key.sign_line(text.as_bytes(), now)?;
    Ok(with_signature(&text, &signature))
}

/// Gives what is to be signed for a token at `now`, in whole seconds, where the key is not at hand: on a card, in gpg.
pub fn text(now: OffsetDateTime, nonce: &str) -> Result<String, SignError> {
    if nonce.is_empty() || nonce.contains(|c: char| c == ';' || !c.is_ascii_graphic()) {
        return Err(SignError::Nonce);
    }
    let utc = now.to_offset(time::UtcOffset::UTC);
    let timestamp = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    );
    Ok(signed_text(&timestamp, nonce))
}

/// Puts the signature of a [`text`] behind it: the header's value.
pub fn with_signature(text: &str, signature: &str) -> String {
    format!("{};{signature}", text.trim_end())
}

fn signed_text(timestamp: &str, nonce: &str) -> String {
    format!("1;{timestamp};{nonce}\n")
}
