//! Armor, keys and signatures in it: nothing makes them panic, and what reads writes the same again.
#![no_main]

use signing::{KeySet, Policy, PublicKey, armor};
use time::macros::datetime;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let now = datetime!(2026-11-21 20:15 UTC);
    if let Ok(packets) = armor::from_line(text) {
        assert_eq!(armor::from_line(&armor::to_line(&packets)).as_ref(), Ok(&packets));
    }
    if let Ok((block, packets)) = armor::from_block(text) {
        let again = armor::from_block(&armor::to_block(block, &packets));
        assert_eq!(again, Ok((block, packets)));
    }
    let mut keys = KeySet::default();
    if let Ok(key) = PublicKey::parse(text) {
        let again = PublicKey::parse(&key.armored()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.fingerprint(), key.fingerprint());
        let _ = (key.check(now, &Policy::default()), key.key_ids(), key.created());
        keys.insert(key);
    }
    // no made-up signature counts
    assert!(keys.verify(text, b"text", now, &Policy::default()).is_err());
});
