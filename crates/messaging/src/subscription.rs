//! What a service listens to.

use crate::{BoxFuture, Delivery, Outcome};

/// Says which kind of queue a subscription reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The durable quorum queue `<service>.<stream>`: each message goes to one process of the service.
    Stream(&'static str),
    /// A queue of this process alone, gone with it: each process gets every message. No wait queue, no dead letters, no
    /// inbox; it suits what can be asked for again.
    Process(&'static str),
}

impl Queue {
    /// Gives the name by which the inbox knows the consumer, and the queue's name on the broker (of a
    /// [`Queue::Process`] without the part that tells processes apart).
    pub fn consumer(&self, service: &str) -> String {
        let (Self::Stream(name) | Self::Process(name)) = self;
        format!("{service}.{name}")
    }
}

/// Ties kinds of messages to a handler.
pub struct Subscription<S> {
    /// Where the messages wait.
    pub queue: Queue,
    /// The routing keys.
    pub kinds: &'static [&'static str],
    /// Takes a batch, in one transaction. It may be handed the same message again.
    pub handle: for<'a> fn(&'a S, &'a [Delivery]) -> BoxFuture<'a, Outcome>,
    /// Is called each time the queue stands (again): what was sent while it did not exist was missed.
    pub connected: Option<for<'a> fn(&'a S) -> BoxFuture<'a, ()>>,
}
