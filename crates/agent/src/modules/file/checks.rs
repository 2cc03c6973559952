//! What a search looks for in a file: by its name, size, mode, age, content and hashes.

use super::hashes::Algorithm;
use super::params::{Search, SearchFault};
use regex::bytes::{Regex, RegexBuilder};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// Is one check of a search.
#[derive(Debug)]
pub(super) struct Check {
    /// The kind.
    pub(super) kind: Kind,
    /// The text it was made from, as given.
    pub(super) value: String,
    /// Whether a leading `!` inverts it.
    pub(super) inverse: bool,
    /// Whether the option `mismatch` inverts its result.
    pub(super) mismatch: bool,
    /// How it is done.
    pub(super) test: Test,
}

/// Names a kind of check, as the option `mismatch` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Size,
    Mode,
    Mtime,
    Content,
    Md5,
    Sha1,
    Sha2,
    Sha3,
}

/// Is how a check is done.
#[derive(Debug)]
pub(super) enum Test {
    /// On the base name.
    Name(Regex),
    /// On the size in bytes, both ends included.
    Size(u64, u64),
    /// On the mode as Go prints it.
    Mode(Regex),
    /// On the time of the last change, both ends excluded.
    Mtime(SystemTime, SystemTime),
    /// On each line.
    Content(Regex),
    /// On the hash of the content.
    Hash(Algorithm, Vec<u8>),
}

/// Says what is wrong with a check.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// It has no text.
    #[error("a check is empty")]
    Empty,
    /// The text is too long.
    #[error("a regular expression is longer than {MAX_REGEX} bytes")]
    LongRegex,
    /// It is not a regular expression, or one that needs too much memory.
    #[error("'{0}' is not a regular expression that can be used: {1}")]
    Regex(String, String),
    /// It is not a size.
    #[error("'{0}' is not a size: write it as <10m, >1k or 512, with k, m, g or t")]
    Size(String),
    /// It is not an age.
    #[error("'{0}' is not an age: write it as <90d or >5h, with d, h or m")]
    Mtime(String),
    /// It is not a hash.
    #[error("'{0}' is not a {1} in hexadecimal")]
    Hash(String, &'static str),
}

const MAX_REGEX: usize = 4_096;
const MAX_REGEX_MEMORY: usize = 1024 * 1024;

impl Kind {
    /// Gives the word of the option `mismatch`.
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Mode => "mode",
            Self::Mtime => "mtime",
            Self::Content => "content",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha2 => "sha2",
            Self::Sha3 => "sha3",
        }
    }
}

impl Check {
    /// Makes all checks of a search.
    pub(super) fn all_of(search: &Search, now: OffsetDateTime) -> Result<Vec<Self>, SearchFault> {
        let kinds = [
            (Kind::Name, &search.names),
            (Kind::Mode, &search.modes),
            (Kind::Size, &search.sizes),
            (Kind::Mtime, &search.mtimes),
            (Kind::Content, &search.contents),
            (Kind::Md5, &search.md5),
            (Kind::Sha1, &search.sha1),
            (Kind::Sha2, &search.sha2),
            (Kind::Sha3, &search.sha3),
        ];
        let mismatch = search.options.mismatch.as_deref().unwrap_or_default();
        for name in mismatch {
            if !kinds.iter().any(|(kind, _)| kind.name() == name) {
                return Err(SearchFault::Mismatch(name.clone()));
            }
        }
        let mut checks = Vec::new();
        for (kind, values) in kinds {
            for value in values {
                let (inverse, test) = Test::new(kind, value, now)?;
                let mismatch = mismatch.iter().any(|name| name == kind.name());
                checks.push(Self { kind, value: value.clone(), inverse, mismatch, test });
            }
        }
        Ok(checks)
    }

    /// Tells whether the file is wanted, from what can be told without opening it; none when that is not enough.
    pub(super) fn on_metadata(&self, name: &[u8], mode: &str, about: &Metadata) -> Option<bool> {
        let matches = match &self.test {
            Test::Name(regex) => regex.is_match(name),
            Test::Mode(regex) => regex.is_match(mode.as_bytes()),
            Test::Size(least, most) => (*least..=*most).contains(&about.size()),
            Test::Mtime(after, before) => {
                about.modified().is_ok_and(|at| at > *after && at < *before)
            }
            Test::Content(_) | Test::Hash(..) => return None,
        };
        Some(matches ^ self.inverse ^ self.mismatch)
    }
}

impl Test {
    fn new(kind: Kind, value: &str, now: OffsetDateTime) -> Result<(bool, Self), CheckError> {
        if value.is_empty() {
            return Err(CheckError::Empty);
        }
        let hash = |algorithm| Ok((false, Self::Hash(algorithm, hash(value, algorithm)?)));
        match kind {
            Kind::Name => regex(value).map(|(inverse, regex)| (inverse, Self::Name(regex))),
            Kind::Content => regex(value).map(|(inverse, regex)| (inverse, Self::Content(regex))),
            // MIG takes no `!` before a mode, so here it is part of the expression
            Kind::Mode => Ok((false, Self::Mode(compile(value)?))),
            Kind::Size => {
                let (least, most) = size(value).ok_or_else(|| CheckError::Size(value.into()))?;
                Ok((false, Self::Size(least, most)))
            }
            Kind::Mtime => {
                let (after, before) =
                    mtime(value, now.into()).ok_or_else(|| CheckError::Mtime(value.into()))?;
                Ok((false, Self::Mtime(after, before)))
            }
            Kind::Md5 => hash(Algorithm::Md5),
            Kind::Sha1 => hash(Algorithm::Sha1),
            Kind::Sha2 => hash(match value.len() {
                96 => Algorithm::Sha384,
                128 => Algorithm::Sha512,
                _ => Algorithm::Sha256,
            }),
            Kind::Sha3 => hash(match value.len() {
                56 => Algorithm::Sha3_224,
                96 => Algorithm::Sha3_384,
                128 => Algorithm::Sha3_512,
                _ => Algorithm::Sha3_256,
            }),
        }
    }
}

