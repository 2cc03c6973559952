//! What a server says, made from the words of `types`.

use super::{Answer, Request};
use serde_json::{Value, json};
use std::sync::Mutex;
use time::{Duration, OffsetDateTime};
use types::api::Page;
use types::api::action::{ActionView, CommandCounters, CommandView, Preview, PreviewAgent};
use types::{ActionId, AgentId, AgentStatus, Clock, CommandId, OperationResult};

pub(crate) fn now() -> OffsetDateTime {
    Clock::system().now()
}

/// Is an action as it is at one look.
pub(crate) fn action(status: &str, counters: CommandCounters) -> ActionView {
    ActionView {
        id: ActionId(7),
        name: "find it".into(),
        target: "status='online'".into(),
        status: status.into(),
        reason: None,
        valid_from: now() - Duration::MINUTE,
        expire_after: now() + Duration::minutes(5),
        created: now(),
        started: None,
        finished: None,
        signers: vec![],
        counters,
        dispatch: None,
    }
}

/// Is a command whose one operation brought `elements`.
pub(crate) fn command(id: i64, status: &str, found: bool, elements: Value) -> CommandView {
    let open = matches!(status, "waiting" | "delivered");
    let answered = matches!(status, "success" | "failed" | "timeout");
    let result =
        OperationResult { foundanything: found, success: true, elements, ..Default::default() };
    CommandView {
        id: CommandId(id),
        agent_id: AgentId(100 + id),
        agent_uid: None,
        agent_name: format!("agent-{id}"),
        status: status.into(),
        started: now(),
        finished: (!open).then(now),
        results: if answered { vec![result] } else { vec![] },
    }
}

/// Counts commands.
pub(crate) fn count(commands: &[CommandView]) -> CommandCounters {
    let of = |status: &str| {
        commands.iter().filter(|command| command.status == status).count().try_into().unwrap()
    };
    CommandCounters {
        targeted: commands.len().try_into().unwrap(),
        waiting: of("waiting"),
        delivered: of("delivered"),
        success: of("success"),
        failed: of("failed"),
        timeout: of("timeout"),
        expired: of("expired"),
        cancelled: of("cancelled"),
    }
}

pub(crate) fn preview(count: i64) -> Preview {
    let sample = (1..=count.min(10)).map(|id| PreviewAgent {
        id: AgentId(100 + id),
        uid: None,
        name: format!("agent-{id}"),
        status: AgentStatus::Online,
    });
    Preview { count, sample: sample.collect() }
}

/// Plays an action: the preview's count, then one state after the other, a step per look at the action; stays at the
/// last one.
pub(crate) struct Play {
    count: i64,
    states: Vec<(&'static str, Vec<CommandView>)>,
    at: Mutex<usize>,
    per_page: usize,
}

impl Play {
    pub(crate) fn new(count: i64, states: Vec<(&'static str, Vec<CommandView>)>) -> Self {
        Self { count, states, at: Mutex::new(0), per_page: 2 }
    }

    /// Ends at once with these commands.
    pub(crate) fn over(commands: Vec<CommandView>) -> Self {
        Self::new(commands.len().try_into().unwrap(), vec![("completed", commands)])
    }

    pub(crate) fn answer(&self, request: &Request) -> Answer {
        match request.line().as_str() {
            "POST /v1/actions/preview" => json_of(200, &preview(self.count)),
            "POST /v1/actions" => json_of(202, &action("pending", CommandCounters::default())),
            "GET /v1/actions/7" => {
                let mut at = self.at.lock().unwrap();
                let (status, commands) = &self.states[*at];
                *at = (*at + 1).min(self.states.len() - 1);
                json_of(200, &action(status, count(commands)))
            }
            "GET /v1/actions/7/commands" => {
                let at = *self.at.lock().unwrap();
                self.page(request, &self.states[at].1)
            }
            "POST /v1/actions/7/cancel" => {
                json_of(202, &action("inflight", CommandCounters::default()))
            }
            _ => Answer::problem(404, "not-found", "there is no such thing", &request.line()),
        }
    }

    fn page(&self, request: &Request, commands: &[CommandView]) -> Answer {
        let from: usize = request.query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let status = request.query.get("status");
        let wanted: Vec<_> = commands
            .iter()
            .filter(|c| status.is_none_or(|status| *status == c.status))
            .cloned()
            .collect();
        let to = (from + self.per_page).min(wanted.len());
        let next = (to < wanted.len()).then(|| to.to_string());
        json_of(200, &Page { items: wanted[from..to].to_vec(), next })
    }
}

pub(crate) fn json_of(status: u16, body: &impl serde::Serialize) -> Answer {
    Answer::json(status, &json!(body))
}
