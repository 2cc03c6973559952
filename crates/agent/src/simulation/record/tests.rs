//! What may never happen, as it happens.

use super::*;
use types::ActionId;
use uuid::Uuid;

const STATUS: CommandStatus = CommandStatus::Success;

fn given(number: u128) -> Given {
    let run = RunId(Uuid::from_u128(number));
    Given { run, action: Some(ActionId(1)), operations: 1, lacking: false, until: None }
}

#[track_caller]
fn one(record: &Record, text: &str) {
    let violations = record.lock().violations.clone();
    assert!(violations.len() == 1 && violations[0].contains(text), "{violations:?}");
}

#[test]
fn work_is_one_agents() {
    let record = Record::default();
    record.given(1, &given(1), false);
    record.given(1, &given(1), false);
    assert!(record.is_sound());
    record.given(2, &given(1), false);
    one(&record, "was given to agents 1 and 2");
}

#[test]
fn work_comes_once_where_it_may() {
    let record = Record::default();
    record.given(1, &given(1), true);
    assert!(record.is_sound());
    record.given(1, &given(1), true);
    one(&record, "was given twice");
}

#[test]
fn work_comes_again_only_when_its_lease_is_over() {
    let record = Record::default();
    let leased = |seconds: i64| {
        let until = Clock::system().now() + time::Duration::seconds(seconds);
        Given { until: Some(until), ..given(1) }
    };
    record.given(1, &leased(-1), false);
    record.given(1, &leased(60), false);
    assert!(record.is_sound());
    record.given(1, &leased(120), false);
    one(&record, "was given again within its lease");
}

#[test]
fn what_is_answered_does_not_come_again() {
    for (verdict, once) in [(Verdict::Accepted, false), (Verdict::Untold, true)] {
        let record = Record::default();
        record.given(1, &given(1), false);
        record.answered(1, given(1), STATUS, Truth::Asked, verdict);
        assert!(record.is_sound());
        record.given(1, &given(1), once);
        assert!(record.lock().violations[0].contains("was given after its answer"));
    }
    // where the last word may have been lost, it may
    let record = Record::default();
    record.given(1, &given(1), false);
    record.answered(1, given(1), STATUS, Truth::Asked, Verdict::Untold);
    record.given(1, &given(1), false);
    assert!(record.is_sound());
}

#[test]
fn work_that_cannot_be_done_is_not_given() {
    let record = Record::default();
    record.given(1, &Given { lacking: true, ..given(1) }, false);
    one(&record, "lacks its module");
}

#[test]
fn an_answer_is_taken_once_and_a_lie_never() {
    let record = Record::default();
    record.given(1, &given(1), true);
    record.answered(1, given(1), STATUS, Truth::Asked, Verdict::Accepted);
    record.answered(1, given(1), STATUS, Truth::Asked, Verdict::Duplicate);
    record.answered(2, given(1), STATUS, Truth::Lie, Verdict::Refused);
    assert!(record.is_sound());
    record.answered(1, given(1), STATUS, Truth::Asked, Verdict::Accepted);
    one(&record, "was accepted twice");
    for (truth, verdict, text) in [
        (Truth::Lie, Verdict::Accepted, "a lie about"),
        (Truth::Asked, Verdict::Duplicate, "is a duplicate"),
        (Truth::Asked, Verdict::Refused, "was refused"),
    ] {
        let record = Record::default();
        record.given(1, &given(2), true);
        record.answered(1, given(2), STATUS, truth, verdict);
        one(&record, text);
    }
}

#[test]
fn an_action_is_one_command_for_each_agent() {
    let record = Record::default();
    for number in [1, 2] {
        record.given(1, &given(number), true);
        record.answered(1, given(number), STATUS, Truth::Asked, Verdict::Accepted);
    }
    one(&record, "action 1 was two commands");
}
