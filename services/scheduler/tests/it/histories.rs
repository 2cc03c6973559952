//! Whatever happens, in whatever order: every command is in one state, and the counters say so.

use crate::support::{
    Command, Process, Run, accepted, action, agent, agents, answer, delivery, hand, job, signed,
};
use messaging::Outcome;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use scheduler::Scheduler;
use std::collections::BTreeMap;
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::command::ReturnedCommand;
use types::messages::{
    ActionAccepted, ActionCancelled, ActionChanged, ActionSteered, AgentChanged, CommandReturned,
};
use types::{
    Action, ActionId, AgentStatus, CommandStatus, Dispatch, InvestigatorId, StopWhen, Wave,
};

const AGENTS: i64 = 6;
const ANSWERS: [CommandStatus; 3] =
    [CommandStatus::Success, CommandStatus::Failed, CommandStatus::Timeout];

/// Gives a run and its commands as they stood together: the jobs run beside the test.
async fn still(process: &Process, id: i64) -> (Run, Vec<Command>) {
    loop {
        let (run, commands) = (process.run(id).await, process.commands(id).await);
        if process.run(id).await == run {
            return (run, commands);
        }
    }
}

/// Is the answer of each command that counts; nothing where one may have come before the command was given out.
type Words = BTreeMap<i64, Option<ReturnedCommand>>;

/// Takes down what answers say: of each command its success, else the first that its agent gave, else that agent-gateway
/// gave it up.
fn note(words: &mut Words, answers: &[ReturnedCommand], commands: &[Command]) {
    for answer in answers {
        let of =
            |command: &&Command| command.id == answer.id.0 && command.agent_id == answer.agent.0;
        let Some(command) = commands.iter().find(of) else { continue };
        let is_new = match words.get(&command.id) {
            None => true,
            Some(None) => false,
            Some(Some(known)) => {
                let success = |answer: &ReturnedCommand| answer.status == CommandStatus::Success;
                known.given_up && !answer.given_up || !success(known) && success(answer)
            }
        };
        if is_new {
            let out = command.status != "held";
            words.insert(command.id, out.then(|| answer.clone()));
        }
    }
}

/// Checks that each command is what was told of it.
async fn check_words(process: &Process, id: i64, words: &Words, history: &[String]) {
    for command in process.commands(id).await {
        if let Some(Some(answer)) = words.get(&command.id) {
            assert_eq!(command.status, answer.status.name(), "{command:?} after {history:#?}");
        }
    }
}

/// Checks what always holds of a run.
async fn check(process: &Process, id: i64, history: &[String]) {
    let (run, commands) = still(process, id).await;
    let of = |status: &str| -> i64 {
        commands.iter().filter(|command| command.status == status).count().try_into().unwrap()
    };
    let states = ["success", "failed", "timeout", "expired", "cancelled"].map(of);
    let all: i64 = commands.len().try_into().unwrap();
    let context = || format!("action {id}: {run:?} after {history:#?}");
    assert_eq!(run.counters()[1..], states, "{}", context());
    assert_eq!(run.targeted, all, "{}", context());
    let open = of("sent") + of("held");
    assert_eq!(states.iter().sum::<i64>() + open, all, "{}", context());
    assert_eq!(run.held, of("held"), "{}", context());
    for command in &commands {
        assert_eq!(
            command.open,
            command.status == "sent" || command.status == "held",
            "{}",
            context()
        );
    }
    match run.status.as_str() {
        "pending" => assert!(all == 0 && !run.is_finished, "{}", context()),
        "paused" => {
            assert!((all == 0 || of("held") > 0) && !run.is_finished, "{}", context());
            assert!(run.reason.is_some(), "{}", context());
        }
        "inflight" => assert!(open > 0 && !run.is_finished, "{}", context()),
        "completed" => assert!(all > 0 && open == 0 && run.is_finished, "{}", context()),
        "invalid" => assert!(all == 0 && run.is_finished, "{}", context()),
        "cancelled" | "expired" => assert!(open == 0 && run.is_finished, "{}", context()),
        other => panic!("{other}: {}", context()),
    }
}

