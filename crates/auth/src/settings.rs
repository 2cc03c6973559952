//! What counts as proof.

use signing::Policy;
use time::Duration;

/// Says which tokens and signatures count.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How far a token's time may be from ours, either way.
    pub token_tolerance: Duration,
    /// Which signatures count.
    pub policy: Policy,
    /// Whether a token counts only once in each process. MIG's clients make a new one for each request; two that are
    /// started in the same second may make the same one.
    pub once: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { token_tolerance: Duration::minutes(10), policy: Policy::default(), once: false }
    }
}
