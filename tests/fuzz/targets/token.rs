//! Tokens: nothing but a token of Bob's counts, and that as Bob's.
#![no_main]

use signing::{KeySet, Policy, PublicKey, Token};
use std::sync::LazyLock;
use time::{Duration, OffsetDateTime};

const BOB: &str = include_str!("../../../crates/signing/tests/vectors/bob.asc");

static KEYS: LazyLock<(KeySet, String)> = LazyLock::new(|| {
    let bob = PublicKey::parse(BOB).unwrap();
    let fingerprint = bob.fingerprint();
    ([bob].into_iter().collect(), fingerprint)
});

libfuzzer_sys::fuzz_target!(|header: &str| {
    let Ok(token) = Token::parse(header) else { return };
    let signed = token.signed_bytes();
    assert!(signed.starts_with(b"1;") && signed.ends_with(b"\n"));
    let now: OffsetDateTime = token.at();
    let verified = token.verify(&KEYS.0, now, Duration::minutes(10), &Policy::default());
    if let Ok(verified) = verified {
        assert_eq!(verified.fingerprint, KEYS.1);
    }
});
