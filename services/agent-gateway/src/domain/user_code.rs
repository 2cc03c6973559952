//! The code a person types to admit a device: eight letters that nobody confuses and that make no words.

use std::fmt;

/// The letters: consonants only, without those that look or sound alike.
pub(crate) const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many letters a code has; 20^8 codes against at most some thousands that are pending.
pub(crate) const LENGTH: usize = 8;

/// Is a code as stored: eight letters without the dash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserCode(String);

impl UserCode {
    /// Reads what a person typed: in any case, with or without dashes and blanks.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        let letters: String = typed
            .chars()
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| c.to_ascii_uppercase())
            .take(LENGTH + 1)
            .collect();
        let known = letters.bytes().all(|letter| LETTERS.contains(&letter));
        (letters.len() == LENGTH && known).then_some(Self(letters))
    }

    /// Draws a code from random bytes; those that would favour a letter are passed over.
    pub(crate) fn draw(random: impl Iterator<Item = u8>) -> Option<Self> {
        let letters: String = random
            .filter(|byte| usize::from(*byte) < 256 / LETTERS.len() * LETTERS.len())
            .filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()))
            .map(|letter| char::from(*letter))
            .take(LENGTH)
            .collect();
        (letters.len() == LENGTH).then_some(Self(letters))
    }

    /// Gives the letters without the dash.
    pub(crate) fn letters(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = self.0.split_at_checked(LENGTH / 2).unwrap_or((&self.0, ""));
        write!(f, "{left}-{right}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_person_types_is_read() {
        let code = UserCode::parse("bcdf-ghjk").unwrap();
        assert_eq!((code.letters(), code.to_string().as_str()), ("BCDFGHJK", "BCDF-GHJK"));
        assert_eq!(UserCode::parse(" BCDF GHJK"), Some(code.clone()));
        assert_eq!(UserCode::parse("BCDFGHJK"), Some(code));
        for wrong in
            ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ0", "ßCDFGHJK", "BCDFGHJ\0"]
        {
            assert_eq!(UserCode::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_letter_is_drawn_equally_often() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=u8::MAX {
            if let Some(code) = UserCode::draw(std::iter::repeat_n(byte, LENGTH)) {
                *counts.entry(code.0).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.len(), LETTERS.len());
        assert!(counts.values().all(|count| *count == 12), "{counts:?}");
        assert_eq!(UserCode::draw([255; 64].into_iter()), None, "too little randomness is no code");
    }

    proptest! {
        #[test]
        fn a_drawn_code_comes_back_from_its_text(random in prop::collection::vec(any::<u8>(), 64)) {
            if let Some(code) = UserCode::draw(random.into_iter()) {
                prop_assert_eq!(UserCode::parse(&code.to_string().to_lowercase()), Some(code));
            }
        }

        #[test]
        fn no_text_is_too_odd(typed in ".*") {
            let _ = UserCode::parse(&typed);
        }
    }
}
