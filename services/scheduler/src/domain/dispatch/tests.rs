use super::*;
use proptest::prelude::*;
use time::macros::datetime;
use types::StopWhen;

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00 UTC);

fn waves(sizes: &[Wave]) -> Dispatch {
    Dispatch { waves: sizes.to_vec(), ..Dispatch::default() }
}

fn start(held: i64) -> Course {
    Course { held, wave: 0, left: 0, paced: NOW }
}

fn counters(targeted: i64, success: i64) -> RunCounters {
    RunCounters { targeted, success, ..RunCounters::default() }
}

fn step(plan: &Dispatch, course: Course, counters: &RunCounters, now: OffsetDateTime) -> Step {
    next(plan, course, counters, Forgiven::default(), false, now)
}

fn issued(step: Step) -> (i64, Course, Option<OffsetDateTime>) {
    match step {
        Step::Issue { count, course, again } => (count, course, again),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wave_starts_when_the_one_before_has_ended() {
    let plan = waves(&[Wave::Of(1), Wave::Of(10), Wave::All]);
    let (count, course, again) = issued(step(&plan, start(50), &counters(50, 0), NOW));
    assert_eq!((count, course.held, course.wave, course.left), (1, 49, 1, 0));
    assert_eq!(again, Some(NOW + LOOK_AGAIN));
    assert_eq!(step(&plan, course, &counters(50, 0), NOW), Step::Wait(again));
    let (count, course, _) = issued(step(&plan, course, &counters(50, 1), NOW));
    assert_eq!((count, course.held, course.wave), (10, 39, 2));
    assert_eq!(step(&plan, course, &counters(50, 10), NOW), Step::Wait(again));
    // those who are gone are not waited for
    let silent = next(&plan, course, &counters(50, 10), Forgiven::default(), true, NOW);
    assert_eq!(issued(silent).0, 39);
    let (count, course, again) = issued(step(&plan, course, &counters(50, 11), NOW));
    assert_eq!((count, course.held, again), (39, 0, None));
    assert_eq!(step(&plan, course, &counters(50, 11), NOW), Step::Wait(None));
}

#[test]
fn the_last_wave_is_repeated() {
    let plan = waves(&[Wave::Of(2), Wave::Of(3)]);
    let (mut course, mut done, mut sizes) = (start(9), 0, vec![]);
    while course.held > 0 {
        let (count, after, _) = issued(step(&plan, course, &counters(9, done), NOW));
        (course, done) = (after, done + count);
        sizes.push(count);
    }
    assert_eq!(sizes, [2, 3, 3, 1]);
}

#[test]
fn a_rate_is_kept() {
    let plan = Dispatch { rate_per_second: Some(10.0), ..Dispatch::default() };
    let (count, course, again) = issued(step(&plan, start(100), &counters(100, 0), NOW));
    assert_eq!((count, course.left), (1, 99));
    assert_eq!(again, Some(NOW + Duration::milliseconds(100)));
    assert_eq!(step(&plan, course, &counters(100, 0), NOW), Step::Wait(again));
    let later = NOW + Duration::milliseconds(100);
    let (count, course, _) = issued(step(&plan, course, &counters(100, 0), later));
    assert_eq!((count, course.held), (1, 98));
    // a scheduler that stood still does not catch up
    let (count, _, _) =
        issued(step(&plan, course, &counters(100, 0), later + Duration::minutes(1)));
    assert_eq!(count, 3);
}

#[test]
fn a_high_rate_gives_out_many_at_a_time() {
    for rate in [400.0, 1_000.0, 100_000.0] {
        let plan = Dispatch { rate_per_second: Some(rate), ..Dispatch::default() };
        let (mut course, mut now, mut given, mut looks) = (start(200_000), NOW, 0, 0);
        while now < NOW + Duration::seconds(1) {
            let step = step(&plan, course, &counters(200_000, 0), now);
            let (count, after, again) = issued(step);
            (course, given, looks) = (after, given + count, looks + 1);
            now = again.unwrap();
        }
        assert!(looks <= 10, "{looks} looks at {rate}/s");
        let part = float(given) / rate;
        assert!((0.89..=1.01).contains(&part), "{given} at {rate}/s");
    }
}

#[test]
fn it_stops_when_too_much_failed() {
    let stop_when = Some(StopWhen { failed_ratio: Some(0.2), timeouts: Some(2) });
    let plan = Dispatch { stop_when, ..waves(&[Wave::Of(10), Wave::All]) };
    let course = Course { held: 90, wave: 1, left: 0, paced: NOW };
    let stands = |failed, timeout| {
        let success = 10 - failed - timeout;
        RunCounters { failed, timeout, ..counters(100, success) }
    };
    assert_eq!(issued(step(&plan, course, &stands(1, 1), NOW)).0, 90);
    let Step::Pause(reason) = step(&plan, course, &stands(2, 0), NOW) else { panic!() };
    assert_eq!(reason, "2 of 10 commands failed, and it stops when a part of 0.2 does");
    let Step::Pause(reason) = step(&plan, course, &stands(0, 2), NOW) else { panic!() };
    assert_eq!(reason, "2 commands ran too long on their agents, and it stops at 2");
    // what was forgiven counts no more, on either side of the part
    let forgiven = Forgiven { done: 10, failed: 2, ..Forgiven::default() };
    assert_eq!(issued(next(&plan, course, &stands(2, 0), forgiven, false, NOW)).0, 90);
}

#[test]
fn who_went_away_without_an_answer_counts_as_failed_at_the_end_of_a_wave() {
    let ratio = StopWhen { failed_ratio: Some(0.2), timeouts: None };
    let timeouts = StopWhen { failed_ratio: None, timeouts: Some(2) };
    let course = Course { held: 90, wave: 1, left: 0, paced: NOW };
    let look = |stop_when, counters, forgiven, silent| {
        let plan = Dispatch { stop_when, ..waves(&[Wave::Of(10), Wave::All]) };
        next(&plan, course, &counters, forgiven, silent, NOW)
    };
    let (gone, none) = (counters(100, 8), Forgiven::default());
    for stop_when in [Some(ratio), Some(timeouts)] {
        assert!(matches!(look(stop_when, gone, none, false), Step::Wait(_)), "some are there");
        assert_eq!(issued(look(stop_when, counters(100, 9), none, true)).0, 90, "one is too few");
        let forgiven = Forgiven { lost: 2, ..none };
        assert_eq!(issued(look(stop_when, gone, forgiven, true)).0, 90, "forgiven");
    }
    let reason = |step| match step {
        Step::Pause(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason(look(Some(ratio), gone, none, true)),
        "0 of 10 commands failed and 2 agents went away without an answer, and it stops when a part of 0.2 does"
    );
    let one = RunCounters { failed: 1, timeout: 1, ..counters(100, 7) };
    assert_eq!(
        reason(look(Some(ratio), one, none, true)),
        "1 of 10 commands failed and 1 agent went away without an answer, and it stops when a part of 0.2 does"
    );
    assert_eq!(
        reason(look(Some(timeouts), one, none, true)),
        "1 commands ran too long on their agents and 1 agent went away without an answer, and it stops at 2"
    );
    // without a gate, who goes away holds nobody up
    assert_eq!(issued(look(None, counters(100, 0), none, true)).0, 90);
    // what was forgiven counts on neither side: one more of five is a part of 0.2
    let plan = Dispatch { stop_when: Some(ratio), ..waves(&[Wave::Of(10), Wave::Of(5)]) };
    let course = Course { held: 85, wave: 2, ..course };
    let forgiven = Forgiven { done: 8, lost: 2, ..none };
    let step = next(&plan, course, &counters(100, 12), forgiven, true, NOW);
    assert!(reason(step).starts_with("0 of 5 commands failed and 1 agent went away"));
}

#[test]
fn a_limit_of_nothing_is_the_first_fault() {
    for stop_when in [
        StopWhen { failed_ratio: Some(0.0), timeouts: None },
        StopWhen { failed_ratio: None, timeouts: Some(0) },
    ] {
        let plan = Dispatch { stop_when: Some(stop_when), ..waves(&[Wave::Of(5), Wave::All]) };
        let course = Course { held: 95, wave: 1, left: 0, paced: NOW };
        assert_eq!(issued(step(&plan, course, &counters(100, 5), NOW)).0, 95);
        let bad = RunCounters { failed: 1, timeout: 1, ..counters(100, 3) };
        assert!(matches!(step(&plan, course, &bad, NOW), Step::Pause(_)));
    }
}

fn plans() -> impl Strategy<Value = Dispatch> {
    let wave = prop_oneof![4 => (1..40_i64).prop_map(Wave::Of), 1 => Just(Wave::All)];
    let rate = proptest::option::of(0.5..500.0_f64);
    let stop = proptest::option::of((
        proptest::option::of(0.0..=1.0_f64),
        proptest::option::of(0..20_i64),
    ));
    (rate, proptest::collection::vec(wave, 0..5), stop).prop_map(
        |(rate_per_second, waves, stop)| {
            let stop_when =
                stop.map(|(failed_ratio, timeouts)| StopWhen { failed_ratio, timeouts });
            Dispatch { rate_per_second, waves, stop_when }
        },
    )
}

proptest! {
    /// Walks a run to its end: whatever the answers, every command is given out once, never faster than asked, never
    /// into a wave whose forerunner is open, and a run that does not stop comes to its end.
    #[test]
    fn every_command_is_given_out_once_and_in_time(
        plan in plans(),
        targeted in 1..300_i64,
        unfit in 0..3_i64,
        answers in proptest::collection::vec((0..4_u8, 0..200_i64), 1..400),
    ) {
        let unfit = unfit.min(targeted);
        let forgiven = Forgiven { done: unfit, failed: unfit, ..Forgiven::default() };
        let mut counters = RunCounters { targeted, failed: unfit, ..RunCounters::default() };
        let mut course = start(targeted - unfit);
        let (mut now, mut given, mut answers) = (NOW, vec![], answers.into_iter().cycle());
        for _ in 0..5_000 {
            if course.held == 0 { break; }
            let before = course;
            match next(&plan, course, &counters, forgiven, false, now) {
                Step::Issue { count, course: after, .. } => {
                    prop_assert!(count >= 1 && count <= before.held);
                    prop_assert_eq!(after.held, before.held - count);
                    if after.wave > before.wave {
                        let open = targeted - before.held - counters.done();
                        prop_assert!(before.wave == 0 || open == 0, "{} open", open);
                    }
                    given.push((now, count));
                    course = after;
                }
                Step::Pause(_) => {
                    prop_assert!(plan.stop_when.is_some());
                    let well = counters.failed == unfit && counters.timeout == 0;
                    prop_assert!(!well, "stopped for nothing");
                    break;
                }
                Step::Wait(_) => {}
            }
            // one answer, and some time
            let (kind, wait) = answers.next().unwrap_or_default();
            if targeted - course.held > counters.done() {
                match kind {
                    0 => counters.failed += 1,
                    1 => counters.timeout += 1,
                    _ => counters.success += 1,
                }
            }
            now += Duration::milliseconds(wait + 1);
        }
        if plan.stop_when.is_none() && plan.rate_per_second.is_none_or(|rate| rate > 20.0) {
            prop_assert_eq!(course.held, 0, "it came to its end");
        }
        if let Some(rate) = plan.rate_per_second {
            for (at, (from, _)) in given.iter().enumerate() {
                let mut sum = 0;
                for (until, count) in &given[at..] {
                    sum += count;
                    let most = 1.0 + rate * ((*until - *from).as_seconds_f64() + BURST.as_seconds_f64());
                    prop_assert!(float(sum) <= most + 1e-6, "{} in {}", sum, *until - *from);
                }
            }
        }
    }
}
