use super::*;
use proptest::prelude::*;
use serde_json::json;

const QUESTION: &str = include_str!("../../../tests/playbooks/one-question.json");
const ASK: &str = "/workflow/action--5d3c2b1a-1111-4aaa-8bbb-000000000002";
const END: &str = "end--5d3c2b1a-1111-4aaa-8bbb-000000000003";

fn faults(document: &Value) -> Vec<(String, String)> {
    match Playbook::parse(document.to_string().as_bytes()) {
        Ok(_) => vec![],
        Err(Wrong::Malformed(detail)) => panic!("{detail}"),
        Err(Wrong::Faults(faults)) => faults.into_iter().map(|f| (f.pointer, f.detail)).collect(),
    }
}

/// Puts `value` where `pointer` says, into the playbook of one question.
fn with(pointer: &str, value: Value) -> Value {
    let mut playbook: Value = serde_json::from_str(QUESTION).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    playbook.pointer_mut(parent).unwrap()[key] = value;
    playbook
}

#[test]
fn the_playbooks_of_the_field_are_read() {
    for text in [
        QUESTION,
        include_str!("../../../tests/playbooks/approval-gate.json"),
        include_str!("../../../tests/playbooks/http-playbook.json"),
        include_str!("../../../tests/playbooks/manual-playbook.json"),
        include_str!("../../../tests/playbooks/parallel-switch-exception.json"),
        include_str!("../../../tests/playbooks/sweep-until-clean.json"),
    ] {
        Playbook::parse(text.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    }
}

#[test]
fn each_fault_is_told_with_its_place() {
    let ask = |key: &str| format!("{ASK}/{key}");
    for (pointer, value, place, word) in [
        ("/type".to_owned(), json!("play"), "/type".to_owned(), "must be \"playbook\""),
        ("/spec_version".into(), json!("cacao-1.1"), "/spec_version".into(), "cacao-2.0"),
        ("/id".into(), json!("playbook--7"), "/id".into(), "playbook--<uuid>"),
        ("/name".into(), json!(7), "/name".into(), "a string, not a number"),
        ("/name".into(), Value::Null, "/name".into(), "missing"),
        ("/created_by".into(), json!("me"), "/created_by".into(), "identity--<uuid>"),
        ("/modified".into(), json!("yesterday"), "/modified".into(), "a time"),
        ("/revoked".into(), json!("no"), "/revoked".into(), "a bool"),
        ("/workflow_start".into(), json!("start--x"), "/workflow_start".into(), "no step"),
        ("/workflow_start".into(), json!(END), "/workflow_start".into(), "of type start"),
        ("/workflow_exception".into(), json!("x"), "/workflow_exception".into(), "no step"),
        ("/workflow".into(), json!([]), "/workflow".into(), "an object, not a list"),
        ("/workflow".into(), json!({}), "/workflow_start".into(), "no step"),
        (
            "/playbook_variables/__answer__/type".into(),
            json!("text"),
            "/playbook_variables/__answer__/type".into(),
            "no type",
        ),
        (
            "/playbook_variables/__answer__/value".into(),
            json!(5),
            "/playbook_variables/__answer__/value".into(),
            "a string",
        ),
        (
            "/playbook_variables/bad~1name".into(),
            json!({"type": "string"}),
            "/playbook_variables/bad~01name".into(),
            "name",
        ),
        (ask("type"), json!("bash"), ask("type"), "no type of a step"),
        (ask("on_completion"), json!("end--x"), ask("on_completion"), "no step"),
        (ask("on_failure"), json!(END), ask("on_completion"), "excludes"),
        (ask("timeout"), json!(-1), ask("timeout"), "milliseconds"),
        (ask("delay"), json!("5"), ask("delay"), "milliseconds"),
        (ask("agent"), json!("soarca--x"), ask("agent"), "no agent"),
        (ask("targets"), json!(["x"]), ask("targets/0"), "no target"),
        (ask("commands"), json!([]), ask("commands"), "a command"),
        (ask("commands"), json!("x"), ask("commands"), "a list"),
        (
            ask("commands"),
            json!([{"type": "manual"}]),
            ask("commands/0/command"),
            "needs a command",
        ),
        (
            ask("commands"),
            json!([{"type": "manual", "command_b64": "%"}]),
            ask("commands/0/command_b64"),
            "Base64",
        ),
        (
            ask("commands"),
            json!([{"type": "http-api", "command": "GET /"}]),
            ask("commands/0/command"),
            "method, path",
        ),
        (
            ask("out_args"),
            json!(["__other__"]),
            ask("out_args/0"),
            "neither the playbook nor the step",
        ),
        (ask("out_args"), json!([1]), ask("out_args/0"), "a string"),
    ] {
        let found = faults(&with(&pointer, value));
        assert!(
            found.iter().any(|(at, detail)| *at == place && detail.contains(word)),
            "{pointer}: {found:?}"
        );
    }
    let constant = with("/playbook_variables/__answer__/constant", json!(true));
    assert_eq!(faults(&constant)[0].0, ask("out_args/0"));
    let step = json!({"type": "action", "commands": [{"type": "manual", "command": "x"}], "agent": "soarca--5d3c2b1a-1111-4aaa-8bbb-000000000004"});
    assert!(faults(&with(ASK, step))[0].1.contains("never comes to an end"));
}

/// Makes a playbook of `steps` with a start that leads to the first.
fn workflow(steps: &Value) -> Value {
    let mut playbook = with("/workflow", steps.clone());
    playbook["workflow"]["start--5d3c2b1a-1111-4aaa-8bbb-000000000001"] =
        json!({"type": "start", "on_completion": "a"});
    playbook["workflow"]["e"] = json!({"type": "end"});
    playbook
}

#[test]
fn a_circle_is_found_wherever_it_is() {
    let condition = |on_true: &str, next: &str| json!({"type": "while-condition", "condition": "a = b", "on_true": on_true, "on_completion": next});
    for steps in [
        json!({"a": condition("e", "a")}),
        json!({"a": condition("b", "e"), "b": condition("e", "c"), "c": condition("a", "e")}),
        json!({"a": condition("e", "e"), "x": condition("y", "e"), "y": condition("e", "x")}),
    ] {
        let found = faults(&workflow(&steps));
        assert!(found[0].1.contains("circle"), "{found:?}");
    }
    assert_eq!(
        faults(&workflow(
            &json!({"a": condition("b", "c"), "b": condition("e", "e"), "c": condition("e", "e")})
        )),
        []
    );
}

#[test]
fn large_and_deep_playbooks_are_refused_quickly() {
    fn name(at: usize) -> String {
        if at == 0 { "a".into() } else { format!("s{at}") }
    }
    let chain = |count: usize, branch: bool| {
        let step = |at: usize| {
            let next = if at + 1 == count { "e".to_owned() } else { name(at + 1) };
            let (on_true, after) = if branch { (next.as_str(), "e") } else { ("e", next.as_str()) };
            (
                name(at),
                json!({"type": "if-condition", "condition": "a = b", "on_true": on_true, "on_completion": after}),
            )
        };
        workflow(&Value::Object((0..count).map(step).collect()))
    };
    assert_eq!(faults(&chain(MAX_STEPS - 2, false)), []);
    assert_eq!(faults(&chain(32, true)), []);
    assert!(faults(&chain(33, true))[0].1.contains("deeper than 32"));
    let many = faults(&chain(20_000, false));
    assert_eq!((many[0].0.as_str(), many[0].1.contains("20002 steps")), ("/workflow", true));
    let huge = vec![b' '; MAX_DOCUMENT + 1];
    assert!(matches!(Playbook::parse(&huge), Err(Wrong::Malformed(_))));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(Playbook::parse(deep.as_bytes()), Err(Wrong::Malformed(_))));
}