fn random_answers(random: &mut StdRng, id: i64, commands: &[Command]) -> Vec<ReturnedCommand> {
    let count = random.random_range(1..=4);
    let pick = |random: &mut StdRng| {
        let command = commands.choose(random)?;
        let right = random.random_bool(0.8);
        let agent = if right { command.agent_id } else { random.random_range(1..=AGENTS) };
        let status = *ANSWERS.choose(random)?;
        let given_up = status == CommandStatus::Failed && random.random_bool(0.5);
        Some(ReturnedCommand { given_up, ..answer(command.id, id, agent, status) })
    };
    let answers = (0..count).filter_map(|_| pick(random));
    // of two in one batch the earlier counts
    let later = |(place, answer): (i64, ReturnedCommand)| ReturnedCommand {
        at: answer.at + Duration::milliseconds(place),
        ..answer
    };
    (0..).zip(answers).map(later).collect()
}

/// Lets one thing happen to an action, at `service`; says what.
async fn step(
    process: &Process,
    service: &Scheduler,
    random: &mut StdRng,
    id: i64,
    words: &mut Words,
) -> String {
    match random.random_range(0..20) {
        0 => {
            let message = ActionCancelled { id: ActionId(id), by: InvestigatorId(1) };
            assert_eq!(hand(service, "actions", &[delivery(message)]).await, Outcome::Done);
            "cancelled".into()
        }
        1 | 2 => {
            process.wait(Duration::minutes(random.random_range(1..=4)));
            job(service, "launch").await;
            "minutes passed".into()
        }
        3 => {
            process.wait(Duration::milliseconds(random.random_range(1..=400)));
            job(service, "publish_runs").await;
            "told".into()
        }
        4 => {
            job(service, "expire").await;
            "looked for expired ones".into()
        }
        5 | 6 => {
            job(service, "dispatch").await;
            "looked for held ones".into()
        }
        7 | 8 => {
            // often older than one before
            let at = process.clock.now() + Duration::milliseconds(random.random_range(-500..500));
            let (paused, by) = (random.random_bool(0.5), InvestigatorId(2));
            let message = delivery(ActionSteered { id: ActionId(id), paused, by, at });
            let batch = vec![message; random.random_range(1..=2)];
            assert_eq!(hand(service, "actions", &batch).await, Outcome::Done);
            format!("paused: {paused}, {at}")
        }
        _ => {
            let commands = process.commands(id).await;
            let answers = random_answers(random, id, &commands);
            note(words, &answers, &commands);
            let text = format!("{answers:?}");
            let message = delivery(CommandReturned { commands: answers });
            let batch = vec![message.clone(); random.random_range(1..=2)];
            assert_eq!(hand(service, "commands", &batch).await, Outcome::Done);
            if random.random_bool(0.2) {
                assert_eq!(process.hand("commands", &[message]).await, Outcome::Done);
            }
            text
        }
    }
}

/// Lets an agent go away, come back, or go on as another row.
async fn change_agent(process: &Process, random: &mut StdRng, revision: i64) -> String {
    let number = random.random_range(1..=AGENTS);
    let statuses = [AgentStatus::Online, AgentStatus::Idle, AgentStatus::Offline];
    let status = *statuses.choose(random).unwrap();
    let known = agent(number);
    let changed = AgentChanged { status, revision, ..known.clone() };
    let anew = AgentChanged { queueloc: known.queueloc, revision, ..agent(number + AGENTS) };
    let replaced = status == AgentStatus::Offline && random.random_bool(0.5);
    let agents = if replaced { vec![changed, anew] } else { vec![changed] };
    process.agents(&agents).await;
    format!("agent {number} is {status:?}, replaced: {replaced}")
}

