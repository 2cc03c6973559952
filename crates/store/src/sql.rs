//! Hand-written SQL: the one place it goes through, values always as binds.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{Array, BigInt, Bool, Double, Jsonb, Nullable, Text, Timestamptz};
use time::OffsetDateTime;
use uuid::Uuid;

/// Is a query whose binds were put in one by one.
pub type Query = BoxedSqlQuery<'static, Pg, SqlQuery>;

/// Takes SQL written by hand; add values with `.bind::<Type, _>(value)`, never by putting text together.
#[expect(clippy::disallowed_methods, reason = "this is the one place for hand-written SQL")]
pub fn sql(text: impl Into<String>) -> SqlQuery {
    diesel::sql_query(text)
}

/// Is a value for [`bind`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `text`
    Text(String),
    /// `text` or null
    MaybeText(Option<String>),
    /// `bigint`
    Int(i64),
    /// `bigint` or null
    MaybeInt(Option<i64>),
    /// `double precision`
    Float(f64),
    /// `boolean`
    Bool(bool),
    /// `timestamptz`
    Time(OffsetDateTime),
    /// `timestamptz` or null
    MaybeTime(Option<OffsetDateTime>),
    /// `uuid`
    Uuid(Uuid),
    /// `jsonb`
    Json(serde_json::Value),
    /// `bigint[]`
    Ints(Vec<i64>),
    /// `text[]`
    Texts(Vec<String>),
    /// `uuid[]`
    Uuids(Vec<Uuid>),
}

/// Takes SQL whose number of values is known only at run time: the first of `values` is `$1`.
pub fn bind(text: impl Into<String>, values: Vec<Value>) -> Query {
    values.into_iter().fold(sql(text).into_boxed(), |query, value| match value {
        Value::Text(value) => query.bind::<Text, _>(value),
        Value::MaybeText(value) => query.bind::<Nullable<Text>, _>(value),
        Value::Int(value) => query.bind::<BigInt, _>(value),
        Value::MaybeInt(value) => query.bind::<Nullable<BigInt>, _>(value),
        Value::Float(value) => query.bind::<Double, _>(value),
        Value::Bool(value) => query.bind::<Bool, _>(value),
        Value::Time(value) => query.bind::<Timestamptz, _>(value),
        Value::MaybeTime(value) => query.bind::<Nullable<Timestamptz>, _>(value),
        Value::Uuid(value) => query.bind::<diesel::sql_types::Uuid, _>(value),
        Value::Json(value) => query.bind::<Jsonb, _>(value),
        Value::Ints(value) => query.bind::<Array<BigInt>, _>(value),
        Value::Texts(value) => query.bind::<Array<Text>, _>(value),
        Value::Uuids(value) => query.bind::<Array<diesel::sql_types::Uuid>, _>(value),
    })
}
