//! The module `file`: finds files by name, size, mode, age, content and hash, with MIG's parameters and results.
//!
//! It differs from the original where that is unsafe or loses results: links that leave the search path are not
//! followed, fifos and devices are never opened, a time limit brings back what was found so far, and a parameter it
//! does not know is refused instead of ignored.

mod checks;
mod content;
mod hashes;
mod params;
mod search;
mod walk;

use crate::go_text;
use crate::modules::Limit;
use search::Searching;
use serde_json::{Value, json};
use std::time::Instant;
use time::OffsetDateTime;
use types::OperationResult;

/// Says how a run of the module ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It looked at everything, or found as much as it may.
    Complete,
    /// The parameters are wrong.
    Refused,
    /// It was stopped by the limit.
    Stopped,
}

/// Runs the searches of `parameters`; blocks, and looks at `limit` often.
pub(crate) fn run(
    parameters: &Value,
    now: OffsetDateTime,
    limit: &Limit,
) -> (OperationResult, Ended) {
    let began = Instant::now();
    let (plans, max_errors) = match params::plan(parameters, now) {
        Ok(planned) => planned,
        Err(error) => {
            let errors = Some(vec![error.to_string()]);
            return (OperationResult { errors, ..OperationResult::default() }, Ended::Refused);
        }
    };
    let mut searching = Searching::new(&plans, max_errors, limit);
    searching.run();
    let stopped = limit.is_over() && !searching.is_complete();
    let (elements, hits, mut errors) = searching.results();
    if stopped {
        errors.push("stopped by the time limit; the results are incomplete".into());
    }
    let result = OperationResult {
        foundanything: hits.totalhits > 0,
        success: !stopped,
        elements,
        statistics: json!({
            "filescount": hits.filescount,
            "openfailed": hits.openfailed,
            "totalhits": hits.totalhits,
            "exectime": go_text::duration(began.elapsed()),
        }),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
    };
    (result, if stopped { Ended::Stopped } else { Ended::Complete })
}

#[cfg(test)]
mod tests;
