//! Keys that were verified a moment ago, so that a loader's run costs one slow hash, and prefixes under which wrong
//! keys were shown, so that guessing costs the guesser more than it costs us.

use crate::domain::key::{KeyHash, LoaderKey};
use hmac::{Hmac, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// Says how long a verified key is not hashed again.
const FRESH_FOR: Duration = Duration::seconds(60);
/// Says how many keys are remembered.
const MOST: usize = 100_000;
/// Says how many wrong keys of one prefix are hashed in a minute.
const MOST_WRONG: u32 = 30;

/// Remembers keys by a hash under a secret of this process.
pub(super) struct KnownKeys {
    secret: [u8; 32],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    verified: HashMap<[u8; 32], OffsetDateTime>,
    minute: i64,
    wrong: HashMap<String, u32>,
}

impl KnownKeys {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut secret = [0; 32];
        OsRng.try_fill_bytes(&mut secret)?;
        Ok(Self { secret, state: Mutex::default() })
    }

    /// Tells whether this key was verified against this hash within the last minute.
    pub(super) fn knows(&self, key: &LoaderKey, kept: &KeyHash, now: OffsetDateTime) -> bool {
        let name = self.name(key, kept);
        let at = self.state().verified.get(&name).copied();
        at.is_some_and(|at| now >= at && now - at < FRESH_FOR)
    }

    /// Remembers a key that was verified.
    pub(super) fn remember(&self, key: &LoaderKey, kept: &KeyHash, now: OffsetDateTime) {
        let name = self.name(key, kept);
        let mut state = self.state();
        if state.verified.len() >= MOST {
            state.verified.retain(|_, at| now - *at < FRESH_FOR);
        }
        if state.verified.len() < MOST {
            state.verified.insert(name, now);
        }
    }

    /// Tells whether another key of this prefix is worth a hash now. It counts as wrong until [`Self::give_back`] says
    /// otherwise, so that neither many at once nor one who hangs up gets more of them.
    pub(super) fn take_try(&self, prefix: &str, now: OffsetDateTime) -> bool {
        let mut state = self.state();
        state.turn(now);
        let count = state.wrong.entry(prefix.to_owned()).or_default();
        let free = *count < MOST_WRONG;
        *count = count.saturating_add(u32::from(free));
        free
    }

    /// Counts no longer as wrong what was a right key.
    pub(super) fn give_back(&self, prefix: &str) {
        if let Some(count) = self.state().wrong.get_mut(prefix) {
            *count = count.saturating_sub(1);
        }
    }

    fn name(&self, key: &LoaderKey, kept: &KeyHash) -> [u8; 32] {
        // an HMAC takes a key of any length
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        mac.update(&kept.hash);
        mac.update(&kept.salt);
        mac.update(key.prefix().as_bytes());
        mac.update(key.secret().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, now: OffsetDateTime) {
        let minute = now.unix_timestamp().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.wrong.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_key_is_known_for_a_minute_and_for_its_hash_only() {
        let known = KnownKeys::new().unwrap();
        let now = datetime!(2026-11-21 12:00 UTC);
        let key = LoaderKey::parse(&"a".repeat(40)).unwrap();
        let kept = KeyHash { hash: vec![1; 32], salt: vec![2; 16] };
        assert!(!known.knows(&key, &kept, now));
        known.remember(&key, &kept, now);
        assert!(known.knows(&key, &kept, now + Duration::seconds(59)));
        assert!(!known.knows(&key, &kept, now + Duration::seconds(60)));
        let replaced = KeyHash { hash: vec![3; 32], ..kept.clone() };
        assert!(!known.knows(&key, &replaced, now));
        let other = LoaderKey::parse(&"b".repeat(40)).unwrap();
        assert!(!known.knows(&other, &kept, now));
    }

    #[test]
    fn guesses_are_hashed_only_so_often() {
        let known = KnownKeys::new().unwrap();
        let now = datetime!(2026-11-21 12:00 UTC);
        for _ in 0..MOST_WRONG {
            assert!(known.take_try("prefix", now));
        }
        assert!(!known.take_try("prefix", now));
        assert!(known.take_try("another", now));
        known.give_back("prefix");
        assert!(known.take_try("prefix", now), "one of them was right");
        assert!(!known.take_try("prefix", now));
        assert!(known.take_try("prefix", now + Duration::minutes(1)));
    }
}
