//! Everything that runs beside the requests: waited for at the end, and never silently dead.

use crate::Health;
use futures_util::FutureExt;
use messaging::Shutdown;
use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

/// Runs tasks on the process's own runtime; clones are the same set.
#[derive(Clone)]
pub struct Tasks(Arc<Inner>);

struct Inner {
    home: Handle,
    health: Health,
    shutdown: Shutdown,
    running: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl Tasks {
    /// Makes an empty set; when a task fails, `health` knows and `shutdown` is triggered.
    pub fn new(home: Handle, health: Health, shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner { home, health, shutdown, running: Mutex::default() }))
    }

    /// Runs `task` until it ends by itself. A panic makes the process not ready and stops it: a process that is half
    /// dead helps nobody.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_fallible(name, async move {
            task.await;
            Ok(())
        });
    }

    /// Runs `task`; an error stops the process as a panic does.
    pub fn spawn_fallible<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.run(name, tracing::info_span!(parent: None, "task", task.name = name), task);
    }

    /// Runs `task` as a part of what `span` is about, not as something of its own.
    pub fn spawn_within<F>(&self, name: &'static str, span: Span, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.run(name, span, async move {
            task.await;
            Ok(())
        });
    }

    fn run<F>(&self, name: &'static str, span: Span, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (health, shutdown) = (self.0.health.clone(), self.0.shutdown.clone());
        let watched = async move {
            let reason = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("{error:#}"),
                Err(panic) => format!("it panicked: {}", words_of(&*panic)),
            };
            tracing::error!(task = name, reason, "a task failed; the process stops");
            health.fail(format!("the task {name} failed: {reason}"));
            shutdown.trigger();
        };
        let task = self.0.home.spawn(watched.instrument(span));
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|(_, task)| !task.is_finished());
        running.push((name, task));
    }

    /// Waits until all tasks have ended; those that have not by the deadline are named and cut off.
    pub async fn finish(&self, deadline: Duration) {
        let until = tokio::time::Instant::now() + deadline;
        loop {
            let task = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((name, mut task)) = task else { return };
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                tracing::warn!(task = name, "a task did not end in time and is cut off");
                task.abort();
            }
        }
    }
}

/// Gives what a panic said.
fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
