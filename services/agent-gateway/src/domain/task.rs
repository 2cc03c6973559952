//! Tasks of RunbookSolutions agents, and what comes back from them.

use super::answer::{in_words, size};
use super::{cron, exact, text};
use serde_json::Value;
use types::api::problem::Fault;
use types::api::task::NewTask;
use types::command::is_something;
use types::{OperationResult, PluginId};

const ARGUMENTS_BYTES: usize = 256 * 1_024;
const COMMAND_BYTES: usize = 256;
/// Clash with the agent's own names inside it, so that the task is dropped (specs/runbook/plugins-and-tasks.md §5).
pub(crate) const RESERVED: [&str; 3] = ["self", "task", "commandName"];

/// Is a command key, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandKey {
    /// The plugin.
    pub plugin: PluginId,
    /// The command's name in it.
    pub name: String,
}

impl CommandKey {
    /// Reads `<plugin id>.<name>`; the id as this house writes it.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let (id, name) = key.split_once('.')?;
        let plugin: PluginId = id.parse().ok()?;
        (plugin.to_string() == id).then(|| Self { plugin, name: name.into() })
    }
}

/// Checks a task as far as it can be told from itself; gives the JSON of its arguments.
pub(crate) fn check(task: &NewTask) -> Result<String, Vec<Fault>> {
    let mut faults = Vec::new();
    text::check(&mut faults, "/command", &task.command, 1..=COMMAND_BYTES);
    if let Some(Err(detail)) = task.cron.as_deref().map(cron::check) {
        faults.push(Fault { pointer: "/cron".into(), detail });
    }
    let arguments = arguments_of(task);
    match arguments {
        Ok(arguments) if faults.is_empty() => return Ok(arguments),
        Ok(_) => {}
        Err(wrong) => {
            let pointer = match wrong.name {
                Some(name) => format!("/arguments/{}", text::step(name)),
                None => "/arguments".into(),
            };
            faults.push(Fault { pointer, detail: wrong.detail });
        }
    }
    Err(faults)
}

/// Gives the JSON of a task's arguments, with every digit of their numbers.
fn arguments_of(task: &NewTask) -> Result<String, WrongArguments<'_>> {
    for (name, argument) in &task.arguments {
        // what is within is told by its form only; this is how deep it may go, and that texts are texts
        if let Err(error) = serde_json::from_str::<Value>(&exact::quote(argument.get())) {
            let detail = format!("cannot be told to agents: {error}");
            return Err(WrongArguments { name: Some(name), detail });
        }
    }
    let json = serde_json::to_string(&task.arguments)
        .map_err(|error| WrongArguments { name: None, detail: error.to_string() })?;
    check_arguments(task.arguments.keys(), exact::compact(&json))
}

/// Says what is wrong with arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongArguments<'a> {
    /// Which of them, unless it is all together.
    name: Option<&'a str>,
    /// What.
    pub detail: String,
}

/// Checks the names and the JSON of arguments: no reserved name, not too long. Gives the JSON.
pub(crate) fn check_arguments<'a>(
    mut names: impl Iterator<Item = &'a String>,
    text: String,
) -> Result<String, WrongArguments<'a>> {
    if let Some(name) = names.find(|name| RESERVED.contains(&name.as_str())) {
        let detail = "is a name that agents use themselves; rename the parameter".into();
        return Err(WrongArguments { name: Some(name), detail });
    }
    if text.len() > ARGUMENTS_BYTES {
        let detail = format!("has {} bytes; at most {ARGUMENTS_BYTES} are allowed", text.len());
        return Err(WrongArguments { name: None, detail });
    }
    Ok(text)
}

/// Is what an agent sent back from one run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// What the command gave back, with numbers that no machine number holds as texts; null when it was too large to be
    /// kept.
    pub data: Value,
    /// The JSON of it, if numbers in it are larger: with all their digits.
    pub exact: Option<String>,
    /// How many bytes of JSON it had.
    pub bytes: u64,
    /// Whether it was too large.
    pub cut: bool,
}

