//! Reads values: columns, paths into JSON, literals, times, casts and the two functions.

mod time;

use super::{Parsed, or};
use crate::ast::{At, Case, Expr, Key, Value, ValueKind};
use crate::columns::Type;
use crate::cursor::Cursor;
use crate::decimal::Decimal;
use crate::error::{TargetError, TargetErrorKind};
use crate::lexer::Token;
use crate::path;

/// How often a value may be cast.
const CASTS: usize = 3;

/// Words that are no columns.
const RESERVED: [&str; 21] = [
    "and",
    "as",
    "between",
    "current_timestamp",
    "escape",
    "from",
    "ilike",
    "in",
    "interval",
    "is",
    "like",
    "not",
    "now",
    "null",
    "or",
    "select",
    "similar",
    "timestamp",
    "true",
    "false",
    "where",
];

/// Reads a value with everything that belongs to it.
pub(super) fn operand(cursor: &mut Cursor) -> Parsed<Value> {
    let at = cursor.at();
    if !cursor.symbol("(") {
        let value = primary(cursor)?;
        return postfix(cursor, value);
    }
    let inner = cursor.nested(or)?;
    cursor.need_symbol(")")?;
    match inner {
        Expr::Truth(value) => postfix(cursor, value),
        _ => Err(at.error(TargetErrorKind::Expected {
            expected: "a value",
            found: "a condition in parentheses".into(),
        })),
    }
}

/// Reads a value without the arrows and casts behind it.
pub(super) fn primary(cursor: &mut Cursor) -> Parsed<Value> {
    let at = cursor.at();
    let kind = match cursor.peek().clone() {
        Token::Text(text) => {
            cursor.next();
            ValueKind::Text(text)
        }
        Token::Number(_) | Token::Symbol("+" | "-") => number(cursor)?,
        Token::Word(word) => match word.as_str() {
            "true" | "false" => {
                cursor.next();
                ValueKind::Bool(word == "true")
            }
            "null" => {
                cursor.next();
                ValueKind::Null
            }
            "now" | "current_timestamp" => time::now(cursor)?,
            "timestamp" | "timestamptz" => time::timestamp(cursor)?,
            _ if RESERVED.contains(&word.as_str()) => return Err(cursor.expected("a value")),
            _ => name(cursor, at, word)?,
        },
        _ => return Err(cursor.expected("a value")),
    };
    Ok(Value { at, kind })
}

fn number(cursor: &mut Cursor) -> Parsed<ValueKind> {
    let at = cursor.at();
    let sign = if cursor.symbol("-") {
        "-"
    } else {
        cursor.symbol("+");
        ""
    };
    let Token::Number(digits) = cursor.peek() else { return Err(cursor.expected("a number")) };
    let text = format!("{sign}{digits}");
    cursor.next();
    let kind = if text.contains('.') {
        Decimal::parse(&text).map(ValueKind::Num)
    } else {
        text.parse().ok().map(ValueKind::Int)
    };
    kind.ok_or_else(|| at.error(TargetErrorKind::Number(text)))
}

/// Reads what begins with a name: a column, or a call of one of the two functions.
fn name(cursor: &mut Cursor, at: At, name: String) -> Parsed<ValueKind> {
    cursor.next();
    if cursor.symbol(".") {
        let Token::Word(column) = cursor.peek().clone() else {
            return Err(cursor.expected("the name of a column"));
        };
        cursor.next();
        return Ok(ValueKind::Column { table: Some(name), name: column });
    }
    if !cursor.symbol("(") {
        return Ok(ValueKind::Column { table: None, name });
    }
    let case = match name.as_str() {
        "lower" => Case::Lower,
        "upper" => Case::Upper,
        _ => {
            let known = "now, lower, upper".into();
            return Err(at.error(TargetErrorKind::Unknown { what: "function", name, known }));
        }
    };
    let value = cursor.nested(operand)?;
    cursor.need_symbol(")")?;
    Ok(ValueKind::Fold(case, Box::new(value)))
}

