//! What a value of a target is for one row, and how two of them compare.

use crate::columns::Type;
use crate::decimal::Decimal;
use crate::inet::Inet;
use crate::interval::Interval;
use crate::{moment, read};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use time::OffsetDateTime;

/// Is the value of something for one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datum<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Num(Decimal),
    Bool(bool),
    Time(OffsetDateTime),
    Interval(Interval),
    Inet(Inet),
    Json(&'a Json),
}

impl<'a> Datum<'a> {
    /// Reads a quoted text as what it is compared with or cast to; nothing if it is not that.
    pub(crate) fn literal(text: &'a str, wanted: Type) -> Option<Self> {
        match wanted {
            // a target is written by a person: it may name times and intervals that no guard lets through
            Type::Time => moment::parse(text).map(|(at, _)| Self::Time(at)),
            Type::Interval => Interval::parse(text).ok().map(Self::Interval),
            Type::Inet => Inet::parse(text).map(Self::Inet),
            Type::Json => None,
            _ => {
                Some(Self::guarded(Cow::Borrowed(text), wanted)).filter(|read| *read != Self::Null)
            }
        }
    }

    /// Reads a text of a row as something else: NULL if the guard of that type stops it.
    pub(crate) fn guarded(text: Cow<'a, str>, wanted: Type) -> Self {
        let read = match wanted {
            Type::Text => Some(Self::Text(text)),
            Type::Int => read::int(&text).map(Self::Int),
            Type::Num => read::num(&text).map(Self::Num),
            Type::Bool => read::bool(&text).map(Self::Bool),
            Type::Time => read::time(&text).map(Self::Time),
            Type::Interval => read::interval(&text).map(Self::Interval),
            Type::Inet => read::inet(&text).map(Self::Inet),
            Type::Json => None,
        };
        read.unwrap_or(Self::Null)
    }

    /// Gives what the value is; NULL has no type.
    pub(crate) fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Null => return None,
            Self::Text(_) => Type::Text,
            Self::Int(_) => Type::Int,
            Self::Num(_) => Type::Num,
            Self::Bool(_) => Type::Bool,
            Self::Time(_) => Type::Time,
            Self::Interval(_) => Type::Interval,
            Self::Inet(_) => Type::Inet,
            Self::Json(_) => Type::Json,
        })
    }

    /// Compares two values; nothing if one is NULL or they have no order.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Num(a), Self::Num(b)) => a.cmp(b),
            (Self::Int(a), Self::Num(b)) => Decimal::from(*a).cmp(b),
            (Self::Num(a), Self::Int(b)) => a.cmp(&Decimal::from(*b)),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Interval(a), Self::Interval(b)) => a.compare(*b),
            (Self::Inet(a), Self::Inet(b)) => a.cmp(b),
            _ => return None,
        })
    }

    /// Casts a value; a cast that does not exist gives NULL, [`crate::Target::check`] has refused it.
    pub(crate) fn cast(self, wanted: Type) -> Self {
        match (self, wanted) {
            (Self::Text(text), _) => Self::guarded(text, wanted),
            (Self::Int(number), Type::Text) => Self::Text(number.to_string().into()),
            (Self::Int(number), Type::Num) => Self::Num(number.into()),
            (Self::Num(number), Type::Int) => number.round().map_or(Self::Null, Self::Int),
            (Self::Bool(truth), Type::Text) => Self::Text(truth.to_string().into()),
            (Self::Bool(truth), Type::Int) => Self::Int(truth.into()),
            (Self::Time(at), Type::Text) => Self::Text(moment::write(at).into()),
            (Self::Json(json), Type::Text) => Self::Text(crate::json::write(json).into()),
            (value, wanted) if value.kind() == Some(wanted) => value,
            _ => Self::Null,
        }
    }
}
