//! Secrets that are handed out once and kept as SHA-256 only.

use crate::domain::user_code::UserCode;
use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

/// Is a fresh secret of 256 bits; it has no `Debug`, so that no log shows it.
pub(crate) struct Secret {
    /// What the caller gets, once.
    pub text: String,
    /// What is stored.
    pub sha256: [u8; 32],
}

impl Secret {
    /// Draws a secret from the operating system.
    pub(crate) fn draw() -> Result<Self, Error> {
        let text = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let sha256 = hash(&text);
        Ok(Self { text, sha256 })
    }
}

/// Hashes a secret that a caller shows.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Draws a code for a person to type.
pub(crate) fn user_code() -> Result<UserCode, Error> {
    // 64 bytes leave fewer than eight usable ones about never: a byte is passed over one time in sixteen
    UserCode::draw(random::<64>()?.into_iter())
        .ok_or_else(|| Error::Internal(anyhow::anyhow!("no user code was drawn")))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| Error::Internal(error.into()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_is_new_each_time() {
        let secret = Secret::draw().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&secret.text).unwrap().len(), 32);
        assert_eq!(hash(&secret.text), secret.sha256);
        assert_ne!(Secret::draw().unwrap().text, secret.text);
        assert_ne!(user_code().unwrap(), user_code().unwrap());
    }
}
