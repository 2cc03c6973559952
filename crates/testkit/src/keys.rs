//! Keys of people who exist only in tests.

use signing::SecretKey;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use time::OffsetDateTime;
use time::macros::datetime;

/// Is when every test key was made: before any time that a test's clock shows.
pub const CREATED: OffsetDateTime = datetime!(2020-01-01 00:00:00 UTC);

/// Gives the Ed25519 key of `name`; the same one for the same name, as long as the process lives.
pub fn of(name: &str) -> SecretKey {
    static MADE: LazyLock<Mutex<BTreeMap<String, String>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let armored = made.entry(name.to_owned()).or_insert_with(|| new(name).armored());
    SecretKey::parse(armored, None).expect("a key of our own does not parse")
}

/// Makes a new Ed25519 key each time.
pub fn new(name: &str) -> SecretKey {
    SecretKey::generate(&format!("{name} <{name}@example.org>"), CREATED).expect("no key")
}
