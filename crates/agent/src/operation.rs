//! Runs one operation of an order: a built-in module, or a command of a plugin.

use crate::go_text;
use crate::modules::{Limit, file};
use crate::plugin::Plugins;
use crate::python::{Ended, Python, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use types::command::is_something;
use types::{Clock, CommandStatus, Operation, OperationResult, PluginId, go_json};

/// Runs operations.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) plugins: Plugins,
    pub(crate) python: Python,
    /// How long one operation may take.
    pub(crate) timeout: Duration,
    pub(crate) clock: Clock,
}

/// Is how an operation ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) status: CommandStatus,
    pub(crate) result: OperationResult,
}

/// Says how much parameters may inflate to.
const MOST_INFLATED: u64 = 16 * 1024 * 1024;
/// Says how long a module that was told to stop may still take; one that hangs in the kernel is left behind.
const GRACE: Duration = Duration::from_secs(5);

impl Done {
    /// Is an operation that did not work, and why.
    pub(crate) fn failed(error: impl Into<String>) -> Self {
        Self {
            status: CommandStatus::Failed,
            result: OperationResult {
                errors: Some(vec![error.into()]),
                ..OperationResult::default()
            },
        }
    }

    fn timed_out(error: impl Into<String>) -> Self {
        Self { status: CommandStatus::Timeout, ..Self::failed(error) }
    }
}

impl Operations {
    /// Runs an operation, not beyond `expires`, for at most `max_output` bytes of elements.
    pub(crate) async fn run(
        &self,
        operation: Operation,
        expires: OffsetDateTime,
        max_output: usize,
    ) -> Done {
        let left = Duration::try_from(expires - self.clock.now()).unwrap_or_default();
        if left.is_zero() {
            return Done::timed_out("the order expired before this operation began");
        }
        let limit = left.min(self.timeout);
        let parameters = match parameters(&operation) {
            Ok(parameters) => parameters,
            Err(error) => return Done::failed(error),
        };
        if operation.module == "file" {
            return self.file(parameters, limit, max_output).await;
        }
        let id = operation.module.split_once('.').and_then(|(id, _)| id.parse::<PluginId>().ok());
        match id {
            Some(id) => self.plugin(id, &operation.module, parameters, limit, max_output).await,
            None => Done::failed(format!("module '{}' is not available", operation.module)),
        }
    }

    async fn file(&self, parameters: Value, limit: Duration, max_output: usize) -> Done {
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let for_module =
            Limit { until: Instant::now() + limit, stop: Arc::clone(&stop.0), max_output };
        let now = self.clock.now();
        let ran = tokio::task::spawn_blocking(move || file::run(&parameters, now, &for_module));
        let (result, ended) = match tokio::time::timeout(limit + GRACE, ran).await {
            Ok(Ok(ran)) => ran,
            Ok(Err(error)) => return Done::failed(format!("the module broke off: {error}")),
            Err(_) => return Done::timed_out("the module hangs and was left behind"),
        };
        let status = match ended {
            file::Ended::Complete => CommandStatus::Success,
            file::Ended::Refused => CommandStatus::Failed,
            file::Ended::Stopped => CommandStatus::Timeout,
        };
        Done { status, result }
    }

    async fn plugin(
        &self,
        id: PluginId,
        command: &str,
        parameters: Value,
        limit: Duration,
        max_output: usize,
    ) -> Done {
        let began = tokio::time::Instant::now();
        let until = began + limit;
        let arguments = match parameters {
            Value::Object(arguments) => arguments,
            Value::Null => Map::new(),
            _ => return Done::failed("the parameters of a plugin's command are an object"),
        };
        let loaded = match self.plugins.load(id, command, until).await {
            Ok(loaded) => loaded,
            Err(error) => return Done::failed(error.to_string()),
        };
        let request = Request {
            source: &loaded.source,
            function: &loaded.function,
            arguments: &arguments,
            limit: max_output,
        };
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        let report = self.python.call(&request, left).await;
        let mut done = match report.ended {
            Ended::Returned(value) => Done {
                status: CommandStatus::Success,
                result: OperationResult {
                    foundanything: is_something(&value),
                    success: true,
                    elements: value,
                    ..OperationResult::default()
                },
            },
            Ended::Failed(error) => Done::failed(error),
            Ended::TimedOut => {
                let limit = go_text::duration(limit);
                Done::timed_out(format!("it did not end within {limit} and was killed"))
            }
        };
        done.result.statistics = json!({
            "exectime": go_text::duration(began.elapsed()),
            "output": report.output,
            "outputbytes": report.output_bytes,
        });
        done
    }
}

/// Tells a module to stop when nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Gives the parameters, inflated when they are compressed.
fn parameters(operation: &Operation) -> Result<Value, String> {
    if !operation.is_compressed {
        return Ok(operation.parameters.clone());
    }
    let Value::String(text) = &operation.parameters else {
        return Err("compressed parameters are a string".into());
    };
    let packed = STANDARD.decode(text).map_err(|e| format!("parameters are not base64: {e}"))?;
    let mut json = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(MOST_INFLATED + 1)
        .read_to_end(&mut json)
        .map_err(|error| format!("parameters do not inflate: {error}"))?;
    if u64::try_from(json.len()).is_ok_and(|length| length > MOST_INFLATED) {
        return Err(format!("parameters inflate to more than {MOST_INFLATED} bytes"));
    }
    go_json::parse(&json).map_err(|error| format!("inflated parameters are not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn compressed(text: &[u8]) -> Operation {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        Operation {
            module: "file".into(),
            parameters: STANDARD.encode(encoder.finish().unwrap()).into(),
            is_compressed: true,
            want_compressed: true,
        }
    }

    #[test]
    fn compressed_parameters_are_inflated_within_a_limit() {
        assert_eq!(parameters(&compressed(br#"{"a":1}"#)), Ok(json!({"a": 1})));
        let bomb = vec![b' '; 17 * 1024 * 1024];
        assert!(parameters(&compressed(&bomb)).unwrap_err().contains("more than"));
        assert!(parameters(&compressed(b"{")).unwrap_err().contains("not JSON"));
        let with = |parameters| Operation { parameters, ..compressed(b"") };
        assert!(parameters(&with(json!("é"))).unwrap_err().contains("base64"));
        assert!(parameters(&with(json!("AAAA"))).unwrap_err().contains("inflate"));
        assert!(parameters(&with(json!(1))).unwrap_err().contains("string"));
    }
}
