//! Plugins: what is checked before one is published, for none can be changed after.

use super::parameters::Parameters;
use super::python::{self, Source};
use super::task::RESERVED;
use super::text;
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use types::PluginId;
use types::api::plugin::{NewPlugin, PluginCommand};
use types::api::problem::Fault;

const NAME_BYTES: usize = 256;
const VERSION_BYTES: usize = 64;
const DESCRIPTION_BYTES: usize = 16 * 1_024;
const SCRIPT_BYTES: usize = 1_024 * 1_024;
const COMMANDS: usize = 256;
const COMMAND_NAME_BYTES: usize = 64;
/// How many keys may sign one plugin.
pub(crate) const MOST_SIGNATURES: usize = 32;
/// How long one signature may be.
pub(crate) const SIGNATURE_BYTES: usize = 16 * 1_024;
const FUNCTION_BYTES: usize = 128;

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Is a plugin that may be published.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// The plugin.
    pub plugin: NewPlugin,
    /// The parameters of its commands, as far as the source tells them without being run.
    pub parameters: BTreeMap<String, Parameters>,
}

impl Checked {
    /// Takes a plugin in which nothing is wrong. This takes time: the script is parsed.
    pub(crate) fn of(plugin: NewPlugin) -> Result<Self, Vec<Fault>> {
        let (faults, parameters) = check(&plugin);
        if faults.is_empty() { Ok(Self { plugin, parameters }) } else { Err(faults) }
    }
}

/// Checks a plugin before it is published; gives the parameters of its commands where they can be told.
fn check(plugin: &NewPlugin) -> (Vec<Fault>, BTreeMap<String, Parameters>) {
    let (mut faults, mut parameters) = (Vec::new(), BTreeMap::new());
    text::check(&mut faults, "/name", &plugin.name, 1..=NAME_BYTES);
    text::check(&mut faults, "/version", &plugin.version.to_string(), 0..=VERSION_BYTES);
    text::check(&mut faults, "/description", &plugin.description, 0..=DESCRIPTION_BYTES);
    text::check(&mut faults, "/script", &plugin.script, 1..=SCRIPT_BYTES);
    let mut fault = |pointer: String, detail: String| faults.push(Fault { pointer, detail });
    let source = read_source(&plugin.script, &mut fault);
    if plugin.signatures.len() > MOST_SIGNATURES {
        let count = plugin.signatures.len();
        let detail = format!("holds {count} signatures; at most {MOST_SIGNATURES} are allowed");
        fault("/signatures".into(), detail);
    }
    for (at, signature) in plugin.signatures.iter().enumerate() {
        if signature.len() > SIGNATURE_BYTES {
            let detail = format!("is longer than {SIGNATURE_BYTES} bytes");
            fault(format!("/signatures/{at}"), detail);
        }
    }
    if plugin.commands.len() > COMMANDS {
        let count = plugin.commands.len();
        fault(
            "/commands".into(),
            format!("holds {count} commands; at most {COMMANDS} are allowed"),
        );
    }
    for (name, command) in &plugin.commands {
        let pointer = format!("/commands/{}", text::step(name));
        if !is_command_name(name) {
            let detail = "is not a command name: 1 to 64 of the characters A-Z a-z 0-9 _ -";
            fault(pointer.clone(), detail.into());
        }
        if !is_public_identifier(&command.function) {
            let detail =
                "is not a public Python name: a letter, then letters, digits or _, and no keyword";
            fault(format!("{pointer}/function"), detail.into());
        }
        if let Some(name) = source.as_ref().and_then(|source| clash(source, &command.function)) {
            let detail =
                format!("has a parameter {name:?}, which agents use themselves; rename it");
            fault(format!("{pointer}/function"), detail);
        }
        let method = source.as_ref().and_then(|source| source.methods.get(&command.function));
        if let Some(detail) = method.and_then(|method| method.fault.as_ref()) {
            fault(format!("{pointer}/function"), detail.clone());
        }
        if let Some(takes) = method.and_then(|method| method.takes.as_ref()) {
            parameters.insert(name.clone(), takes.clone());
        }
    }
    (faults, parameters)
}

/// Reads the script if it is one that may be read.
fn read_source(script: &str, fault: &mut impl FnMut(String, String)) -> Option<Source> {
    if !(1..=SCRIPT_BYTES).contains(&script.len()) || script.contains('\0') {
        return None;
    }
    match python::read(script) {
        Ok(source) if source.has_plugin => {
            if let Some(detail) = &source.construction {
                fault("/script".into(), detail.clone());
            }
            Some(source)
        }
        Ok(_) => {
            fault("/script".into(), "does not define `class Plugin`".into());
            None
        }
        Err(detail) => {
            fault("/script".into(), detail);
            None
        }
    }
}

