//! Writes a target in its canonical form, which reads back as the same tree.

use crate::ast::{Expr, Key, Shift, Value, ValueKind};
use crate::like::Escape;
use crate::{moment, path};
use std::fmt::{self, Display};

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => join(f, parts, " OR ", |part| matches!(part, Self::Or(_))),
            Self::And(parts) => {
                join(f, parts, " AND ", |part| matches!(part, Self::Or(_) | Self::And(_)))
            }
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                condition(f, inner, matches!(**inner, Self::Or(_) | Self::And(_)))
            }
            Self::Truth(value) => value.fmt(f),
            Self::Compare { left, op, right } => write!(f, "{left} {} {right}", op.symbol()),
            Self::Like { left, negated, pattern } => {
                let word = if pattern.insensitive { "ILIKE" } else { "LIKE" };
                write!(f, "{left} {}{word} {}", not(*negated), Quoted(&pattern.pattern))?;
                match pattern.escape {
                    Escape::Usual => Ok(()),
                    Escape::Off => f.write_str(" ESCAPE ''"),
                    Escape::Char(c) => write!(f, " ESCAPE {}", Quoted(&c.to_string())),
                }
            }
            Self::Match { left, negated, pattern } => {
                let not = if *negated { "!" } else { "" };
                let star = if pattern.insensitive { "*" } else { "" };
                write!(f, "{left} {not}~{star} {}", Quoted(&pattern.text))
            }
            Self::In { left, negated, list } => {
                write!(f, "{left} {}IN (", not(*negated))?;
                for (n, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Self::IsNull { value, negated } => write!(f, "{value} IS {}NULL", not(*negated)),
            Self::Between { value, negated, low, high } => {
                write!(f, "{value} {}BETWEEN {low} AND {high}", not(*negated))
            }
            // as `mig -target-found` writes it
            Self::Found { id, negated, action, found } => write!(
                f,
                "{id} {}IN (select agentid from commands, json_array_elements(commands.results) as r \
                 where actionid={action} and r#>>'{{foundanything}}' = '{found}')",
                not(*negated)
            ),
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    word: &str,
    wrapped: impl Fn(&Expr) -> bool,
) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(word)?;
        }
        condition(f, part, wrapped(part))?;
    }
    Ok(())
}

fn condition(f: &mut fmt::Formatter<'_>, part: &Expr, wrapped: bool) -> fmt::Result {
    if wrapped { write!(f, "({part})") } else { write!(f, "{part}") }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

/// Writes a text between quotes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ValueKind::Column { table: Some(table), name } => write!(f, "{table}.{name}"),
            ValueKind::Column { table: None, name } => f.write_str(name),
            ValueKind::Json { base, keys, text } => {
                inner(f, base)?;
                for (n, key) in keys.iter().enumerate() {
                    let last = n.saturating_add(1) == keys.len();
                    f.write_str(if last && *text { "->>" } else { "->" })?;
                    match key {
                        Key::Name(name) => Quoted(name).fmt(f)?,
                        Key::Index(index) => index.fmt(f)?,
                    }
                }
                Ok(())
            }
            ValueKind::Path { base, path } => {
                inner(f, base)?;
                write!(f, "#>>{}", Quoted(&path::write(path)))
            }
            ValueKind::Text(text) => Quoted(text).fmt(f),
            ValueKind::Int(number) => number.fmt(f),
            ValueKind::Num(number) => number.fmt(f),
            ValueKind::Bool(truth) => f.write_str(if *truth { "TRUE" } else { "FALSE" }),
            ValueKind::Null => f.write_str("NULL"),
            ValueKind::Now(None) => f.write_str("NOW()"),
            ValueKind::Now(Some(Shift { back, interval })) => {
                write!(f, "NOW() {} INTERVAL '{interval}'", if *back { "-" } else { "+" })
            }
            ValueKind::Time(at) => write!(f, "TIMESTAMP WITH TIME ZONE '{}'", moment::write(*at)),
            ValueKind::Cast(value, wanted) => {
                inner(f, value)?;
                write!(f, "::{}", wanted.name())
            }
            ValueKind::Fold(case, value) => write!(f, "{}({value})", case.function()),
        }
    }
}

/// Writes what stands before `::` or an arrow: in parentheses where SQL would otherwise take only a part of it.
fn inner(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    let wrapped = matches!(
        value.kind,
        ValueKind::Json { .. }
            | ValueKind::Path { .. }
            | ValueKind::Now(Some(_))
            | ValueKind::Int(..0)
    ) || matches!(&value.kind, ValueKind::Num(number) if number.is_negative());
    if wrapped { write!(f, "({value})") } else { value.fmt(f) }
}
