//! One log line: what happened, in which spans, in which trace.

use opentelemetry::trace::TraceContextExt;
use std::fmt;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format, time::SystemTime};
use tracing_subscriber::registry::LookupSpan;

/// Writes JSON lines to stderr.
pub(crate) fn json<S>(process: &'static str) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(Line::new(process))
        .with_writer(std::io::stderr)
}

/// Adds the process and the trace to the usual JSON form.
struct Line {
    json: Format<Json, SystemTime>,
    process: &'static str,
}

impl Line {
    fn new(process: &'static str) -> Self {
        let json = format().json().flatten_event(true).with_current_span(false);
        Self { json, process }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.json.format_event(ctx, Writer::new(&mut line), event)?;
        let body = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        write!(writer, "{body},\"service.name\":\"{}\"", self.process)?;
        let context = opentelemetry::Context::current();
        let trace = context.span().span_context().clone();
        if trace.is_valid() {
            write!(
                writer,
                ",\"trace_id\":\"{}\",\"span_id\":\"{}\"",
                trace.trace_id(),
                trace.span_id()
            )?;
        }
        writeln!(writer, "}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_json_and_names_the_trace_even_without_a_collector() {
        let sink = Sink::default();
        let copy = sink.clone();
        let traces = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        let subscriber = tracing_subscriber::registry()
            .with(
                tracing_subscriber::fmt::layer()
                    .fmt_fields(JsonFields::new())
                    .event_format(Line::new("scheduler"))
                    .with_writer(move || copy.clone()),
            )
            .with(tracing_opentelemetry::layer().with_tracer(traces.tracer("t")));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("request", action.id = 7).in_scope(|| {
                tracing::info!(agents = 3, text = "a \"}\" b", "launched");
            });
            tracing::warn!("outside");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "launched");
        assert_eq!(lines[0]["agents"], 3);
        assert_eq!(lines[0]["service.name"], "scheduler");
        assert_eq!(lines[0]["spans"][0]["action.id"], 7);
        assert!(text.ends_with("}\n"), "{text}");
        assert_eq!(lines[0]["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(lines[1]["trace_id"], serde_json::Value::Null);
    }
}