fn regex(value: &str) -> Result<(bool, Regex), CheckError> {
    match value.strip_prefix('!') {
        Some(rest) if !rest.is_empty() => Ok((true, compile(rest)?)),
        _ => Ok((false, compile(value)?)),
    }
}

fn compile(value: &str) -> Result<Regex, CheckError> {
    if value.len() > MAX_REGEX {
        return Err(CheckError::LongRegex);
    }
    RegexBuilder::new(value)
        .size_limit(MAX_REGEX_MEMORY)
        .dfa_size_limit(MAX_REGEX_MEMORY)
        .build()
        .map_err(|error| CheckError::Regex(value.into(), error.to_string()))
}

/// Reads `<10m`, `>1k` or `512` as the least and the most number of bytes.
fn size(value: &str) -> Option<(u64, u64)> {
    let number = value.strip_prefix(['<', '>']).unwrap_or(value);
    let (digits, shift) = match number.chars().last()? {
        'k' => (number.strip_suffix('k')?, 10),
        'm' => (number.strip_suffix('m')?, 20),
        'g' => (number.strip_suffix('g')?, 30),
        't' => (number.strip_suffix('t')?, 40),
        _ => (number, 0),
    };
    let bytes = whole(digits)?.checked_mul(1 << shift)?;
    Some(match value.chars().next()? {
        '<' => (0, bytes),
        '>' => (bytes, u64::MAX),
        _ => (bytes, bytes),
    })
}

/// Reads `<90d` or `>5h` as the bounds of a time.
fn mtime(value: &str, now: SystemTime) -> Option<(SystemTime, SystemTime)> {
    let period = value.strip_prefix(['<', '>'])?;
    let (digits, unit) = match period.chars().last()? {
        'd' => (period.strip_suffix('d')?, 86_400),
        'h' => (period.strip_suffix('h')?, 3_600),
        'm' => (period.strip_suffix('m')?, 60),
        _ => return None,
    };
    let ago = Duration::from_secs(whole(digits)?.checked_mul(unit)?);
    let age = Duration::from_hours(200 * 365 * 24);
    let at = now.checked_sub(ago)?;
    if value.starts_with('<') {
        return Some((at, now.checked_add(age)?));
    }
    Some((SystemTime::UNIX_EPOCH.checked_sub(age)?, at))
}

fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn hash(value: &str, algorithm: Algorithm) -> Result<Vec<u8>, CheckError> {
    hex::decode(value)
        .ok()
        .filter(|hash| hash.len() == algorithm.size())
        .ok_or_else(|| CheckError::Hash(value.into(), algorithm.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("<10m"), Some((0, 10 << 20)));
        assert_eq!(size(">1k"), Some((1024, u64::MAX)));
        assert_eq!(size("7"), Some((7, 7)));
        assert_eq!(size("2t"), Some((2 << 40, 2 << 40)));
        for wrong in [
            "",
            "<",
            "k",
            "<k",
            "10x",
            "1.5k",
            "-1",
            "+1",
            "=1",
            "99999999999999999999",
            "99999999999t",
        ] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ages() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(mtime("<1d", now).unwrap().0, now - Duration::from_hours(24));
        assert_eq!(mtime(">90m", now).unwrap().1, now - Duration::from_mins(90));
        assert!(mtime("<1h", now).unwrap().1 > now, "the future counts as just now");
        for wrong in
            ["", "1d", "<d", "<1", "<1s", "<é", "<99999999999999999999d", "<9999999999999999d"]
        {
            assert_eq!(mtime(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn regular_expressions_are_bounded() {
        assert!(matches!(regex("a{1000}{1000}"), Err(CheckError::Regex(..))));
        assert!(matches!(regex(&"a".repeat(5000)), Err(CheckError::LongRegex)));
        assert!(!regex("!").unwrap().0, "a lone ! is itself");
        assert!(regex("!a").unwrap().0);
    }

    #[test]
    fn hashes_have_the_right_length() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for (kind, length) in [
            (Kind::Md5, 32),
            (Kind::Sha1, 40),
            (Kind::Sha2, 64),
            (Kind::Sha2, 96),
            (Kind::Sha2, 128),
            (Kind::Sha3, 56),
            (Kind::Sha3, 64),
            (Kind::Sha3, 96),
            (Kind::Sha3, 128),
        ] {
            assert!(Test::new(kind, &"aF".repeat(length / 2), now).is_ok(), "{kind:?} {length}");
            assert!(Test::new(kind, &"a".repeat(length - 1), now).is_err());
            assert!(Test::new(kind, &"g".repeat(length), now).is_err());
        }
    }
}
