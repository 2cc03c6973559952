//! The parameters of a plugin's commands: arguments that do not fit them make agents drop the task and tell nobody
//! (specs/runbook/plugins-and-tasks.md §5).

use super::text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use types::api::problem::Fault;

/// Is what a command may be given by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// Its parameters, and whether each has to be given.
    pub names: BTreeMap<String, bool>,
    /// Whether it takes any others too.
    pub others: bool,
}

impl Parameters {
    /// Says what is wrong with arguments of the names `given`; a pointer leads into the arguments.
    pub(crate) fn check<'a>(&self, given: impl Iterator<Item = &'a String>) -> Vec<Fault> {
        let given: BTreeSet<&str> = given.map(String::as_str).collect();
        let mut faults = Vec::new();
        for name in &given {
            if !self.others && !self.names.contains_key(*name) {
                let detail =
                    format!("is no parameter of the command; it takes {}", self.in_words());
                faults.push(Fault { pointer: format!("/{}", text::step(name)), detail });
            }
        }
        let needed = self.names.iter().filter(|(_, is_needed)| **is_needed);
        for (name, _) in needed.filter(|(name, _)| !given.contains(name.as_str())) {
            let detail = format!("lacks {name:?}, which the command needs");
            faults.push(Fault { pointer: String::new(), detail });
        }
        faults
    }

    fn in_words(&self) -> String {
        let names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_arguments_are_pointed_at() {
        let names = BTreeMap::from([("a".to_owned(), true), ("b".to_owned(), false)]);
        let mut takes = Parameters { names, others: false };
        let check = |takes: &Parameters, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
            let faults = takes.check(given.iter());
            faults.into_iter().map(|fault| fault.pointer + " " + &fault.detail).collect::<Vec<_>>()
        };
        assert!(check(&takes, &["a"]).is_empty());
        assert!(check(&takes, &["a", "b"]).is_empty());
        assert_eq!(check(&takes, &["b"]), [" lacks \"a\", which the command needs"]);
        assert_eq!(
            check(&takes, &["a", "c/d"]),
            ["/c~1d is no parameter of the command; it takes a, b"]
        );
        assert_eq!(
            check(&Parameters::default(), &["c"]),
            ["/c is no parameter of the command; it takes none"]
        );
        takes.others = true;
        assert!(check(&takes, &["a", "c"]).is_empty());
        assert_eq!(check(&takes, &["c"]).len(), 1);
    }
}
