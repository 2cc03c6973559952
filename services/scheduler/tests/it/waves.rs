//! Commands are given out at a rate and in waves; a run is paused, and goes on when told to.

use crate::support::{
    NOW, Process, accepted, action, agent, agents, delivery, hand, investigator, job, operation,
    signed,
};
use messaging::Outcome;
use std::collections::BTreeSet;
use testkit::{PATIENCE, until};
use time::{Duration, OffsetDateTime};
use types::messages::{
    ActionAccepted, ActionChanged, ActionSteered, AgentChanged, CommandIssued, CommandPlanned,
    CommandWithdrawn, InvestigatorChanged,
};
use types::{
    Action, ActionId, AgentStatus, CommandStatus, Dispatch, Environment, InvestigatorId,
    InvestigatorStatus, Message, StopWhen, Wave,
};

pub(crate) fn waves(sizes: &[Wave]) -> Dispatch {
    Dispatch { waves: sizes.to_vec(), ..Dispatch::default() }
}

pub(crate) async fn accept(process: &Process, id: i64, action: Action, dispatch: Dispatch) {
    let document = signed(action, &["alice"]);
    let message = ActionAccepted { dispatch: Some(dispatch), ..accepted(id, &document) };
    process.take("actions", message).await;
    process.job("launch").await;
}

pub(crate) fn steered(id: i64, paused: bool, at: OffsetDateTime) -> ActionSteered {
    ActionSteered { id: ActionId(id), paused, by: InvestigatorId(3), at }
}

/// Gives the agents whose commands are out, answered or not.
pub(crate) async fn out(process: &Process, id: i64) -> Vec<i64> {
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
    assert_eq!((run.counters(), run.reason), ([6, 2, 0, 0, 4, 0], None));
    let told = loop {
        let told = process.tap.next::<ActionChanged>().await.data;
        if (told.id.0, told.status.as_str()) == (2, "completed") {
            break told;
        }
    };
    assert_eq!(told.reason, None, "it is paused no more");
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
    let stop_when = Some(StopWhen { failed_ratio: Some(0.1), timeouts: None });
    accept(&process, 2, action("b"), Dispatch { stop_when, ..waves(&[Wave::All]) }).await;
    let run = process.run(2).await;
    let reason =
        "dispatch/stop_when: needs rate_per_second, or waves of which the first is a number";
    assert_eq!((run.status.as_str(), run.reason()), ("invalid", reason));
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
    // it had a bad moment, and is one like all others again
    assert_eq!(process.count("run where put_off is not null").await, 0);
}
