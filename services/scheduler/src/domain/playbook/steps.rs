//! From JSON to a playbook.

use super::commands::action;
use super::read::{Faults, Object, join, no_nul};
use super::{Call, Definitions, MAX_STEPS, Playbook, Step, StepKind, graph};
use crate::domain::condition::Condition;
use crate::domain::variable::{self, Variable, Variables};
use serde_json::Value;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};
use types::api::problem::Fault;
use types::cacao::VariableType;
use uuid::Uuid;

/// Reads a playbook.
pub(super) fn playbook(value: &Value) -> Result<Playbook, Vec<Fault>> {
    let mut faults = Faults::default();
    no_nul("", value, &mut faults);
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    let read = Object::of(String::new(), value, &mut faults).map(|root| whole(&root, &mut faults));
    match read {
        Some(playbook) if faults.0.is_empty() => {
            graph::check(&playbook, &mut faults);
            if faults.0.is_empty() { Ok(playbook) } else { Err(faults.0) }
        }
        _ => Err(faults.0),
    }
}

fn whole(root: &Object<'_>, faults: &mut Faults) -> Playbook {
    let word = |key, want: &str, faults: &mut Faults| {
        let got = root.needed(key, faults);
        if !got.is_empty() && got != want {
            faults.add(root.place(key), format!("must be \"{want}\""));
        }
    };
    word("type", "playbook", faults);
    word("spec_version", "cacao-2.0", faults);
    let id = identifier(root, "id", "playbook", faults);
    identifier(root, "created_by", "identity", faults);
    let time = |key, faults: &mut Faults| {
        if root.get(key).is_none() {
            faults.add(root.place(key), format!("{key} is missing"));
        }
        root.time(key, faults).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    time("created", faults);
    let modified = time("modified", faults);
    let valid_from = root.time("valid_from", faults);
    let valid_until = root.time("valid_until", faults);
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && until <= from
    {
        faults.add(root.place("valid_until"), "must be later than valid_from");
    }
    let variables = variables(root, "playbook_variables", faults);
    let agents = definitions(root, "agent_definitions", faults);
    let targets = definitions(root, "target_definitions", faults);
    let credentials = definitions(root, "authentication_info_definitions", faults);
    let mut steps = BTreeMap::new();
    match root.object("workflow", faults) {
        None if root.get("workflow").is_none() => faults.add("/workflow", "workflow is missing"),
        None => {}
        Some(workflow) if workflow.map.len() > MAX_STEPS => {
            let count = workflow.map.len();
            faults.add(workflow.at, format!("has {count} steps; at most {MAX_STEPS} are taken"));
        }
        Some(workflow) => {
            for (key, object) in workflow.objects(faults) {
                if key.is_empty() || key.len() > 250 || key.chars().any(char::is_control) {
                    faults.add(
                        object.at.clone(),
                        "the id of a step has 1 to 250 characters, such as action--<uuid>",
                    );
                }
                if let Some(step) = step(&object, &variables, &agents, faults) {
                    steps.insert(key.to_owned(), step);
                }
            }
        }
    }
    Playbook {
        id,
        name: root.needed("name", faults).to_owned(),
        description: root.text("description", faults).unwrap_or_default().to_owned(),
        modified,
        revoked: root.flag("revoked", faults),
        valid_from,
        valid_until,
        labels: root.texts("labels", faults),
        variables,
        start: root.needed("workflow_start", faults).to_owned(),
        exception: root.text("workflow_exception", faults).map(ToOwned::to_owned),
        steps,
        agents,
        targets,
        credentials,
    }
}

/// Reads an id: `<kind>--<uuid>`; UUIDs of every version will do.
fn identifier(object: &Object<'_>, key: &str, kind: &str, faults: &mut Faults) -> String {
    let id = object.needed(key, faults);
    let uuid = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix("--"));
    if !id.is_empty() && !uuid.is_some_and(|uuid| uuid.len() == 36 && uuid.parse::<Uuid>().is_ok())
    {
        faults.add(object.place(key), format!("must be {kind}--<uuid>"));
    }
    id.to_owned()
}

fn definitions(root: &Object<'_>, key: &str, faults: &mut Faults) -> Definitions {
    let Some(all) = root.object(key, faults) else { return Definitions::new() };
    let mut definitions = Definitions::new();
    for (id, object) in all.objects(faults) {
        object.needed("type", faults);
        if let Some(address) = object.object("address", faults) {
            for (kind, list) in address.map {
                let fits = |value: &Value| value.is_string() || value.is_number();
                if !list.as_array().is_some_and(|list| list.iter().all(fits)) {
                    faults.add(address.place(kind), "must be a list of strings");
                }
            }
        }
        if let Some(port) = object.get("port")
            && !port.is_string()
            && !port.is_u64()
        {
            faults.add(object.place("port"), "must be a string such as \"443\"");
        }
        definitions.insert(id.to_owned(), object.map.clone());
    }
    definitions
}

fn variables(object: &Object<'_>, key: &str, faults: &mut Faults) -> Variables {
    let Some(all) = object.object(key, faults) else { return Variables::new() };
    if !object.few(key, all.map.len(), faults) {
        return Variables::new();
    }
    let mut variables = Variables::new();
    for (name, object) in all.objects(faults) {
        if !variable::is_name(name) {
            faults.add(
                object.at.clone(),
                "the name of a variable is like __name__, with at most 200 characters inside",
            );
        }
        let word = object.needed("type", faults);
        let kind = VariableType::parse(word);
        if kind.is_none() && !word.is_empty() {
            faults.add(object.place("type"), format!("{word:?} is no type of a CACAO variable"));
        }
        let kind = kind.unwrap_or_default();
        let value = match object.get("value") {
            Some(value @ Value::Object(_)) if kind == VariableType::Dictionary => {
                Some(value.to_string())
            }
            _ => object.text("value", faults).map(ToOwned::to_owned),
        };
        if let Some(Err(detail)) = value.as_deref().map(|value| kind.check(value)) {
            faults.add(object.place("value"), detail);
        }
        let description = object.text("description", faults).unwrap_or_default().to_owned();
        let constant = object.flag("constant", faults);
        let external = object.flag("external", faults);
        variables
            .insert(name.to_owned(), Variable { kind, description, value, constant, external });
    }
    variables
}

