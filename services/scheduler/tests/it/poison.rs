//! One execution, however it was made, holds up no other.

use crate::playbook_house::{House, field, playbook};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::manual::ManualOutcome;

/// Makes a text that does not pack well.
fn noise(size: usize) -> String {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    (0..size).map(|_| next()).collect::<String>().replace(['"', '\\'], "x")
}

/// Gives names of variables and their declaration: together they are too much for a message.
fn large() -> (Vec<String>, Value) {
    let names: Vec<_> = (0..8).map(|at| format!("__v{at}__")).collect();
    let value = noise(250_000);
    let declared =
        names.iter().map(|name| (name.clone(), json!({"type": "string", "value": value})));
    (names.clone(), json!({"playbook_variables": Value::Object(declared.collect())}))
}

fn ask(rest: &Value) -> Value {
    let mut step = json!({"type": "action", "commands": [{"type": "manual", "command": "do"}], "on_completion": "e",
        "agent": field("one-question")["workflow"]["action--5d3c2b1a-1111-4aaa-8bbb-000000000002"]["agent"]});
    step.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    step
}

fn reason(ended: &Value) -> &str {
    ended["reason"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_too_large_to_be_asked_fails_wherever_it_is() {
    let mut house = House::new(&[]).await;
    let (names, variables) = large();
    let too_large = ask(&json!({"out_args": names}));
    // the first step: the trigger answers
    let id = house.trigger(&playbook(json!({"a": too_large}), &variables)).await;
    assert!(reason(&house.until(&id, "failed").await).contains("so much cannot be sent"));
    // after a delay, in front of another that waits for its look
    let mut delayed = too_large.clone();
    delayed["delay"] = json!(1);
    let poison = house.trigger(&playbook(json!({"a": delayed}), &variables)).await;
    let healthy = playbook(json!({"a": ask(&json!({"delay": 1_000}))}), &json!({}));
    let healthy = house.trigger(&healthy).await;
    house.process.wait(Duration::seconds(2));
    assert_eq!(house.asked().await.execution_id.to_string(), healthy);
    assert!(reason(&house.until(&poison, "failed").await).contains("so much cannot be sent"));
    // after an answer of people
    let steps = json!({"a": ask(&json!({"on_completion": "b"})), "b": too_large});
    let id = house.trigger(&playbook(steps, &variables)).await;
    let asked = house.asked().await;
    house.answer(&asked, ManualOutcome::Success, &[]).await;
    assert!(reason(&house.until(&id, "failed").await).contains("so much cannot be sent"));
    // a fleet step, and one whose targets are too much
    let filled: Vec<_> = names.iter().map(|name| format!("{name}:value")).collect();
    let action = json!({"name": "x", "target": "name='x'", "description": filled.concat(),
        "operations": [{"module": "file", "parameters": {"x": filled}}]});
    let mut fleet =
        ask(&json!({"commands": [{"type": "x-writ-action", "action": action}], "agent": "g"}));
    let mut rest = variables.clone();
    rest["agent_definitions"] = json!({"g": {"type": "x-writ-fleet", "name": "fleet"}});
    let id = house.trigger(&playbook(json!({"a": fleet}), &rest)).await;
    assert!(reason(&house.until(&id, "failed").await).contains("too large"));
    rest["target_definitions"] = json!({"t": {"type": "individual", "name": noise(20_000)}});
    rest["agent_definitions"] = json!({"g": {"type": "soarca-manual", "name": "soarca-manual"}});
    fleet = ask(&json!({"agent": "g", "targets": vec!["t"; 1_000]}));
    let id = house.trigger(&playbook(json!({"a": fleet}), &rest)).await;
    assert!(reason(&house.until(&id, "failed").await).contains("so much cannot be sent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_cannot_be_read_is_ended_and_holds_up_no_other() {
    let mut house = House::new(&[]).await;
    let delayed = playbook(json!({"a": ask(&json!({"delay": 1_000}))}), &json!({}));
    let broken = house.trigger(&delayed).await;
    let healthy = playbook(json!({"a": ask(&json!({"delay": 2_000}))}), &json!({}));
    let healthy = house.trigger(&healthy).await;
    // its rows cannot even be read: not by the machine either
    break_variables(&house, &broken).await;
    house.process.wait(Duration::seconds(3));
    assert_eq!(house.asked().await.execution_id.to_string(), healthy);
    let ended = house.until(&broken, "failed").await;
    assert!(reason(&ended).contains("could not go on with it"), "{ended:#}");
    assert!(ended["steps"].as_array().unwrap().iter().all(|step| step["ended"].is_string()));

    // one that waits for another, whose end it cannot be told of, and one that can
    let question = field("one-question");
    let stored = house.ask(Method::POST, "/v1/playbooks", Some(question.to_string())).await;
    assert_eq!(stored.0, 201);
    let steps = json!({"a": {"type": "playbook-action", "playbook_id": question["id"], "on_completion": "e"}});
    let calls = playbook(steps, &json!({}));
    let (first, second) = (house.trigger(&calls).await, house.trigger(&calls).await);
    let (one, other) = (house.asked().await, house.asked().await);
    house.until(&first, "waiting").await;
    break_variables(&house, &first).await;
    for asked in [one, other] {
        house.done(&asked, &[("__answer__", "yes")]).await;
    }
    house.until(&second, "succeeded").await;
    house.until(&first, "failed").await;
    until(PATIENCE, async || house.process.count("execution where not told").await == 0).await;
}

async fn break_variables(house: &House, execution: &str) {
    let text = format!(
        "with broken as (update execution set variables = '5' where id = '{execution}' returning id)
         select count(*)::text as text from broken"
    );
    assert_eq!(house.process.text(&text).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn playbooks_that_call_themselves_come_to_an_end() {
    let house = House::new(&[]).await;
    let call =
        |id: &Value| json!({"type": "playbook-action", "playbook_id": id, "on_completion": "e"});
    let mut whole = playbook(json!({"a": {"type": "end"}}), &json!({}));
    let id = whole["id"].clone();
    whole["workflow"]["a"] =
        json!({"type": "parallel", "next_steps": ["b", "c", "d"], "on_completion": "e"});
    for step in ["b", "c", "d"] {
        whole["workflow"][step] = call(&id);
    }
    let stored = house.ask(Method::POST, "/v1/playbooks", Some(whole.to_string())).await;
    assert_eq!(stored.0, 201);
    let id = house.trigger(&whole).await;
    house.until(&id, "failed").await;
    // each transaction counts for itself, and some may be under way at once
    let count = house.process.count("execution").await;
    assert!((1_001..1_050).contains(&count), "{count}");
    let told = "execution where reason like '%led to 1000 others%'";
    assert!(house.process.count(told).await > 0);
}
