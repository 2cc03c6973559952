//! The built-in modules.

pub(crate) mod file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Lists the built-in modules, as the agent reports them.
pub(crate) const BUILT_IN: &[&str] = &["file"];

/// Says when a module has to stop; it looks often.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    /// Not beyond this.
    pub(crate) until: Instant,
    /// Not after this was set.
    pub(crate) stop: Arc<AtomicBool>,
    /// How many bytes of JSON it may bring back.
    pub(crate) max_output: usize,
}

impl Limit {
    /// Tells whether it has to stop now.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.until
    }
}
