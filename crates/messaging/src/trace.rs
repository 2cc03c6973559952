//! Trace context across the broker: a trace goes on in the service that takes the message.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// No honest header is longer (W3C: 55 and 512 characters).
const MAX_LENGTH: usize = 512;

/// Holds the two headers of W3C trace context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) parent: Option<String>,
    pub(crate) state: Option<String>,
}

impl TraceContext {
    /// Takes the context of the span that is current.
    pub(crate) fn current() -> Self {
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

/// Makes `span` go on with the first delivery's trace, and links the traces of the others.
pub(crate) fn follow<'a>(span: &Span, mut deliveries: impl Iterator<Item = &'a TraceContext>) {
    let Some(first) = deliveries.next() else { return };
    if first.parent.is_some() {
        // fails only when no OpenTelemetry layer listens
        let _listened = span.set_parent(first.context());
    }
    let mut last = first;
    for other in deliveries.filter(|other| other.parent.is_some()) {
        if other != last {
            span.add_link(other.context().span().span_context().clone());
            last = other;
        }
    }
}
