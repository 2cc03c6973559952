//! A signed action on a RunbookSolutions agent: each operation becomes a task (architecture §14.3).

use super::exact;
use super::parameters::Parameters;
use super::task::{CommandKey, check_arguments};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
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
    /// The names in it.
    pub names: Vec<String>,
}

impl Plan {
    /// Takes an action's document apart; says why no RunbookSolutions agent can do it.
    pub(crate) fn of(document: &str) -> Result<Self, String> {
        let action = Action::parse(document.as_bytes())
            .map_err(|error| format!("the action's document is wrong: {error}"))?;
        let operations = action.operations.unwrap_or_default();
        let steps: Result<Vec<Step>, String> = operations.iter().map(step).collect();
        check_numbers(document, &operations)?;
        Ok(Self { steps: steps? })
    }

    /// Gives the commands that it needs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &CommandKey> {
        self.steps.iter().map(|step| &step.key)
    }

    /// Says which arguments do not fit the parameters of their command, of those commands whose parameters are known.
    pub(crate) fn misfit(&self, known: &BTreeMap<CommandKey, Parameters>) -> Option<String> {
        self.steps.iter().find_map(|step| {
            let fault = known.get(&step.key)?.check(step.names.iter()).into_iter().next()?;
            let (plugin, name) = (step.key.plugin, &step.key.name);
            let what = match fault.pointer.strip_prefix('/') {
                Some(argument) => format!("the argument {argument:?} of {plugin}.{name}"),
                None => format!("the call of {plugin}.{name}"),
            };
            Some(format!("{what} {}", fault.detail))
        })
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
    let names = arguments.keys().cloned().collect();
    let text = Value::Object(arguments.clone()).to_string();
    let arguments = check_arguments(arguments.keys(), text)
        .map_err(|wrong| format!("an argument of {module} {}", wrong.detail))?;
    Ok(Step { key, arguments, names })
}

/// Refuses numbers that no machine number holds: they would not arrive as they were signed.
fn check_numbers(document: &str, operations: &[Operation]) -> Result<(), String> {
    let Cow::Owned(quoted) = exact::quote(document) else { return Ok(()) };
    let action = Action::parse(quoted.as_bytes())
        .map_err(|error| format!("the action's document is wrong: {error}"))?;
    // where the two differ a number became a text
    let exact = action.operations.unwrap_or_default();
    let differs =
        operations.iter().zip(&exact).find(|(of, exact)| of.parameters != exact.parameters);
    differs.map_or(Ok(()), |(of, _)| {
        let module = &of.module;
        Err(format!("an argument of {module} is a number of more than 64 bits; give it as a text"))
    })
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
    fn arguments_that_do_not_fit_are_told() {
        let plan = |parameters: Value| {
            Plan::of(&document(&json!([{"module": KEY, "parameters": parameters}]))).unwrap()
        };
        let names = BTreeMap::from([("a".to_owned(), true)]);
        let takes = Parameters { names, others: false };
        let known = BTreeMap::from([(CommandKey::parse(KEY).unwrap(), takes)]);
        assert_eq!(plan(json!({"a": 1})).misfit(&known), None);
        assert_eq!(plan(json!({"b": 1})).misfit(&BTreeMap::new()), None);
        let reason = plan(json!({"a": 1, "b": 1})).misfit(&known).unwrap();
        assert_eq!(
            reason,
            format!("the argument \"b\" of {KEY} is no parameter of the command; it takes a")
        );
        let reason = plan(Value::Null).misfit(&known).unwrap();
        assert_eq!(reason, format!("the call of {KEY} lacks \"a\", which the command needs"));
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let digits = "1180591620717411303424";
        let large = json!([{"module": KEY}, {"module": KEY, "parameters": {"a": [digits]}}]);
        let text = document(&large);
        assert!(Plan::of(&text).is_ok(), "a text");
        let reason = Plan::of(&text.replace(&format!("\"{digits}\""), digits)).unwrap_err();
        assert!(reason.contains("more than 64 bits"), "{reason}");
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