/// Finds a parameter of a method that cannot be given: its name is one of the agent's own.
fn clash<'a>(source: &'a Source, method: &str) -> Option<&'a str> {
    let mut parameters = source.methods.get(method)?.parameters.iter().enumerate();
    let taken = |(at, name): &(usize, &String)| {
        RESERVED.contains(&name.as_str()) && !(*at == 0 && name.as_str() == "self")
    };
    parameters.find(taken).map(|(_, name)| name.as_str())
}

/// Gives the hash that agents check: lower-case hex of the SHA-512 of exactly these bytes.
pub(crate) fn hash(script: &str) -> String {
    hex::encode(Sha512::digest(script.as_bytes()))
}

/// Gives the commands of plugin `id` by command key; `functions` are the methods by published name.
pub(crate) fn commands(
    id: PluginId,
    functions: &BTreeMap<String, String>,
) -> BTreeMap<String, PluginCommand> {
    let keyed = functions.iter().map(|(name, function)| {
        let key = format!("{id}.{name}");
        (key.clone(), PluginCommand { id: key, name: name.clone(), function: function.clone() })
    });
    keyed.collect()
}

fn is_command_name(name: &str) -> bool {
    (1..=COMMAND_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Tells whether `name` can be a method that is not private; letters beyond ASCII are refused, because Python folds
/// some of them together.
fn is_public_identifier(name: &str) -> bool {
    name.len() <= FUNCTION_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !KEYWORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::api::plugin::NewPluginCommand;

    fn plugin(change: impl FnOnce(&mut NewPlugin)) -> NewPlugin {
        let command = NewPluginCommand { function: "greet".into() };
        let mut plugin = NewPlugin {
            signatures: Vec::new(),
            name: "greeter".into(),
            version: "1".into(),
            description: String::new(),
            script: "class Plugin:\n    def greet(self):\n        return 1\n".into(),
            commands: BTreeMap::from([("greet".into(), command)]),
        };
        change(&mut plugin);
        plugin
    }

    fn rename(name: &str, function: &str) -> NewPlugin {
        let command = NewPluginCommand { function: function.into() };
        plugin(|p| p.commands = BTreeMap::from([(name.into(), command)]))
    }

    #[test]
    fn wrong_plugins_are_pointed_at() {
        let cases: Vec<(NewPlugin, Vec<&str>)> = vec![
            (plugin(|_| {}), vec![]),
            (plugin(|p| p.commands.clear()), vec![]),
            (plugin(|p| p.version = "".into()), vec![]),
            (plugin(|p| p.name.clear()), vec!["/name"]),
            (plugin(|p| p.name = "n".repeat(256)), vec![]),
            (plugin(|p| p.name = "n".repeat(257)), vec!["/name"]),
            (plugin(|p| p.version = "v".repeat(65).into()), vec!["/version"]),
            (plugin(|p| p.description = "d\0".into()), vec!["/description"]),
            (plugin(|p| p.script.clear()), vec!["/script"]),
            (plugin(|p| p.script.push('\0')), vec!["/script"]),
            (plugin(|p| p.script.push_str(&" ".repeat(SCRIPT_BYTES))), vec!["/script"]),
            (plugin(|p| p.script = "x = 1".into()), vec!["/script"]),
            (rename("a-b_C9", "greet"), vec![]),
            (rename("", "greet"), vec!["/commands/"]),
            (rename("a.b", "greet"), vec!["/commands/a.b"]),
            (rename("a/b", "greet"), vec!["/commands/a~1b"]),
            (
                rename(&"n".repeat(65), "greet"),
                vec!["/commands/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"],
            ),
            (rename("n", "_hidden"), vec!["/commands/n/function"]),
            (rename("n", "__init__"), vec!["/commands/n/function"]),
            (rename("n", "a.b"), vec!["/commands/n/function"]),
            (rename("n", "1a"), vec!["/commands/n/function"]),
            (rename("n", "class"), vec!["/commands/n/function"]),
            (rename("n", ""), vec!["/commands/n/function"]),
            (rename("n", "größe"), vec!["/commands/n/function"]),
        ];
        for (plugin, want) in cases {
            let (faults, _) = check(&plugin);
            let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(pointers, want, "{faults:?}");
        }
    }

    #[test]
    fn parameters_that_agents_use_themselves_are_refused() {
        let with = |parameters: &str| {
            plugin(|p| p.script = format!("class Plugin:\n    def greet({parameters}): pass\n"))
        };
        for good in ["self", "self, args, kwargs", "self, *task, **commandName"] {
            assert_eq!(check(&with(good)).0, [], "{good}");
        }
        for bad in ["self, task", "self, *, commandName=1", "me, self"] {
            let (faults, _) = check(&with(bad));
            assert_eq!(faults[0].pointer, "/commands/greet/function", "{bad}");
        }
        let unused = "class Plugin:\n    def other(self, task): pass\n";
        assert_eq!(check(&plugin(|p| p.script = unused.into())).0, []);
    }

    #[test]
    fn commands_that_agents_cannot_call_are_refused() {
        let with = |method: &str| {
            check(&plugin(|p| p.script = format!("class Plugin:\n    {method}\n"))).0
        };
        for good in [
            "def greet(self, a=1, /): pass",
            "def greet(*args): pass",
            "@staticmethod\n    def greet(): pass",
            "@classmethod\n    def greet(cls): pass",
            "@wrap\n    async def greet(): pass",
            "async def greet(self): pass\n    greet = other(greet)",
            "async def greet(self): pass\nPlugin = other(Plugin)",
            "async def greet(self): pass\n    def __init__(self): self.greet = other",
            "async def other(self): pass",
        ] {
            assert_eq!(with(good), [], "{good}");
        }
        for (bad, why) in [
            ("async def greet(self): pass", "is `async def`"),
            ("async def greet(self): yield 1", "is `async def`"),
            ("@staticmethod\n    async def greet(): pass", "is `async def`"),
            ("def greet(): pass", "does not take self"),
            ("def greet(**kwargs): pass", "does not take self"),
            ("def greet(self, a, /): pass", "needs \"a\" by its place"),
            ("@staticmethod\n    def greet(a, /): pass", "needs \"a\" by its place"),
        ] {
            let faults = with(bad);
            assert!(
                faults.len() == 1
                    && faults[0].pointer == "/commands/greet/function"
                    && faults[0].detail.starts_with(why),
                "{bad}: {faults:?}"
            );
        }
        let faults = with("async def __init__(self): pass");
        assert_eq!(faults[0].pointer, "/script", "{faults:?}");
    }

    #[test]
    fn the_parameters_of_commands_are_told_where_they_are_certain() {
        let of = |class: &str| {
            let (faults, mut parameters) = check(&plugin(|p| p.script = class.into()));
            assert_eq!(faults, [], "{class}");
            parameters.remove("greet").map(|Parameters { names, others }| {
                let names = names
                    .iter()
                    .map(|(name, needed)| if *needed { name.clone() } else { format!("[{name}]") });
                names.chain(others.then(|| "**".into())).collect::<Vec<_>>().join(" ")
            })
        };
        for (method, want) in [
            ("def greet(self): pass", ""),
            ("def greet(self, a, b=1, *args, c, d=2, **rest): pass", "a [b] c [d] **"),
            ("def greet(self, a=1, /, b=2): pass", "[b]"),
            ("def greet(*args, a): pass", "a"),
            ("@staticmethod\n    def greet(a): pass", "a"),
            ("@classmethod\n    def greet(cls, a): pass", "a"),
            ("def greet(self): pass\n    def greet(self, a): pass", "a"),
        ] {
            let class = format!("class Plugin:\n    {method}\n");
            assert_eq!(of(&class).as_deref(), Some(want), "{class}");
        }
        for uncertain in [
            "class Plugin(Base): pass",
            "class Plugin:\n    @wrap\n    def greet(self): pass",
            "class Plugin:\n    def greet(self, größe): pass",
            "class Plugin:\n    def greet(self, __a): pass",
            "class Plugin:\n    def greet(self): pass\n    if x:\n        greet = y",
            "class Plugin:\n    def greet(self): pass\nPlugin.greet = y",
            "class Plugin:\n    def greet(self): pass\nPlugin = wrap(Plugin)",
            "@wrap\nclass Plugin:\n    def greet(self): pass",
            "class Plugin(metaclass=M):\n    def greet(self): pass",
            "if x:\n    class Plugin:\n        def greet(self): pass\nelse:\n    class Plugin: pass",
        ] {
            assert_eq!(of(uncertain), None, "{uncertain}");
        }
    }

    #[test]
    fn the_hash_is_of_the_exact_bytes() {
        assert_eq!(
            hash("abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f"
        );
        assert_ne!(hash("abc\n"), hash("abc"));
    }
}
