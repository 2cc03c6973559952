//! Agents tell of no failure: whether something is wrong with a task can only be told from what does not come.

use super::cron;
use std::time::Duration;
use time::OffsetDateTime;
use types::api::task::{TaskState, TaskView};

/// How many times the clock has to strike for nothing: a tick that an agent misses is not made up for, and a busy one
/// misses some (specs/runbook/plugins-and-tasks.md §6).
const STRIKES: u32 = 2;

/// Says whether results of a task are missing; nothing when the agent `reports` nothing ever, or was never asked to.
/// What an agent runs may take as long as `lease`.
pub(crate) fn missing(
    task: &TaskView,
    reports: bool,
    lease: Duration,
    now: OffsetDateTime,
) -> Option<bool> {
    let late = match (task.state, task.cron.as_deref()) {
        (TaskState::Overdue, _) => true,
        (TaskState::Offered, Some(cron)) => {
            let since = task.last_run.max(task.offered);
            let longest = cron::longest_gap(cron)?.saturating_mul(STRIKES);
            let gone = since.and_then(|since| Duration::try_from(now - since).ok());
            gone.is_some_and(|gone| gone > longest.saturating_add(lease))
        }
        (TaskState::Offered, None) => false,
        (TaskState::Waiting | TaskState::Done | TaskState::Withdrawn, _) => return Some(false),
    };
    reports.then_some(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use time::macros::datetime;
    use types::{AgentUid, TaskId};
    use uuid::Uuid;

    #[test]
    fn silence_is_noticed_where_something_was_to_come() {
        let start = datetime!(2026-01-01 00:00 UTC);
        let lease = Duration::from_mins(10);
        let task = |state, cron: Option<&str>, last_run| TaskView {
            id: TaskId(Uuid::nil()),
            agent_id: AgentUid(Uuid::nil()),
            command: "x".into(),
            cron: cron.map(Into::into),
            arguments: BTreeMap::new(),
            state,
            attempts: 1,
            created: start,
            offered: Some(start),
            last_run,
            missing: None,
            due: None,
            ended: None,
            command_id: None,
        };
        let often = |last_run| task(TaskState::Offered, Some("*/5 * * * *"), last_run);
        let (minute, ran) = (time::Duration::MINUTE, Some(start + time::Duration::HOUR));
        for (task, reports, after, want) in [
            (often(None), true, 20 * minute, Some(false)),
            (often(None), true, 21 * minute, Some(true)),
            (often(None), false, 21 * minute, None),
            (often(ran), true, 80 * minute, Some(false)),
            (often(ran), true, 81 * minute, Some(true)),
            (task(TaskState::Offered, None, None), true, 99 * minute, Some(false)),
            (task(TaskState::Offered, None, None), false, 99 * minute, None),
            (task(TaskState::Overdue, None, None), true, minute, Some(true)),
            (task(TaskState::Overdue, None, None), false, minute, None),
            (task(TaskState::Withdrawn, Some("@hourly"), None), true, 999 * minute, Some(false)),
            (task(TaskState::Waiting, Some("@hourly"), None), false, 999 * minute, Some(false)),
            (task(TaskState::Done, None, ran), true, 999 * minute, Some(false)),
        ] {
            assert_eq!(missing(&task, reports, lease, start + after), want, "{task:?} {after}");
        }
    }
}
