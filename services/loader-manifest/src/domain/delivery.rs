//! How far a loader is with a manifest, told by what it asks for: MIG's loaders report nothing.
//!
//! A loader that asks again and fetches nothing has what it was given. One that fetches a file that it fetched in an
//! earlier run did not keep it; one that comes again without a file that differs from what it had does not take the
//! manifest.

/// Says how far a loader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It was given the list and fetched nothing yet.
    Offered,
    /// It fetches files.
    Fetching,
    /// It has what it needs.
    Taken,
    /// It does not get there.
    Failed,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Offered, Self::Fetching, Self::Taken, Self::Failed];

    /// Gives the word in the database and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Fetching => "fetching",
            Self::Taken => "taken",
            Self::Failed => "failed",
        }
    }

    /// Reads the word back.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Is one manifest on its way to one loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) state: State,
    /// Whether a file that loaders know differs from what this one had before.
    pub(crate) differs: bool,
    /// What it fetched in the run at hand, by position.
    pub(crate) fetching: Vec<i32>,
    /// What it fetched in runs before.
    pub(crate) fetched: Vec<i32>,
}

impl Delivery {
    /// Begins: the loader was given the list.
    pub(crate) fn new() -> Self {
        Self { state: State::Offered, differs: false, fetching: vec![], fetched: vec![] }
    }

    /// Gives the state after the loader asked again and was given the same manifest.
    #[must_use]
    pub(crate) fn asked(mut self) -> Self {
        self.state = match self.state {
            State::Offered if self.differs => State::Failed,
            State::Offered => State::Offered,
            State::Failed if !self.fetching.is_empty() || self.fetched.is_empty() => State::Failed,
            State::Fetching | State::Taken | State::Failed => State::Taken,
        };
        for position in std::mem::take(&mut self.fetching) {
            if !self.fetched.contains(&position) {
                self.fetched.push(position);
            }
        }
        self
    }

    /// Gives the state after the loader asked for the file at `position`.
    #[must_use]
    pub(crate) fn fetches(mut self, position: i32) -> Self {
        let again = self.fetched.contains(&position);
        let failed = self.state == State::Failed && !self.fetching.is_empty();
        self.state = if again || failed { State::Failed } else { State::Fetching };
        if !self.fetching.contains(&position) {
            self.fetching.push(position);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(differs: bool) -> Delivery {
        Delivery { differs, ..Delivery::new() }
    }

    #[test]
    fn a_loader_that_fetches_and_comes_again_has_taken_it() {
        let run = new(true).fetches(1).fetches(2);
        assert_eq!(run.state, State::Fetching);
        let again = run.asked();
        assert_eq!((again.state, again.fetched.as_slice()), (State::Taken, [1, 2].as_slice()));
        assert_eq!(again.clone().asked(), again, "it stays so");
        // a file that was changed on the host since is fetched again
        assert_eq!(again.fetches(3).state, State::Fetching);
    }

    #[test]
    fn a_loader_that_fetches_the_same_again_has_failed_until_it_stops() {
        let second = new(false).fetches(1).asked().fetches(1);
        assert_eq!(second.state, State::Failed);
        let third = second.fetches(2).asked();
        assert_eq!(third.state, State::Failed, "it fetched in its last run");
        assert_eq!(third.asked().state, State::Taken);
    }

    #[test]
    fn a_loader_that_leaves_what_differs_does_not_take_it() {
        assert_eq!(new(true).asked().state, State::Failed);
        assert_eq!(new(true).asked().asked().state, State::Failed);
        assert_eq!(new(false).asked().state, State::Offered, "it may have had everything");
        assert_eq!(new(true).asked().fetches(1).state, State::Fetching);
    }

    #[test]
    fn words_read_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
        assert_eq!(State::parse("x"), None);
    }
}
