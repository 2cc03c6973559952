//! Which signatures count. The library below checks arithmetic only: a signature by an expired or revoked key, or over
//! a broken hash, is correct arithmetic.

use crate::VerifyError;
use crate::seconds::moment;
use pgp::crypto::hash::HashAlgorithm;
use pgp::ser::Serialize;
use pgp::types::PublicParams;
use time::{Duration, OffsetDateTime};

/// Says which signatures count; the default is strict, each switch admits something for an old fleet.
///
/// Never admitted, as the original does not either: keys and subkeys without the right to sign, subkeys that have not
/// signed back, hashes weaker than SHA-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether signatures over SHA-1 count. What a key says of itself may always be over SHA-1: forging that takes a
    /// second preimage, not a collision.
    pub allow_sha1: bool,
    /// Whether expired keys, and signatures that said when they end, still count.
    pub allow_expired: bool,
    /// Whether revoked keys still count.
    pub allow_revoked: bool,
    /// The shortest RSA key that counts, in bits.
    pub min_rsa_bits: u32,
    /// The shortest DSA key that counts, in bits.
    pub min_dsa_bits: u32,
    /// How far a signer's clock may be ahead.
    pub clock_skew: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_sha1: false,
            allow_expired: false,
            allow_revoked: false,
            min_rsa_bits: 2048,
            min_dsa_bits: 2048,
            clock_skew: Duration::minutes(10),
        }
    }
}

impl Policy {
    /// Checks the hash of a signature over data, or of a subkey's signature back over its primary key.
    pub(crate) fn check_hash(&self, hash: HashAlgorithm) -> Result<(), VerifyError> {
        match hash {
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512 => Ok(()),
            HashAlgorithm::Sha1 if self.allow_sha1 => Ok(()),
            weak => Err(VerifyError::WeakHash { hash: weak.to_string() }),
        }
    }

    /// Checks the length of a key.
    pub(crate) fn check_size(&self, params: &PublicParams) -> Result<(), VerifyError> {
        let least = match params {
            PublicParams::RSA(_) => self.min_rsa_bits,
            PublicParams::DSA(_) => self.min_dsa_bits,
            _ => return Ok(()),
        };
        match modulus_bits(params) {
            bits if bits < least => Err(VerifyError::WeakKey { bits, least }),
            _ => Ok(()),
        }
    }

    /// Checks when a signature was made, and when it ends if it says so.
    pub(crate) fn check_times(
        &self,
        made: i64,
        ends: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<(), VerifyError> {
        if made > self.latest(now) {
            return Err(VerifyError::FromTheFuture { at: moment(made) });
        }
        match ends {
            Some(end) if end <= now.unix_timestamp() && !self.allow_expired => {
                Err(VerifyError::SignatureExpired { at: moment(end) })
            }
            _ => Ok(()),
        }
    }

    /// Gives the latest second at which something made now may say that it was made.
    pub(crate) fn latest(&self, now: OffsetDateTime) -> i64 {
        now.unix_timestamp().saturating_add(self.clock_skew.whole_seconds())
    }
}

/// Gives the length of the modulus: the first number of RSA and DSA keys, which is written after its length in bits.
fn modulus_bits(params: &PublicParams) -> u32 {
    match params.to_bytes().as_deref() {
        Ok([high, low, ..]) => u32::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    #[test]
    fn times_are_judged_with_ten_minutes_of_skew() {
        let policy = Policy::default();
        let now = NOW.unix_timestamp();
        assert_eq!(policy.check_times(now + 600, None, NOW), Ok(()));
        assert_eq!(
            policy.check_times(now + 601, None, NOW),
            Err(VerifyError::FromTheFuture { at: datetime!(2026-11-21 12:10:01 UTC) })
        );
        assert_eq!(policy.check_times(now - 60, Some(now + 1), NOW), Ok(()));
        let over = policy.check_times(now - 60, Some(now), NOW);
        assert_eq!(over, Err(VerifyError::SignatureExpired { at: NOW }));
        let lenient = Policy { allow_expired: true, ..policy };
        assert_eq!(lenient.check_times(now - 60, Some(now), NOW), Ok(()));
    }

    #[test]
    fn broken_hashes_never_count() {
        let lenient = Policy { allow_sha1: true, ..Policy::default() };
        assert_eq!(lenient.check_hash(HashAlgorithm::Sha1), Ok(()));
        for hash in [HashAlgorithm::Md5, HashAlgorithm::Ripemd160, HashAlgorithm::Other(200)] {
            assert!(
                matches!(lenient.check_hash(hash), Err(VerifyError::WeakHash { .. })),
                "{hash}"
            );
        }
        let refused = Policy::default().check_hash(HashAlgorithm::Sha1);
        assert_eq!(refused, Err(VerifyError::WeakHash { hash: "SHA1".into() }));
    }
}
