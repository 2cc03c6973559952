//! What a handler is given, and what it answers.

use crate::trace::TraceContext;
use serde::de::DeserializeOwned;
use types::{Envelope, Message};
use uuid::Uuid;

/// Is one message as it arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message's id; the inbox takes it once.
    pub id: Uuid,
    /// The kind with its version: `action.accepted.v1`.
    pub kind: String,
    /// The envelope as JSON.
    pub body: Vec<u8>,
    /// Counts from 1; grows each time the message comes back after an [`Outcome::Retry`].
    pub attempt: u32,
    /// Counts from 0; grows each time the message comes back after an [`Outcome::Wait`].
    pub waited: u32,
    pub(crate) trace: TraceContext,
}

impl Delivery {
    /// Makes one by hand, for a handler's tests.
    pub fn new(id: Uuid, kind: impl Into<String>, body: Vec<u8>) -> Self {
        Self { id, kind: kind.into(), body, attempt: 1, waited: 0, trace: TraceContext::default() }
    }

    /// Gives whose work the message is.
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// Reads the message; the error is the [`Outcome::Reject`] to answer with.
    pub fn decode<M: Message>(&self) -> Result<Envelope<M>, Outcome> {
        self.decode_part::<M, M>()
    }

    /// Reads of a message `M` only what `T` holds of its payload; the rest is passed over, which takes no memory.
    pub fn decode_part<M: Message, T: DeserializeOwned>(&self) -> Result<Envelope<T>, Outcome> {
        if self.kind != M::KIND {
            return Err(Outcome::Reject(format!("{} is not a {}", self.kind, M::KIND)));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Outcome::Reject(format!("{} does not parse: {error}", self.kind)))
    }
}

/// Says what became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done, or had been done before.
    Done,
    /// Not now, because of this: the database is away, a transaction lost a race.
    Retry(String),
    /// Not yet, because of this: another message has to come first, which comes no sooner for being waited for in
    /// place.
    Wait(String),
    /// Never, because of this: it does not parse, it breaks a rule.
    Reject(String),
}

impl From<store::Failure> for Outcome {
    fn from(failure: store::Failure) -> Self {
        let cause =
            std::error::Error::source(&failure).map_or_else(String::new, |e| format!(": {e}"));
        let text = format!("{failure}{cause}");
        if failure.is_transient() { Self::Retry(text) } else { Self::Reject(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Delivery, Outcome};
    use types::messages::ReplicaRequested;
    use types::{Clock, Envelope, Message};
    use uuid::Uuid;

    #[test]
    fn a_body_is_read_only_as_the_kind_that_it_is() {
        let asked = ReplicaRequested { of: "agent".into(), by: "scheduler".into() };
        let id = Uuid::now_v7();
        let body = serde_json::to_vec(&Envelope::new(
            id,
            "scheduler",
            Clock::system().now(),
            asked.clone(),
        ))
        .unwrap();
        let delivery = Delivery::new(id, ReplicaRequested::KIND, body);
        assert_eq!(delivery.decode::<ReplicaRequested>().unwrap().data, asked);

        let other = Delivery::new(id, "agent.seen.v1", delivery.body.clone());
        assert!(matches!(other.decode::<ReplicaRequested>(), Err(Outcome::Reject(_))));
        let broken = Delivery::new(id, ReplicaRequested::KIND, b"{".to_vec());
        assert!(matches!(broken.decode::<ReplicaRequested>(), Err(Outcome::Reject(_))));
    }
}