fn random_dispatch(random: &mut StdRng) -> Option<Dispatch> {
    let mut some = |part: f64| random.random_bool(part);
    if some(0.25) {
        return None;
    }
    let rate_per_second = some(0.4).then_some(3.0);
    let waves = if some(0.7) || rate_per_second.is_none() {
        vec![Wave::Of(1), Wave::Of(2)]
    } else {
        vec![]
    };
    let failed_ratio = some(0.4).then_some(0.4);
    let stop_when = Some(StopWhen { failed_ratio, timeouts: some(0.3).then_some(2) });
    Some(Dispatch { rate_per_second, waves, stop_when })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counters_are_always_the_sum_of_the_states() {
    let mut process = Process::new().await;
    process.agents(&agents(AGENTS)).await;
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let runs = 12;
    for id in 1..=runs {
        let now = process.clock.now();
        let starts = now + Duration::minutes(if id % 3 == 0 { 2 } else { 0 });
        let order =
            Action { validfrom: starts, expireafter: now + Duration::minutes(15), ..action("a") };
        process.confirm().await;
        let document = signed(order, &["alice"]);
        let dispatch = random_dispatch(&mut random);
        let mut history = vec![format!("seed {seed}, {dispatch:?}")];
        let message = ActionAccepted { dispatch, at: now, ..accepted(id, &document) };
        process.take("actions", message).await;
        let mut words = Words::new();
        for _ in 0..35 {
            let service = &process.running.service;
            history.push(step(&process, service, &mut random, id, &mut words).await);
            check(&process, id, &history).await;
            check_words(&process, id, &words, &history).await;
        }
    }
    // at last the others know what the database knows
    process.wait(Duration::hours(1));
    process.job("expire").await;
    process.job("publish_runs").await;
    let mut newest = BTreeMap::new();
    for id in 1..=runs {
        let run = process.run(id).await;
        assert!(run.is_finished && !run.unpublished, "{run:?} (seed {seed})");
        while newest.get(&id).is_none_or(|version| *version < run.version) {
            let changed = process.tap.next::<ActionChanged>().await.data;
            let known = newest.entry(changed.id.0).or_insert(0);
            assert!(changed.version > *known, "told in order (seed {seed})");
            *known = changed.version;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counters_hold_with_two_schedulers_and_agents_that_come_and_go() {
    let process = Process::new().await;
    let second = process.servers.start(&process.clock, &[]).await;
    process.agents(&agents(AGENTS)).await;
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut revision = 2;
    for id in 1..=8 {
        let now = process.clock.now();
        let order =
            Action { validfrom: now, expireafter: now + Duration::minutes(15), ..action("a") };
        process.confirm().await;
        let dispatch = random_dispatch(&mut random);
        let mut history = vec![format!("seed {seed}, {dispatch:?}")];
        let document = signed(order, &["alice"]);
        let message = ActionAccepted { dispatch, at: now, ..accepted(id, &document) };
        process.take("actions", message).await;
        let mut words = Words::new();
        for _ in 0..35 {
            let services = [&process.running.service, &second.service];
            let service = *services.choose(&mut random).unwrap();
            if random.random_bool(0.2) {
                revision += 1;
                history.push(change_agent(&process, &mut random, revision).await);
            }
            history.push(step(&process, service, &mut random, id, &mut words).await);
            check(&process, id, &history).await;
            check_words(&process, id, &words, &history).await;
        }
    }
    process.wait(Duration::hours(1));
    job(&second.service, "expire").await;
    for id in 1..=8 {
        until(PATIENCE, async || process.run(id).await.is_finished).await;
        check(&process, id, &[format!("seed {seed}")]).await;
    }
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counters_hold_when_everything_comes_at_once() {
    let process = Process::new().await;
    process.agents(&agents(AGENTS)).await;
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    for id in 1..=6 {
        process.accept(id, action("a")).await;
        process.until(id, "inflight").await;
        let commands = process.commands(id).await;
        let batches: Vec<_> = (0..4)
            .map(|_| {
                let commands = random_answers(&mut random, id, &commands);
                [delivery(CommandReturned { commands })]
            })
            .collect();
        let cancel = async { if id % 2 == 0 { process.cancel(id).await } else { Outcome::Done } };
        let outcomes = tokio::join!(
            process.hand("commands", &batches[0]),
            process.hand("commands", &batches[1]),
            cancel,
            process.hand("commands", &batches[2]),
            process.hand("commands", &batches[3]),
        );
        let done = Outcome::Done;
        assert_eq!(outcomes, (done.clone(), done.clone(), done.clone(), done.clone(), done));
        check(&process, id, &[format!("seed {seed}")]).await;
    }
}
