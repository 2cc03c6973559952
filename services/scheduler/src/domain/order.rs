//! Reads a signed document into what the scheduler needs of it.

use time::OffsetDateTime;
use types::{Action, Dispatch};

/// Is an action that may run: its form, its target and its signatures hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// The target, as the investigator wrote it.
    pub(crate) target: String,
    /// The modules its operations need, each once.
    pub(crate) modules: Vec<String>,
    /// From when it may run.
    pub(crate) valid_from: OffsetDateTime,
    /// When it ends.
    pub(crate) expire_after: OffsetDateTime,
    /// How its commands are given out; nothing for all at once.
    pub(crate) dispatch: Option<Dispatch>,
}

impl Order {
    /// Is the order of an action that will never run.
    pub(crate) fn none(at: OffsetDateTime) -> Self {
        Self {
            target: String::new(),
            modules: Vec::new(),
            valid_from: at,
            expire_after: at,
            dispatch: None,
        }
    }

    /// Takes from `action` what is needed to run it.
    pub(crate) fn of(action: &Action, dispatch: Option<Dispatch>) -> Self {
        let mut modules: Vec<_> =
            action.operations.iter().flatten().map(|operation| operation.module.clone()).collect();
        modules.sort();
        modules.dedup();
        Self {
            target: action.target.clone(),
            modules,
            valid_from: action.validfrom,
            expire_after: action.expireafter,
            dispatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_is_needed_once() {
        let action = Action::parse(
            br#"{"operations":[{"module":"file"},{"module":"ping"},{"module":"file"}]}"#,
        );
        assert_eq!(Order::of(&action.unwrap(), None).modules, ["file", "ping"]);
    }
}
