//! Writes a target as SQL. The text is put together from words of this file and the column map only: every value,
//! and every name inside a JSON document, is a bind.

mod value;

use crate::ast::{Expr, Op, Value};
use crate::check;
use crate::columns::{Columns, Type};
use time::OffsetDateTime;

/// Is a condition for a `where` clause, and the values of its placeholders.
#[derive(Debug, Clone, PartialEq)]
pub struct Sql {
    /// The condition, in parentheses.
    pub text: String,
    /// The values, in the order of their placeholders.
    pub binds: Vec<Bind>,
}

/// Is the value of one placeholder; the text casts each to the type named here.
#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    /// `text`
    Text(String),
    /// `bigint`
    Int(i64),
    /// `double precision`
    Float(f64),
    /// `boolean`
    Bool(bool),
    /// `timestamptz`
    Time(OffsetDateTime),
}

/// Writes a condition that has been checked against these columns.
pub(crate) fn write(
    expr: &Expr,
    columns: &Columns,
    first: usize,
    now: Option<OffsetDateTime>,
) -> Sql {
    let mut writer = Writer { columns, first, now, binds: Vec::new() };
    let text = format!("({})", writer.expr(expr));
    Sql { text, binds: writer.binds }
}

struct Writer<'a> {
    columns: &'a Columns,
    first: usize,
    now: Option<OffsetDateTime>,
    binds: Vec<Bind>,
}

impl Writer<'_> {
    /// Binds a value and gives its placeholder, with its type so that PostgreSQL need not guess.
    fn bind(&mut self, bind: Bind) -> String {
        let number = self.first.saturating_add(self.binds.len());
        let kind = match bind {
            Bind::Text(_) => "text",
            Bind::Int(_) => "bigint",
            Bind::Float(_) => "double precision",
            Bind::Bool(_) => "boolean",
            Bind::Time(_) => "timestamptz",
        };
        self.binds.push(bind);
        format!("${number}::{kind}")
    }

    fn expr(&mut self, expr: &Expr) -> String {
        match expr {
            Expr::Or(parts) => self.joined(parts, " or "),
            Expr::And(parts) => self.joined(parts, " and "),
            Expr::Not(inner) => format!("not ({})", self.expr(inner)),
            Expr::Truth(value) => self.value(value, Type::Bool),
            Expr::Compare { left, op, right } => self.compare(left, *op, right),
            Expr::Like { left, negated, pattern } => {
                let left = self.value(left, Type::Text);
                let word = if pattern.insensitive { "ilike" } else { "like" };
                let pattern = self.bind(Bind::Text(pattern.standard()));
                format!("{left} {}{word} {pattern}", not(*negated))
            }
            Expr::Match { left, negated, pattern } => {
                let left = self.value(left, Type::Text);
                let not = if *negated { "!" } else { "" };
                let star = if pattern.insensitive { "*" } else { "" };
                let pattern = self.bind(Bind::Text(pattern.text.clone()));
                format!("{left} {not}~{star} {pattern}")
            }
            Expr::In { left, negated, list } => {
                let wanted = check::member(left, list, self.columns).unwrap_or(Type::Text);
                let left = self.value(left, wanted);
                let list: Vec<String> =
                    list.iter().map(|value| self.value(value, wanted)).collect();
                format!("{left} {}in ({})", not(*negated), list.join(", "))
            }
            Expr::IsNull { value, negated } => {
                let value = self.value(value, Type::Text);
                format!("{value} is {}null", not(*negated))
            }
            // each bound has its own type, so that these are two comparisons, as for PostgreSQL itself
            Expr::Between { value, negated, low, high } => {
                let from = self.compare(value, Op::GreaterOrEqual, low);
                let to = self.compare(value, Op::LessOrEqual, high);
                format!("{}({from} and {to})", not(*negated))
            }
            Expr::Found { id, negated, action, found } => {
                let id = self.value(id, Type::Int);
                let action = self.bind(Bind::Int(action.0));
                let found = self.bind(Bind::Bool(*found));
                format!(
                    "{id} {}in (select c.agent_id from command c where c.action_id = {action} and {found} = any(c.found))",
                    not(*negated)
                )
            }
        }
    }

    fn joined(&mut self, parts: &[Expr], word: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.expr(part)).collect();
        format!("({})", parts.join(word))
    }

    fn compare(&mut self, left: &Value, op: Op, right: &Value) -> String {
        let wanted = check::common(left, right, self.columns).unwrap_or(Type::Text);
        // texts are ordered by their bytes, whatever the database's language is
        let collate = if wanted == Type::Text && op.orders() { " collate \"C\"" } else { "" };
        let left = self.value(left, wanted);
        let right = self.value(right, wanted);
        format!("{left}{collate} {} {right}", op.symbol())
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

#[cfg(test)]
mod tests;
