//! A step that runs a signed action on the fleet: people sign, nothing here can.

use crate::playbook_house::{House, playbook};
use crate::support::{ALL, NOW, agents, delivery, investigator};
use messaging::Outcome;
use serde_json::{Value, json};
use testkit::keys;
use types::messages::manual::ManualOutcome;
use types::messages::{
    ActionAccepted, ActionProposed, ActionRefused, ManualAnswered, ManualRequested,
};
use types::{Action, ActionId, CommandStatus, InvestigatorId};

fn hunt() -> Value {
    let action = json!({"name": "hunt __what__:value", "target": format!("({ALL}) AND name != '__what__:value'"),
        "operations": [{"module": "file", "parameters": {"searches": {"s1": {"paths": ["/etc"], "names": ["__what__:value"]}}}}]});
    playbook(
        json!({"a": {"type": "action", "name": "Hunt", "commands": [{"type": "x-writ-action", "action": action}], "agent": "g",
            "on_completion": "e", "timeout": 600_000}}),
        &json!({
            "agent_definitions": {"g": {"type": "x-writ-fleet", "name": "fleet"}},
            "playbook_variables": {"__what__": {"type": "string", "value": "it's' OR 'a'='a"}},
        }),
    )
}

/// Signs what was put before people.
fn sign(asked: &ManualRequested) -> String {
    let action = Action::parse(asked.commands[0].command.as_bytes()).unwrap();
    keys::of("alice").sign_line(signing::action::signed_string(&action).as_bytes(), NOW).unwrap()
}

async fn proposed(house: &mut House) -> (String, ActionProposed) {
    let id = house.trigger(&hunt()).await;
    let asked = house.asked().await;
    assert_eq!(asked.out_args[0].name, "__writ_signatures__");
    let signature = sign(&asked);
    house.done(&asked, &[("__writ_signatures__", &signature)]).await;
    (id, house.process.tap.next::<ActionProposed>().await.data)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_counters_and_what_was_found() {
    let mut house = House::new(&[]).await;
    house.process.agents(&agents(3)).await;
    let (id, proposal) = proposed(&mut house).await;
    let action = Action::parse(proposal.document.as_bytes()).unwrap();
    assert_eq!(action.target, format!("({ALL}) AND name != 'it''s'' OR ''a''=''a'"));
    assert_eq!(action.pgpsignatures.as_ref().map(Vec::len), Some(1));
    let accepted = ActionAccepted {
        id: ActionId(7),
        document: proposal.document.clone(),
        posted_by: InvestigatorId(1),
        at: house.process.clock.now(),
        dispatch: None,
        execution_id: Some(proposal.execution_id),
        step: Some(proposal.step),
    };
    house.process.take("actions", accepted).await;
    house.process.until(7, "inflight").await;
    assert_eq!(house.execution(&id).await["state"], "waiting");
    house.process.answer(7, &[1, 3], CommandStatus::Success).await;
    house.process.answer(7, &[2], CommandStatus::Failed).await;
    let ended = house.until(&id, "succeeded").await;
    let value = |name: &str| ended["variables"][name]["value"].as_str().unwrap().to_owned();
    assert_eq!(
        (value("__writ_targeted__"), value("__writ_success__"), value("__writ_failed__")),
        ("3".into(), "2".into(), "1".into())
    );
    assert_eq!(
        (value("__writ_found_agents__"), value("__writ_action_id__")),
        ("host-1,host-3".into(), "7".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wrong_signature_the_same_action_is_asked_for_again() {
    let mut house = House::new(&[]).await;
    let id = house.trigger(&hunt()).await;
    let first = house.asked().await;
    let stranger = {
        let action = Action::parse(first.commands[0].command.as_bytes()).unwrap();
        let text = signing::action::signed_string(&action);
        keys::of("mallory").sign_line(text.as_bytes(), NOW).unwrap()
    };
    let mut asked = first.clone();
    for (signature, word) in [
        ("", "holds no signature"),
        ("bm90IGEgc2lnbmF0dXJl", "signature"),
        (&stranger, "signature"),
    ] {
        house.done(&asked, &[("__writ_signatures__", signature)]).await;
        let again = house.asked().await;
        assert_ne!(again.step, asked.step);
        assert_eq!((again.run, again.deadline), (asked.run + 1, first.deadline));
        assert_eq!(again.commands[0].command, first.commands[0].command, "the same action");
        let description = &again.commands[0].description;
        assert!(description.starts_with("The answer before was not taken: "), "{description}");
        assert!(description.contains(word), "{description}");
        asked = again;
    }
    // what was signed for the first run holds for this one
    house.done(&asked, &[("__writ_signatures__", &sign(&first))]).await;
    let proposal = house.process.tap.next::<ActionProposed>().await.data;
    assert_eq!((proposal.step, proposal.execution_id.to_string()), (asked.step, id.clone()));
    // who declines ends it
    let id = house.trigger(&hunt()).await;
    let asked = house.asked().await;
    house.answer(&asked, ManualOutcome::Failure, &[]).await;
    house.until(&id, "failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_its_way_is_waited_for() {
    let mut house = House::new(&[]).await;
    house.trigger(&hunt()).await;
    let asked = house.asked().await;
    let action = Action::parse(asked.commands[0].command.as_bytes()).unwrap();
    let text = signing::action::signed_string(&action);
    let signature = keys::of("bob").sign_line(text.as_bytes(), NOW).unwrap();
    let answered = ManualAnswered {
        step: asked.step,
        execution_id: asked.execution_id,
        outcome: ManualOutcome::Success,
        variables: [("__writ_signatures__".to_owned(), signature)].into(),
        answered_by: "bob".into(),
        at: NOW,
    };
    let answered = delivery(answered);
    let outcome = house.process.hand("manual", std::slice::from_ref(&answered)).await;
    assert!(matches!(outcome, Outcome::Wait(_)), "{outcome:?}");
    house.process.know(investigator(2, "bob")).await;
    assert_eq!(house.process.hand("manual", &[answered]).await, Outcome::Done);
    assert_eq!(house.process.tap.next::<ActionProposed>().await.data.step, asked.step);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_fails_the_step() {
    let mut house = House::new(&[]).await;
    let (id, proposal) = proposed(&mut house).await;
    let reason = "no agent matches".to_owned();
    let refused =
        ActionRefused { execution_id: proposal.execution_id, step: proposal.step, reason };
    house.process.publish(refused).await;
    let ended = house.until(&id, "failed").await;
    assert!(ended["reason"].as_str().unwrap().contains("the action was refused: no agent matches"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_nobody_waits_for_any_more_does_not_run() {
    let mut house = House::new(&[]).await;
    house.process.agents(&agents(2)).await;
    let (id, proposal) = proposed(&mut house).await;
    let (status, _) =
        house.ask(reqwest::Method::POST, &format!("/v1/executions/{id}/cancel"), None).await;
    assert_eq!(status, 200);
    let accepted = ActionAccepted {
        id: ActionId(8),
        document: proposal.document,
        posted_by: InvestigatorId(1),
        at: house.process.clock.now(),
        dispatch: None,
        execution_id: Some(proposal.execution_id),
        step: Some(proposal.step),
    };
    house.process.take("actions", accepted).await;
    assert_eq!(house.process.run(8).await.status, "cancelled");
    assert_eq!(house.process.commands(8).await, []);
}
