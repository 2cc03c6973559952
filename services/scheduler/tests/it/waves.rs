//! Commands are given out at a rate and in waves; a run stops when too much goes wrong, and goes on when told to.

use crate::support::{
    NOW, Process, accepted, action, agent, agents, answer, delivery, hand, investigator, job,
    operation, signed,
};
use messaging::Outcome;
use std::collections::BTreeSet;
use testkit::{PATIENCE, until};
use time::{Duration, OffsetDateTime};
use types::messages::command::ReturnedCommand;
use types::messages::{
    ActionAccepted, ActionSteered, AgentChanged, CommandIssued, CommandPlanned, CommandReturned,
    CommandWithdrawn, InvestigatorChanged,
};
use types::{
    Action, ActionId, AgentStatus, CommandStatus, Dispatch, Environment, InvestigatorId,
    InvestigatorStatus, Message, StopWhen, Wave,
};

fn waves(sizes: &[Wave]) -> Dispatch {
    Dispatch { waves: sizes.to_vec(), ..Dispatch::default() }
}

async fn accept(process: &Process, id: i64, action: Action, dispatch: Dispatch) {
    let document = signed(action, &["alice"]);
    let message = ActionAccepted { dispatch: Some(dispatch), ..accepted(id, &document) };
    process.take("actions", message).await;
    process.job("launch").await;
}

fn steered(id: i64, paused: bool, at: OffsetDateTime) -> ActionSteered {
    ActionSteered { id: ActionId(id), paused, by: InvestigatorId(3), at }
}

