//! Playbooks that were read lately; what has a digest never changes.

use crate::domain::playbook::Playbook;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Says how many are kept; the largest takes some 20 MiB.
const KEPT: usize = 32;

/// Keeps playbooks by the digest of their text.
#[derive(Default)]
pub(super) struct KnownPlaybooks(Mutex<HashMap<Vec<u8>, Arc<Playbook>>>);

impl KnownPlaybooks {
    pub(super) fn get(&self, digest: &[u8]) -> Option<Arc<Playbook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    pub(super) fn put(&self, digest: &[u8], playbook: &Arc<Playbook>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(digest.to_vec(), Arc::clone(playbook));
    }
}
