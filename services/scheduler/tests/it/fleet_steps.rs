//! A step that runs a signed action on the fleet: people sign, nothing here can.

use crate::playbook_house::{House, playbook};
use crate::support::{ALL, NOW, agents};
use serde_json::{Value, json};
use testkit::keys;
use types::messages::{ActionAccepted, ActionProposed, ActionRefused, ManualRequested};
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
async fn a_wrong_signature_and_a_refusal_fail_the_step() {
    let mut house = House::new(&[]).await;
    for signature in ["", "bm90IGEgc2lnbmF0dXJl"] {
        let id = house.trigger(&hunt()).await;
        let asked = house.asked().await;
        house.done(&asked, &[("__writ_signatures__", signature)]).await;
        let reason = house.until(&id, "failed").await["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("signature"), "{reason}");
    }
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
