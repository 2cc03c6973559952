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
}

impl Default for Settings {
    fn default() -> Self {
        Self { token_tolerance: Duration::minutes(10), policy: Policy::default() }
    }
}