fn step(
    object: &Object<'_>,
    playbook: &Variables,
    agents: &Definitions,
    faults: &mut Faults,
) -> Option<Step> {
    let variables = variables(object, "step_variables", faults);
    let scope = Scope { step: &variables, playbook };
    let word = object.needed("type", faults);
    let kind = match word {
        "start" => Some(StepKind::Start),
        "end" => Some(StepKind::End),
        "action" => action(object, &scope, agents, faults).map(StepKind::Action),
        "playbook-action" => Some(StepKind::Playbook(call(object, &scope, faults))),
        "parallel" => {
            let branches = object.texts("next_steps", faults);
            if branches.len() < 2 {
                faults.add(object.place("next_steps"), "must name two branches or more");
            }
            Some(StepKind::Parallel(branches))
        }
        "if-condition" => condition(object, faults).map(|condition| StepKind::If {
            condition,
            on_true: object.needed("on_true", faults).to_owned(),
            on_false: object.text("on_false", faults).map(ToOwned::to_owned),
        }),
        "while-condition" => condition(object, faults).map(|condition| StepKind::While {
            condition,
            on_true: object.needed("on_true", faults).to_owned(),
        }),
        "switch-condition" => Some(switch(object, faults)),
        "" => None,
        other => {
            faults.add(object.place("type"), format!("{other:?} is no type of a step"));
            None
        }
    };
    let (next, on_failure) = follow(object, word, faults);
    Some(Step {
        name: object.text("name", faults).unwrap_or_default().to_owned(),
        description: object.text("description", faults).unwrap_or_default().to_owned(),
        delay: object.millis("delay", faults).unwrap_or(Duration::ZERO),
        timeout: object.millis("timeout", faults).filter(|timeout| !timeout.is_zero()),
        variables,
        next,
        on_failure,
        kind: kind?,
    })
}

/// Reads where a step goes on.
fn follow(
    object: &Object<'_>,
    word: &str,
    faults: &mut Faults,
) -> (Option<String>, Option<String>) {
    let mut place =
        |key: &str| object.text(key, faults).filter(|id| !id.is_empty()).map(ToOwned::to_owned);
    let (completion, success, failure) =
        (place("on_completion"), place("on_success"), place("on_failure"));
    if completion.is_some() && (success.is_some() || failure.is_some()) {
        faults.add(object.place("on_completion"), "excludes on_success and on_failure");
    }
    let next = completion.or(success);
    match word {
        "end" if next.is_some() || failure.is_some() => {
            faults.add(object.at.clone(), "nothing comes after an end");
        }
        "end" | "" => {}
        _ if next.is_none() => {
            faults.add(
                object.at.clone(),
                "has neither on_completion nor on_success: it never comes to an end",
            );
        }
        _ => {}
    }
    (next, failure)
}

fn condition(object: &Object<'_>, faults: &mut Faults) -> Option<Condition> {
    let text = object.needed("condition", faults);
    if text.is_empty() {
        return None;
    }
    match Condition::parse(text) {
        Ok(condition) => Some(condition),
        Err(detail) => {
            faults.add(object.place("condition"), detail);
            None
        }
    }
}

fn switch(object: &Object<'_>, faults: &mut Faults) -> StepKind {
    let value = object.needed("switch", faults).to_owned();
    let mut cases = BTreeMap::new();
    if let Some(all) = object.object("cases", faults)
        && object.few("cases", all.map.len(), faults)
    {
        for (case, _) in all.map {
            cases.insert(case.clone(), all.needed(case, faults).to_owned());
        }
    }
    if cases.is_empty() {
        faults.add(object.place("cases"), "must have a case");
    }
    StepKind::Switch { value, cases }
}

/// Are the variables that a step can name.
pub(super) struct Scope<'a> {
    step: &'a Variables,
    playbook: &'a Variables,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Option<&Variable> {
        self.step.get(name).or_else(|| self.playbook.get(name))
    }
}

/// Reads the names of variables that go in or come back.
pub(super) fn arguments(
    object: &Object<'_>,
    key: &str,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Vec<String> {
    let names = object.texts(key, faults);
    for (at, name) in names.iter().enumerate() {
        let place = join(&object.place(key), &at.to_string());
        let made_here = name.starts_with("__soarca_") || name.starts_with("__writ_");
        match scope.get(name) {
            Some(variable) if variable.constant && key == "out_args" => {
                faults.add(place, format!("{name} is a constant, which nothing can change"));
            }
            None if !made_here => {
                faults.add(
                    place,
                    format!("{name} is a variable of neither the playbook nor the step"),
                );
            }
            _ => {}
        }
    }
    names
}

fn call(object: &Object<'_>, scope: &Scope<'_>, faults: &mut Faults) -> Call {
    Call {
        playbook: identifier(object, "playbook_id", "playbook", faults),
        version: object.time("playbook_version", faults),
        in_args: arguments(object, "in_args", scope, faults),
        out_args: arguments(object, "out_args", scope, faults),
    }
}
