//! A run starts when its time has come, on whom its target reaches then.

use crate::support::{
    NOW, Process, Servers, accepted, action, agent, agents, answer, delivery, hand, job, operation,
    signed,
};
use diesel_async::RunQueryDsl;
use messaging::Outcome;
use std::collections::BTreeSet;
use store::sql;
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::{ActionChanged, AgentChanged, CommandIssued, CommandReturned};
use types::{Action, AgentStatus, CommandStatus, Environment, Message};

fn modules(agent: AgentChanged, modules: &[&str]) -> AgentChanged {
    let modules = modules.iter().map(|module| (*module).to_owned()).collect();
    AgentChanged { environment: Environment { modules, ..Environment::default() }, ..agent }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_waits_for_its_time() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let validfrom = NOW + Duration::minutes(2);
    process.accept(1, Action { validfrom, ..action("later") }).await;
    process.wait(Duration::minutes(2) - Duration::microseconds(1));
    process.job("launch").await;
    assert_eq!(process.run(1).await.status, "pending");
    process.silent_of(&[CommandIssued::KIND, ActionChanged::KIND]).await;
    process.agents(&[agent(2)]).await;
    process.wait(Duration::microseconds(1));
    let issued = process.tap.next::<CommandIssued>().await.data;
    assert_eq!((issued.commands.len(), issued.at), (2, validfrom), "whom it reaches by then");
    assert_eq!(process.tap.next::<ActionChanged>().await.data.started, Some(validfrom));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_reaches_nobody_is_invalid() {
    let mut process = Process::new().await;
    let gone = AgentChanged { status: AgentStatus::Offline, ..agent(1) };
    let ended = AgentChanged { status: AgentStatus::Destroyed, ..agent(2) };
    process.agents(&[gone, ended]).await;
    process.accept(1, Action { target: "true".into(), ..action("a") }).await;
    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!(changed.status, "invalid");
    let reason = "no agent that is online or idle matches the target";
    assert_eq!((changed.reason.as_deref(), changed.finished), (Some(reason), Some(NOW)));
    assert_eq!(process.commands(1).await, []);
    process.silent_of(&[CommandIssued::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_agent_lacks_a_module_fails_at_once() {
    let mut process = Process::new().await;
    let both = ["file", "netstat"];
    process
        .agents(&[
            modules(agent(1), &both),
            modules(agent(2), &["file"]),
            // one that lists none is taken at its word when it answers
            modules(agent(3), &[]),
        ])
        .await;
    let operations = Some(both.iter().map(|module| operation(module)).collect());
    process.accept(1, Action { operations, ..action("a") }).await;
    let issued = process.tap.next::<CommandIssued>().await.data;
    let told = issued.commands.iter().map(|c| (c.agent.0, c.failed.as_deref()));
    let missing = Some("module 'netstat' is not available on this agent");
    assert_eq!(told.collect::<Vec<_>>(), [(1, None), (2, missing), (3, None)]);
    let run = process.until(1, "inflight").await;
    assert_eq!(run.counters(), [3, 0, 1, 0, 0, 0]);
    let states = process.commands(1).await.into_iter().map(|c| (c.agent_id, c.status, c.open));
    let want = [(1, "sent", true), (2, "failed", false), (3, "sent", true)];
    assert_eq!(states.collect::<Vec<_>>(), want.map(|(id, s, open)| (id, s.to_owned(), open)));
    process.answer(1, &[1, 3], CommandStatus::Success).await;
    assert_eq!(process.until(1, "completed").await.counters(), [3, 2, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_over_when_no_agent_has_what_it_needs() {
    let mut process = Process::new().await;
    process.agents(&agents(2)).await;
    let operations = Some(vec![operation("netstat")]);
    process.accept(1, Action { operations, ..action("a") }).await;
    let issued = process.tap.next::<CommandIssued>().await.data;
    assert!(issued.commands.iter().all(|command| command.failed.is_some()));
    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((changed.status.as_str(), changed.counters.failed), ("completed", 2));
    assert_eq!((changed.started, changed.finished), (Some(NOW), Some(NOW)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_gets_one_command() {
    let process = Process::new().await;
    let twin = |number, ago| AgentChanged {
        queueloc: "linux.twin".into(),
        last_seen: NOW - Duration::seconds(ago),
        ..agent(number)
    };
    process.agents(&[twin(1, 50), twin(2, 5), agent(3)]).await;
    process.accept(1, action("a")).await;
    process.until(1, "inflight").await;
    let reached: Vec<_> = process.commands(1).await.iter().map(|c| c.agent_id).collect();
    assert_eq!(reached, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_aims_at_those_where_another_found_something() {
    let process = Process::new().await;
    process.agents(&agents(4)).await;
    process.accept(1, action("first")).await;
    process.until(1, "inflight").await;
    process.answer(1, &[2, 4], CommandStatus::Success).await;
    process.answer(1, &[1], CommandStatus::Failed).await;
    for (id, found, want) in [(2, "true", vec![2, 4]), (3, "false", vec![1, 2, 4])] {
        let target = format!(
            "id IN (select agentid from commands, json_array_elements(commands.results) as r where \
             actionid=1 and r#>>'{{foundanything}}' = '{found}') AND status='online'"
        );
        process.accept(id, Action { target, ..action("second") }).await;
        process.until(id, "inflight").await;
        let reached: Vec<_> = process.commands(id).await.iter().map(|c| c.agent_id).collect();
        assert_eq!(reached, want, "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_launch_each_run_once() {
    const RUNS: i64 = 24;
    const AGENTS: i64 = 15;
    let mut process = Process::new().await;
    let second = process.servers.start(&process.clock, &[]).await;
    process.agents(&agents(AGENTS)).await;
    let validfrom = NOW + Duration::minutes(1);
    let batch: Vec<_> = (1..=RUNS)
        .map(|id| {
            let later = Action { validfrom, ..action(&format!("number {id}")) };
            delivery(accepted(id, &signed(later, &["alice"])))
        })
        .collect();
    assert_eq!(process.hand("actions", &batch).await, Outcome::Done);
    process.wait(Duration::minutes(1));
    let one = &process.running.service;
    tokio::join!(
        job(one, "launch"),
        job(&second.service, "launch"),
        job(one, "launch"),
        job(&second.service, "launch")
    );
    until(PATIENCE, async || process.count("run where status = 'pending'").await == 0).await;
    assert_eq!(process.count("run where status = 'inflight'").await, RUNS);
    assert_eq!(process.count("command").await, RUNS * AGENTS);
    let (mut issued, mut commands) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..RUNS {
        let message = process.tap.next::<CommandIssued>().await.data;
        assert!(issued.insert(message.action), "{} was issued twice", message.action);
        commands.extend(message.commands.iter().map(|command| command.id));
    }
    assert_eq!(i64::try_from(commands.len()).unwrap(), RUNS * AGENTS);
    process.silent_of(&[CommandIssued::KIND]).await;

    // and both take the same answers at once
    let answers = process.commands(1).await.into_iter();
    let commands = answers.map(|c| answer(c.id, 1, c.agent_id, CommandStatus::Success)).collect();
    let returned = [delivery(CommandReturned { commands })];
    let outcomes = tokio::join!(
        hand(&process.running.service, "commands", &returned),
        hand(&second.service, "commands", &returned)
    );
    assert_eq!(outcomes, (Outcome::Done, Outcome::Done));
    assert_eq!(process.run(1).await.counters(), [AGENTS, AGENTS, 0, 0, 0, 0]);
    second.stop().await.unwrap();
}

/// What holds up one statement may be another, and is over a moment later.
#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_not_the_target_s_fault() {
    let process = Process::on(Servers::new().await, &["--statement-timeout", "1"]).await;
    process.agents(&agents(1)).await;
    let mut lock = process.servers.database.store().get().await.unwrap();
    sql("begin").execute(&mut lock).await.unwrap();
    sql("lock table agent in access exclusive mode").execute(&mut lock).await.unwrap();
    process.accept(1, action("held up")).await;
    until(PATIENCE, async || process.count("run where tries = 1").await == 1).await;
    process.wait(Duration::seconds(1));
    until(PATIENCE, async || process.count("run where tries = 2").await == 1).await;
    sql("rollback").execute(&mut lock).await.unwrap();
    assert_eq!(process.run(1).await.status, "pending");
    process.job("launch").await;
    assert_eq!(process.run(1).await.status, "pending", "not at once again");
    process.wait(Duration::seconds(2));
    process.until(1, "inflight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_too_long_holds_nothing_up() {
    let process = Process::on(Servers::new().await, &["--statement-timeout", "1"]).await;
    process.agents(&agents(1)).await;
    process
        .sql(
            "create function slow() returns trigger language plpgsql as $$ begin
                 if new.action_id = 1 then perform pg_sleep(60); end if;
                 return new;
             end $$",
        )
        .await;
    process
        .sql("create trigger slow before insert on command for each row execute function slow()")
        .await;
    process.accept(1, action("slow")).await;
    process.accept(2, action("quick")).await;
    process.until(2, "inflight").await;
    for tries in 1..=3 {
        let tried = format!("run where tries = {tries} and status = 'pending'");
        until(PATIENCE, async || process.count(&tried).await == 1).await;
        process.wait(Duration::seconds(1 << (tries - 1)));
    }
    let run = process.until(1, "invalid").await;
    assert_eq!(run.reason(), "the target takes too long to evaluate over the agents");
    assert_eq!(process.commands(1).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_which_something_fails_is_passed_over() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    process.poison(1).await;
    let first = NOW - Duration::minutes(2);
    process.accept(1, Action { validfrom: first, ..action("first") }).await;
    process.accept(2, action("second")).await;
    process.job_fails("launch").await;
    process.until(2, "inflight").await;
    // whatever it was, it is not the target
    for _ in 0..6 {
        process.wait(Duration::seconds(5));
        process.job_fails("launch").await;
        assert_eq!(process.run(1).await.status, "pending");
    }
    process.cure().await;
    process.wait(Duration::seconds(5));
    process.until(1, "inflight").await;
}
