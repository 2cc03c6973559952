//! A row of the table `run`.

use crate::domain::dispatch::{Course, Forgiven};
use crate::domain::run::RunStatus;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};
use messaging::TraceContext;
use serde_json::Value;
use time::OffsetDateTime;
use types::messages::ActionChanged;
use types::messages::action::RunCounters;
use types::{ActionId, Dispatch};

/// Are the columns of a [`RunRow`]: all but what was ordered, which may be large and is needed only where commands are
/// made or given out.
pub(crate) const COLUMNS: &str = "run.action_id, run.expire_after, run.status, run.reason, run.targeted, run.success, \
     run.failed, run.timeout, run.expired, run.cancelled, run.started, run.finished, run.version, run.unpublished, \
     run.dispatch, run.held, run.wave, run.wave_left, run.paced, run.look, run.steered, run.forgiven_done, \
     run.forgiven_failed, run.forgiven_timeout, run.forgiven_lost, run.tries, run.traceparent";

/// Is where a run is.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct RunRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) action_id: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) expire_after: OffsetDateTime,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(embed)]
    pub(crate) counters: CountersRow,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) started: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished: Option<OffsetDateTime>,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    /// Whether the last change is still to be told.
    #[diesel(sql_type = Bool)]
    pub(crate) unpublished: bool,
    #[diesel(embed)]
    pub(crate) dispatch: DispatchRow,
    /// How often its commands could not be made.
    #[diesel(sql_type = Integer)]
    pub(crate) tries: i32,
    /// Whose work it is, when that is collected.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) traceparent: Option<String>,
}

/// Is how the commands of a run stand.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct CountersRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) targeted: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) success: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) failed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) timeout: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) expired: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) cancelled: i64,
}

/// Is how far a run is given out, and what it asked for.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct DispatchRow {
    /// What was asked for; nothing when all commands are given out at once.
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub(crate) dispatch: Option<Value>,
    #[diesel(sql_type = BigInt)]
    pub(crate) held: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) wave: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) wave_left: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) paced: Option<OffsetDateTime>,
    /// When it is to be looked at again.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) look: Option<OffsetDateTime>,
    /// When an investigator last paused it or let it go on.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) steered: Option<OffsetDateTime>,
    #[diesel(sql_type = BigInt)]
    pub(crate) forgiven_done: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) forgiven_failed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) forgiven_timeout: i64,
    /// How many of its open commands are marked as forgiven.
    #[diesel(sql_type = BigInt)]
    pub(crate) forgiven_lost: i64,
}

impl DispatchRow {
    /// Gives what was asked for; nothing when all commands are given out at once.
    pub(crate) fn plan(&self) -> Option<Dispatch> {
        let asked = self.dispatch.clone()?;
        // it was read before it was stored; one that cannot be read any more is given out at once
        Some(serde_json::from_value(asked).unwrap_or_default())
    }

    pub(crate) fn course(&self, now: OffsetDateTime) -> Course {
        let paced = self.paced.unwrap_or(now);
        Course { held: self.held, wave: self.wave, left: self.wave_left, paced }
    }

    pub(crate) fn take(&mut self, course: Course) {
        self.held = course.held;
        self.wave = course.wave;
        self.wave_left = course.left;
        self.paced = Some(course.paced);
    }

    pub(crate) fn forgiven(&self) -> Forgiven {
        Forgiven {
            done: self.forgiven_done,
            failed: self.forgiven_failed,
            timeout: self.forgiven_timeout,
            lost: self.forgiven_lost,
        }
    }

    /// Takes how the commands stand now as what no longer counts against the run.
    pub(crate) fn forgive(&mut self, counters: &RunCounters) {
        self.forgiven_done = counters.done();
        self.forgiven_failed = counters.failed;
        self.forgiven_timeout = counters.timeout;
    }
}

impl RunRow {
    pub(crate) fn is(&self, status: RunStatus) -> bool {
        self.status == status.name()
    }

    /// Tells whether commands may still end, or be made.
    pub(crate) fn is_open(&self) -> bool {
        RunStatus::parse(&self.status).is_some_and(RunStatus::is_open)
    }

    /// Gives the trace in which the run was accepted, when that is collected.
    pub(crate) fn trace(&self) -> TraceContext {
        TraceContext::kept(self.traceparent.clone())
    }

    /// Makes what is done for the run now a part of the trace in which it was accepted.
    pub(crate) fn span(&self, what: &'static str) -> tracing::Span {
        let span = tracing::info_span!("run", otel.name = what, action.id = self.action_id);
        messaging::follow(&span, [&self.trace()]);
        span
    }

    pub(crate) fn counters(&self) -> RunCounters {
        let CountersRow { targeted, success, failed, timeout, expired, cancelled } = self.counters;
        RunCounters { targeted, success, failed, timeout, expired, cancelled }
    }

    pub(crate) fn changed(&self, at: OffsetDateTime) -> ActionChanged {
        ActionChanged {
            id: ActionId(self.action_id),
            status: self.status.clone(),
            reason: self.reason.clone(),
            counters: self.counters(),
            started: self.started,
            finished: self.finished,
            at,
            version: self.version,
            wave: self.dispatch.wave,
            held: self.dispatch.held,
        }
    }
}
