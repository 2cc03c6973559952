//! A trace goes on behind the broker.

use crate::support::{Counted, NUMBERS, Process, database};
use messaging::Outcome;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::sync::Mutex;
use testkit::{PATIENCE, Tap, vhost};
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use types::Message;

static HANDLED_IN: Mutex<String> = Mutex::new(String::new());

fn trace_id() -> String {
    tracing::Span::current().context().span().span_context().trace_id().to_string()
}

#[tokio::test]
async fn the_handler_runs_in_the_trace_of_the_one_who_put() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let layers =
        tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
    // for the whole process: one for this thread alone races with the spans of other tests being met first
    tracing::subscriber::set_global_default(layers).unwrap();

    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::ruled(database.store(), &vhost.settings(), |_, _, _| {
        *HANDLED_IN.lock().unwrap() = trace_id();
        None::<Outcome>
    });
    process.relay();
    process.consume(NUMBERS);
    let span = tracing::info_span!("request");
    let asked_in = span.in_scope(trace_id);
    assert_ne!(asked_in, "0".repeat(32));
    process.put([1]).instrument(span).await;
    process.effects(1).await;
    assert_eq!(*HANDLED_IN.lock().unwrap(), asked_in);
    let heard = tap.next_of(Counted::KIND, PATIENCE).await.unwrap();
    let header = crate::dead::header(&heard.properties, "traceparent");
    assert!(header.contains(&asked_in), "{header}");
    process.stop().await;
}
