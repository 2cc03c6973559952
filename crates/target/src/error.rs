//! What can be wrong with a target, and where.

use crate::columns::Type;
use std::fmt::{self, Display};

/// Says what is wrong with a target, and at which place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("position {column}: {kind}")]
pub struct TargetError {
    /// The offset of the place in bytes.
    pub at: usize,
    /// The number of the character there, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub kind: TargetErrorKind,
}

/// Says what is wrong with a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetErrorKind {
    /// There is nothing but spaces.
    #[error("the target is empty; write a condition such as status = 'online'")]
    Empty,
    /// It is longer than [`crate::MAX_CHARS`] characters or [`crate::MAX_BYTES`] bytes.
    #[error("the target is longer than {limit} characters", limit = crate::MAX_CHARS)]
    TooLong,
    /// Parentheses, NOTs or casts are nested too deep.
    #[error("parentheses, NOT and casts are nested more than {limit} deep", limit = crate::MAX_DEPTH)]
    TooDeep,
    /// A character that begins nothing in this language.
    #[error("unexpected character {0:?}")]
    Character(char),
    /// `--` or `/*`.
    #[error("a target has no comments")]
    Comment,
    /// A quote that is never closed.
    #[error("the text that begins here has no closing quote")]
    Unterminated,
    /// A number with letters in it, or with too many digits.
    #[error("{} is not a number of at most 18 digits before and after the point", Shown(.0))]
    Number(String),
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What may stand here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// A column, table or function that does not exist.
    #[error("there is no {what} {}; known: {known}", Shown(.name))]
    Unknown {
        /// `column`, `table`, `type` or `function`.
        what: &'static str,
        /// The name as written.
        name: String,
        /// The names that would be right.
        known: String,
    },
    /// Two values that cannot be compared.
    #[error("{left} cannot be compared with {right}; quote the value or cast one side")]
    Mismatch {
        /// What stands left.
        left: Type,
        /// What stands right.
        right: Type,
    },
    /// A value of the wrong kind.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What is needed.
        expected: &'static str,
        /// What is there.
        found: Type,
    },
    /// A quoted value that is not what it must be.
    #[error("{} is not {wanted}", Shown(.text))]
    Value {
        /// The text between the quotes.
        text: String,
        /// What it must be.
        wanted: Type,
    },
    /// A cast that does not exist.
    #[error("{from} cannot be cast to {to}")]
    Cast {
        /// What is there.
        from: Type,
        /// What is asked for.
        to: Type,
    },
    /// A pattern, a path or an interval that is not one.
    #[error("{} is not a valid {what}: {reason}", Shown(.text))]
    Malformed {
        /// `LIKE pattern`, `regular expression`, `path` or `interval`.
        what: &'static str,
        /// The text between the quotes.
        text: String,
        /// Why not.
        reason: &'static str,
    },
}

/// Shows a piece of the input, cut and with odd characters escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: usize = 40;
        let short: String = self.0.chars().take(LIMIT).collect();
        let dots = if short.len() < self.0.len() { "…" } else { "" };
        write!(f, "'{}{dots}'", short.replace(char::is_control, "\u{fffd}"))
    }
}