impl Outcome {
    /// Takes what a command gave back; one larger than `limit` bytes of JSON is not kept.
    pub(crate) fn of(mut data: Value, mut exact: Option<String>, limit: usize) -> Self {
        let size = exact.as_ref().map_or_else(|| size(&data), String::len);
        let cut = size > limit;
        if cut {
            (data, exact) = (Value::Null, None);
        }
        Self { data, exact, bytes: size.try_into().unwrap_or(u64::MAX), cut }
    }

    /// Notes that so many bytes came and were not kept.
    pub(crate) fn cut(bytes: usize) -> Self {
        Self {
            data: Value::Null,
            exact: None,
            bytes: bytes.try_into().unwrap_or(u64::MAX),
            cut: true,
        }
    }

    /// Gives the JSON to keep.
    pub(crate) fn json(&self) -> String {
        self.exact.clone().unwrap_or_else(|| self.data.to_string())
    }

    /// Makes the result of a signed action's operation: whatever came back is a success, for agents tell of nothing
    /// else.
    pub(crate) fn into_result(self, limit: usize) -> OperationResult {
        let large = usize::try_from(self.bytes).is_ok_and(|bytes| bytes > limit);
        let why = if large {
            format!("cut at {}", in_words(limit))
        } else {
            "it could not be taken in".to_owned()
        };
        let note = format!("result was {} bytes; {why}", self.bytes);
        OperationResult {
            foundanything: self.cut || is_something(&self.data),
            success: true,
            elements: self.data,
            statistics: Value::Null,
            errors: self.cut.then(|| vec![note]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::AgentUid;
    use uuid::Uuid;

    fn task(cron: Option<&str>, arguments: Value) -> NewTask {
        NewTask {
            agent_id: AgentUid(Uuid::nil()),
            command: "x".into(),
            cron: cron.map(Into::into),
            arguments: serde_json::from_value(arguments).unwrap(),
        }
    }

    #[test]
    fn wrong_tasks_are_pointed_at() {
        for (task, want) in [
            (task(None, json!({})), vec![]),
            (task(Some("* * * * *"), json!({"args": 1, "kwargs": 2})), vec![]),
            (task(Some(""), json!({})), vec!["/cron"]),
            (task(Some("0 0 30 2 *"), json!({"self": 1})), vec!["/cron", "/arguments/self"]),
            (task(None, json!({"task": 1})), vec!["/arguments/task"]),
            (task(None, json!({"commandName": 1})), vec!["/arguments/commandName"]),
            (task(None, json!({"a": "x".repeat(300_000)})), vec!["/arguments"]),
        ] {
            let faults = check(&task).err().unwrap_or_default();
            let told: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(told, want, "{faults:?}");
        }
    }

    #[test]
    fn arguments_keep_every_digit() {
        let told = |arguments: &str| {
            let mut task = task(None, json!({}));
            task.arguments = serde_json::from_str(arguments).unwrap();
            check(&task)
        };
        assert_eq!(
            told("{\"b\": [1180591620717411303424, \"x y\", 1e400, 0.10],\n\"a\": -0 }").unwrap(),
            "{\"a\":-0,\"b\":[1180591620717411303424,\"x y\",1e400,0.10]}"
        );
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200));
        for bad in [deep.as_str(), "{\"a\": \"\\ud800\"}"] {
            assert_eq!(told(bad).unwrap_err()[0].pointer, "/arguments/a", "{bad}");
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let id = "0190a1b2-0000-7000-8000-000000000002";
        let key = CommandKey::parse(&format!("{id}.greet")).unwrap();
        assert_eq!((key.plugin.to_string().as_str(), key.name.as_str()), (id, "greet"));
        for other in ["file", "a.b", "", ".", "0190A1B2-0000-7000-8000-000000000002.greet"] {
            assert_eq!(CommandKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_not_kept_is_found_all_the_same_and_says_why() {
        for (bytes, why) in [
            (2 << 20, "result was 2097152 bytes; cut at 1 MiB"),
            (9, "result was 9 bytes; it could not be taken in"),
        ] {
            let cut = Outcome::cut(bytes).into_result(1 << 20);
            assert!(cut.foundanything && cut.success);
            assert_eq!(cut.errors, Some(vec![why.into()]));
        }
    }
}
