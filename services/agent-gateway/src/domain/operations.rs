//! A signed action on a RunbookSolutions agent: each operation becomes a task (architecture §14.3).

use super::task::{CommandKey, check_arguments};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use types::{Action, Operation};

/// Is an action as RunbookSolutions agents can do it: what is run with which arguments, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One per operation.
    pub steps: Vec<Step>,
}

/// Is one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The command.
    pub key: CommandKey,
    /// A JSON object.
    pub arguments: String,
}

impl Plan {
    /// Takes an action's document apart; says why no RunbookSolutions agent can do it.
    pub(crate) fn of(document: &str) -> Result<Self, String> {
        let action = Action::parse(document.as_bytes())
            .map_err(|error| format!("the action's document is wrong: {error}"))?;
        let steps: Result<Vec<Step>, String> =
            action.operations.unwrap_or_default().iter().map(step).collect();
        Ok(Self { steps: steps? })
    }

    /// Says what an agent with the commands `has` lacks.
    pub(crate) fn lacking(&self, has: &BTreeSet<String>) -> Option<String> {
        let keys = self.steps.iter().map(|step| format!("{}.{}", step.key.plugin, step.key.name));
        keys.into_iter().find(|key| !has.contains(key)).map(|key| no_plugin(&key))
    }
}

fn no_plugin(module: &str) -> String {
    format!("the agent has no plugin with the command {module}")
}

fn step(operation: &Operation) -> Result<Step, String> {
    let module = &operation.module;
    let key = CommandKey::parse(module).ok_or_else(|| no_plugin(module))?;
    let nothing = Map::new();
    let arguments = match &operation.parameters {
        _ if operation.is_compressed => {
            return Err(format!(
                "RunbookSolutions agents take no compressed parameters ({module})"
            ));
        }
        Value::Null => &nothing,
        Value::Object(arguments) => arguments,
        _ => return Err(format!("the parameters of {module} are not an object of arguments")),
    };
    let arguments = check_arguments(arguments)
        .map_err(|wrong| format!("an argument of {module} {}", wrong.detail))?;
    Ok(Step { key, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &str = "0190a1b2-0000-7000-8000-000000000002.greet";

    fn document(operations: &Value) -> String {
        json!({"name": "n", "syntaxversion": 2, "operations": operations}).to_string()
    }

    #[test]
    fn each_operation_is_a_step() {
        let both = json!([{"module": KEY, "parameters": {"a": 1}}, {"Module": KEY}]);
        let plan = Plan::of(&document(&both)).unwrap();
        let arguments: Vec<_> = plan.steps.iter().map(|step| step.arguments.as_str()).collect();
        assert_eq!(arguments, [r#"{"a":1}"#, "{}"]);
        assert_eq!(plan.lacking(&BTreeSet::from([KEY.to_owned()])), None);
        assert_eq!(plan.lacking(&BTreeSet::new()), Some(no_plugin(KEY)));
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        for (operations, want) in [
            (json!([{"module": KEY}, {"module": "file"}]), "has no plugin with the command file"),
            (json!([{"module": KEY, "parameters": [1]}]), "are not an object of arguments"),
            (json!([{"module": KEY, "parameters": {"self": 1}}]), "agents use themselves"),
            (json!([{"module": KEY, "is_compressed": true}]), "compressed"),
        ] {
            let reason = Plan::of(&document(&operations)).unwrap_err();
            assert!(reason.contains(want), "{reason}");
        }
        assert!(Plan::of("[]").is_err());
    }
}
