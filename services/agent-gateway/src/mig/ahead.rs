//! What the broker sent ahead. A broker counts messages, not bytes, and lapin keeps whatever comes: so a task of its own
//! takes everything in at once and counts its bytes, whatever the listener waits for.

use super::desk::AT_ONCE;
use super::listener::Stream;
use crate::app::room::QUICK_BYTES;
use crate::domain::heartbeat::HEARTBEAT_BYTES;
use futures_util::StreamExt;
use lapin::{Channel, Consumer};
use messaging::link::{LinkError, rpc};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How many bytes of messages wait here; with more of them the channel is closed, and they are the broker's again.
const MOST_BYTES: usize = 48 << 20;
/// How many bytes of bodies a batch has, but for a last one that is larger.
const BATCH_BYTES: usize = 4 << 20;
/// What a message takes beside its body.
const BESIDE: usize = 64;
/// Says how many answers are sent ahead.
const ANSWERS: u16 = 400;
/// Says how many heartbeats are.
const HEARTBEATS: u16 = 1_000;
/// Says how many of either are after those were too large: as many as may all be of 16 MiB, a broker's own limit.
const FEW: u16 = 3;
/// After so many small ones in a row there are many again.
const ROW: u16 = 64;
/// How long a fuller batch is waited for when many came last time.
const LINGER: Duration = Duration::from_millis(5);
/// So many mean that many come.
const MANY: usize = 10;

/// Says how many messages are sent ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As many as make it fast, while their bytes are counted.
    Many,
    /// So few that it does not matter how large they are.
    Few {
        /// How many small ones came one after the other.
        row: u16,
    },
}

impl Pace {
    /// Begins with few.
    pub(super) const SLOW: Self = Self::Few { row: 0 };

    /// Gives the number.
    pub(super) fn ahead(self, stream: Stream) -> u16 {
        match (self, stream) {
            (Self::Few { .. }, _) => FEW,
            (Self::Many, Stream::Heartbeats) => HEARTBEATS,
            (Self::Many, Stream::Results) => ANSWERS,
        }
    }

    /// Gives how many are taken in together: half of many, so that the others come meanwhile.
    pub(super) fn at_once(self, stream: Stream) -> usize {
        let ahead = usize::from(self.ahead(stream));
        match self {
            Self::Few { .. } => ahead,
            Self::Many => (ahead / 2).min(AT_ONCE),
        }
    }

    /// Looks at a batch that is done; tells whether many may be sent again from now on.
    pub(super) fn rises(&mut self, batch: &[Message]) -> bool {
        let Self::Few { row } = self else { return false };
        let small = batch.iter().all(|message| message.body.len() <= QUICK_BYTES);
        let count = u16::try_from(batch.len()).unwrap_or(u16::MAX);
        *row = if small { row.saturating_add(count) } else { 0 };
        *row >= ROW
    }
}

/// Is one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its number on the channel that it came on.
    pub tag: u64,
    /// Its body; nothing when it is larger than any that is read.
    pub body: Vec<u8>,
}

impl Message {
    fn weight(&self) -> usize {
        self.body.capacity() + BESIDE
    }
}

/// Says why nothing comes any more.
#[derive(Debug)]
pub(super) enum End {
    /// There was more than there is room for; the reader closes the channel.
    Full,
    /// The channel is gone.
    Broken(LinkError),
}

/// Holds messages of one channel. When that ends they are let go, as they cannot be acknowledged any more: whoever
/// listens next is given them.
pub(super) struct Ahead {
    state: Mutex<State>,
    /// How many bytes of a body are kept at most.
    longest: usize,
    most: usize,
    changed: Notify,
    full: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    bytes: usize,
    over: bool,
    end: Option<End>,
}

impl Ahead {
    pub(super) fn new(stream: Stream, pace: Pace) -> Self {
        let longest = match stream {
            Stream::Heartbeats => HEARTBEAT_BYTES,
            Stream::Results => usize::MAX,
        };
        let most = match pace {
            Pace::Many => MOST_BYTES,
            // their number is the limit
            Pace::Few { .. } => usize::MAX,
        };
        let (changed, full) = (Notify::new(), Notify::new());
        Self { state: Mutex::default(), longest, most, changed, full }
    }

