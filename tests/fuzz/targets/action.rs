//! Actions: whatever reads has a signed string, and written out it reads as the same order.
#![no_main]

use signing::action::{digest, signed_string};
use time::macros::datetime;
use types::Action;

libfuzzer_sys::fuzz_target!(|document: &[u8]| {
    let Ok(action) = Action::parse(document) else { return };
    let signed = signed_string(&action);
    assert!(signed.starts_with("name=") && signed.ends_with(';'));
    let fits = action.check(datetime!(2026-11-21 20:15 UTC)).is_ok();
    let Ok(written) = serde_json::to_vec(&action) else {
        assert!(!fits, "an action that may be stored cannot be written");
        return;
    };
    let again = Action::parse(&written).unwrap_or_else(|error| panic!("{error}: {signed}"));
    assert_eq!(signed_string(&again), signed);
    assert_eq!(digest(&again), digest(&action));
});
