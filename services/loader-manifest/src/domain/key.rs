//! Loader keys (specs/mig/auth.md §3): eight characters that find the loader, and 32 that prove it.

use hmac::{Hmac, Mac};
use rand::TryRngCore;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::OsRng;
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

const PREFIX: usize = 8;
const LENGTH: usize = 40;
const ROUNDS: usize = 4096;

/// Is a key as a loader shows it; `Debug` shows the prefix only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LoaderKey(String);

impl fmt::Debug for LoaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoaderKey").field(&self.prefix()).finish()
    }
}

impl LoaderKey {
    /// Takes 40 letters and digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let right = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        right.then(|| Self(text.to_owned()))
    }

    /// Gives the part that finds the loader.
    pub(crate) fn prefix(&self) -> &str {
        self.0.split_at_checked(PREFIX).unwrap_or_default().0
    }

    /// Gives the part that proves it.
    pub(crate) fn secret(&self) -> &str {
        self.0.split_at_checked(PREFIX).unwrap_or_default().1
    }
}

/// Is what is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyHash {
    pub(crate) hash: Vec<u8>,
    pub(crate) salt: Vec<u8>,
}

impl KeyHash {
    /// Hashes a secret with a new salt.
    pub(crate) fn new(secret: &str) -> Result<Self, rand::rand_core::OsError> {
        let mut salt = vec![0; 16];
        OsRng.try_fill_bytes(&mut salt)?;
        Ok(Self { hash: pbkdf2(secret.as_bytes(), &salt).to_vec(), salt })
    }

    /// Compares in constant time; takes about a millisecond.
    pub(crate) fn verify(&self, key: &LoaderKey) -> bool {
        pbkdf2(key.secret().as_bytes(), &self.salt).as_slice().ct_eq(&self.hash).into()
    }
}

/// Draws a new prefix: 8 letters and digits.
pub(crate) fn new_prefix() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), PREFIX)
}

/// Draws a new secret: 32 letters and digits, about 190 random bits.
pub(crate) fn new_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), LENGTH - PREFIX)
}

/// Gives the one block that PBKDF2-HMAC-SHA256 makes for 32 bytes (RFC 8018 §5.2).
fn pbkdf2(password: &[u8], salt: &[u8]) -> [u8; 32] {
    // an HMAC takes a key of any length
    let Ok(keyed) = Hmac::<Sha256>::new_from_slice(password) else { return [0; 32] };
    let prf = |parts: &[&[u8]]| -> [u8; 32] {
        let mut mac = keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    };
    let mut round = prf(&[salt, &1_u32.to_be_bytes()]);
    let mut block = round;
    for _ in 1..ROUNDS {
        round = prf(&[&round]);
        block.iter_mut().zip(round).for_each(|(sum, byte)| *sum ^= byte);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recorded vector (specs/mig/captures/vectors/pbkdf2.json).
    #[test]
    fn keys_of_the_original_verify() {
        let key = LoaderKey::parse("WqjwfF9JnNH0uMbua9wq6ZTkZs5xLUiEjMCUD1Pa").unwrap();
        assert_eq!((key.prefix(), key.secret()), ("WqjwfF9J", "nNH0uMbua9wq6ZTkZs5xLUiEjMCUD1Pa"));
        let kept = KeyHash {
            hash: hex::decode("e4c45b21cc463548d0daed5a718168bdf0d1ab81623acdcb541553abcd1fec56")
                .unwrap(),
            salt: hex::decode("f6ac4425c5f66786e70f0985b8ee3f5a").unwrap(),
        };
        assert!(kept.verify(&key));
        let other = LoaderKey::parse("WqjwfF9JnNH0uMbua9wq6ZTkZs5xLUiEjMCUD1Pb").unwrap();
        assert!(!kept.verify(&other));
        assert!(!KeyHash { hash: kept.hash[..31].to_vec(), ..kept }.verify(&key));
    }

    #[test]
    fn a_new_key_is_new_and_verifies() {
        let (prefix, secret) = (new_prefix(), new_secret());
        let key = LoaderKey::parse(&format!("{prefix}{secret}")).unwrap();
        let (first, second) = (KeyHash::new(&secret).unwrap(), KeyHash::new(&secret).unwrap());
        assert!(first.verify(&key) && second.verify(&key));
        assert_ne!(first, second, "each has its own salt");
        assert_ne!(new_secret(), secret);
        assert!(!format!("{key:?}").contains(&secret));
    }

    #[test]
    fn what_is_not_40_letters_and_digits_is_no_key() {
        for text in ["", "abc", &"a".repeat(39), &"a".repeat(41), &"-".repeat(40), &"é".repeat(20)]
        {
            assert_eq!(LoaderKey::parse(text), None, "{text}");
        }
    }
}
