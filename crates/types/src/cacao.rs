//! What CACAO variables may hold (specs/soarca/cacao.md §4); the same rules where playbooks run and where people
//! answer.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

/// Says how many bytes one value may have.
pub const MAX_VALUE: usize = 256 << 10;

/// Says what the text of a value means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VariableType {
    /// True or false.
    Bool,
    /// A JSON object.
    Dictionary,
    /// A finite number.
    Float,
    /// Hex digits.
    Hash,
    /// Hex digits.
    #[serde(rename = "hexstring")]
    HexString,
    /// A whole number of 64 bits.
    Integer,
    /// An IPv4 address or network.
    #[serde(rename = "ipv4-addr")]
    Ipv4Addr,
    /// An IPv6 address or network.
    #[serde(rename = "ipv6-addr")]
    Ipv6Addr,
    /// A whole number of 64 bits.
    Long,
    /// A hardware address.
    MacAddr,
    /// 32 hex digits.
    #[serde(rename = "md5-hash")]
    Md5Hash,
    /// 64 hex digits.
    #[serde(rename = "sha256-hash")]
    Sha256Hash,
    /// Any text.
    #[default]
    String,
    /// A URI.
    Uri,
    /// A UUID.
    Uuid,
}

const TYPES: [(&str, VariableType); 15] = [
    ("bool", VariableType::Bool),
    ("dictionary", VariableType::Dictionary),
    ("float", VariableType::Float),
    ("hash", VariableType::Hash),
    ("hexstring", VariableType::HexString),
    ("integer", VariableType::Integer),
    ("ipv4-addr", VariableType::Ipv4Addr),
    ("ipv6-addr", VariableType::Ipv6Addr),
    ("long", VariableType::Long),
    ("mac-addr", VariableType::MacAddr),
    ("md5-hash", VariableType::Md5Hash),
    ("sha256-hash", VariableType::Sha256Hash),
    ("string", VariableType::String),
    ("uri", VariableType::Uri),
    ("uuid", VariableType::Uuid),
];

impl VariableType {
    /// Gives the word in a playbook.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|(_, kind)| *kind == self).map_or("string", |(name, _)| name)
    }

    /// Reads the word.
    pub fn parse(name: &str) -> Option<Self> {
        TYPES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Says what is wrong with `value`; an empty one is known to be empty, whatever the type.
    pub fn check(self, value: &str) -> Result<(), String> {
        if value.len() > MAX_VALUE {
            return Err(format!(
                "the value has {} bytes; at most {MAX_VALUE} are kept",
                value.len()
            ));
        }
        if value.contains('\0') {
            return Err("the value has a NUL character, which no text here can have".into());
        }
        if value.is_empty() || self.fits(value) {
            return Ok(());
        }
        let shown: String = value.chars().take(60).collect();
        Err(format!("{shown:?} is no {}", self.name()))
    }

    fn fits(self, value: &str) -> bool {
        let hex = |length: Option<usize>| {
            value.bytes().all(|b| b.is_ascii_hexdigit())
                && length.is_none_or(|length| value.len() == length)
        };
        match self {
            Self::String => true,
            Self::Bool => parse_bool(value).is_some(),
            Self::Integer | Self::Long => value.parse::<i64>().is_ok(),
            Self::Float => value.parse::<f64>().is_ok_and(f64::is_finite),
            Self::HexString | Self::Hash => hex(None),
            Self::Md5Hash => hex(Some(32)),
            Self::Sha256Hash => hex(Some(64)),
            Self::Ipv4Addr => network::<Ipv4Addr>(value, 32),
            Self::Ipv6Addr => network::<Ipv6Addr>(value, 128),
            Self::MacAddr => parse_mac(value).is_some(),
            Self::Uuid => value.parse::<Uuid>().is_ok(),
            Self::Uri => is_uri(value),
            Self::Dictionary => {
                matches!(serde_json::from_str(value), Ok(serde_json::Value::Object(_)))
            }
        }
    }
}

/// Reads a bool in each of the spellings that SOARCA takes.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Gives the six bytes of a hardware address.
pub fn parse_mac(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<_> = text.split([':', '-']).collect();
    let byte = |part: &&str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
    let bytes: Option<Vec<u8>> = parts.iter().map(byte).collect();
    bytes.filter(|bytes| bytes.len() == 6)
}

/// Tells whether `text` is an address, alone or with the length of its network's prefix.
fn network<A: std::str::FromStr>(text: &str, bits: u8) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    address.parse::<A>().is_ok()
        && prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|prefix| prefix <= bits))
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_must_be_of_its_type() {
        for (kind, good, bad) in [
            ("bool", "True", "yes"),
            ("integer", "-5", "5.0"),
            ("long", "9223372036854775807", "9223372036854775808"),
            ("float", "1e-3", "NaN"),
            ("hexstring", "00fF", "0x1"),
            ("md5-hash", "d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427"),
            ("ipv4-addr", "192.0.2.1", "192.0.2.256"),
            ("ipv4-addr", "192.0.2.0/24", "192.0.2.0/33"),
            ("ipv6-addr", "2001:db8::1", "192.0.2.1"),
            ("mac-addr", "00:1B-44:11:3a:B7", "00:1b:44:11:3a"),
            ("uuid", "0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a01", "0b1d"),
            ("uri", "https://example.org/x?y", "no scheme"),
            ("dictionary", "{\"a\":1}", "[1]"),
            ("string", "anything'\"\n", "nul\0"),
        ] {
            let kind = VariableType::parse(kind).unwrap();
            assert_eq!(kind.check(good), Ok(()), "{kind:?}");
            assert!(kind.check(bad).is_err(), "{kind:?} {bad:?}");
            assert_eq!(kind.check(""), Ok(()));
            let word = serde_json::to_value(kind).unwrap();
            assert_eq!(word, kind.name());
        }
        assert_eq!(VariableType::parse("text"), None);
    }
}
