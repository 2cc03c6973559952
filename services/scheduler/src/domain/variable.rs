//! CACAO variables, and what may be given to whom (specs/soarca/cacao.md §4).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use types::cacao::VariableType;

/// Are variables by name.
pub(crate) type Variables = BTreeMap<String, Variable>;

/// Tells whether a value of this type stands without quotes in JSON.
pub(crate) fn is_literal(kind: VariableType) -> bool {
    matches!(
        kind,
        VariableType::Bool | VariableType::Float | VariableType::Integer | VariableType::Long
    )
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

/// Puts what was given into the declared variables, of which only the values change; the playbook itself stays as it
/// is.
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
