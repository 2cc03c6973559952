//! What agents answered is counted: once, and only from the agent that was asked.

use crate::support::{NOW, Process, action, agents, answer, delivery};
use messaging::Outcome;
use time::Duration;
use types::messages::command::ReturnedCommand;
use types::messages::{ActionChanged, CommandReturned};
use types::{CommandStatus, OperationResult};

/// Starts a process in which action 1 is on its way to `count` agents.
async fn inflight(count: i64) -> Process {
    let mut process = Process::new().await;
    process.agents(&agents(count)).await;
    process.accept(1, action("a")).await;
    process.until(1, "inflight").await;
    process.tap.next::<ActionChanged>().await;
    process
}

fn returned(commands: Vec<ReturnedCommand>) -> CommandReturned {
    CommandReturned { commands }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_completed_when_all_have_answered() {
    let mut process = inflight(4).await;
    process.answer(1, &[1], CommandStatus::Success).await;
    process.answer(1, &[2], CommandStatus::Failed).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("inflight", [4, 1, 1, 0, 0, 0]));
    process.wait(Duration::seconds(20));
    process.answer(1, &[3], CommandStatus::Timeout).await;
    process.answer(1, &[4], CommandStatus::Success).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("completed", [4, 2, 1, 1, 0, 0]));
    let last = loop {
        let changed = process.tap.next::<ActionChanged>().await.data;
        if changed.status == "completed" {
            break changed;
        }
    };
    assert_eq!((last.counters.success, last.version), (2, run.version));
    assert_eq!(last.finished, Some(NOW + Duration::seconds(20)));
    let found: Vec<_> = process.commands(1).await.into_iter().map(|c| c.found).collect();
    let (yes, no) = (vec![false, true], vec![false, false]);
    assert_eq!(found, [yes.clone(), no.clone(), no, yes]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once() {
    let process = inflight(2).await;
    let command = process.commands(1).await[0].clone();
    let first = answer(command.id, 1, 1, CommandStatus::Success);
    let message = delivery(returned(vec![first.clone()]));
    let twice = [message.clone(), message.clone()];
    assert_eq!(process.hand("commands", &twice).await, Outcome::Done);
    assert_eq!(process.hand("commands", &[message]).await, Outcome::Done);
    let once = process.run(1).await;
    assert_eq!(once.counters(), [2, 1, 0, 0, 0, 0]);
    // another message with the same answer, and with others
    let failed = ReturnedCommand { status: CommandStatus::Failed, ..first.clone() };
    process.take("commands", returned(vec![first.clone(), failed.clone()])).await;
    process.take("commands", returned(vec![failed])).await;
    assert_eq!(process.run(1).await, once);
    assert_eq!(process.commands(1).await[0].found, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_agent_that_was_asked_answers() {
    let process = inflight(2).await;
    let command = process.commands(1).await[0].clone();
    let of = |agent, at| ReturnedCommand {
        at,
        ..answer(
            command.id,
            1,
            agent,
            if agent == 1 { CommandStatus::Success } else { CommandStatus::Failed },
        )
    };
    process.take("commands", returned(vec![of(2, NOW)])).await;
    let before = process.run(1).await;
    assert_eq!(before.counters(), [2, 0, 0, 0, 0, 0]);
    // an impostor who is quicker does not take the word from the right one
    let early = NOW - Duration::minutes(1);
    process.take("commands", returned(vec![of(2, early), of(99, early), of(1, NOW)])).await;
    assert_eq!(process.run(1).await.counters(), [2, 1, 0, 0, 0, 0]);
    assert_eq!(process.commands(1).await[0].status, "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_in_one_batch_the_earlier_counts() {
    let process = inflight(2).await;
    let command = process.commands(1).await[0].clone();
    let at = |status, seconds| ReturnedCommand {
        at: NOW + Duration::seconds(seconds),
        ..answer(command.id, 1, 1, status)
    };
    let batch = [
        delivery(returned(vec![at(CommandStatus::Failed, 5)])),
        delivery(returned(vec![at(CommandStatus::Success, 4), at(CommandStatus::Timeout, 6)])),
    ];
    assert_eq!(process.hand("commands", &batch).await, Outcome::Done);
    assert_eq!(process.run(1).await.counters(), [2, 1, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_final_only_until_the_agent_answers() {
    let process = inflight(3).await;
    let ids: Vec<_> = process.commands(1).await.iter().map(|command| command.id).collect();
    let given_up = |place: usize| ReturnedCommand {
        given_up: true,
        ..answer(ids[place], 1, i64::try_from(place).unwrap() + 1, CommandStatus::Failed)
    };
    let own = |place: usize, status| ReturnedCommand {
        at: NOW + Duration::minutes(1),
        given_up: false,
        status,
        ..given_up(place)
    };
    process.take("commands", returned(vec![given_up(0), given_up(1)])).await;
    assert_eq!(process.run(1).await.counters(), [3, 0, 2, 0, 0, 0]);
    // both in one message: the agent's word counts, though it is the later
    process.take("commands", returned(vec![given_up(2), own(2, CommandStatus::Success)])).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("completed", [3, 1, 2, 0, 0, 0]));
    let late = [own(0, CommandStatus::Success), own(1, CommandStatus::Failed)];
    process.take("commands", returned(late.into())).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("completed", [3, 2, 1, 0, 0, 0]));
    // nobody gives it up any more, and no other failure takes its place
    process.take("commands", returned(vec![given_up(0), given_up(1), given_up(2)])).await;
    process.take("commands", returned(vec![own(1, CommandStatus::Timeout)])).await;
    assert_eq!(process.run(1).await, run);
    // what was withdrawn and then given up is told as before
    process.accept(2, action("b")).await;
    process.until(2, "inflight").await;
    assert_eq!(process.cancel(2).await, Outcome::Done);
    let id = process.commands(2).await[0].id;
    let of = |status, given_up| ReturnedCommand { given_up, ..answer(id, 2, 1, status) };
    process.take("commands", returned(vec![of(CommandStatus::Failed, true)])).await;
    assert_eq!(process.run(2).await.counters(), [3, 0, 1, 0, 0, 2]);
    process.take("commands", returned(vec![of(CommandStatus::Timeout, false)])).await;
    assert_eq!(process.run(2).await.counters(), [3, 0, 0, 1, 0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_replaces_a_failure_once() {
    let process = inflight(3).await;
    let ids: Vec<_> = process.commands(1).await.iter().map(|command| command.id).collect();
    let of = |place: usize, status| {
        returned(vec![answer(ids[place], 1, i64::try_from(place).unwrap() + 1, status)])
    };
    for (place, status) in [(0, CommandStatus::Failed), (1, CommandStatus::Timeout)] {
        process.take("commands", of(place, status)).await;
    }
    assert_eq!(process.run(1).await.counters(), [3, 0, 1, 1, 0, 0]);
    for _twice in 0..2 {
        for place in [0, 1] {
            process.take("commands", of(place, CommandStatus::Success)).await;
        }
    }
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("inflight", [3, 2, 0, 0, 0, 0]));
    process.take("commands", of(0, CommandStatus::Failed)).await;
    // of two in one message it is the success that counts, though it is the later
    let later =
        |answer: ReturnedCommand| ReturnedCommand { at: NOW + Duration::seconds(1), ..answer };
    let [failed, success] =
        [CommandStatus::Failed, CommandStatus::Success].map(|status| answer(ids[2], 1, 3, status));
    process.take("commands", returned(vec![failed, later(success)])).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("completed", [3, 3, 0, 0, 0, 0]));
    let found = process.commands(1).await.into_iter().map(|command| command.found);
    assert_eq!(found.collect::<Vec<_>>(), vec![vec![false, true]; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_changes_nothing() {
    let process = inflight(1).await;
    let command = process.commands(1).await[0].clone();
    let before = process.run(1).await;
    for status in [CommandStatus::Sent, CommandStatus::Expired, CommandStatus::Cancelled] {
        process.take("commands", returned(vec![answer(command.id, 1, 1, status)])).await;
    }
    let unknown = answer(command.id + 1000, 77, 1, CommandStatus::Success);
    process.take("commands", returned(vec![unknown])).await;
    process.take("commands", returned(vec![])).await;
    assert_eq!(process.run(1).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_answer_many_runs() {
    let process = inflight(3).await;
    process.accept(2, action("b")).await;
    process.until(2, "inflight").await;
    let mut commands = Vec::new();
    for action in [1, 2] {
        for command in process.commands(action).await {
            commands.push(answer(command.id, action, command.agent_id, CommandStatus::Success));
        }
    }
    commands.truncate(5);
    commands.reverse();
    process.take("commands", returned(commands)).await;
    let (first, second) = (process.run(1).await, process.run(2).await);
    assert_eq!((first.status.as_str(), first.counters()), ("completed", [3, 3, 0, 0, 0, 0]));
    assert_eq!((second.status.as_str(), second.counters()), ("inflight", [3, 2, 0, 0, 0, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_kept_by_operation() {
    let process = inflight(1).await;
    let command = process.commands(1).await[0].clone();
    let found = |foundanything| OperationResult { foundanything, ..OperationResult::default() };
    let results = vec![found(true), found(false), found(true)];
    let answer = ReturnedCommand { results, ..answer(command.id, 1, 1, CommandStatus::Success) };
    process.take("commands", returned(vec![answer])).await;
    assert_eq!(process.commands(1).await[0].found, [true, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_found_nothing_to_say_closes_too() {
    let process = inflight(1).await;
    let command = process.commands(1).await[0].clone();
    let answer =
        ReturnedCommand { results: vec![], ..answer(command.id, 1, 1, CommandStatus::Failed) };
    process.take("commands", returned(vec![answer])).await;
    let run = process.run(1).await;
    assert_eq!((run.status.as_str(), run.counters()), ("completed", [1, 0, 1, 0, 0, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_count_like_small_ones() {
    let process = inflight(2).await;
    let commands = process.commands(1).await;
    let large = |at: usize| {
        let command = &commands[at];
        let mut answer = answer(command.id, 1, command.agent_id, CommandStatus::Success);
        answer.results[1].elements = "x".repeat(600 << 10).into();
        delivery(returned(vec![answer]))
    };
    assert_eq!(process.hand("commands", &[large(0), large(1)]).await, Outcome::Done);
    assert_eq!(process.until(1, "completed").await.counters(), [2, 2, 0, 0, 0, 0]);
    assert!(process.commands(1).await.iter().all(|command| command.found == [false, true]));
    let mut broken = large(0);
    broken.body.pop();
    assert!(matches!(process.hand("commands", &[broken]).await, Outcome::Reject(_)));
}
