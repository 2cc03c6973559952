//! Finds out what each value of a target is, and whether it may stand where it stands.

use crate::ast::{Expr, Value, ValueKind};
use crate::columns::{Columns, Type};
use crate::datum::Datum;
use crate::error::{TargetError, TargetErrorKind};

/// Is what is known of a value before any row is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has a type of its own.
    Is(Type),
    /// It is a quoted text and becomes what its neighbour is.
    Quoted,
    /// It is NULL, which is everything.
    Null,
}

impl Kind {
    /// Gives the type that it has without a neighbour.
    pub(crate) fn alone(self) -> Type {
        match self {
            Self::Is(kind) => kind,
            Self::Quoted | Self::Null => Type::Text,
        }
    }
}

type Checked<T> = Result<T, TargetError>;

/// Checks a whole condition.
pub(crate) fn expr(expr: &Expr, columns: &Columns) -> Checked<()> {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => {
            parts.iter().try_for_each(|part| self::expr(part, columns))
        }
        Expr::Not(inner) => self::expr(inner, columns),
        Expr::Truth(value) => match kind(value, columns)? {
            Kind::Is(Type::Bool) | Kind::Null => Ok(()),
            other => {
                let found = other.alone();
                Err(value.at.error(TargetErrorKind::Kind { expected: "a condition", found }))
            }
        },
        Expr::Compare { left, right, .. } => common(left, right, columns).map(drop),
        Expr::Like { left, .. } | Expr::Match { left, .. } => textual(left, columns),
        Expr::In { left, list, .. } => member(left, list, columns).map(drop),
        Expr::IsNull { value, .. } => kind(value, columns).map(drop),
        Expr::Between { value, low, high, .. } => {
            common(value, low, columns)?;
            common(value, high, columns).map(drop)
        }
        Expr::Found { id, .. } => {
            kind(id, columns)?;
            if columns.commands {
                return Ok(());
            }
            let known = "lists of values".into();
            let name = "sub-select over commands".into();
            Err(id.at.error(TargetErrorKind::Unknown { what: "form of IN", name, known }))
        }
    }
}

/// Gives the type as which two values are compared.
pub(crate) fn common(left: &Value, right: &Value, columns: &Columns) -> Checked<Type> {
    let wanted = match (kind(left, columns)?, kind(right, columns)?) {
        (Kind::Is(left), Kind::Is(right)) if left == right => left,
        (Kind::Is(Type::Int | Type::Num), Kind::Is(Type::Int | Type::Num)) => Type::Num,
        (Kind::Is(left), Kind::Is(found)) => {
            return Err(right.at.error(TargetErrorKind::Mismatch { left, right: found }));
        }
        (Kind::Is(wanted), _) | (_, Kind::Is(wanted)) => wanted,
        _ => Type::Text,
    };
    if wanted == Type::Json {
        let expected = "a text (->> and #>> give texts, -> and columns give JSON)";
        return Err(left.at.error(TargetErrorKind::Kind { expected, found: wanted }));
    }
    quoted(left, wanted)?;
    quoted(right, wanted)?;
    Ok(wanted)
}

/// Gives the type as which a value is looked up in a list.
pub(crate) fn member(left: &Value, list: &[Value], columns: &Columns) -> Checked<Type> {
    let mut wanted: Option<Type> = None;
    for value in list {
        let next = common(left, value, columns)?;
        wanted = match (wanted, next) {
            // NULL says nothing of the others
            (_, _) if matches!(value.kind, ValueKind::Null) => wanted,
            (None, next) => Some(next),
            (Some(before), next) if before == next => wanted,
            (Some(Type::Int | Type::Num), Type::Int | Type::Num) => Some(Type::Num),
            (Some(before), next) => {
                return Err(value
                    .at
                    .error(TargetErrorKind::Mismatch { left: before, right: next }));
            }
        };
    }
    wanted.map_or_else(|| Ok(kind(left, columns)?.alone()), Ok)
}

/// Makes sure that a quoted text, if it is one, is what it is compared with.
fn quoted(value: &Value, wanted: Type) -> Checked<()> {
    match &value.kind {
        ValueKind::Text(text) if Datum::literal(text, wanted).is_none() => {
            Err(value.at.error(TargetErrorKind::Value { text: text.clone(), wanted }))
        }
        _ => Ok(()),
    }
}

fn textual(value: &Value, columns: &Columns) -> Checked<()> {
    match kind(value, columns)?.alone() {
        Type::Text => Ok(()),
        found => {
            let expected = "a text (other values can be cast with ::text)";
            Err(value.at.error(TargetErrorKind::Kind { expected, found }))
        }
    }
}

/// Gives what a value is.
pub(crate) fn kind(value: &Value, columns: &Columns) -> Checked<Kind> {
    Ok(Kind::Is(match &value.kind {
        ValueKind::Column { table, name } => column(value, table.as_deref(), name, columns)?,
        ValueKind::Json { base, text, .. } => {
            document(base, columns)?;
            if *text { Type::Text } else { Type::Json }
        }
        ValueKind::Path { base, .. } => {
            document(base, columns)?;
            Type::Text
        }
        ValueKind::Text(_) => return Ok(Kind::Quoted),
        ValueKind::Null => return Ok(Kind::Null),
        ValueKind::Int(_) => Type::Int,
        ValueKind::Num(_) => Type::Num,
        ValueKind::Bool(_) => Type::Bool,
        ValueKind::Now(_) | ValueKind::Time(_) => Type::Time,
        ValueKind::Cast(inner, wanted) => {
            cast(inner, *wanted, columns)?;
            *wanted
        }
        ValueKind::Fold(_, inner) => {
            textual(inner, columns)?;
            Type::Text
        }
    }))
}

fn column(value: &Value, table: Option<&str>, name: &str, columns: &Columns) -> Checked<Type> {
    if let Some(table) = table.filter(|table| *table != columns.table) {
        return Err(value.at.error(TargetErrorKind::Unknown {
            what: "table",
            name: table.into(),
            known: columns.table.into(),
        }));
    }
    columns.find(name).map(|(_, _, kind)| kind).ok_or_else(|| {
        let known = columns.names().collect::<Vec<_>>().join(", ");
        value.at.error(TargetErrorKind::Unknown { what: "column", name: name.into(), known })
    })
}

fn document(base: &Value, columns: &Columns) -> Checked<()> {
    match kind(base, columns)? {
        Kind::Is(Type::Json) => Ok(()),
        other => Err(base.at.error(TargetErrorKind::Kind {
            expected: "a JSON column before the arrow",
            found: other.alone(),
        })),
    }
}

fn cast(inner: &Value, to: Type, columns: &Columns) -> Checked<()> {
    let from = match kind(inner, columns)? {
        Kind::Null => return Ok(()),
        Kind::Quoted if to != Type::Json => return quoted(inner, to),
        other => other.alone(),
    };
    let exists = match (from, to) {
        (from, to) if from == to => true,
        (Type::Text, to) => to != Type::Json,
        (Type::Int | Type::Bool | Type::Time | Type::Json, Type::Text)
        | (Type::Int, Type::Num)
        | (Type::Num | Type::Bool, Type::Int) => true,
        _ => false,
    };
    if exists { Ok(()) } else { Err(inner.at.error(TargetErrorKind::Cast { from, to })) }
}

#[cfg(test)]
mod tests;