#[test]
fn who_does_a_step_is_said_by_its_agent_and_commands() {
    let manner = |agent: &str, commands: Value| {
        let mut playbook = with(&format!("{ASK}/commands"), commands);
        playbook["agent_definitions"]["soarca--5d3c2b1a-1111-4aaa-8bbb-000000000004"] =
            json!({"type": "soarca", "name": agent});
        let read = Playbook::parse(playbook.to_string().as_bytes())
            .map_err(|wrong| format!("{wrong:?}"))?;
        match &read.steps["action--5d3c2b1a-1111-4aaa-8bbb-000000000002"].kind {
            StepKind::Action(action) => Ok::<_, String>(action.manner),
            other => panic!("{other:?}"),
        }
    };
    let manual = json!({"type": "manual", "command": "x"});
    let bash = json!({"type": "bash", "command": "x"});
    let fleet = json!({"type": FLEET, "action": {}});
    assert_eq!(manner("soarca-manual", json!([bash])), Ok(Manner::Manual));
    assert_eq!(manner("other", json!([manual])), Ok(Manner::Manual));
    assert_eq!(manner("other", json!([bash])), Ok(Manner::Calls));
    assert_eq!(manner("other", json!([fleet])), Ok(Manner::Fleet));
    assert!(manner("other", json!([bash, manual])).is_err());
    assert!(manner("other", json!([fleet, fleet])).is_err());
}

