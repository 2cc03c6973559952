//! Trace context across the broker: a trace goes on in the service that takes the message.

use crate::EXCHANGE;
use crate::meters::SYSTEM;
use crate::outbox::Row;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// No honest header is longer (W3C: 55 and 512 characters).
const MAX_LENGTH: usize = 512;

/// Names the instrument behind the spans that are made here.
const TRACER: &str = "messaging";

/// Holds the two headers of W3C trace context: whose work something is.
///
/// It is kept beside what is done later (a run that waits for its time, a command that waits for its agent), so that
/// the trace goes on then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) parent: Option<String>,
    pub(crate) state: Option<String>,
}

impl TraceContext {
    /// Makes one from a header that was kept.
    pub fn kept(parent: Option<String>) -> Self {
        Self { parent, state: None }
    }

    /// Gives the header to keep; nothing when nobody collects this trace.
    pub fn to_keep(&self) -> Option<&str> {
        self.parent.as_deref().filter(|parent| parent.ends_with("-01"))
    }

    /// Takes the context of the span that is current.
    pub fn current() -> Self {
        let mut found = Self::default();
        let context = Span::current().context();
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut found);
        });
        found
    }

    fn context(&self) -> Context {
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), self)
        })
    }
}

impl Injector for TraceContext {
    fn set(&mut self, key: &str, value: String) {
        let place = match key {
            PARENT => &mut self.parent,
            STATE => &mut self.state,
            _ => return,
        };
        *place = Some(value).filter(|value| !value.is_empty() && value.len() <= MAX_LENGTH);
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => self.parent.as_deref(),
            STATE => self.state.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

/// Makes `span` go on with the first trace, and links the others; it must not have been entered yet.
pub fn follow<'a>(span: &Span, traces: impl IntoIterator<Item = &'a TraceContext>) {
    let mut traces = traces.into_iter().filter(|trace| trace.parent.is_some());
    let Some(first) = traces.next() else { return };
    // fails only when no OpenTelemetry layer listens
    let _listened = span.set_parent(first.context());
    let mut last = first;
    for other in traces {
        if other != last {
            span.add_link(other.context().span().span_context().clone());
            last = other;
        }
    }
}

fn size(row: &Row) -> i64 {
    i64::try_from(row.body.len()).unwrap_or(i64::MAX)
}

/// Is the way of one message from the outbox to the broker, as a span; it begins when the message was written.
pub(crate) struct Sending(Option<Context>);

impl Sending {
    /// Begins one for a message whose trace is collected; the message carries the span's own context from then on.
    pub(crate) fn begin(trace: &mut TraceContext, row: &Row, id: &str) -> Self {
        if trace.to_keep().is_none() {
            return Self(None);
        }
        let tracer = opentelemetry::global::tracer(TRACER);
        let destination = format!("{EXCHANGE}:{}", row.kind);
        let builder = tracer
            .span_builder(format!("publish {destination}"))
            .with_kind(SpanKind::Producer)
            .with_start_time(std::time::SystemTime::from(row.created))
            .with_attributes([
                KeyValue::new("messaging.system", SYSTEM),
                KeyValue::new("messaging.operation.name", "publish"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", destination),
                KeyValue::new("messaging.rabbitmq.destination.routing_key", row.kind.clone()),
                KeyValue::new("messaging.message.body.size", size(row)),
                KeyValue::new("messaging.message.id", id.to_owned()),
            ]);
        let parent = trace.context();
        let context = parent.with_span(builder.start_with_context(&tracer, &parent));
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, trace);
        });
        Self(Some(context))
    }

    /// Ends it; `fault` says why the broker did not take the message.
    pub(crate) fn end(self, fault: Option<&'static str>) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        if let Some(fault) = fault {
            span.set_attribute(KeyValue::new("error.type", fault));
            span.set_status(Status::error(fault));
        }
        span.end();
    }
}
