//! Decides when the next commands of a run are given out, and when it stops by itself.

use time::{Duration, OffsetDateTime};
use types::messages::action::RunCounters;
use types::{Dispatch, Wave};

/// What a stalled scheduler may catch up at once: more would break the rate that was asked for.
const BURST: Duration = Duration::milliseconds(250);
/// How often a rate gives out at most: each time is a transaction and a message with the whole document.
pub(crate) const PACE: Duration = Duration::milliseconds(100);
/// How long a wave whose agents are silent waits until it is looked at again: they may have gone away.
const LOOK_AGAIN: Duration = Duration::seconds(5);

/// Says how far a run is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Course {
    /// How many commands are held back.
    pub(crate) held: i64,
    /// The wave that is under way, from 1 on; 0 before the first.
    pub(crate) wave: i64,
    /// How many commands of that wave are still held back.
    pub(crate) left: i64,
    /// From when on the rate allows the next command.
    pub(crate) paced: OffsetDateTime,
}

/// Counts what no longer counts against a run: what was known before it started, and what happened before an
/// investigator let it go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Forgiven {
    /// Commands that had ended.
    pub(crate) done: i64,
    /// Commands that had failed.
    pub(crate) failed: i64,
    /// Commands that had run too long.
    pub(crate) timeout: i64,
    /// Commands without an answer whose agents had gone away.
    pub(crate) lost: i64,
}

/// Says what is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many commands are given out; the run is looked at again then, or when an answer comes.
    Issue {
        /// At least one.
        count: i64,
        /// Where the run is afterwards.
        course: Course,
        /// When it is looked at again.
        again: Option<OffsetDateTime>,
    },
    /// Nothing, until then or until an answer comes.
    Wait(Option<OffsetDateTime>),
    /// The run stops, for this reason.
    Pause(String),
}

/// Decides the next step of a run that goes on. `silent` asks whether no agent that is still there owes an answer.
pub(crate) fn next(
    plan: &Dispatch,
    course: Course,
    counters: &RunCounters,
    forgiven: Forgiven,
    silent: bool,
    now: OffsetDateTime,
) -> Step {
    if course.held <= 0 {
        return Step::Wait(None);
    }
    if let Some(reason) = broken(plan, counters, course.held, forgiven, 0) {
        return Step::Pause(reason);
    }
    let mut course = course;
    if course.left <= 0 {
        let open = counters.targeted - course.held - counters.done();
        if course.wave > 0 && open > 0 {
            if !silent {
                return Step::Wait(Some(now + LOOK_AGAIN));
            }
            // what they were given may be what took them away
            let lost = open - forgiven.lost;
            if let Some(reason) = broken(plan, counters, course.held, forgiven, lost) {
                return Step::Pause(reason);
            }
        }
        course.left = size(plan, course.wave).min(course.held);
        course.wave += 1;
    }
    let Some(rate) = plan.rate_per_second.filter(|rate| *rate > 0.0) else {
        return issue(course, course.left, now, now);
    };
    let from = course.paced.max(now - BURST);
    if from > now {
        return Step::Wait(Some(from));
    }
    let interval = Duration::seconds_f64(1.0 / rate).max(Duration::nanoseconds(1));
    let room = (now - from).whole_nanoseconds() / interval.whole_nanoseconds().max(1);
    let count = i64::try_from(room).unwrap_or(i64::MAX).saturating_add(1).min(course.left);
    let spent =
        Duration::seconds_f64(1.0 / rate * f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    issue(course, count, from + spent, now)
}

fn issue(mut course: Course, count: i64, paced: OffsetDateTime, now: OffsetDateTime) -> Step {
    course.held -= count;
    course.left -= count;
    course.paced = paced;
    let again = match (course.held, course.left) {
        (0, _) => None,
        (_, 0) => Some(now + LOOK_AGAIN),
        _ => Some(paced.max(now + PACE)),
    };
    Step::Issue { count, course, again }
}

/// Gives the size of the wave after `wave`; the last one named is repeated.
fn size(plan: &Dispatch, wave: i64) -> i64 {
    let at = usize::try_from(wave).unwrap_or(usize::MAX);
    match plan.waves.get(at).or(plan.waves.last()) {
        Some(Wave::Of(count)) => (*count).max(1),
        Some(Wave::All) | None => i64::MAX,
    }
}

/// Tells why a run stops, if it does. What is still open may yet go well, so the part that failed is one of all that
/// were given out: it says the same at the end of a wave, and nothing too early. `lost` are those whose agents went away
/// without an answer; they count as failed, and as having run too long.
fn broken(
    plan: &Dispatch,
    counters: &RunCounters,
    held: i64,
    forgiven: Forgiven,
    lost: i64,
) -> Option<String> {
    let stop = plan.stop_when?;
    let lost = lost.max(0);
    let failed = counters.failed - forgiven.failed;
    let timeouts = counters.timeout - forgiven.timeout;
    let issued = counters.targeted - held - forgiven.done - forgiven.lost;
    if let Some(ratio) = stop.failed_ratio
        && failed + lost > 0
        && float(failed + lost) >= ratio * float(issued)
    {
        let failed = format!("{failed} of {issued} commands failed{}", and_went_away(lost));
        return Some(format!("{failed}, and it stops when a part of {ratio} does"));
    }
    if let Some(most) = stop.timeouts
        && timeouts + lost > 0
        && timeouts + lost >= most
    {
        let ran =
            format!("{timeouts} commands ran too long on their agents{}", and_went_away(lost));
        return Some(format!("{ran}, and it stops at {}", most.max(1)));
    }
    None
}

fn and_went_away(lost: i64) -> String {
    match lost {
        0 => String::new(),
        1 => " and 1 agent went away without an answer".into(),
        _ => format!(" and {lost} agents went away without an answer"),
    }
}

fn float(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests;