#[test]
fn a_playbook_runs_only_in_its_time() {
    let at = |text: &str| {
        OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap()
    };
    let now = at("2026-01-01T00:00:00Z");
    let may = |key: &str, value: Value| {
        let document = with(key, value).to_string();
        Playbook::parse(document.as_bytes()).unwrap().may_run(now)
    };
    assert!(may("/revoked", json!(true)).is_err());
    assert!(may("/valid_from", json!("2026-01-01T00:00:00.001Z")).is_err());
    assert!(may("/valid_until", json!("2026-01-01T00:00:00Z")).is_err());
    assert_eq!(may("/valid_from", json!("2026-01-01T00:00:00Z")), Ok(()));
    assert_eq!(may("/valid_until", json!("2026-01-01T00:00:01Z")), Ok(()));
}

#[test]
fn what_a_step_multiplies_is_limited() {
    let target = json!("individual--5d3c2b1a-1111-4aaa-8bbb-000000000005");
    let command = json!({"type": "manual", "command": "x"});
    let step = |commands: usize, targets: usize| {
        let mut playbook = with(&format!("{ASK}/commands"), vec![command.clone(); commands].into());
        playbook.pointer_mut(ASK).unwrap()["targets"] = vec![target.clone(); targets].into();
        faults(&playbook)
    };
    assert_eq!(step(1, 1_000), []);
    assert_eq!(step(1_000, 1), []);
    assert_eq!(step(20, 50), []);
    assert_eq!(step(1, 1_001)[0].0, format!("{ASK}/targets"));
    assert_eq!(step(1_001, 1)[0].0, format!("{ASK}/commands"));
    assert!(step(21, 50)[0].1.contains("1050 calls"));
    let many = |count: usize| -> Value {
        let all = (0..count).map(|at| (format!("__v{at}__"), json!({"type": "string"})));
        Value::Object(all.collect())
    };
    let mut variables = with("/playbook_variables", many(1_001));
    assert_eq!(faults(&variables)[0].0, "/playbook_variables");
    variables = with(&format!("{ASK}/step_variables"), many(1_001));
    assert_eq!(faults(&variables)[0].0, format!("{ASK}/step_variables"));
    let arguments = with(&format!("{ASK}/out_args"), vec![json!("__answer__"); 1_001].into());
    assert_eq!(faults(&arguments)[0].0, format!("{ASK}/out_args"));
}

#[test]
fn no_text_has_a_nul_and_no_time_leads_out_of_the_years() {
    for (pointer, value, place) in [
        ("/name".to_owned(), json!("a\0"), "/name".to_owned()),
        ("/labels".into(), json!(["ok", "a\0"]), "/labels/1".into()),
        (format!("{ASK}/out_args"), json!(["__soarca_\0"]), format!("{ASK}/out_args/0")),
        ("/x-anything".into(), json!({"a\0": 1}), "/x-anything/a\0".into()),
        (
            "/target_definitions/individual--5d3c2b1a-1111-4aaa-8bbb-000000000005/name".into(),
            json!("\0"),
            "/target_definitions/individual--5d3c2b1a-1111-4aaa-8bbb-000000000005/name".into(),
        ),
    ] {
        let found = faults(&with(&pointer, value));
        assert!(found[0].0 == place && found[0].1.contains("NUL"), "{pointer}: {found:?}");
    }
    for key in ["/modified", "/valid_from", "/valid_until", "/created"] {
        for time in
            ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "0000-06-01T00:00:00Z"]
        {
            let found = faults(&with(key, json!(time)));
            assert!(found.iter().any(|fault| fault.0 == key), "{key} {time}: {found:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_fall_over(at in 0_usize..2_000, byte: u8) {
        let mut bytes = QUESTION.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = Playbook::parse(&bytes);
    }
}
