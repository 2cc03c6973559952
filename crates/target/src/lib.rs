//! The target language: which agents an action is for, which loaders a manifest is for.
//!
//! A target looks like the condition of an SQL `where` clause, for that is what it was in MIG, where any SQL could be
//! put into it. Here it is a small language of its own (specs/mig/data-model.md §4.3):
//! it is parsed ([`parse()`]), checked against the columns it may use ([`Target::check`]), and then either turned into
//! SQL in which every value is a bind ([`Target::to_sql`]), or evaluated in memory ([`Target::eval`]).
//!
//! Where it is narrower than SQL: regular expressions are those that both PostgreSQL and memory understand alike and
//! at a bounded price; times are written `2026-11-21 20:15:00+01`; numbers have at most 18 digits on each side of the
//! point; `int` is as wide as `bigint`; a text is compared with a number only after a cast.
//!
//! A checked target never makes PostgreSQL fail at some row: patterns are looked at beforehand, and a text of a row
//! that cannot be cast to what the target asks for is NULL. Times without a zone are in UTC, texts are ordered by
//! their bytes, so that neither the session nor the language of the database changes who is meant.

mod ast;
mod check;
mod columns;
mod cursor;
mod datum;
mod decimal;
mod error;
mod eval;
mod fold;
mod inet;
mod interval;
mod json;
mod lexer;
mod like;
mod moment;
mod parse;
mod path;
mod print;
mod read;
mod regexp;
mod sql;

pub use columns::{Columns, Type};
pub use cursor::MAX_DEPTH;
pub use error::{TargetError, TargetErrorKind};
pub use eval::{Field, Row};
pub use lexer::{MAX_BYTES, MAX_CHARS};
pub use sql::{Bind, Sql};

use std::fmt::{self, Display};
use time::OffsetDateTime;

/// Is a target that is well formed; whether its columns exist and its types fit, [`Target::check`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    expr: ast::Expr,
}

/// Reads a target.
pub fn parse(text: &str) -> Result<Target, TargetError> {
    Ok(Target { expr: parse::target(text)? })
}

impl Target {
    /// Checks that all columns exist and that everything is compared with what it can be compared with.
    pub fn check(&self, columns: &Columns) -> Result<(), TargetError> {
        check::expr(&self.expr, columns)
    }

    /// Writes the target as SQL whose first placeholder is `$first_bind`.
    ///
    /// A target that does not pass the check matches nothing: its SQL is `(false)`.
    pub fn to_sql(&self, columns: &Columns, first_bind: usize) -> Sql {
        self.sql(columns, first_bind, None)
    }

    /// Writes the target as SQL in which `NOW()` is this moment instead of the database's.
    pub fn to_sql_at(&self, columns: &Columns, first_bind: usize, now: OffsetDateTime) -> Sql {
        self.sql(columns, first_bind, Some(now))
    }

    fn sql(&self, columns: &Columns, first_bind: usize, now: Option<OffsetDateTime>) -> Sql {
        if self.check(columns).is_err() {
            return Sql { text: "(false)".into(), binds: Vec::new() };
        }
        sql::write(&self.expr, columns, first_bind, now)
    }

    /// Says whether the target is true of a row; nothing where SQL says NULL, which means no.
    pub fn eval(&self, row: &dyn Row, now: OffsetDateTime) -> Option<bool> {
        eval::Scope { row, now }.expr(&self.expr)
    }
}

impl Display for Target {
    /// Writes the canonical form, which reads back as the same target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

#[cfg(test)]
mod laws;
