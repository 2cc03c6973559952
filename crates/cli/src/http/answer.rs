//! What the server answered, and what a refusal means to the user.

use crate::exit::{Because, Exit, Failure, Kind};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use types::api::problem::Problem;

/// Is what MIG's routes answer, with 401, to one they know who may not do this.
const NOT_PERMITTED: &str = "Insufficient permissions to access endpoint";

/// Is the word of a server that cannot tell whether a change came about.
const UNKNOWN: &str = "outcome-unknown";

/// Is a good answer.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .because(|| "the server's answer is not what this version expects".into())
            .map_err(|failure| {
                failure.next("is the address that of a Writ server? writ config show")
            })
    }
}

/// Is an answer, good or bad.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) request_id: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Tells good from bad.
    pub(super) fn judge(self) -> Result<Reply, Failure> {
        if self.status.is_success() {
            return Ok(Reply { status: self.status.as_u16(), body: self.body });
        }
        let problem = serde_json::from_slice::<Problem>(&self.body);
        let unknown = problem.as_ref().is_ok_and(|problem| problem.code == UNKNOWN);
        let mut failure = match problem {
            Ok(problem) => of_problem(problem),
            Err(_) => self.of_collection().unwrap_or_else(|| self.without_problem()),
        };
        failure.request_id = failure.request_id.or(self.request_id);
        Err(match self.status.as_u16() {
            401 if failure.what == NOT_PERMITTED => denied(failure),
            401 => failure.exit(Exit::Denied).next(
                "writ key show: is this key or API key known to the server, and this machine's clock right?",
            ),
            403 => denied(failure),
            503 if unknown => failure
                .kind(Kind::Passing)
                .next("look whether it came about before you run the command again"),
            429 | 502 | 503 | 504 => failure.kind(Kind::Passing).next("try again in a moment"),
            404 => failure.next("is the id right, and the address that of a Writ server?"),
            400..=499 => failure.next("correct it and run the command again"),
            500.. => failure.next("ask the operators; they find it by the request id"),
            _ => failure,
        })
    }

    /// Reads an error of MIG's routes.
    fn of_collection(&self) -> Option<Failure> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let message = body.pointer("/collection/error/message")?.as_str()?;
        Some(Failure::new(message))
    }

    fn without_problem(&self) -> Failure {
        let what = format!("the server answered {}", self.status);
        let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        let failure = Failure::new(what);
        if self.status.is_redirection() {
            return failure.why("redirects are not followed").next("writ config set url URL");
        }
        if text.trim().is_empty() { failure } else { failure.why(text.trim()) }
    }
}

fn denied(failure: Failure) -> Failure {
    failure.exit(Exit::Denied).next("ask an administrator for the permission")
}

fn of_problem(problem: Problem) -> Failure {
    let mut failure = Failure::new(problem.title);
    if !problem.detail.is_empty() {
        failure = failure.why(problem.detail);
    }
    for fault in problem.errors {
        failure = failure.why(format!("at {}: {}", fault.pointer, fault.detail));
    }
    failure.request_id = Some(problem.request_id).filter(|id| !id.is_empty());
    failure
}