/// Reads the arrows and casts behind a value.
pub(super) fn postfix(cursor: &mut Cursor, mut value: Value) -> Parsed<Value> {
    let mut bare_arrow = false;
    let mut casts = casts(&value);
    loop {
        let at = value.at;
        let before = cursor.at();
        let kind = if cursor.symbol("::") {
            if bare_arrow {
                // in SQL the cast would be of the key
                return Err(before.error(TargetErrorKind::Expected {
                    expected: "parentheses around what is cast, as in (tags->>'x')::int",
                    found: "'::'".into(),
                }));
            }
            casts = casts.saturating_add(1);
            if casts > CASTS {
                return Err(before.error(TargetErrorKind::TooDeep));
            }
            ValueKind::Cast(Box::new(value), cast_type(cursor)?)
        } else if matches!(cursor.peek(), Token::Symbol("->" | "->>" | "#>>")) {
            bare_arrow = true;
            arrow(cursor, value)?
        } else {
            return Ok(value);
        };
        value = Value { at, kind };
    }
}

/// Counts the casts in a value.
fn casts(value: &Value) -> usize {
    match &value.kind {
        ValueKind::Cast(inner, _) => casts(inner).saturating_add(1),
        ValueKind::Json { base: inner, .. }
        | ValueKind::Path { base: inner, .. }
        | ValueKind::Fold(_, inner) => casts(inner),
        _ => 0,
    }
}

/// Reads one arrow: adds a step to a path, or begins one.
fn arrow(cursor: &mut Cursor, value: Value) -> Parsed<ValueKind> {
    if matches!(value.kind, ValueKind::Json { text: true, .. } | ValueKind::Path { .. }) {
        return Err(cursor.expected(
            "a comparison (what ->> and #>> give is a text; write -> before the last step)",
        ));
    }
    if cursor.symbol("#>>") {
        return Ok(ValueKind::Path { base: Box::new(value), path: keys(cursor)? });
    }
    let text = cursor.symbol("->>");
    if !text {
        cursor.need_symbol("->")?;
    }
    let key = key(cursor)?;
    Ok(match value.kind {
        ValueKind::Json { base, mut keys, .. } => {
            keys.push(key);
            ValueKind::Json { base, keys, text }
        }
        _ => ValueKind::Json { base: Box::new(value), keys: vec![key], text },
    })
}

fn key(cursor: &mut Cursor) -> Parsed<Key> {
    let negative = cursor.symbol("-");
    let key = match cursor.peek() {
        Token::Text(text) if !negative => Some(Key::Name(text.clone())),
        Token::Number(digits) => {
            let sign = if negative { "-" } else { "" };
            format!("{sign}{digits}").parse().ok().map(Key::Index)
        }
        _ => None,
    };
    let key = key.ok_or_else(|| cursor.expected("a quoted name or the index of an element"))?;
    cursor.next();
    Ok(key)
}

fn keys(cursor: &mut Cursor) -> Parsed<Vec<String>> {
    let (at, text) = cursor.need_text("a quoted path such as '{a,b}'")?;
    path::parse(&text)
        .map_err(|reason| at.error(TargetErrorKind::Malformed { what: "path", text, reason }))
}

fn cast_type(cursor: &mut Cursor) -> Parsed<Type> {
    let at = cursor.at();
    let Token::Word(name) = cursor.peek().clone() else {
        return Err(cursor.expected("the name of a type"));
    };
    let Some(wanted) = Type::parse(&name) else { return Err(unknown_type(at, name)) };
    cursor.next();
    if name == "timestamp" {
        time::with_time_zone(cursor)?;
    }
    Ok(wanted)
}

fn unknown_type(at: At, name: String) -> TargetError {
    let known = "text, int, bigint, numeric, boolean, timestamptz, interval, inet, json".into();
    at.error(TargetErrorKind::Unknown { what: "type", name, known })
}
