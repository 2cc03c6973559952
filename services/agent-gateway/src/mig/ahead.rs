//! How many messages the broker sends ahead: all of them lie in memory, and one may be as large as the broker lets it.

use super::desk::AT_ONCE;
use super::listener::Stream;

/// Says how many are read ahead at first, and after a large one.
const FEW: u16 = 8;
/// Says how many answers are while a long row of small ones comes.
const ANSWERS: u16 = 400;
/// Says how many heartbeats are.
const HEARTBEATS: u16 = 1_000;
/// So many full batches of small messages are a long row.
const ROW: u8 = 8;
/// A larger body is large.
const SMALL_BYTES: usize = 64 << 10;

/// Is how many messages are read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    count: u16,
    most: u16,
    /// How many full batches of small messages came one after the other.
    row: u8,
}

impl Ahead {
    pub(super) fn of(stream: Stream) -> Self {
        let most = match stream {
            Stream::Heartbeats => HEARTBEATS,
            Stream::Results => ANSWERS,
        };
        Self { count: FEW, most, row: 0 }
    }

    /// Gives the number.
    pub(super) fn count(self) -> u16 {
        self.count
    }

    /// Gives how many are taken in together: half of them, so that the others come meanwhile.
    pub(super) fn at_once(self) -> usize {
        usize::from(self.count / 2).clamp(1, AT_ONCE)
    }

    /// Looks at a batch; tells whether the number changes with it.
    pub(super) fn changes(&mut self, messages: usize, largest: usize) -> bool {
        let full = messages >= usize::from(FEW / 2) && largest <= SMALL_BYTES;
        self.row = if full { self.row.saturating_add(1) } else { 0 };
        let before = self.count;
        self.count = match self.count {
            FEW if self.row >= ROW => self.most,
            FEW => FEW,
            // a row that thins out may be followed by anything
            _ if !full => FEW,
            many => many,
        };
        self.count != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_row_of_small_messages_is_read_far_ahead() {
        for (stream, most) in [(Stream::Results, ANSWERS), (Stream::Heartbeats, HEARTBEATS)] {
            let mut ahead = Ahead::of(stream);
            for _ in 0..100 {
                assert!(!ahead.changes(ahead.at_once(), SMALL_BYTES + 1));
                assert!(!ahead.changes(1, 10));
            }
            assert_eq!(ahead.count(), FEW);
            let row: Vec<bool> = (0..ROW).map(|_| ahead.changes(ahead.at_once(), 1_000)).collect();
            assert_eq!(row.iter().filter(|changed| **changed).count(), 1);
            assert_eq!(ahead.count(), most);
            assert!(!ahead.changes(ahead.at_once(), 1_000));
            for (messages, largest) in [(ahead.at_once(), SMALL_BYTES + 1), (1, 10)] {
                let mut other = ahead;
                assert!(other.changes(messages, largest), "{messages} {largest}");
                assert_eq!((other.count(), other.row), (FEW, 0));
            }
        }
    }
}
