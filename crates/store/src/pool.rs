//! The pool: connections that live on one runtime and are good when they are handed out.

use crate::connect::connect;
use crate::settings::{Parsed, Settings};
use crate::{Conn, Pool};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::SimpleAsyncConnection;
use diesel_async::pooled_connection::deadpool::{Hook, HookError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a caller waits for a connection, a new one may take, and a check may take.
const ACQUIRE: Duration = Duration::from_secs(5);
/// A connection that rested longer is asked before it is handed out.
const RESTED: Duration = Duration::from_millis(500);

/// Builds a pool whose connections are driven by `home`, never by the runtime of the one who happens to ask.
///
/// An actix worker has a runtime of its own; a connection opened there would stand still while the worker is busy, also
/// for everyone else it is lent to.
pub fn pool(settings: &Settings, home: Handle) -> anyhow::Result<Pool> {
    let parsed = Arc::new(Parsed::new(settings)?);
    let statement_timeout = settings.statement_timeout;
    let mut config = ManagerConfig::<Conn>::default();
    config.custom_setup = Box::new(move |_| {
        let (home, parsed) = (home.clone(), Arc::clone(&parsed));
        Box::pin(async move {
            let opening = home.spawn(async move {
                connect(&parsed, statement_timeout).await.map_err(|e| bad(format!("{e:#}")))
            });
            opening.await.map_err(|e| bad(e.to_string())).and_then(|c: ConnectionResult<_>| c)
        })
    });
    // Neither `Verified` (a round trip for each loan, under load too) nor plain `Fast` (after a restart of the database
    // each caller in turn would be handed a corpse). `Fast` refuses what is known to be closed or inside a transaction,
    // for free; and a connection that rested for a while, as all have after a restart, is asked first. What is left, a
    // connection that dies in the half second between two loans, `Store::tx` takes again from the pool once.
    config.recycling_method = RecyclingMethod::Fast;
    // the manager's own URL is not used: `Parsed` has it
    let manager = AsyncDieselConnectionManager::new_with_config("", config);
    let pool = Pool::builder(manager)
        .max_size(settings.max_size)
        .wait_timeout(Some(ACQUIRE))
        .create_timeout(Some(ACQUIRE))
        .recycle_timeout(Some(ACQUIRE))
        .runtime(deadpool::Runtime::Tokio1)
        .pre_recycle(Hook::async_fn(|conn: &mut Conn, metrics| {
            Box::pin(async move {
                if metrics.last_used() < RESTED {
                    return Ok(());
                }
                let asked = tokio::time::timeout(Duration::from_secs(2), conn.batch_execute(""));
                match asked.await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(HookError::message("the connection is dead")),
                    Err(_) => Err(HookError::message("the connection does not answer")),
                }
            })
        }))
        .build()?;
    Ok(pool)
}

fn bad(text: String) -> ConnectionError {
    ConnectionError::BadConnection(text)
}
