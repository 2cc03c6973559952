//! A run stops when too much goes wrong, or too many go away, and goes on when told to.

use crate::support::{Process, action, agent, agents, answer};
use crate::waves::{accept, out, steered, waves};
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::command::ReturnedCommand;
use types::messages::{AgentChanged, CommandIssued, CommandReturned};
use types::{AgentStatus, CommandStatus, Dispatch, Message, StopWhen, Wave};

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_gate_pauses_and_a_word_lets_it_go_on() {
    let mut process = Process::new().await;
    process.agents(&agents(30)).await;
    let stop_when = Some(StopWhen { failed_ratio: Some(0.2), timeouts: Some(5) });
    let plan = Dispatch { stop_when, ..waves(&[Wave::Of(10), Wave::All]) };
    accept(&process, 1, action("a"), plan).await;
    process.tap.next::<CommandIssued>().await;
    process.answer(1, &[1], CommandStatus::Failed).await;
    assert_eq!(process.until(1, "inflight").await.counters(), [30, 0, 1, 0, 0, 0]);
    process.answer(1, &[2], CommandStatus::Failed).await;
    process.job("dispatch").await;
    let run = process.until(1, "paused").await;
    assert_eq!(run.reason(), "2 of 10 commands failed, and it stops when a part of 0.2 does");
    // what is out goes on and is counted
    process.answer(1, &(3..=10).collect::<Vec<_>>(), CommandStatus::Success).await;
    process.wait(Duration::seconds(10));
    process.job("dispatch").await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("paused", [30, 8, 2, 0, 0, 0]));
    process.silent_of(&[CommandIssued::KIND]).await;

    process.take("actions", steered(1, false, process.clock.now())).await;
    process.job("dispatch").await;
    assert_eq!(process.tap.next::<CommandIssued>().await.data.commands.len(), 20);
    assert_eq!(process.run(1).await.reason, None);
    process.answer(1, &(11..=30).collect::<Vec<_>>(), CommandStatus::Success).await;
    assert_eq!(process.until(1, "completed").await.counters(), [30, 28, 2, 0, 0, 0]);
}

