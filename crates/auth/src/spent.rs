//! Tokens that were used, where each counts once (the setting `once`).
//!
//! What is remembered is in this process's memory and bounded: of several processes each takes a token once, and a
//! restart forgets; a token stops counting by its time anyway. When the memory is full of tokens that still could be
//! used again, no other is taken, so that nobody can push one out; only investigators' own tokens get in.

use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// Says how many tokens are remembered.
const MOST: usize = 100_000;

/// Says why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It was used before.
    Used,
    /// There is no room to remember it.
    Full,
}

/// Remembers tokens for as long as they could be used again.
#[derive(Debug, Default)]
pub(crate) struct Spent(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    hashes: HashSet<[u8; 32]>,
    by_end: BTreeSet<(OffsetDateTime, [u8; 32])>,
}

impl Spent {
    /// Takes a token that `fingerprint` made and that counts no longer than `life` from `now` on. What is signed names
    /// it, not its signature, which its maker could vary.
    pub(crate) fn spend(
        &self,
        fingerprint: &str,
        signed: &[u8],
        now: OffsetDateTime,
        life: Duration,
    ) -> Result<(), Refusal> {
        self.spend_within(MOST, fingerprint, signed, now, life)
    }

    fn spend_within(
        &self,
        most: usize,
        fingerprint: &str,
        signed: &[u8],
        now: OffsetDateTime,
        life: Duration,
    ) -> Result<(), Refusal> {
        let hash: [u8; 32] = Sha256::new_with_prefix(fingerprint)
            .chain_update(b"\n")
            .chain_update(signed)
            .finalize()
            .into();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while known.by_end.first().is_some_and(|(end, _)| *end < now) {
            if let Some((_, over)) = known.by_end.pop_first() {
                known.hashes.remove(&over);
            }
        }
        if known.hashes.contains(&hash) {
            return Err(Refusal::Used);
        }
        if known.hashes.len() >= most {
            return Err(Refusal::Full);
        }
        known.hashes.insert(hash);
        known.by_end.insert((now.saturating_add(life), hash));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_token_counts_once_and_is_forgotten_when_it_is_over() {
        let spent = Spent::default();
        let (now, life) = (datetime!(2026-11-21 12:00 UTC), Duration::minutes(20));
        let spend = |who: &str, what: &[u8], at| spent.spend_within(2, who, what, at, life);
        assert_eq!(spend("A", b"1", now), Ok(()));
        assert_eq!(spend("A", b"1", now + life), Err(Refusal::Used));
        assert_eq!(spend("B", b"1", now), Ok(()), "another maker's token is another token");
        assert_eq!(spend("A", b"2", now + life), Err(Refusal::Full));
        let later = now + life + Duration::seconds(1);
        assert_eq!(spend("A", b"2", later), Ok(()));
        assert_eq!(spent.0.lock().unwrap().hashes.len(), 1);
    }
}
