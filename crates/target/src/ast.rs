//! The tree of a target. Places are carried for messages and never make two trees different.

use crate::columns::Type;
use crate::decimal::Decimal;
use crate::error::{TargetError, TargetErrorKind};
use crate::interval::Interval;
use crate::like::Like;
use crate::regexp::Regexp;
use time::OffsetDateTime;
use types::ActionId;

/// Is a place in the text; all places are equal, so that trees compare by meaning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At {
    /// The offset in bytes.
    pub(crate) byte: usize,
    /// The number of the character, counted from 0.
    pub(crate) char: usize,
}

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl At {
    /// Makes an error of this place.
    pub(crate) fn error(self, kind: TargetErrorKind) -> TargetError {
        TargetError { at: self.byte, column: self.char.saturating_add(1), kind }
    }
}

/// Is a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// At least two conditions, one of which must hold.
    Or(Vec<Self>),
    /// At least two conditions, all of which must hold.
    And(Vec<Self>),
    /// The contrary.
    Not(Box<Self>),
    /// A value that is itself true or false.
    Truth(Value),
    /// `left op right`
    Compare { left: Value, op: Op, right: Value },
    /// `left [NOT] LIKE pattern`
    Like { left: Value, negated: bool, pattern: Like },
    /// `left ~ pattern` and its three relatives.
    Match { left: Value, negated: bool, pattern: Regexp },
    /// `left [NOT] IN (…)`
    In { left: Value, negated: bool, list: Vec<Value> },
    /// `value IS [NOT] NULL`
    IsNull { value: Value, negated: bool },
    /// `value [NOT] BETWEEN low AND high`
    Between { value: Value, negated: bool, low: Value, high: Value },
    /// The agents for which a command of an earlier action found, or did not find, anything.
    Found { id: Value, negated: bool, action: ActionId, found: bool },
}

/// Is one of the six comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Op {
    /// Gives the operator as SQL writes it.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Says whether it asks for an order rather than for sameness.
    pub(crate) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// Is a value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) at: At,
    pub(crate) kind: ValueKind,
}

/// Is something that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueKind {
    /// `[table.]name`, in lower case.
    Column { table: Option<String>, name: String },
    /// `base -> key ->> key`; `text` when the last arrow is `->>`.
    Json { base: Box<Value>, keys: Vec<Key>, text: bool },
    /// `base #>> '{a,b,0}'`
    Path { base: Box<Value>, path: Vec<String> },
    /// `'…'`; what it means depends on what it is compared with.
    Text(String),
    /// A number without a point.
    Int(i64),
    /// A number with a point.
    Num(Decimal),
    /// `TRUE` or `FALSE`
    Bool(bool),
    /// `NULL`
    Null,
    /// `NOW()`, maybe moved.
    Now(Option<Shift>),
    /// `TIMESTAMP '…'`
    Time(OffsetDateTime),
    /// `value::type`
    Cast(Box<Value>, Type),
    /// `lower(value)` or `upper(value)`
    Fold(Case, Box<Value>),
}

/// Is one step into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// The member of an object.
    Name(String),
    /// The element of an array; negative counts from the end.
    Index(i32),
}

/// Moves a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    /// Whether it is moved to the past.
    pub(crate) back: bool,
    /// How far.
    pub(crate) interval: Interval,
}

/// Names the two letter cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    Upper,
}

impl Case {
    /// Gives the name of the function.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
        }
    }
}
