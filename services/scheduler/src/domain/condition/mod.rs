//! Conditions of if- and while-steps: CACAO's STIX patterns as real playbooks write them (specs/soarca/cacao.md §5).

mod compare;
mod parse;
#[cfg(test)]
mod tests;

use super::text;
use super::variable::Variables;
use types::cacao::parse_bool;

/// Is a condition, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    /// A bool alone.
    Flag(String),
    Compare(String, Operator, Right),
}

/// Is what stands on the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Right {
    One(String),
    Set(Vec<String>),
}

/// Says how two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// Gives the beginning of a value, which is enough to be told: a failure is logged and shown.
fn cut(value: &str) -> String {
    value.chars().take(60).collect()
}

impl Condition {
    /// Reads a condition.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        parse::condition(source)
    }

    /// Tells whether it holds.
    pub(crate) fn holds(&self, scope: &Variables) -> Result<bool, String> {
        match self {
            Self::Or(parts) => {
                for part in parts {
                    if part.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(parts) => {
                for part in parts {
                    if !part.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(part) => Ok(!part.holds(scope)?),
            Self::Flag(flag) => {
                let value = text::plain(flag, scope, text::COMPARED)?;
                parse_bool(&value)
                    .ok_or_else(|| format!("{} is {:?}, which is no bool", cut(flag), cut(&value)))
            }
            Self::Compare(left, operator, right) => compare::compare(left, *operator, right, scope),
        }
    }
}
