//! Playbooks that were read lately; what has a digest never changes.

use crate::domain::playbook::Playbook;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Says how many bytes the texts of those that are kept have together; read, they take some five times as much.
const KEPT: usize = 16 << 20;

/// Keeps playbooks by the digest of their text.
#[derive(Default)]
pub(super) struct KnownPlaybooks(Mutex<Known>);

#[derive(Default)]
struct Known {
    playbooks: HashMap<Vec<u8>, One>,
    /// The bytes of their texts.
    size: usize,
    /// Counts what was asked for.
    turn: u64,
}

struct One {
    playbook: Arc<Playbook>,
    size: usize,
    /// When it was asked for last.
    used: u64,
}

impl KnownPlaybooks {
    pub(super) fn get(&self, digest: &[u8]) -> Option<Arc<Playbook>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.turn += 1;
        let turn = known.turn;
        let one = known.playbooks.get_mut(digest)?;
        one.used = turn;
        Some(Arc::clone(&one.playbook))
    }

    /// Keeps a playbook whose text has `size` bytes; those that nobody asked for the longest make room.
    pub(super) fn put(&self, digest: &[u8], playbook: &Arc<Playbook>, size: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(digest);
        while known.size + size > KEPT {
            let oldest = known.playbooks.iter().min_by_key(|(_, one)| one.used);
            let Some(oldest) = oldest.map(|(digest, _)| digest.clone()) else { break };
            known.remove(&oldest);
        }
        known.size += size;
        let one = One { playbook: Arc::clone(playbook), size, used: known.turn };
        known.playbooks.insert(digest.to_vec(), one);
    }
}

impl Known {
    fn remove(&mut self, digest: &[u8]) {
        if let Some(one) = self.playbooks.remove(digest) {
            self.size -= one.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_for_makes_room() {
        let text = include_str!("../../tests/playbooks/one-question.json");
        let playbook = Arc::new(Playbook::parse(text.as_bytes()).unwrap());
        let known = KnownPlaybooks::default();
        for (digest, size) in
            [(b"a", KEPT / 2), (b"b", KEPT / 4), (b"a", KEPT / 2), (b"c", KEPT / 4)]
        {
            known.put(digest, &playbook, size);
        }
        assert!(known.get(b"a").is_some() && known.get(b"b").is_some());
        known.put(b"d", &playbook, KEPT / 4);
        let there = [b"a", b"b", b"c", b"d"].map(|digest| known.get(digest).is_some());
        assert_eq!(there, [true, true, false, true]);
        assert_eq!(known.0.lock().unwrap().size, KEPT);
    }
}
