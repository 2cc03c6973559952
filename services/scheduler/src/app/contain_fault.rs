//! Ends an execution that the service cannot go on with, so that it holds up no other.

use super::App;
use crate::error::Error;
use crate::store::executions::execution_fail;
use uuid::Uuid;

const REASON: &str =
    "the scheduler could not go on with it: a fault of its own, which its log tells";

impl App {
    /// Ends an execution as failed because of `error`, which would come again and again; gives back one that passes.
    pub(super) async fn contain(&self, execution: Uuid, error: Error) -> Result<(), Error> {
        if passes(&error) {
            return Err(error);
        }
        let cause = causes(&error);
        tracing::error!(execution.id = %execution, cause, "an execution cannot go on and is ended");
        match self.give_up(execution).await {
            Err(error) if !passes(&error) => {
                // not even that: its rows, or those of what it began, cannot be read
                let mut conn = self.store.get().await?;
                execution_fail(&mut conn, execution, REASON, self.clock.now()).await?;
            }
            ended => ended?,
        }
        self.bus.wake();
        self.steps.notify_one();
        Ok(())
    }

    async fn give_up(&self, execution: Uuid) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                match self.hold(conn, execution).await? {
                    Some(held) if !held.execution.state.is_over() => {
                        self.advance(conn, held, now, |machine| machine.give_up(REASON)).await
                    }
                    _ => Ok(()),
                }
            })
            .await
    }
}

/// Tells whether the same may go well later.
fn passes(error: &Error) -> bool {
    match error {
        Error::Store(failure) => failure.is_transient(),
        Error::NotYet(_) => true,
        _ => false,
    }
}

/// Gives an error with all that led to it.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
