//! An investigator withdraws an action.

use crate::support::{NOW, Process, accepted, action, agents, answer, delivery, signed};
use messaging::Outcome;
use std::collections::BTreeSet;
use time::Duration;
use types::messages::{
    ActionCancelled, ActionChanged, ActionSteered, CommandIssued, CommandReturned, CommandWithdrawn,
};
use types::{Action, ActionId, CommandId, CommandStatus, InvestigatorId, Message};

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_action_never_starts() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let validfrom = NOW + Duration::minutes(1);
    process.accept(1, Action { validfrom, ..action("a") }).await;
    assert_eq!(process.cancel(1).await, Outcome::Done);
    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!(changed.status, "cancelled");
    assert_eq!(changed.reason.as_deref(), Some("withdrawn by investigator 1"));
    assert_eq!((changed.started, changed.finished), (None, Some(NOW)));
    process.wait(Duration::minutes(2));
    process.job("launch").await;
    process.wait(Duration::minutes(20));
    process.job("expire").await;
    assert_eq!(process.run(1).await.version, changed.version);
    assert_eq!(process.commands(1).await, []);
    process.silent_of(&[CommandIssued::KIND, CommandWithdrawn::KIND, ActionChanged::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_waits_for_a_key_holds_no_withdrawal_up() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    let validfrom = NOW + Duration::minutes(1);
    process.accept(1, Action { validfrom, ..action("a") }).await;
    let unknown = delivery(accepted(2, &signed(action("b"), &["bob"])));
    let cancel = delivery(ActionCancelled { id: ActionId(1), by: InvestigatorId(1) });
    let early =
        delivery(ActionSteered { id: ActionId(9), paused: true, by: InvestigatorId(1), at: NOW });
    let outcome = process.hand("actions", &[unknown, early, cancel]).await;
    assert!(matches!(outcome, Outcome::Wait(_)), "the first two wait: {outcome:?}");
    assert_eq!(process.run(1).await.status, "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_commands_of_a_running_action_are_withdrawn() {
    let mut process = Process::new().await;
    process.agents(&agents(502)).await;
    process.accept(1, action("a")).await;
    process.until(1, "inflight").await;
    process.answer(1, &[7], CommandStatus::Success).await;
    let message = ActionCancelled { id: ActionId(1), by: InvestigatorId(9) };
    process.publish(message).await;
    let run = process.until(1, "cancelled").await;
    assert_eq!(run.counters(), [502, 1, 0, 0, 0, 501]);
    assert_eq!(run.reason(), "withdrawn by investigator 9");
    let mut withdrawn = BTreeSet::new();
    for size in [500, 1] {
        let message = process.tap.next::<CommandWithdrawn>().await.data;
        assert_eq!((message.status, message.commands.len()), (CommandStatus::Cancelled, size));
        withdrawn.extend(message.commands);
    }
    let cancelled = process.commands(1).await.into_iter().filter(|c| c.status == "cancelled");
    assert_eq!(cancelled.map(|c| CommandId(c.id)).collect::<BTreeSet<_>>(), withdrawn);

    // what ran, ran
    process.wait(Duration::seconds(1));
    process.answer(1, &[8], CommandStatus::Success).await;
    process.answer(1, &[9], CommandStatus::Timeout).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("cancelled", [502, 2, 0, 1, 0, 499]));
    process.wait(Duration::minutes(20));
    process.job("expire").await;
    let after = process.run(1).await;
    assert_eq!((after.status.as_str(), after.counters()), ("cancelled", run.counters()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_stays_as_it_is() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    process.accept(1, action("completed")).await;
    process.until(1, "inflight").await;
    process.answer(1, &[1], CommandStatus::Success).await;
    process.accept(2, Action { target: "name='nobody'".into(), ..action("invalid") }).await;
    process.accept(3, action("cancelled")).await;
    process.until(2, "invalid").await;
    process.until(3, "inflight").await;
    assert_eq!(process.cancel(3).await, Outcome::Done);
    process.tap.next::<CommandWithdrawn>().await;
    process.job("publish_runs").await;
    for id in [1, 2, 3] {
        let before = process.run(id).await;
        assert!(before.is_finished, "{before:?}");
        assert_eq!(process.cancel(id).await, Outcome::Done);
        assert_eq!(process.run(id).await, before);
    }
    process.silent_of(&[CommandWithdrawn::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_has_not_arrived_will_never_start() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let cancel = delivery(ActionCancelled { id: ActionId(1), by: InvestigatorId(1) });
    let outcome = process.hand("actions", std::slice::from_ref(&cancel)).await;
    assert_eq!(outcome, Outcome::Done);
    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((changed.id, changed.status.as_str()), (ActionId(1), "cancelled"));
    process.accept(1, action("a")).await;
    let twice = [cancel.clone(), cancel];
    assert_eq!(process.hand("actions", &twice).await, Outcome::Done);
    process.job("launch").await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.version), ("cancelled", changed.version));
    assert_eq!(run.reason(), "withdrawn by investigator 1");
    assert_eq!(process.commands(1).await, []);
    process.silent_of(&[CommandIssued::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_the_withdrawal_do_not_lock_each_other_out() {
    const AGENTS: i64 = 60;
    let process = Process::new().await;
    process.agents(&agents(AGENTS)).await;
    for id in 1..=12 {
        process.accept(id, action(&format!("number {id}"))).await;
        process.until(id, "inflight").await;
        let commands = process.commands(id).await;
        let returned: Vec<_> = commands
            .chunks(20)
            .map(|chunk| {
                let answers = chunk
                    .iter()
                    .rev()
                    .map(|c| answer(c.id, id, c.agent_id, CommandStatus::Success));
                [delivery(CommandReturned { commands: answers.collect() })]
            })
            .collect();
        let outcomes = tokio::join!(
            process.hand("commands", &returned[0]),
            process.cancel(id),
            process.hand("commands", &returned[1]),
            process.hand("commands", &returned[2]),
        );
        let done = Outcome::Done;
        assert_eq!(outcomes, (done.clone(), done.clone(), done.clone(), done));
        let run = process.run(id).await;
        assert_eq!(run.counters(), [AGENTS, AGENTS, 0, 0, 0, 0], "{run:?}");
    }
}
