use super::*;
use crate::domain::playbook::Playbook;
use serde_json::{Value, json};
use time::Duration;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00 UTC);
const LIMITS: Limits = Limits { iterations: 5, steps: 100 };

/// Is an execution that is moved by hand.
struct Run {
    playbook: Playbook,
    execution: Execution,
    now: OffsetDateTime,
    effects: Vec<Effect>,
}

/// Makes a playbook out of steps that may leave out what is always the same.
fn playbook(steps: Value, rest: &Value) -> Playbook {
    let mut whole = json!({
        "type": "playbook", "spec_version": "cacao-2.0", "id": "playbook--0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a01", "name": "p",
        "created_by": "identity--3a0b9c52-5a0d-4d5e-8f7b-2f1a7a9f0c02", "created": "2025-06-01T08:00:00Z",
        "modified": "2025-06-01T08:00:00Z", "workflow_start": "s", "agent_definitions": {"m": {"type": "soarca-manual", "name": "soarca-manual"}},
        "playbook_variables": {"__x__": {"type": "string", "value": ""}, "__n__": {"type": "integer", "value": "2"}},
    });
    let mut workflow = steps;
    for step in workflow.as_object_mut().unwrap().values_mut() {
        if step["type"] == "ask" {
            step["type"] = json!("action");
            step["commands"] = json!([{"type": "manual", "command": "do"}]);
            step["agent"] = json!("m");
        }
    }
    workflow["s"] = json!({"type": "start", "on_completion": "a"});
    workflow["e"] = json!({"type": "end"});
    whole["workflow"] = workflow;
    whole.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    Playbook::parse(whole.to_string().as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

impl Run {
    fn new(steps: Value, rest: &Value) -> Self {
        let playbook = playbook(steps, rest);
        let execution = Execution::new(Uuid::now_v7(), playbook.variables.clone());
        let mut run = Self { playbook, execution, now: NOW, effects: vec![] };
        run.turn(|machine| {
            machine.start();
        });
        run
    }

    fn turn(&mut self, event: impl FnOnce(&mut Machine<'_>)) {
        let mut machine = Machine::new(&self.playbook, &mut self.execution, self.now, LIMITS);
        event(&mut machine);
        self.effects = machine.effects;
    }

    fn tick(&mut self, by: Duration) {
        self.now += by;
        self.turn(|machine| {
            machine.tick();
        });
    }

    /// Gives the steps that are open, without those around them.
    fn open(&self) -> Vec<&str> {
        let leaf = |step: &&StepRun| !step.state.is_over() && step.state != StepState::Branching;
        self.execution.steps.iter().filter(leaf).map(|step| step.step_id.as_str()).collect()
    }

    fn id(&self, step: &str) -> Uuid {
        self.execution
            .steps
            .iter()
            .find(|run| run.step_id == step && !run.state.is_over())
            .unwrap()
            .id
    }

    fn answer(&mut self, step: &str, values: &[(&str, &str)]) {
        let values = values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let id = self.id(step);
        self.turn(|machine| machine.answered(id, Ok(values)));
    }

    fn fail(&mut self, step: &str) {
        let id = self.id(step);
        self.turn(|machine| machine.answered(id, Err(Failure::new("no"))));
    }

    fn state(&self) -> (ExecutionState, bool) {
        (self.execution.state, self.execution.handled)
    }
}

use crate::domain::execution::StepRun;

fn nothing() -> Value {
    json!({})
}

#[test]
fn a_step_waits_for_its_answer_and_keeps_only_its_out_args() {
    let mut run = Run::new(
        json!({"a": {"type": "ask", "on_completion": "e", "out_args": ["__x__"]}}),
        &nothing(),
    );
    let id = run.id("a");
    assert_eq!(
        (run.state().0, run.effects.clone()),
        (ExecutionState::Waiting, vec![Effect::Ask(id)])
    );
    run.answer("a", &[("__x__", "yes"), ("__n__", "7")]);
    assert_eq!(run.state().0, ExecutionState::Succeeded);
    let value = |name: &str| run.execution.variables[name].value().to_owned();
    assert_eq!((value("__x__"), value("__n__")), ("yes".into(), "2".into()));
}

#[test]
fn an_answer_of_the_wrong_type_fails_the_step() {
    let mut run = Run::new(
        json!({"a": {"type": "ask", "on_completion": "e", "out_args": ["__n__"]}}),
        &nothing(),
    );
    run.answer("a", &[("__n__", "many")]);
    assert_eq!(run.state(), (ExecutionState::Failed, false));
    assert!(run.execution.reason.unwrap().contains("\"many\" is no integer"));
}

#[test]
fn a_failure_goes_outwards() {
    let steps = json!({
        "a": {"type": "ask", "on_success": "e", "on_failure": "f"}, "f": {"type": "ask", "on_completion": "e"},
    });
    let mut run = Run::new(steps, &nothing());
    run.fail("a");
    assert_eq!(run.open(), ["f"]);
    run.answer("f", &[]);
    assert_eq!(run.state(), (ExecutionState::Succeeded, false), "taken by on_failure");

    let steps = json!({"a": {"type": "ask", "on_completion": "e"}, "x": {"type": "ask", "on_completion": "e"}});
    let exception = json!({"workflow_exception": "x"});
    let mut run = Run::new(steps.clone(), &exception);
    run.fail("a");
    assert_eq!(run.open(), ["x"]);
    run.answer("x", &[]);
    assert_eq!(run.state(), (ExecutionState::Failed, true));
    let mut run = Run::new(steps.clone(), &exception);
    run.fail("a");
    run.fail("x");
    assert_eq!(run.state(), (ExecutionState::Failed, false), "the exception is entered once");
    assert!(
        run.execution.reason.as_ref().unwrap().contains("step [ a ]"),
        "{:?}",
        run.execution.reason
    );
    let mut run = Run::new(steps, &nothing());
    run.fail("a");
    assert_eq!(run.state(), (ExecutionState::Failed, false));
}

#[test]
fn parallel_branches_are_all_waited_for() {
    let steps = json!({
        "a": {"type": "parallel", "next_steps": ["b", "c", "e"], "on_success": "d", "on_failure": "f"},
        "b": {"type": "ask", "on_completion": "e"}, "c": {"type": "ask", "on_completion": "b2"},
        "b2": {"type": "ask", "on_completion": "e"}, "d": {"type": "ask", "on_completion": "e"}, "f": {"type": "ask", "on_completion": "e"},
    });
    let mut run = Run::new(steps.clone(), &nothing());
    assert_eq!(run.open(), ["b", "c"]);
    run.answer("c", &[]);
    assert_eq!(run.open(), ["b", "b2"]);
    run.answer("b", &[]);
    assert_eq!(run.open(), ["b2"]);
    run.answer("b2", &[]);
    assert_eq!(run.open(), ["d"]);
    run.answer("d", &[]);
    assert_eq!(run.state().0, ExecutionState::Succeeded);
    let mut run = Run::new(steps, &nothing());
    run.fail("b");
    assert_eq!(run.open(), ["c"], "the other branch goes on");
    run.answer("c", &[]);
    run.answer("b2", &[]);
    assert_eq!(run.open(), ["f"]);
}

#[test]
fn a_loop_runs_the_same_step_again_and_ends_at_its_limit() {
    let steps = json!({
        "a": {"type": "while-condition", "condition": "__n__:value > 0", "on_true": "b", "on_completion": "e"},
        "b": {"type": "ask", "on_completion": "e", "out_args": ["__n__"]},
    });
    let mut run = Run::new(steps.clone(), &nothing());
    run.answer("b", &[("__n__", "1")]);
    assert_eq!((run.open(), run.execution.runs["b"]), (vec!["b"], 2));
    run.answer("b", &[("__n__", "0")]);
    assert_eq!(run.state().0, ExecutionState::Succeeded);
    let mut run = Run::new(steps, &nothing());
    for _ in 0..5 {
        run.answer("b", &[("__n__", "1")]);
    }
    assert_eq!(run.state().0, ExecutionState::Failed);
    assert!(run.execution.reason.unwrap().contains("went round 5 times"));
    // nothing in it that waits
    let steps = json!({
        "a": {"type": "while-condition", "condition": "1 = 1", "on_true": "b", "on_completion": "e"},
        "b": {"type": "while-condition", "condition": "1 = 1", "on_true": "c", "on_completion": "e"},
        "c": {"type": "if-condition", "condition": "1 = 1", "on_true": "e", "on_completion": "e"},
    });
    assert_eq!(Run::new(steps, &nothing()).state().0, ExecutionState::Failed);
}

#[test]
fn conditions_choose_a_branch() {
    for (value, want) in [("high", "h"), ("low", "o"), ("", "o")] {
        let steps = json!({
            "a": {"type": "ask", "on_completion": "w", "out_args": ["__x__"]},
            "w": {"type": "switch-condition", "switch": "__x__:value", "cases": {"high": "h", "default": "o"}, "on_completion": "e"},
            "h": {"type": "ask", "on_completion": "e"}, "o": {"type": "ask", "on_completion": "e"},
        });
        let mut run = Run::new(steps, &nothing());
        run.answer("a", &[("__x__", value)]);
        assert_eq!(run.open(), [want]);
        run.answer(want, &[]);
        assert_eq!(run.state().0, ExecutionState::Succeeded);
    }
    let steps = json!({
        "a": {"type": "if-condition", "condition": "__x__:value", "on_true": "e", "on_success": "e", "on_failure": "f"},
        "f": {"type": "ask", "on_completion": "e"},
    });
    assert_eq!(
        Run::new(steps, &nothing()).open(),
        ["f"],
        "a condition that cannot be decided is a failure"
    );
}

#[test]
fn a_delay_goes_by_and_a_time_out_is_a_failure() {
    let steps = json!({
        "a": {"type": "action", "commands": [{"type": "bash", "command": "x"}], "agent": "other", "delay": 50, "timeout": 1000,
            "on_success": "e", "on_failure": "f"},
        "f": {"type": "ask", "on_completion": "e"},
    });
    let other = json!({"agent_definitions": {"m": {"type": "soarca-manual"}, "other": {"type": "soarca", "name": "x"}}});
    let mut run = Run::new(steps, &other);
    assert_eq!(run.execution.look(NOW), Some(NOW + Duration::milliseconds(50)));
    run.tick(Duration::milliseconds(49));
    assert_eq!(run.execution.steps[1].state, StepState::Delayed);
    run.tick(Duration::milliseconds(1));
    assert_eq!(run.execution.steps[1].state, StepState::Ready);
    run.tick(Duration::seconds(1));
    assert_eq!((run.execution.steps[1].state, run.open()), (StepState::Timeout, vec!["f"]));
    assert!(run.execution.steps[1].detail.as_ref().unwrap().starts_with("ACTION_TIMEOUT a"));
}

#[test]
fn a_time_out_around_branches_ends_them() {
    let steps = json!({
        "a": {"type": "parallel", "next_steps": ["b", "c"], "timeout": 1000, "on_success": "e", "on_failure": "f"},
        "b": {"type": "ask", "on_completion": "e"}, "c": {"type": "ask", "on_completion": "e"}, "f": {"type": "ask", "on_completion": "e"},
    });
    let mut run = Run::new(steps, &nothing());
    let (b, c) = (run.id("b"), run.id("c"));
    run.tick(Duration::seconds(1));
    assert_eq!(run.open(), ["f"]);
    assert_eq!(run.effects[..2], [Effect::Withdraw(b), Effect::Withdraw(c)]);
}

#[test]
fn commands_are_done_one_after_the_other_and_at_most_once() {
    let command = |kind: &str| json!({"type": kind, "command": "x"});
    let steps = |repeatable: bool| {
        let mut first = command("bash");
        first["x-writ-repeatable"] = json!(repeatable);
        json!({"a": {"type": "action", "commands": [first, command("bash")], "agent": "other", "targets": ["t", "u"], "on_completion": "e"}})
    };
    let rest = json!({"agent_definitions": {"other": {"type": "soarca", "name": "x"}},
        "target_definitions": {"t": {"type": "linux"}, "u": {"type": "linux"}}});
    let mut run = Run::new(steps(false), &rest);
    let id = run.id("a");
    for position in 0..4 {
        assert_eq!(run.execution.open(id).unwrap().state, StepState::Ready);
        // what was not begun is not taken
        run.turn(|machine| machine.called(id, position, Ok(Values::new())));
        assert_eq!(run.execution.open(id).unwrap().position, position);
        run.execution.open_mut(id).unwrap().state = StepState::Calling;
        run.turn(|machine| machine.called(id, position + 1, Ok(Values::new())));
        run.turn(|machine| {
            machine.called(
                id,
                position,
                Ok(Values::from([("__soarca_x_result__".into(), position.to_string())])),
            );
        });
    }
    assert_eq!(run.state().0, ExecutionState::Succeeded);
    assert_eq!(run.execution.variables["__soarca_x_result__"].value(), "3");

    for (repeatable, want) in [(false, ExecutionState::Failed), (true, ExecutionState::Running)] {
        let mut run = Run::new(steps(repeatable), &rest);
        let id = run.id("a");
        let step = run.execution.open_mut(id).unwrap();
        (step.state, step.lease) = (StepState::Calling, Some(NOW + Duration::seconds(15)));
        run.tick(Duration::seconds(14));
        assert_eq!(run.execution.open(id).unwrap().missed, None);
        // nobody looked for long: the database was away, and what its process says may be on its way
        run.tick(Duration::hours(1));
        for missed in 1..=10 {
            let step = run.execution.open(id).unwrap();
            assert_eq!((step.state, step.missed), (StepState::Calling, Some(missed)));
            assert_eq!(run.execution.look(run.now), Some(run.now + Duration::seconds(1)));
            run.tick(Duration::ZERO);
            assert_eq!(run.execution.open(id).unwrap().missed, Some(missed), "once a second");
            run.tick(Duration::seconds(1));
        }
        assert_eq!(run.state().0, want);
    }
}

#[test]
fn signatures_that_do_not_hold_are_asked_for_again() {
    let steps = json!({"a": {"type": "action", "commands": [{"type": "x-writ-action", "action": {}}], "agent": "other",
        "on_completion": "e"}});
    let rest = json!({"agent_definitions": {"other": {"type": "soarca", "name": "x"}}});
    let mut run = Run::new(steps, &rest);
    let first = run.id("a");
    run.execution.open_mut(first).unwrap().document = Some("the action".into());
    for asked in 2..=10 {
        let before = run.id("a");
        run.turn(|machine| machine.unsigned(before, "no key"));
        let now = run.execution.open(run.id("a")).unwrap().clone();
        assert_eq!((now.run, now.document.as_deref()), (asked, Some("the action")));
        assert_eq!(run.effects, [Effect::Prepare(now.id)]);
        let over = run.execution.steps.iter().find(|step| step.id == before).unwrap();
        assert_eq!((over.state, over.detail.as_deref()), (StepState::Failed, Some("no key")));
        // what comes late for the one before changes nothing
        run.turn(|machine| machine.signed(before, "signed".into()));
        assert_eq!(run.effects, []);
    }
    let last = run.id("a");
    run.turn(|machine| machine.unsigned(last, "no key"));
    assert_eq!(run.state().0, ExecutionState::Failed);
    assert!(run.execution.reason.unwrap().contains("no key; it was asked for 10 times"));
}

#[test]
fn what_another_playbook_began_starts_with_its_first_look() {
    let steps = json!({"a": {"type": "ask", "on_completion": "e"}});
    let playbook = playbook(steps, &nothing());
    let execution = Execution::new(Uuid::now_v7(), playbook.variables.clone());
    let mut run = Run { playbook, execution, now: NOW, effects: vec![] };
    run.tick(Duration::ZERO);
    assert_eq!(run.open(), ["a"]);
    run.tick(Duration::ZERO);
    assert_eq!((run.open(), run.effects.len()), (vec!["a"], 0));
}

#[test]
fn a_reason_is_cut() {
    let mut run = Run::new(json!({"a": {"type": "ask", "on_completion": "e"}}), &nothing());
    let id = run.id("a");
    run.turn(|machine| machine.answered(id, Err(Failure::new("x".repeat(4 << 20)))));
    assert!(run.execution.reason.unwrap().len() < 3_000);
}

#[test]
fn cancelling_runs_no_branch() {
    let steps = json!({
        "a": {"type": "parallel", "next_steps": ["b", "c"], "on_success": "e", "on_failure": "f"},
        "b": {"type": "ask", "on_completion": "e"}, "f": {"type": "ask", "on_completion": "e"},
        "c": {"type": "playbook-action", "playbook_id": "playbook--0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a01", "on_completion": "e"},
    });
    let mut run = Run::new(steps, &json!({"workflow_exception": "f"}));
    let (b, c) = (run.id("b"), run.id("c"));
    run.turn(|machine| machine.cancel("enough"));
    assert_eq!((run.state().0, run.open().len()), (ExecutionState::Cancelled, 0));
    assert_eq!(run.effects, [Effect::Withdraw(b), Effect::CancelChild(c)]);
    assert_eq!(run.execution.reason.as_deref(), Some("enough"));
    // what comes late changes nothing
    let before = run.execution.clone();
    run.turn(|machine| machine.answered(b, Ok(Values::new())));
    assert_eq!(run.execution, before);
}

#[test]
fn a_variable_of_a_step_stays_in_it() {
    let steps = json!({
        "a": {"type": "ask", "on_completion": "b", "out_args": ["__x__"], "step_variables": {"__x__": {"type": "string", "value": "own"}}},
        "b": {"type": "ask", "on_completion": "e"},
    });
    let mut run = Run::new(steps, &nothing());
    assert_eq!(run.execution.scope(run.id("a"))["__x__"].value(), "own");
    run.answer("a", &[("__x__", "new")]);
    assert_eq!(run.execution.steps[1].results["__x__"], "new");
    assert_eq!(run.execution.scope(run.id("b"))["__x__"].value(), "");
}