/// Has agents 1 and 2 given up and forgiven, and gives the run whose second wave of 20 is out, with their late answers.
async fn forgiven() -> (Process, CommandReturned) {
    let mut process = Process::new().await;
    process.agents(&agents(50)).await;
    let stop_when = Some(StopWhen { failed_ratio: Some(0.2), timeouts: None });
    let plan = Dispatch { stop_when, ..waves(&[Wave::Of(10), Wave::Of(20), Wave::All]) };
    accept(&process, 1, action("a"), plan).await;
    process.tap.next::<CommandIssued>().await;
    let commands = process.commands(1).await;
    let of = |agent: i64, status, given_up| {
        let command = commands.iter().find(|command| command.agent_id == agent).unwrap().id;
        ReturnedCommand { given_up, ..answer(command, 1, agent, status) }
    };
    let lost = [1, 2].map(|agent| of(agent, CommandStatus::Failed, true));
    process.take("commands", CommandReturned { commands: lost.into() }).await;
    process.job("dispatch").await;
    process.until(1, "paused").await;
    process.answer(1, &(3..=10).collect::<Vec<_>>(), CommandStatus::Success).await;
    process.take("actions", steered(1, false, process.clock.now())).await;
    process.job("dispatch").await;
    assert_eq!(process.tap.next::<CommandIssued>().await.data.commands.len(), 20);
    let late = [1, 2].map(|agent| of(agent, CommandStatus::Success, false));
    (process, CommandReturned { commands: late.into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgiven_and_went_well_after_all_hides_no_other_failure() {
    const STOPPED: &str = "4 of 20 commands failed, and it stops when a part of 0.2 does";
    // whether it goes well before the others fail, or in between
    for before in [0, 3] {
        let (process, late) = forgiven().await;
        let failing: Vec<_> = (11..=14).collect();
        let (first, rest) = failing.split_at(before);
        process.answer(1, first, CommandStatus::Failed).await;
        process.take("commands", late).await;
        process.answer(1, rest, CommandStatus::Failed).await;
        process.job("dispatch").await;
        assert_eq!(process.until(1, "paused").await.reason(), STOPPED, "after {before}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_it_was_forgiven_counts_by_itself() {
    // one of the second wave is given up and goes well: that was never forgiven
    let (process, _) = forgiven().await;
    let command = process.commands(1).await.into_iter().find(|c| c.agent_id == 11).unwrap().id;
    let lost = ReturnedCommand { given_up: true, ..answer(command, 1, 11, CommandStatus::Failed) };
    process.take("commands", CommandReturned { commands: vec![lost] }).await;
    process.answer(1, &[11], CommandStatus::Success).await;
    process.answer(1, &[12, 13, 14], CommandStatus::Failed).await;
    process.job("dispatch").await;
    assert_eq!(process.run(1).await.status, "inflight", "3 of 20");
    process.answer(1, &[15], CommandStatus::Failed).await;
    process.job("dispatch").await;
    let reason = "4 of 20 commands failed, and it stops when a part of 0.2 does";
    assert_eq!(process.until(1, "paused").await.reason(), reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_that_run_too_long_stop_it() {
    let mut process = Process::new().await;
    process.agents(&agents(20)).await;
    let stop_when = Some(StopWhen { failed_ratio: None, timeouts: Some(2) });
    let plan = Dispatch { stop_when, ..waves(&[Wave::Of(10), Wave::All]) };
    accept(&process, 1, action("a"), plan).await;
    process.tap.next::<CommandIssued>().await;
    process.answer(1, &[1], CommandStatus::Timeout).await;
    process.answer(1, &[2, 3, 4], CommandStatus::Failed).await;
    process.job("dispatch").await;
    assert_eq!(process.run(1).await.status, "inflight", "failures are not asked for");
    process.answer(1, &[5], CommandStatus::Timeout).await;
    process.job("dispatch").await;
    let run = process.until(1, "paused").await;
    assert_eq!(run.reason(), "2 commands ran too long on their agents, and it stops at 2");
    process.answer(1, &[6, 7, 8, 9, 10], CommandStatus::Success).await;
    process.take("actions", steered(1, false, process.clock.now())).await;
    process.job("dispatch").await;
    assert_eq!(process.tap.next::<CommandIssued>().await.data.commands.len(), 10);
}

fn gone(number: i64, revision: i64) -> AgentChanged {
    AgentChanged { status: AgentStatus::Offline, revision, ..agent(number) }
}

/// Starts a run in waves, and has some of its first wave go away without a word and all others answer.
async fn after_losing(
    stop_when: Option<StopWhen>,
    sizes: &[Wave],
    first: i64,
    lost: &[i64],
) -> Process {
    let process = Process::new().await;
    process.agents(&agents(30)).await;
    accept(&process, 1, action("a"), Dispatch { stop_when, ..waves(sizes) }).await;
    process.until(1, "inflight").await;
    let there: Vec<_> = (1..=first).filter(|number| !lost.contains(number)).collect();
    process.answer(1, &there, CommandStatus::Success).await;
    let gone: Vec<_> = lost.iter().map(|number| gone(*number, 2)).collect();
    process.agents(&gone).await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    process
}

const TENTH: Option<StopWhen> = Some(StopWhen { failed_ratio: Some(0.1), timeouts: None });

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_takes_its_first_agent_away_goes_no_further() {
    const REASON: &str = "0 of 1 commands failed and 1 agent went away without an answer, and it \
                          stops when a part of 0.1 does";
    let sizes = [Wave::Of(1), Wave::Of(10), Wave::All];
    let mut process = after_losing(TENTH, &sizes, 1, &[1]).await;
    assert_eq!(process.until(1, "paused").await.reason(), REASON);
    process.wait(Duration::minutes(1));
    process.job("dispatch").await;
    assert_eq!(out(&process, 1).await, [1]);
    process.tap.next::<CommandIssued>().await;
    process.silent_of(&[CommandIssued::KIND]).await;

    // who looked at it lets it go on, for once
    process.take("actions", steered(1, false, process.clock.now())).await;
    process.job("dispatch").await;
    until(PATIENCE, async || out(&process, 1).await.len() == 11).await;
    process.answer(1, &(3..=11).collect::<Vec<_>>(), CommandStatus::Success).await;
    process.agents(&[gone(2, 2)]).await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    let reason = REASON.replace("0 of 1 ", "0 of 10 ");
    assert_eq!(process.until(1, "paused").await.reason(), reason, "one more");
    process.take("actions", steered(1, false, process.clock.now())).await;
    process.job("dispatch").await;
    until(PATIENCE, async || out(&process, 1).await.len() == 30).await;
    assert_eq!(process.run(1).await.counters(), [30, 9, 0, 0, 0, 0], "they may still come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_that_go_away_than_may_fail_hold_nobody_up() {
    let sizes = [Wave::Of(20), Wave::All];
    let process = after_losing(TENTH, &sizes, 20, &[7]).await;
    until(PATIENCE, async || out(&process, 1).await.len() == 30).await;
    let limit = Some(StopWhen { failed_ratio: None, timeouts: Some(2) });
    let process = after_losing(limit, &sizes, 20, &[7]).await;
    until(PATIENCE, async || out(&process, 1).await.len() == 30).await;
    let process = after_losing(limit, &sizes, 20, &[7, 8]).await;
    let reason = "0 commands ran too long on their agents and 2 agents went away without an answer, and it stops at 2";
    assert_eq!(process.until(1, "paused").await.reason(), reason);
    // whoever asked for no gate gets none
    let process = after_losing(None, &sizes, 20, &(1..=20).collect::<Vec<_>>()).await;
    until(PATIENCE, async || out(&process, 1).await.len() == 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_of_a_forgiven_agent_counts_on_neither_side() {
    let sizes = [Wave::Of(2), Wave::Of(10), Wave::All];
    for late in [CommandStatus::Failed, CommandStatus::Timeout, CommandStatus::Success] {
        let stop_when = Some(StopWhen { failed_ratio: Some(0.2), timeouts: Some(2) });
        let process = after_losing(stop_when, &sizes, 2, &[1, 2]).await;
        process.until(1, "paused").await;
        process.take("actions", steered(1, false, process.clock.now())).await;
        process.job("dispatch").await;
        until(PATIENCE, async || out(&process, 1).await.len() == 12).await;
        process.answer(1, &[1, 2], late).await;
        process.answer(1, &[3], CommandStatus::Failed).await;
        process.job("dispatch").await;
        assert_eq!(process.run(1).await.status, "inflight", "1 of 10, after {late:?}");
        process.answer(1, &[4], CommandStatus::Failed).await;
        process.job("dispatch").await;
        let reason = "2 of 10 commands failed, and it stops when a part of 0.2 does";
        assert_eq!(process.until(1, "paused").await.reason(), reason, "after {late:?}");
    }
}
