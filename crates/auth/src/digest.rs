//! One short text for how all investigators stand.

use sha2::{Digest, Sha256};
use types::InvestigatorId;

/// Gives the number of investigators and the lower-case hex SHA-256 over `<id>:<version>\n` of each, by ascending id.
pub fn of(investigators: impl IntoIterator<Item = (InvestigatorId, i64)>) -> (i64, String) {
    let mut all: Vec<_> = investigators.into_iter().collect();
    all.sort_unstable();
    let mut hash = Sha256::new();
    for (id, version) in &all {
        hash.update(format!("{id}:{version}\n"));
    }
    (i64::try_from(all.len()).unwrap_or(i64::MAX), hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::of;
    use types::InvestigatorId as Id;

    #[test]
    fn the_order_does_not_matter_and_a_version_does() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of([]), (0, empty.into()));
        assert_eq!(of([(Id(2), 1), (Id(1), 7)]), of([(Id(1), 7), (Id(2), 1)]));
        assert_ne!(of([(Id(1), 7)]), of([(Id(1), 8)]));
        assert_ne!(of([(Id(1), 11)]), of([(Id(11), 1)]));
    }
}
