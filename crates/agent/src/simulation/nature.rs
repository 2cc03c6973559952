//! What each simulated agent is and does, decided by the seed alone.

use super::config::Parts;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use types::CommandStatus;

/// Says what an agent is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Does what it should.
    Honest,
    /// Is never heard again.
    Offline,
    /// Answers seconds later.
    Slow,
    /// Answers twice.
    Duplicate,
    /// Answers also what it was never asked.
    Lying,
    /// Dies with the work, or right after its answer.
    Crashing,
}

impl Nature {
    /// Gives the nature of an agent.
    pub(super) fn of(agent: u32, seed: u64, parts: &Parts) -> Self {
        let mut left: f64 = dice(agent, seed, 0).random();
        for (part, nature) in [
            (parts.offline, Self::Offline),
            (parts.slow, Self::Slow),
            (parts.duplicate, Self::Duplicate),
            (parts.lying, Self::Lying),
            (parts.crashing, Self::Crashing),
        ] {
            if left < part {
                return nature;
            }
            left -= part;
        }
        Self::Honest
    }
}

/// Says how an agent's answer to an action ends.
pub(super) fn ending(agent: u32, seed: u64, action: i64, parts: &Parts) -> CommandStatus {
    let dice: f64 = dice(agent, seed, action.unsigned_abs()).random();
    if dice < parts.failing {
        CommandStatus::Failed
    } else if dice < parts.failing + parts.timing_out {
        CommandStatus::Timeout
    } else {
        CommandStatus::Success
    }
}

/// Gives the dice of an agent for one purpose.
pub(super) fn dice(agent: u32, seed: u64, purpose: u64) -> StdRng {
    let mix = u64::from(agent).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    StdRng::seed_from_u64(seed ^ mix ^ purpose.rotate_left(17))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Parts = Parts {
        offline: 0.1,
        slow: 0.1,
        duplicate: 0.1,
        lying: 0.1,
        crashing: 0.1,
        failing: 0.2,
        timing_out: 0.1,
    };

    #[test]
    fn a_seed_makes_a_fleet_and_another_makes_another() {
        let fleet =
            |seed| (0..2000).map(|agent| Nature::of(agent, seed, &PARTS)).collect::<Vec<_>>();
        assert_eq!(fleet(1), fleet(1));
        assert_ne!(fleet(1), fleet(2));
        for nature in [Nature::Offline, Nature::Slow, Nature::Lying, Nature::Crashing] {
            let count = fleet(1).into_iter().filter(|one| *one == nature).count();
            assert!((140..260).contains(&count), "{count} are {nature:?}");
        }
    }

    #[test]
    fn answers_end_as_often_as_asked() {
        let ends = (0..2000).map(|agent| ending(agent, 1, 7, &PARTS)).collect::<Vec<_>>();
        let of = |status| ends.iter().filter(|end| **end == status).count();
        assert!((330..470).contains(&of(CommandStatus::Failed)));
        assert!((140..260).contains(&of(CommandStatus::Timeout)));
    }
}
