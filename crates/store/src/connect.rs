//! Opening one connection: the only place that does.

use crate::settings::Parsed;
use crate::{Conn, measure::Measured, tls};
use anyhow::Context;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use std::time::Duration;
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Opens a connection, driven by the runtime that this is called on, and sets what holds for its whole life.
pub(crate) async fn connect(parsed: &Parsed, statement_timeout: Duration) -> anyhow::Result<Conn> {
    let mut conn = if let Some(trust) = parsed.trust {
        let tls = MakeRustlsConnect::new(tls::config(parsed, trust)?);
        let (client, driver) = parsed.config.connect(tls).await?;
        Conn::try_from_client_and_connection(client, driver).await?
    } else {
        let (client, driver) = parsed.config.connect(NoTls).await?;
        Conn::try_from_client_and_connection(client, driver).await?
    };
    conn.set_instrumentation(Measured::new(parsed.config.get_application_name()));
    // A transaction that was left open (its process hangs) must not hold its locks for ever. Compiling a plan takes
    // longer than any of our statements runs, and its cost is a guess. A plan that was made for empty tables, as they
    // are after an installation, reads full ones from one end to the other; so none is kept.
    conn.batch_execute(&format!(
        "set statement_timeout = {}; set idle_in_transaction_session_timeout = 120000; set jit = off;
         set plan_cache_mode = force_custom_plan",
        statement_timeout.as_millis()
    ))
    .await
    .context("cannot prepare the session")?;
    Ok(conn)
}

/// Tells whether another try may find the database up: it does not listen yet, starts, stops or is full.
pub(crate) fn may_come_up(error: &anyhow::Error) -> bool {
    use tokio_postgres::error::SqlState;
    let Some(error) = error.chain().find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>())
    else {
        return error.chain().any(<dyn std::error::Error + 'static>::is::<std::io::Error>);
    };
    match error.code() {
        None => true,
        Some(code) => [
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code),
    }
}
