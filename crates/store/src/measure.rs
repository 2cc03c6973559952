//! How long the database takes, by OpenTelemetry's conventions for databases.
//!
//! Neither the text of statements nor the database's name is told: what is kept apart is the service and what went
//! wrong.

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error};
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use std::time::Instant;

/// Are the bounds that the conventions name, in seconds, and the longest time that a statement may take.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("store")
        .f64_histogram("db.client.operation.duration")
        .with_unit("s")
        .with_description("How long statements took")
        .with_boundaries(SECONDS.to_vec())
        .build()
});

/// Measures the statements of one connection.
pub(crate) struct Measured {
    labels: [KeyValue; 2],
    began: Option<Instant>,
}

impl Measured {
    /// Measures for the service that is called so.
    pub(crate) fn new(service: Option<&str>) -> Self {
        let service = service.unwrap_or_default().to_owned();
        let system = KeyValue::new("db.system.name", "postgresql");
        Self { labels: [KeyValue::new("service.name", service), system], began: None }
    }
}

impl Instrumentation for Measured {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => self.began = Some(Instant::now()),
            InstrumentationEvent::FinishQuery { error, .. } => {
                let Some(began) = self.began.take() else { return };
                let took = began.elapsed().as_secs_f64();
                match error {
                    None => DURATION.record(took, &self.labels),
                    Some(error) => {
                        let [service, system] = self.labels.clone();
                        let fault = KeyValue::new("error.type", fault(error));
                        DURATION.record(took, &[service, system, fault]);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Gives one of a few names of what went wrong.
fn fault(error: &Error) -> &'static str {
    let Error::DatabaseError(kind, _) = error else { return "client" };
    match kind {
        DatabaseErrorKind::UniqueViolation => "unique_violation",
        DatabaseErrorKind::ForeignKeyViolation => "foreign_key_violation",
        DatabaseErrorKind::NotNullViolation => "not_null_violation",
        DatabaseErrorKind::CheckViolation => "check_violation",
        DatabaseErrorKind::SerializationFailure => "serialization_failure",
        DatabaseErrorKind::ReadOnlyTransaction => "read_only",
        DatabaseErrorKind::ClosedConnection => "closed_connection",
        DatabaseErrorKind::UnableToSendCommand => "unable_to_send",
        _ => "server",
    }
}
