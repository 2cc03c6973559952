//! How a run of `writ` ends: exit codes, and failures that say what, why and what to do next.

use crate::output::text;
use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Says how a run of `writ` ended; scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done; every agent answered well.
    Ok,
    /// It could not be done: wrong input, no connection, refused by the server.
    Error,
    /// Agents answered, but some failed, ran too long, were cancelled or did not answer.
    Partial,
    /// The server does not know the caller (401) or the caller may not do this (403).
    Denied,
    /// The wait was over before the action was, or the action ended and nobody had answered.
    Timeout,
    /// The user pressed ctrl-C while following; the action goes on.
    Detached,
}

impl Exit {
    /// Gives the number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Partial => 2,
            Self::Denied => 3,
            Self::Timeout => 4,
            Self::Detached => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Tells apart what is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Trying again brings the same.
    #[default]
    Lasting,
    /// The server could not be reached or is busy.
    Passing,
    /// The answer was larger than what is read at once.
    TooLarge,
    /// Whoever read standard output is gone.
    ReaderGone,
}

/// Is a failure as the user reads it.
#[derive(Debug)]
pub struct Failure {
    /// What it means for the exit code.
    pub exit: Exit,
    /// Whether another try may help.
    pub kind: Kind,
    /// What went wrong.
    pub what: String,
    /// Why, one reason per line.
    pub why: Vec<String>,
    /// What to do next: a command where there is one.
    pub next: Option<String>,
    /// What the server calls this request.
    pub request_id: Option<String>,
}

impl Failure {
    /// Makes a failure that ends with exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Error,
            kind: Kind::Lasting,
            what: what.into(),
            why: Vec::new(),
            next: None,
            request_id: None,
        }
    }

    /// Adds a reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Sets the kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Writes the failure for a person; texts of the server are escaped.
    pub fn render(&self) -> String {
        let mut lines = vec![format!("error: {}", text::escape(&self.what))];
        lines.extend(self.why.iter().map(|why| format!("  why: {}", text::escape(why))));
        lines.extend(self.next.iter().map(|next| format!("  next: {next}")));
        lines
            .extend(self.request_id.iter().map(|id| format!("  request id: {}", text::escape(id))));
        lines.join("\n")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {}

/// Turns other errors into a [`Failure`] with the whole chain as its reason.
pub trait Because<T> {
    /// Says what could not be done.
    fn because(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Error> Because<T> for Result<T, E> {
    fn because(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(what()).why(chain(&error)))
    }
}

/// Joins an error and its sources, leaving out those that the one before them already quotes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}

/// Turns an error of writing to standard output into a failure; a reader that left early is none.
pub fn of_writing(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::new("").kind(Kind::ReaderGone).exit(Exit::Ok);
    }
    Failure::new("cannot write to standard output").why(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next_and_carries_no_control_characters() {
        let mut failure = Failure::new("the target does not parse")
            .why("column 5: \u{1b}[31mexpected a value")
            .next("writ run -t \"status='online'\" …");
        failure.request_id = Some("req-7".into());
        insta::assert_snapshot!(failure.render(), @r#"
        error: the target does not parse
          why: column 5: \u{1b}[31mexpected a value
          next: writ run -t "status='online'" …
          request id: req-7
        "#);
    }

    #[test]
    fn a_chain_does_not_repeat_itself() {
        let inner = io::Error::other("refused");
        assert_eq!(chain(&io::Error::other(inner)), "refused");
    }
}
