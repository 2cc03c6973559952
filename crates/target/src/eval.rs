//! Evaluates a target over one row in memory, to the same answer as its SQL.

use crate::ast::{Case, Expr, Op, Value, ValueKind};
use crate::datum::Datum;
use crate::{fold, json};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use time::OffsetDateTime;
use types::ActionId;

/// Is something a target can be asked of: one agent or one loader.
pub trait Row {
    /// Gives a column by MIG's name, in lower case; [`Field::Null`] for one that the row does not have.
    fn field(&self, column: &str) -> Field<'_>;

    /// Says whether an operation of this action came back from the agent with this as its *found*.
    fn found(&self, action: ActionId, found: bool) -> bool {
        let _ = (action, found);
        false
    }
}

/// Is what a row has in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// Nothing.
    Null,
    /// A text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A moment.
    Time(OffsetDateTime),
    /// A JSON document.
    Json(&'a Json),
}

/// Is what a target is evaluated over.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) row: &'a dyn Row,
    pub(crate) now: OffsetDateTime,
}

impl<'a> Scope<'a> {
    /// Gives the truth of a condition; nothing where SQL says NULL.
    pub(crate) fn expr(self, expr: &'a Expr) -> Option<bool> {
        match expr {
            Expr::Or(parts) => any(parts.iter().map(|part| self.expr(part))),
            Expr::And(parts) => any(parts.iter().map(|part| not(self.expr(part), true)))
                .map(|some_fails| !some_fails),
            Expr::Not(inner) => not(self.expr(inner), true),
            Expr::Truth(value) => match self.value(value) {
                Datum::Bool(truth) => Some(truth),
                _ => None,
            },
            Expr::Compare { left, op, right } => self.compare(left, *op, right),
            Expr::Like { left, negated, pattern } => {
                not(self.text(left).map(|text| pattern.matches(&text)), *negated)
            }
            Expr::Match { left, negated, pattern } => {
                not(self.text(left).map(|text| pattern.matches(&text)), *negated)
            }
            Expr::In { left, negated, list } => {
                not(any(list.iter().map(|value| self.compare(left, Op::Equal, value))), *negated)
            }
            Expr::IsNull { value, negated } => Some((self.value(value) == Datum::Null) != *negated),
            Expr::Between { value, negated, low, high } => {
                let below = not(self.compare(value, Op::GreaterOrEqual, low), true);
                let above = not(self.compare(value, Op::LessOrEqual, high), true);
                not(any([below, above].into_iter()), !*negated)
            }
            Expr::Found { negated, action, found, .. } => {
                Some(self.row.found(*action, *found) != *negated)
            }
        }
    }

    fn compare(self, left: &'a Value, op: Op, right: &'a Value) -> Option<bool> {
        let (mut a, mut b) = (self.value(left), self.value(right));
        // a quoted text becomes what its neighbour is
        match (&left.kind, &right.kind) {
            (ValueKind::Text(_), ValueKind::Text(_)) => {}
            (ValueKind::Text(text), _) => a = Datum::literal(text, b.kind()?)?,
            (_, ValueKind::Text(text)) => b = Datum::literal(text, a.kind()?)?,
            _ => {}
        }
        let order = a.compare(&b)?;
        Some(match op {
            Op::Equal => order == Ordering::Equal,
            Op::NotEqual => order != Ordering::Equal,
            Op::Less => order == Ordering::Less,
            Op::LessOrEqual => order != Ordering::Greater,
            Op::Greater => order == Ordering::Greater,
            Op::GreaterOrEqual => order != Ordering::Less,
        })
    }

    fn text(self, value: &'a Value) -> Option<Cow<'a, str>> {
        match self.value(value) {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    fn json(self, base: &'a Value) -> Option<&'a Json> {
        match self.value(base) {
            Datum::Json(json) => Some(json),
            _ => None,
        }
    }

    fn value(self, value: &'a Value) -> Datum<'a> {
        let given = match &value.kind {
            ValueKind::Column { name, .. } => Some(self.row.field(name).into()),
            ValueKind::Json { base, keys, text } => {
                let json = self.json(base).and_then(|json| keys.iter().try_fold(json, json::step));
                if *text { json.and_then(text_of) } else { json.map(Datum::Json) }
            }
            ValueKind::Path { base, path } => {
                self.json(base).and_then(|json| json::follow(json, path)).and_then(text_of)
            }
            ValueKind::Text(text) => Some(Datum::Text(Cow::Borrowed(text))),
            ValueKind::Int(number) => Some(Datum::Int(*number)),
            ValueKind::Num(number) => Some(Datum::Num(*number)),
            ValueKind::Bool(truth) => Some(Datum::Bool(*truth)),
            ValueKind::Null => None,
            ValueKind::Now(None) => Some(Datum::Time(self.now)),
            ValueKind::Now(Some(shift)) => {
                shift.interval.moves(self.now, shift.back).map(Datum::Time)
            }
            ValueKind::Time(at) => Some(Datum::Time(*at)),
            ValueKind::Cast(inner, wanted) => match &inner.kind {
                ValueKind::Text(text) => Datum::literal(text, *wanted),
                _ => Some(self.value(inner).cast(*wanted)),
            },
            ValueKind::Fold(case, inner) => self.text(inner).map(|text| {
                let fold = if *case == Case::Lower { fold::lower } else { fold::upper };
                Datum::Text(text.chars().map(fold).collect())
            }),
        };
        given.unwrap_or(Datum::Null)
    }
}

fn text_of(json: &Json) -> Option<Datum<'_>> {
    json::text(json).map(Datum::Text)
}

/// Gives true if one is true, else NULL if one is NULL, else false.
fn any(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(false);
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// Turns an answer round if told so; NULL stays.
fn not(truth: Option<bool>, negated: bool) -> Option<bool> {
    truth.map(|truth| truth != negated)
}

impl<'a> From<Field<'a>> for Datum<'a> {
    fn from(field: Field<'a>) -> Self {
        match field {
            Field::Null => Self::Null,
            Field::Text(text) => Self::Text(Cow::Borrowed(text)),
            Field::Int(number) => Self::Int(number),
            Field::Bool(truth) => Self::Bool(truth),
            Field::Time(at) => Self::Time(at),
            Field::Json(json) => Self::Json(json),
        }
    }
}

#[cfg(test)]
mod tests;
