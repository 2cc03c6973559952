//! A playbook with steps for people and for the fleet, by hand from `writ`, while the services that hold it are killed.

use crate::enrolment::enrol;
use crate::house::House;
use crate::investigator::Investigator;
use crate::pending::all_survive;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const HOLDERS: [&str; 2] = ["scheduler", "manual-interaction"];

/// Asks a person for a number, has the fleet write it down, and asks a person again when one agent has.
fn playbook(module: &str, ledger: &Path) -> Value {
    let ask = |name: &str, command: &str, out: &[&str], next: &str| {
        json!({"type": "action", "name": name, "commands": [{"type": "manual", "command": command}], "agent": "people",
            "out_args": out, "on_completion": next, "timeout": 600_000})
    };
    let operation =
        json!({"module": module, "parameters": {"path": ledger, "number": "__number__:value"}});
    let action = json!({"name": "note __number__:value", "target": "name='__host__:value'", "operations": [operation]});
    json!({
        "type": "playbook", "spec_version": "cacao-2.0", "id": "playbook--7d1f6a3e-52a4-4d0e-9f0c-1d1f6c1f2a07",
        "name": "Note a number", "created_by": "identity--3a0b9c52-5a0d-4d5e-8f7b-2f1a7a9f0c02",
        "created": "2026-11-01T08:00:00.000Z", "modified": "2026-11-01T08:00:00.000Z",
        "playbook_variables": {"__number__": {"type": "integer"}, "__host__": {"type": "string", "external": true},
            "__heard__": {"type": "bool"}},
        "agent_definitions": {"people": {"type": "soarca-manual", "name": "soarca-manual"},
            "fleet": {"type": "x-writ-fleet", "name": "fleet"}},
        "workflow_start": "start", "workflow": {
            "start": {"type": "start", "on_completion": "ask"},
            "ask": ask("Ask", "Which number?", &["__number__"], "note"),
            "note": {"type": "action", "name": "Note", "agent": "fleet", "on_completion": "noted", "timeout": 600_000,
                "commands": [{"type": "x-writ-action", "action": action}]},
            "noted": {"type": "if-condition", "on_true": "tell", "on_completion": "end",
                "condition": "__writ_success__:value > 0 AND __writ_targeted__:value < 10 AND __writ_found_agents__:value = 'house'"},
            "tell": ask("Tell", "__writ_found_agents__:value has __number__:value", &["__heard__"], "told"),
            "told": {"type": "end"}, "end": {"type": "end"}}})
}

/// Is the investigator's tool.
struct Writ {
    program: PathBuf,
    url: String,
    home: String,
    key: String,
    config: PathBuf,
}

impl Writ {
    fn of(house: &House) -> Self {
        Self {
            program: house.programs().join("writ"),
            url: house.var("WRIT_URL").to_owned(),
            home: house.var("WRIT_ADMIN_GNUPGHOME").to_owned(),
            key: house.var("WRIT_ADMIN_FINGERPRINT").to_owned(),
            config: house.path("writ"),
        }
    }

    /// Runs it; gives what it wrote.
    fn run(&self, arguments: &[&str]) -> String {
        let out = Command::new(&self.program)
            .args(["--url", &self.url, "--gpg", &self.key, "--gpg-home", &self.home])
            .arg("--config-dir")
            .arg(&self.config)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "writ {arguments:?}:\n{said}");
        String::from_utf8(out.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }
}

/// Waits until a step of this name waits for people; gives it.
pub(crate) async fn waits(investigator: &Investigator, name: &str) -> Value {
    let is = |page: &Value| {
        page["items"]
            .as_array()
            .and_then(|items| items.iter().find(|item| item["name"] == name))
            .cloned()
    };
    let page = investigator.ask_until("/v1/steps?state=pending", |page| is(page).is_some()).await;
    is(&page).unwrap()
}

/// Kills both services that hold a playbook at once.
fn kill_holders(house: &mut House) {
    for service in HOLDERS {
        house.end("KILL", service);
    }
    for service in HOLDERS {
        house.start(service);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_the_fleet_take_turns_whatever_is_killed() {
    let mut house = House::up();
    let investigator = Arc::new(Investigator::of(&house));
    let (module, _) = enrol(&mut house, &investigator).await;
    let ledger = house.path("ledger");
    let writ = Writ::of(&house);
    let playbook = playbook(&module, &ledger);
    let file = house.path("playbook.json");
    std::fs::write(&file, playbook.to_string()).unwrap();
    let stored = writ.json(&["playbook", "add", file.to_str().unwrap()]);
    assert_eq!(stored["id"], playbook["id"]);
    assert!(writ.run(&["playbook", "ls"]).contains("Note a number"));
    let began =
        writ.json(&["playbook", "run", playbook["id"].as_str().unwrap(), "--set", "host=house"]);
    let execution = began["id"].as_str().unwrap();

    let asked = waits(&investigator, "Ask").await;
    kill_holders(&mut house);
    let again = waits(&investigator, "Ask").await;
    assert_eq!((&again["id"], &again["deadline"]), (&asked["id"], &asked["deadline"]));
    let listed = writ.run(&["step", "ls"]);
    assert!(listed.contains("__number__:integer") && listed.contains("Note a number"), "{listed}");
    let id = asked["id"].as_str().unwrap();
    let answered = writ.json(&["step", "answer", id, "-v", "__number__=42"]);
    assert_eq!(answered["state"], "answered");
    house.kill_and_restart("scheduler");

    // what is to be signed says how
    let asked = waits(&investigator, "Note").await;
    let id = asked["id"].as_str().unwrap();
    let hint = format!("`writ step sign {id}`");
    assert!(asked["commands"][0]["description"].as_str().unwrap().contains(&hint), "{asked}");
    kill_holders(&mut house);
    waits(&investigator, "Note").await;
    writ.run(&["step", "sign", id]);
    kill_holders(&mut house);

    let asked = waits(&investigator, "Tell").await;
    assert_eq!(asked["commands"][0]["command"], "house has 42");
    kill_holders(&mut house);
    waits(&investigator, "Tell").await;
    writ.run(&["step", "answer", asked["id"].as_str().unwrap(), "-v", "__heard__=true"]);
    let over = |view: &Value| view["state"] == "succeeded";
    let ended = investigator.ask_until(&format!("/v1/executions/{execution}"), over).await;
    let value = |name: &str| ended["variables"][name]["value"].as_str().unwrap_or_default();
    assert_eq!(value("__heard__"), "true");
    assert_eq!((value("__writ_targeted__"), value("__writ_success__")), ("1", "1"));
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "42\n", "the fleet did it once");
    let shown = writ.run(&["playbook", "status", execution]);
    assert!(shown.contains("succeeded") && shown.contains("Tell"), "{shown}");

    // a house costs seconds to bring up
    all_survive(&mut house, &investigator).await;
}