    /// Takes a message in. One that is alone has always room.
    fn put(&self, tag: u64, mut body: Vec<u8>) {
        if body.len() > self.longest {
            body = Vec::new();
        } else if body.len() > QUICK_BYTES {
            // it was put together from frames, in a room that doubled
            body.shrink_to_fit();
        }
        let message = Message { tag, body };
        let mut state = self.lock();
        if state.over {
            return;
        }
        let bytes = state.bytes + message.weight();
        if bytes > self.most && !state.messages.is_empty() {
            drop(state);
            self.end(End::Full);
            self.full.notify_one();
            return;
        }
        state.bytes = bytes;
        state.messages.push_back(message);
        drop(state);
        self.changed.notify_one();
    }

    /// Lets everything go, and takes nothing more; only the first reason counts.
    fn end(&self, end: End) {
        let mut state = self.lock();
        if !state.over {
            *state = State { over: true, end: Some(end), ..State::default() };
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Lets everything go: the listener ends.
    pub(super) fn stop(&self) {
        self.end(End::Broken(LinkError::Gone("nobody listens any more")));
    }

    /// Tells whether what was taken from here can no longer be acknowledged.
    pub(super) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Gives why nothing comes any more, once.
    pub(super) fn ended(&self) -> Option<End> {
        self.lock().end.take()
    }

    /// Waits for a message and takes it with others that are there, at most `most`; `last` is how many came last time.
    /// Nothing is lost when it is not waited for to the end.
    pub(super) async fn next(&self, most: usize, last: usize) -> Result<Vec<Message>, End> {
        self.until(1).await;
        if last >= MANY {
            let _fewer = tokio::time::timeout(LINGER, self.until(most)).await;
        }
        let mut state = self.lock();
        if state.over {
            let gone = || End::Broken(LinkError::Gone("the channel is over"));
            return Err(state.end.take().unwrap_or_else(gone));
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < most && bytes < BATCH_BYTES {
            let Some(message) = state.messages.pop_front() else { break };
            state.bytes -= message.weight();
            bytes += message.weight();
            batch.push(message);
        }
        Ok(batch)
    }

    /// Waits until so many are there, or the bytes of a batch, or nothing comes any more.
    async fn until(&self, count: usize) {
        loop {
            {
                let state = self.lock();
                let there = state.messages.len();
                if state.over || there >= count || (there > 0 && state.bytes >= BATCH_BYTES) {
                    return;
                }
            }
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads until the channel ends, which it does itself when there is too much; what still comes then is let go as it
/// comes. `_reading` ends with it.
pub(super) async fn read(
    mut consumer: Consumer,
    channel: Channel,
    ahead: Arc<Ahead>,
    _reading: oneshot::Sender<()>,
) {
    let reading = async {
        while let Some(delivery) = consumer.next().await {
            match delivery {
                Ok(delivery) => ahead.put(delivery.delivery_tag, delivery.data),
                Err(error) => ahead.end(End::Broken(error.into())),
            }
        }
        ahead.end(End::Broken(LinkError::Gone("the broker ended the subscription")));
    };
    let closing = async {
        ahead.full.notified().await;
        let _closed = rpc(channel.close(200, "more than there is room for".into())).await;
        // the last message is read before the answer to this is
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = closing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const MIB: usize = 1 << 20;

    fn held(ahead: &Ahead) -> (usize, usize) {
        let state = ahead.lock();
        (state.messages.len(), state.bytes)
    }

    fn take(ahead: &Ahead, most: usize) -> Result<Vec<Message>, End> {
        ahead.next(most, 0).now_or_never().expect("there is something")
    }

    #[test]
    fn what_is_held_is_bounded_and_let_go_when_there_is_more() {
        let ahead = Ahead::new(Stream::Results, Pace::Many);
        let mut largest = 0;
        for tag in 1..=400 {
            ahead.put(tag, vec![0; MIB]);
            largest = largest.max(held(&ahead).1);
            assert!(largest <= MOST_BYTES, "{largest}");
        }
        assert!(largest > MOST_BYTES - 2 * MIB, "{largest}");
        assert_eq!(held(&ahead), (0, 0));
        assert!(ahead.is_over());
        assert!(matches!(take(&ahead, 10), Err(End::Full)));
        assert!(matches!(take(&ahead, 10), Err(End::Broken(_))), "it is told once");
    }

    #[test]
    fn batches_are_bounded_and_what_is_taken_makes_room() {
        let ahead = Ahead::new(Stream::Results, Pace::Many);
        for round in 0..100 {
            for tag in 0..10 {
                ahead.put(round * 10 + tag, vec![0; MIB]);
            }
            let sizes: Vec<usize> =
                (0..3).map(|_| take(&ahead, 10).expect("it is not over").len()).collect();
            assert_eq!(sizes, [4, 4, 2]);
            assert_eq!(held(&ahead), (0, 0));
        }
        for tag in 0..10 {
            ahead.put(tag, vec![0; 10]);
        }
        let tags =
            |batch: Vec<Message>| batch.iter().map(|message| message.tag).collect::<Vec<_>>();
        assert_eq!(tags(take(&ahead, 4).expect("it is not over")), [0, 1, 2, 3]);
        assert_eq!(tags(take(&ahead, 100).expect("it is not over")), [4, 5, 6, 7, 8, 9]);
        assert!(ahead.next(1, 0).now_or_never().is_none(), "nothing is there");
    }

    #[test]
    fn one_message_passes_however_large_and_few_do_too() {
        let ahead = Ahead::new(Stream::Results, Pace::Many);
        ahead.put(1, vec![0; MOST_BYTES + 1]);
        assert_eq!(take(&ahead, 10).expect("it is not over").len(), 1);
        let ahead = Ahead::new(Stream::Results, Pace::SLOW);
        for tag in 0..u64::from(FEW) {
            ahead.put(tag, vec![0; 20 * MIB]);
        }
        assert_eq!(take(&ahead, 10).expect("it is not over").len(), 1);
        assert_eq!(held(&ahead).0, usize::from(FEW) - 1);
    }

    #[test]
    fn a_heartbeat_that_is_too_large_takes_no_room() {
        let ahead = Ahead::new(Stream::Heartbeats, Pace::Many);
        for tag in 0..1_000 {
            ahead.put(tag, vec![0; MIB]);
        }
        assert_eq!(held(&ahead), (1_000, 1_000 * BESIDE));
    }

    #[test]
    fn what_comes_after_the_end_is_let_go() {
        let ahead = Ahead::new(Stream::Results, Pace::Many);
        ahead.put(1, vec![0; 10]);
        ahead.stop();
        ahead.put(2, vec![0; 10]);
        ahead.end(End::Full);
        assert_eq!(held(&ahead), (0, 0));
        assert!(matches!(take(&ahead, 10), Err(End::Broken(_))), "the first reason counts");
    }

    #[test]
    fn few_are_sent_until_a_long_row_of_small_ones_came() {
        let batch = |count: usize, bytes: usize| -> Vec<Message> {
            (0..count).map(|_| Message { tag: 0, body: vec![0; bytes] }).collect()
        };
        for stream in [Stream::Results, Stream::Heartbeats] {
            let mut many = Pace::Many;
            assert!(!many.rises(&batch(10, MIB)) && !many.rises(&batch(200, 10)));
            assert!(Pace::Many.at_once(stream) * 2 <= usize::from(Pace::Many.ahead(stream)));
            let mut pace = Pace::SLOW;
            assert_eq!((pace.ahead(stream), pace.at_once(stream)), (FEW, usize::from(FEW)));
            for _ in 0..10 {
                for _ in 0..20 {
                    assert!(!pace.rises(&batch(3, 1_000)));
                }
                assert!(!pace.rises(&batch(1, QUICK_BYTES + 1)));
            }
            let risen: Vec<bool> = (0..ROW).map(|_| pace.rises(&batch(1, 1_000))).collect();
            assert_eq!(risen.iter().position(|risen| *risen), Some(usize::from(ROW) - 1));
        }
    }
}
