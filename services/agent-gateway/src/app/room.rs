//! Large answers are taken apart beside the event loops, as many at a time as there is memory for; and one agent takes
//! no more than its share of it.

use super::{App, kib};
use crate::domain::tree::{TREE_BYTES, Tree};
use crate::error::Error;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::AgentId;

/// Bodies up to this size are taken apart at once: that takes less than a millisecond.
pub(crate) const QUICK_BYTES: usize = 64 << 10;
/// What comes out of a body may have so much without any waiting.
const QUICK_TREE: usize = 16 * QUICK_BYTES;

/// Says what becomes of a body when it is taken apart; a large one is looked through beside the event loops.
pub(crate) async fn tree_of<B>(body: &B) -> Tree
where
    B: AsRef<[u8]> + Clone + Send + 'static,
{
    if body.as_ref().len() <= QUICK_BYTES {
        return Tree::of(body.as_ref());
    }
    let body = body.clone();
    // the task only ends early when it panics, which is a fault that is seen elsewhere
    let looked = tokio::task::spawn_blocking(move || Tree::of(body.as_ref())).await;
    looked.unwrap_or(Tree { bytes: TREE_BYTES, depth: 0 })
}

/// Puts bodies that follow each other together as long as there is memory for all of them; gives each part with how
/// much it takes.
pub(crate) async fn parts(bodies: &[Vec<u8>]) -> Vec<(&[Vec<u8>], usize)> {
    let mut parts = Vec::new();
    let (mut from, mut together) = (0, 0);
    for (place, body) in bodies.iter().enumerate() {
        let bytes = tree_of(body).await.bytes;
        if place > from && together + bytes > TREE_BYTES {
            parts.push((bodies.get(from..place).unwrap_or_default(), together));
            (from, together) = (place, 0);
        }
        together += bytes;
    }
    parts.push((bodies.get(from..).unwrap_or_default(), together));
    parts
}

/// Counts the KiB that may be taken apart at a time: one body always finds room.
pub(super) fn desk(answers_in_flight: u32) -> Semaphore {
    Semaphore::new(kib(answers_in_flight).saturating_mul(2).max(TREE_BYTES / 1_024))
}

impl App {
    /// Waits until there is memory for `tree` bytes; that is to be held until nothing of it is needed any more. Small
    /// ones need none, and no body is given more than one may take.
    pub(crate) async fn wait_for_desk(
        &self,
        tree: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, Error> {
        if tree <= QUICK_TREE {
            return Ok(None);
        }
        let kib = u32::try_from(tree.min(TREE_BYTES) / 1_024);
        let kib = kib.map_err(|error| Error::Internal(error.into()))?;
        let desk = Arc::clone(&self.desk).acquire_many_owned(kib).await;
        desk.map(Some).map_err(|error| Error::Internal(error.into()))
    }
}

/// How many bodies of one agent are taken in at a time; the largest counts as all of them.
const SHARE: usize = 4;
/// From so many agents on it is looked for those of whom nothing is taken in any more.
const FEW: usize = 1_024;

/// Keeps one agent, however many connections it opens, from taking the room of the others.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<Sharing>);

#[derive(Debug, Default)]
struct Sharing {
    agents: BTreeMap<AgentId, Arc<Semaphore>>,
    /// How many agents there were when it was looked last.
    looked: usize,
}

impl Shares {
    /// Waits until the agent may send another body, which has `bytes` of `most`.
    pub(crate) async fn wait(
        &self,
        agent: AgentId,
        bytes: usize,
        most: usize,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let share = bytes.saturating_mul(SHARE).div_ceil(most.max(1)).clamp(1, SHARE);
        let share = u32::try_from(share).map_err(|error| Error::Internal(error.into()))?;
        let taken = self.of(agent).acquire_many_owned(share).await;
        taken.map_err(|error| Error::Internal(error.into()))
    }

    fn of(&self, agent: AgentId) -> Arc<Semaphore> {
        let mut sharing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sharing.agents.len() >= sharing.looked.saturating_mul(2).max(FEW) {
            sharing.agents.retain(|_, share| Arc::strong_count(share) > 1);
            sharing.looked = sharing.agents.len();
        }
        let share = sharing.agents.entry(agent);
        Arc::clone(share.or_insert_with(|| Arc::new(Semaphore::new(SHARE))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const MOST: usize = 1_000;

    #[tokio::test]
    async fn an_agent_sends_four_bodies_at_a_time_or_one_that_is_large() {
        let shares = Shares::default();
        let agent = AgentId(1);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(shares.wait(agent, 0, MOST).await.unwrap());
        }
        assert!(shares.wait(agent, 0, MOST).now_or_never().is_none());
        let _other = shares.wait(AgentId(2), MOST, MOST).await.unwrap();
        assert!(shares.wait(agent, 251, MOST).now_or_never().is_none());
        held.truncate(3);
        let _small = shares.wait(agent, 250, MOST).now_or_never().unwrap();
        held.clear();
        assert!(shares.wait(agent, 751, MOST).now_or_never().is_none());
        assert!(shares.wait(agent, 750, MOST).now_or_never().is_some());
    }

    #[tokio::test]
    async fn agents_that_sent_all_are_forgotten_and_no_others() {
        let shares = Shares::default();
        let held = shares.wait(AgentId(-1), MOST, MOST).await.unwrap();
        for number in 0..10_000 {
            drop(shares.wait(AgentId(number), 1, MOST).await.unwrap());
        }
        assert!(shares.0.lock().unwrap().agents.len() <= FEW);
        assert!(shares.wait(AgentId(-1), 1, MOST).now_or_never().is_none());
        drop(held);
        assert!(shares.wait(AgentId(-1), 1, MOST).now_or_never().is_some());
    }

    #[tokio::test]
    async fn bodies_are_put_together_as_long_as_there_is_memory() {
        let bomb = format!("[{}0]", "{\"\":0},".repeat(200_000)).into_bytes();
        let small = b"{}".to_vec();
        let bodies = [small.clone(), small.clone(), bomb.clone(), bomb, small];
        let parts = parts(&bodies).await;
        assert_eq!(parts.iter().map(|(part, _)| part.len()).collect::<Vec<_>>(), [3, 2]);
        assert!(parts.iter().all(|(_, bytes)| (TREE_BYTES / 2..TREE_BYTES).contains(bytes)));
    }
}
