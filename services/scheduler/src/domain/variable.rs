//! CACAO variables: types, values, and what may be given to whom (specs/soarca/cacao.md §4).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

/// Says how many bytes one value may have.
pub(crate) const MAX_VALUE: usize = 256 << 10;

/// Are variables by name.
pub(crate) type Variables = BTreeMap<String, Variable>;

/// Says what the text of a value means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VariableType {
    Bool,
    Dictionary,
    Float,
    Hash,
    #[serde(rename = "hexstring")]
    HexString,
    Integer,
    #[serde(rename = "ipv4-addr")]
    Ipv4Addr,
    #[serde(rename = "ipv6-addr")]
    Ipv6Addr,
    Long,
    MacAddr,
    #[serde(rename = "md5-hash")]
    Md5Hash,
    #[serde(rename = "sha256-hash")]
    Sha256Hash,
    #[default]
    String,
    Uri,
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
    pub(crate) fn name(self) -> &'static str {
        TYPES.iter().find(|(_, kind)| *kind == self).map_or("string", |(name, _)| name)
    }

    /// Reads the word.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        TYPES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Tells whether a value stands without quotes in JSON.
    pub(crate) fn is_literal(self) -> bool {
        matches!(self, Self::Bool | Self::Float | Self::Integer | Self::Long)
    }

    /// Says what is wrong with `value`; an empty one is known to be empty, whatever the type.
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
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
            Self::MacAddr => mac(value).is_some(),
            Self::Uuid => value.parse::<Uuid>().is_ok(),
            Self::Uri => is_uri(value),
            Self::Dictionary => {
                matches!(serde_json::from_str(value), Ok(serde_json::Value::Object(_)))
            }
        }
    }
}

/// Reads a bool in each of the spellings that SOARCA takes.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Gives the six bytes of a hardware address.
pub(crate) fn mac(text: &str) -> Option<Vec<u8>> {
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

/// Is a variable of a playbook, or of one run of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variable {
    #[serde(rename = "type")]
    pub(crate) kind: VariableType,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// Null while it is unknown.
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) constant: bool,
    #[serde(default)]
    pub(crate) external: bool,
}

impl Variable {
    /// Makes one of a text, without a declaration.
    #[cfg(test)]
    pub(crate) fn text(value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// Gives the value as text; empty while it is unknown.
    pub(crate) fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

/// Tells whether `name` is a name of a variable: `__`, a letter, more, `__`.
pub(crate) fn is_name(name: &str) -> bool {
    let inner = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    inner.is_some_and(|inner| {
        let mut bytes = inner.bytes();
        inner.len() <= 200
            && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    })
}

/// Is what a caller gives a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The type, when the caller names one; it must be the declared one.
    pub(crate) kind: Option<String>,
    /// The value.
    pub(crate) value: String,
}

/// Says why a value that was given is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTaken {
    /// The variable.
    pub(crate) name: String,
    /// Which part of it: `type`, `value`, or nothing for all of it.
    pub(crate) part: &'static str,
    /// What is wrong.
    pub(crate) detail: String,
}

/// Says who gives the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Giver {
    /// A caller, who may give only what is external.
    Caller,
    /// Another playbook, whose `in_args` name what goes in.
    Playbook,
}

/// Puts what was given into the declared variables, of which only the values change; the playbook itself stays as it is.
pub(crate) fn give(
    declared: &Variables,
    given: &BTreeMap<String, Given>,
    giver: Giver,
    playbook: &str,
) -> Result<Variables, NotTaken> {
    let mut variables = declared.clone();
    for (name, given) in given {
        let refuse = |part, detail| Err(NotTaken { name: name.clone(), part, detail });
        let Some(variable) = variables.get_mut(name) else {
            return refuse(
                "",
                format!(
                    "provided variables is not a valid subset of the variables for the referenced playbook \
                     [ playbook id: {playbook} ]: it has no {name}"
                ),
            );
        };
        let declared = variable.kind.name();
        if let Some(kind) = given.kind.as_deref().filter(|kind| *kind != declared) {
            return refuse(
                "type",
                format!(
                    "mismatch in variables type for [ {name} ]: payload var type = {kind}, playbook var type = {declared}"
                ),
            );
        }
        if giver == Giver::Caller && !variable.external {
            return refuse(
                "",
                format!(
                    "playbook variable [ {name} ] cannot be assigned in playbook because it is not marked as external \
                     in the playbook"
                ),
            );
        }
        if let Err(detail) = variable.kind.check(&given.value) {
            return refuse("value", format!("{name}: {detail}"));
        }
        variable.value = Some(given.value.clone());
    }
    Ok(variables)
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

    #[test]
    fn a_name_is_framed_by_underscores() {
        for good in ["__a__", "__a-b_c9__", "____x__"] {
            assert!(is_name(good), "{good}");
        }
        for bad in
            ["a", "__a", "__9__", "____", "__a b__", "__a__\n", &format!("__{}__", "a".repeat(201))]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn only_external_variables_are_given_and_only_their_values() {
        let variable =
            |external, constant| Variable { constant, external, ..Variable::text("old") };
        let declared: Variables = [("__e__", true, true), ("__i__", false, false)]
            .map(|(name, external, constant)| (name.to_owned(), variable(external, constant)))
            .into();
        let one = |name: &str, kind: Option<&str>| {
            [(name.to_owned(), Given { kind: kind.map(Into::into), value: "new".into() })].into()
        };
        let taken = give(&declared, &one("__e__", Some("string")), Giver::Caller, "p").unwrap();
        assert_eq!(taken["__e__"].value(), "new");
        assert!(taken["__e__"].constant);
        for (name, kind, word) in [
            ("__i__", None, "not marked as external"),
            ("__x__", None, "not a valid subset"),
            ("__e__", Some("integer"), "payload var type = integer"),
        ] {
            let fault = give(&declared, &one(name, kind), Giver::Caller, "p").unwrap_err();
            assert!(fault.detail.contains(word), "{fault:?}");
        }
        assert!(give(&declared, &one("__i__", None), Giver::Playbook, "p").is_ok());
    }
}