/// Gives the agents whose commands are out, answered or not.
async fn out(process: &Process, id: i64) -> Vec<i64> {
    let commands = process.commands(id).await.into_iter();
    commands.filter(|command| command.status != "held").map(|command| command.agent_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wave_follows_the_end_of_the_one_before() {
    let mut process = Process::new().await;
    process.agents(&agents(14)).await;
    let plan = waves(&[Wave::Of(1), Wave::Of(3), Wave::All]);
    accept(&process, 1, action("a"), plan).await;
    let planned = process.tap.next::<CommandPlanned>().await.data;
    assert_eq!((planned.commands.len(), planned.at), (14, NOW), "all are made at once");
    let issued = process.tap.next::<CommandIssued>().await.data;
    assert_eq!(issued.commands.len(), 1);
    assert_eq!(process.run(1).await.counters(), [14, 0, 0, 0, 0, 0]);
    assert_eq!(out(&process, 1).await, [1]);

    process.job("dispatch").await;
    process.silent_of(&[CommandIssued::KIND]).await;
    process.answer(1, &[1], CommandStatus::Success).await;
    let issued = process.tap.next::<CommandIssued>().await.data;
    assert_eq!(issued.commands.iter().map(|c| c.agent.0).collect::<Vec<_>>(), [2, 3, 4]);
    process.answer(1, &[2, 4], CommandStatus::Failed).await;
    process.job("dispatch").await;
    process.silent_of(&[CommandIssued::KIND]).await;
    process.answer(1, &[3], CommandStatus::Timeout).await;
    let issued = process.tap.next::<CommandIssued>().await.data;
    assert_eq!(issued.commands.len(), 10);
    process.answer(1, &(5..=14).collect::<Vec<_>>(), CommandStatus::Success).await;
    assert_eq!(process.until(1, "completed").await.counters(), [14, 11, 2, 1, 0, 0]);
    // each command was planned once and issued once
    let made: BTreeSet<_> = planned.commands.iter().map(|command| command.id).collect();
    assert_eq!(made.len(), 14);
    process.silent_of(&[CommandIssued::KIND, CommandPlanned::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_a_module_is_in_no_wave() {
    let mut process = Process::new().await;
    let without = AgentChanged {
        environment: Environment { modules: vec!["ping".into()], ..Environment::default() },
        ..agent(1)
    };
    process.agents(&[without, agent(2), agent(3)]).await;
    let stop_when = Some(StopWhen { failed_ratio: Some(0.0), timeouts: None });
    let plan = Dispatch { stop_when, ..waves(&[Wave::Of(1)]) };
    let order = Action { operations: Some(vec![operation("file")]), ..action("a") };
    accept(&process, 1, order, plan).await;
    let mut told = BTreeSet::new();
    for _ in 0..2 {
        for command in process.tap.next::<CommandIssued>().await.data.commands {
            told.insert((command.agent.0, command.failed.is_some()));
        }
    }
    assert_eq!(told, [(1, true), (2, false)].into(), "what could not run does not stop the rest");
    process.answer(1, &[2], CommandStatus::Success).await;
    assert_eq!(process.tap.next::<CommandIssued>().await.data.commands[0].agent.0, 3);
    process.answer(1, &[3], CommandStatus::Success).await;
    assert_eq!(process.until(1, "completed").await.counters(), [3, 2, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_went_away_holds_no_wave_up() {
    let process = Process::new().await;
    process.agents(&agents(3)).await;
    accept(&process, 1, action("a"), waves(&[Wave::Of(2), Wave::All])).await;
    process.until(1, "inflight").await;
    process.answer(1, &[1], CommandStatus::Success).await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    assert_eq!(out(&process, 1).await, [1, 2], "one that is there is waited for");
    let gone = AgentChanged { status: AgentStatus::Offline, revision: 2, ..agent(2) };
    process.agents(&[gone]).await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    // the process's own look at it may still be under way
    until(PATIENCE, async || out(&process, 1).await == [1, 2, 3]).await;
    assert_eq!(process.run(1).await.counters(), [3, 1, 0, 0, 0, 0], "it may still come back");
    process.answer(1, &[3], CommandStatus::Success).await;
    process.wait(Duration::minutes(11));
    assert_eq!(process.until(1, "completed").await.counters(), [3, 2, 0, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_described_anew_is_waited_for() {
    let process = Process::new().await;
    process.agents(&agents(2)).await;
    accept(&process, 1, action("a"), waves(&[Wave::Of(1), Wave::All])).await;
    process.until(1, "inflight").await;
    let first = out(&process, 1).await[0];
    // the same process goes on as another row
    let gone = AgentChanged { status: AgentStatus::Offline, revision: 2, ..agent(first) };
    let anew = AgentChanged { queueloc: agent(first).queueloc, pid: agent(first).pid, ..agent(9) };
    process.agents(&[gone, anew]).await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    assert_eq!(out(&process, 1).await, [first]);
    process.answer(1, &[1], CommandStatus::Success).await;
    until(PATIENCE, async || out(&process, 1).await.len() == 2).await;
}

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
async fn an_investigator_pauses_and_resumes() {
    let mut process = Process::new().await;
    process.agents(&agents(6)).await;
    let at = |seconds| NOW + Duration::seconds(seconds);
    // one that has not started
    let later = Action { validfrom: NOW + Duration::minutes(1), ..action("later") };
    accept(&process, 1, later, Dispatch::default()).await;
    process.take("actions", steered(1, true, at(1))).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.reason()), ("paused", "paused by investigator 3"));
    process.wait(Duration::minutes(2));
    process.job("launch").await;
    assert_eq!(process.run(1).await.status, "paused");
    process.take("actions", steered(1, false, at(2))).await;
    process.job("launch").await;
    let run = process.until(1, "inflight").await;
    assert_eq!((run.targeted, run.reason), (6, None));

    // one whose commands are all out has nothing to pause
    process.take("actions", steered(1, true, at(3))).await;
    assert_eq!(process.run(1).await.status, "inflight");

    // the later order counts, whichever comes first, and the same order twice is one
    accept(&process, 2, action("waves"), waves(&[Wave::Of(2)])).await;
    process.until(2, "inflight").await;
    let pause = delivery(steered(2, true, at(10)));
    let resume = delivery(steered(2, false, at(11)));
    let batch = [resume, pause.clone(), pause];
    assert_eq!(process.hand("actions", &batch).await, Outcome::Done);
    assert_eq!(process.run(2).await.status, "inflight");
    process.take("actions", steered(2, true, at(12))).await;
    process.answer(2, &[1, 2], CommandStatus::Success).await;
    process.job("dispatch").await;
    assert_eq!(out(&process, 2).await, [1, 2], "paused");

    // a paused run ends as all others do
    process.wait(Duration::minutes(15));
    let run = process.until(2, "completed").await;
    assert_eq!(run.counters(), [6, 2, 0, 0, 4, 0]);
    process.take("actions", steered(2, false, at(5000))).await;
    assert_eq!(process.run(2).await.status, "completed");
    let unknown = delivery(steered(9, true, at(1)));
    let outcome = process.hand("actions", &[unknown]).await;
    assert_eq!(outcome, Outcome::Wait("not yet: the steered action has not arrived".into()));
    process.tap.next::<CommandWithdrawn>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_action_gives_nothing_more_out() {
    let mut process = Process::new().await;
    process.agents(&agents(5)).await;
    accept(&process, 1, action("a"), waves(&[Wave::Of(1), Wave::All])).await;
    process.tap.next::<CommandIssued>().await;
    assert_eq!(process.cancel(1).await, Outcome::Done);
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("cancelled", [5, 0, 0, 0, 0, 5]));
    assert_eq!(process.tap.next::<CommandWithdrawn>().await.data.commands.len(), 5);
    process.answer(1, &[1], CommandStatus::Success).await;
    process.wait(Duration::seconds(20));
    process.job("dispatch").await;
    assert_eq!(process.run(1).await.counters(), [5, 1, 0, 0, 0, 4]);
    process.silent_of(&[CommandIssued::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_keep_one_rate_together() {
    const AGENTS: i64 = 60;
    let mut process = Process::new().await;
    let second = process.servers.start(&process.clock, &[]).await;
    process.agents(&agents(AGENTS)).await;
    let plan = Dispatch { rate_per_second: Some(20.0), ..Dispatch::default() };
    accept(&process, 1, action("a"), plan).await;
    process.until(1, "inflight").await;
    let (one, two) = (&process.running.service, &second.service);
    let mut given = out(&process, 1).await.len();
    assert_eq!(given, 1);
    let mut seconds = 0.0;
    while given < 60 {
        process.wait(Duration::milliseconds(100));
        seconds += 0.1;
        tokio::join!(job(one, "dispatch"), job(two, "dispatch"), job(one, "dispatch"));
        // what one of them had claimed while the other looked
        job(two, "dispatch").await;
        given = out(&process, 1).await.len();
        let most = 1.0 + 20.0 * seconds + 1e-6;
        assert!(f64::from(u32::try_from(given).unwrap()) <= most, "{given} after {seconds} s");
        assert!(seconds < 4.0, "{given} after {seconds} s");
    }
    let mut issued = vec![];
    while issued.len() < 60 {
        let message = process.tap.next::<CommandIssued>().await.data;
        issued.extend(message.commands.into_iter().map(|command| command.agent.0));
    }
    issued.sort_unstable();
    assert_eq!(issued, (1..=AGENTS).collect::<Vec<_>>(), "each once");
    process.silent_of(&[CommandIssued::KIND]).await;
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_high_rate_is_kept_in_few_messages() {
    const AGENTS: i64 = 1_500;
    let mut process = Process::new().await;
    process.agents(&agents(AGENTS)).await;
    let plan = Dispatch { rate_per_second: Some(1_000.0), ..Dispatch::default() };
    accept(&process, 1, action("a"), plan).await;
    process.until(1, "inflight").await;
    // a second goes by in small steps, and an answer comes in each
    for agent in 1..=50 {
        process.wait(Duration::milliseconds(20));
        process.job("dispatch").await;
        if out(&process, 1).await.contains(&agent) {
            process.answer(1, &[agent], CommandStatus::Success).await;
        }
        process.job("dispatch").await;
    }
    let given = out(&process, 1).await.len();
    let (mut messages, mut told) = (0, 0);
    while told < given {
        told += process.tap.next::<CommandIssued>().await.data.commands.len();
        messages += 1;
    }
    assert!((900..=1_001).contains(&given), "{given} in a second");
    assert!(messages <= 12, "{given} in {messages} messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_to_stop_gives_nothing_more_out() {
    let process = Process::new().await;
    process.agents(&agents(5)).await;
    for id in 1..=3 {
        accept(&process, id, action("a"), waves(&[Wave::Of(1), Wave::All])).await;
        process.until(id, "inflight").await;
    }
    process.running.parts.shutdown.trigger();
    for id in 1..=3 {
        process.answer(id, &[1], CommandStatus::Success).await;
    }
    // they are due, and whoever goes on takes them up
    process.job("dispatch").await;
    for id in 1..=3 {
        assert_eq!(out(&process, id).await, [1]);
    }
    let second = process.servers.start(&process.clock, &[]).await;
    process.confirm().await;
    for id in 1..=3 {
        until(PATIENCE, async || {
            job(&second.service, "dispatch").await;
            out(&process, id).await.len() == 5
        })
        .await;
    }
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_who_was_disabled_stops_the_next_wave() {
    let mut process = Process::new().await;
    process.agents(&agents(3)).await;
    accept(&process, 1, action("a"), waves(&[Wave::Of(1), Wave::All])).await;
    process.until(1, "inflight").await;
    let status = InvestigatorStatus::Disabled;
    process.know(InvestigatorChanged { status, version: 2, ..investigator(1, "alice") }).await;
    process.answer(1, &[1], CommandStatus::Success).await;
    let run = process.until(1, "paused").await;
    assert!(run.reason().starts_with("signature: "), "{}", run.reason());
    assert_eq!((run.counters(), out(&process, 1).await), ([3, 1, 0, 0, 0, 0], vec![1]));
    // nobody lets it go on as long as that is so
    process.take("actions", steered(1, false, process.clock.now())).await;
    let run = process.until(1, "paused").await;
    assert_eq!((run.held, out(&process, 1).await), (2, vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pace_that_cannot_be_kept_is_refused() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    accept(&process, 1, action("a"), waves(&[Wave::All, Wave::Of(1)])).await;
    let run = process.run(1).await;
    assert_eq!(run.status, "invalid");
    assert!(run.reason().starts_with("dispatch/waves/0: "), "{}", run.reason());
    let batch = [delivery(accepted(1, &signed(action("a"), &["alice"])))];
    assert_eq!(hand(&process.running.service, "actions", &batch).await, Outcome::Done);
    assert_eq!(process.run(1).await.status, "invalid", "one action is judged once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_which_something_fails_holds_up_no_other() {
    let process = Process::new().await;
    process.agents(&agents(3)).await;
    for id in [1, 2] {
        let order = action(&format!("number {id}"));
        accept(&process, id, order, waves(&[Wave::Of(1), Wave::All])).await;
        process.until(id, "inflight").await;
    }
    process.poison(1).await;
    for id in [1, 2] {
        process.answer(id, &[1], CommandStatus::Success).await;
        process.wait(Duration::milliseconds(1));
    }
    process.job_fails("dispatch").await;
    until(PATIENCE, async || out(&process, 2).await == [1, 2, 3]).await;
    assert_eq!(out(&process, 1).await, [1]);
    process.cure().await;
    process.wait(Duration::seconds(5));
    until(PATIENCE, async || out(&process, 1).await == [1, 2, 3]).await;
}
