//! What is taken as an answer to a manual step (specs/soarca/manual-api.md §8, design surface §6).

use std::collections::BTreeMap;
use types::cacao::VariableType;
use types::messages::manual::{CacaoVariable, ManualOutcome};

/// Points at one fault of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A JSON pointer into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

/// Makes a fault.
pub(crate) fn fault(pointer: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault { pointer: pointer.into(), detail: detail.into() }
}

/// Says all faults in one line.
pub(crate) fn told(faults: &[Fault]) -> String {
    let told = faults.iter().map(|fault| {
        let place = if fault.pointer.is_empty() { "the body" } else { &fault.pointer };
        format!("{place}: {}", fault.detail)
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Is what somebody gives one variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// The type, when the caller names one; it must be the declared one.
    pub(crate) kind: Option<String>,
    /// The value; absent when none was given.
    pub(crate) value: Option<String>,
}

/// Is an answer as somebody gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether it was done.
    pub(crate) outcome: ManualOutcome,
    /// The variables by name.
    pub(crate) variables: BTreeMap<String, Given>,
    /// Where they stand in the body: `/variables`.
    pub(crate) place: &'static str,
}

impl Answer {
    /// Gives the values to go on with. On success every declared variable must be there but constants, which keep what
    /// they have; on failure none need be. Of what is given only values count, and those must be of the declared type.
    pub(crate) fn check(
        &self,
        declared: &[CacaoVariable],
    ) -> Result<BTreeMap<String, String>, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut values = BTreeMap::new();
        for name in self.variables.keys() {
            if !declared.iter().any(|variable| variable.name == *name) {
                let known: Vec<_> =
                    declared.iter().map(|variable| variable.name.as_str()).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                let detail = format!(
                    "provided out args don't match with expected: the step asks for {known}"
                );
                faults.push(fault(self.pointer(name, ""), detail));
            }
        }
        for variable in declared {
            match self.value(variable) {
                Ok(Some(value)) => {
                    values.insert(variable.name.clone(), value.to_owned());
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }

    fn value(&self, variable: &CacaoVariable) -> Result<Option<&str>, Fault> {
        let name = &variable.name;
        let needed = self.outcome == ManualOutcome::Success && !variable.constant;
        let Some(given) = self.variables.get(name) else {
            if needed {
                let detail = format!("{name} is asked for ({}) and missing", variable.kind);
                return Err(fault(self.pointer(name, ""), detail));
            }
            return Ok(None);
        };
        let kind = given.kind.as_deref().filter(|kind| !kind.is_empty());
        if let Some(kind) = kind.filter(|kind| *kind != variable.kind) {
            let detail = format!("the declared type is {}, not {kind}", variable.kind);
            return Err(fault(self.pointer(name, "/type"), detail));
        }
        let at = || self.pointer(name, "/value");
        let Some(value) = given.value.as_deref() else {
            if needed {
                return Err(fault(at(), format!("a value of type {} is missing", variable.kind)));
            }
            return Ok(None);
        };
        if variable.constant {
            // front ends send whole variables back; only a change is refused
            if value == variable.value {
                return Ok(None);
            }
            return Err(fault(at(), format!("{name} is constant and cannot be changed")));
        }
        // a type that no rule is known for can hold any text
        let kind = VariableType::parse(&variable.kind).unwrap_or_default();
        if value.is_empty() && needed && kind != VariableType::String {
            return Err(fault(at(), format!("a value of type {} is missing", variable.kind)));
        }
        kind.check(value).map_err(|detail| fault(at(), detail))?;
        Ok(Some(value))
    }

    fn pointer(&self, name: &str, part: &str) -> String {
        let name = name.replace('~', "~0").replace('/', "~1");
        // values stand there by themselves, or inside of an object
        let part = if self.place == "/response_out_args" { part } else { "" };
        format!("{}/{name}{part}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, kind: &str, constant: bool) -> CacaoVariable {
        CacaoVariable {
            name: name.into(),
            kind: kind.into(),
            value: "old".into(),
            constant,
            ..CacaoVariable::default()
        }
    }

    fn answer(outcome: ManualOutcome, given: &[(&str, Option<&str>, Option<&str>)]) -> Answer {
        let own = |text: Option<&str>| text.map(ToOwned::to_owned);
        let variables = given
            .iter()
            .map(|(name, kind, value)| {
                ((*name).to_owned(), Given { kind: own(*kind), value: own(*value) })
            })
            .collect();
        Answer { outcome, variables, place: "/response_out_args" }
    }

    #[test]
    fn what_is_asked_for_must_be_there_and_right() {
        use ManualOutcome::{Failure, Success};
        let declared = [
            variable("__i__", "integer", false),
            variable("__c__", "string", true),
            variable("__s__", "string", false),
        ];
        let full = [("__i__", Some("integer"), Some("7")), ("__s__", None, Some(""))];
        let values = answer(Success, &full).check(&declared).unwrap();
        assert_eq!(values, [("__i__".into(), "7".into()), ("__s__".into(), String::new())].into());
        for (more, word) in [
            (("__i__", None, Some("seven")), "is no integer"),
            (("__i__", None, Some("")), "is missing"),
            (("__i__", None, None), "is missing"),
            (("__i__", Some("string"), Some("7")), "the declared type is integer"),
            (("__c__", None, Some("new")), "is constant"),
            (("__x__", None, Some("1")), "don't match with expected"),
            (("__s__", None, Some("a\0b")), "NUL"),
        ] {
            let mut given = full.to_vec();
            given.retain(|(name, _, _)| *name != more.0);
            given.push(more);
            let faults = answer(Success, &given).check(&declared).unwrap_err();
            assert!(faults.len() == 1 && faults[0].detail.contains(word), "{faults:?}");
            assert!(faults[0].pointer.starts_with("/response_out_args/__"), "{faults:?}");
        }
        assert_eq!(answer(Success, &[]).check(&declared).unwrap_err().len(), 2);
        assert_eq!(answer(Failure, &[]).check(&declared), Ok(BTreeMap::new()));
        let echoed = [full[0], full[1], ("__c__", Some("string"), Some("old"))];
        assert_eq!(answer(Success, &echoed).check(&declared).unwrap().len(), 2);
    }
}
