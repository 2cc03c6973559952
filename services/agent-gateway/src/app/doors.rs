//! Who waits at the door: the long polls of this process, by agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use types::AgentId;

/// Knows the long polls that wait in this process; clones know the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doors(Arc<Mutex<HashMap<AgentId, Door>>>);

#[derive(Debug, Default)]
struct Door {
    bell: Arc<Notify>,
    waiting: usize,
}

impl Doors {
    /// Begins to wait for an agent, until the guest is dropped.
    pub(crate) fn wait(&self, agent: AgentId) -> Guest {
        let mut doors = self.lock();
        let door = doors.entry(agent).or_default();
        door.waiting += 1;
        Guest { bell: Arc::clone(&door.bell), agent, doors: self.clone() }
    }

    /// Wakes the polls of these agents, if any wait here.
    pub(crate) fn ring(&self, agents: impl IntoIterator<Item = AgentId>) {
        let doors = self.lock();
        for agent in agents {
            if let Some(door) = doors.get(&agent) {
                door.bell.notify_waiters();
            }
        }
    }

    /// Lists the agents that wait here.
    pub(crate) fn waiting(&self) -> Vec<AgentId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Door>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is one poll that waits.
#[derive(Debug)]
pub(crate) struct Guest {
    bell: Arc<Notify>,
    agent: AgentId,
    doors: Doors,
}

impl Guest {
    /// Gives the bell; its `notified` must be enabled before looking for work, or a ring in between is lost.
    pub(crate) fn bell(&self) -> &Notify {
        &self.bell
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut doors = self.doors.lock();
        if let Some(door) = doors.get_mut(&self.agent) {
            door.waiting -= 1;
            if door.waiting == 0 {
                doors.remove(&self.agent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[tokio::test]
    async fn a_ring_wakes_all_polls_of_the_agent_and_no_other() {
        let doors = Doors::default();
        let (one, two, other) =
            (doors.wait(AgentId(1)), doors.wait(AgentId(1)), doors.wait(AgentId(2)));
        let (mut first, mut second, mut third) = (
            pin!(one.bell().notified()),
            pin!(two.bell().notified()),
            pin!(other.bell().notified()),
        );
        first.as_mut().enable();
        second.as_mut().enable();
        third.as_mut().enable();
        doors.ring([AgentId(1), AgentId(7)]);
        first.await;
        second.await;
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        doors.ring([AgentId(2)]);
        third.await;
    }

    #[test]
    fn the_last_to_leave_shuts_the_door() {
        let doors = Doors::default();
        let one = doors.wait(AgentId(1));
        let two = doors.wait(AgentId(1));
        drop(one);
        assert_eq!(doors.waiting(), [AgentId(1)]);
        drop(two);
        assert!(doors.waiting().is_empty());
    }
}
