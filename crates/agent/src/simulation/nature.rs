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
    /// Dies with the work, right after its answer, or while it asks or answers.
    Crashing,
    /// Has not the module that actions need.
    Lacking,
    /// Describes its machine anew now and then.
    Describing,
    /// Starts, beats, fetches its work, answers and ends; of MIG's agents only.
    Checkin,
}

/// What agents have that lack a module.
const LEFT: &[&str] = &["ping"];

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
            (parts.lacking, Self::Lacking),
            (parts.describing, Self::Describing),
            (parts.checkin, Self::Checkin),
        ] {
            if left < part {
                return nature;
            }
            left -= part;
        }
        Self::Honest
    }

    /// Gives its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Offline => "offline",
            Self::Slow => "slow",
            Self::Duplicate => "duplicate",
            Self::Lying => "lying",
            Self::Crashing => "crashing",
            Self::Lacking => "lacking",
            Self::Describing => "describing",
            Self::Checkin => "checkin",
        }
    }

    /// Gives the modules that an agent has, of `all` that its kind has.
    pub(super) fn modules(self, all: &'static [&'static str]) -> &'static [&'static str] {
        if self == Self::Lacking && !all.is_empty() { LEFT } else { all }
    }

    /// Tells whether it lacks one of these modules, of `all` that its kind has.
    pub(super) fn lacks(self, needed: &[String], all: &'static [&'static str]) -> bool {
        !needed.iter().all(|needed| self.modules(all).contains(&needed.as_str()))
    }

    /// Tells whether it answers all that it is given, as long as it can.
    pub(super) fn answers(self) -> bool {
        !matches!(self, Self::Offline | Self::Crashing)
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
        lacking: 0.1,
        describing: 0.1,
        checkin: 0.1,
        failing: 0.2,
        timing_out: 0.1,
    };

    #[test]
    fn a_seed_makes_a_fleet_and_another_makes_another() {
        let fleet =
            |seed| (0..2000).map(|agent| Nature::of(agent, seed, &PARTS)).collect::<Vec<_>>();
        assert_eq!(fleet(1), fleet(1));
        assert_ne!(fleet(1), fleet(2));
        for nature in
            [Nature::Offline, Nature::Slow, Nature::Lying, Nature::Crashing, Nature::Checkin]
        {
            let count = fleet(1).into_iter().filter(|one| *one == nature).count();
            assert!((140..260).contains(&count), "{count} are {nature:?}");
        }
    }

    #[test]
    fn one_that_lacks_a_module_has_the_others() {
        let all = &["file", "ping"];
        let file = ["ping".to_owned(), "file".to_owned()];
        assert!(Nature::Lacking.lacks(&file, all) && !Nature::Honest.lacks(&file, all));
        assert!(!Nature::Lacking.lacks(&file[..1], all));
        assert!(Nature::Honest.lacks(&["netstat".to_owned()], all));
    }

    #[test]
    fn answers_end_as_often_as_asked() {
        let ends = (0..2000).map(|agent| ending(agent, 1, 7, &PARTS)).collect::<Vec<_>>();
        let of = |status| ends.iter().filter(|end| **end == status).count();
        assert!((330..470).contains(&of(CommandStatus::Failed)));
        assert!((140..260).contains(&of(CommandStatus::Timeout)));
    }
}
