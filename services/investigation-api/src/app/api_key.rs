//! API keys.

use rand::distr::{Alphanumeric, SampleString};

/// Makes an API key: 32 letters and digits, as MIG's clients expect (specs/mig/auth.md §2), about 190 random bits.
pub(super) fn new_api_key() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}
