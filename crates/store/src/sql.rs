//! Hand-written SQL: the one place it goes through, values always as binds.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, BoxedSqlQuery, QueryFragment, QueryId, SqlQuery};
use diesel::serialize::ToSql;
use diesel::sql_types::{
    Array, BigInt, Bool, Double, HasSqlType, Jsonb, Nullable, Text, Timestamptz, Untyped,
};
use std::marker::PhantomData;
use time::OffsetDateTime;
use uuid::Uuid;

/// Is a query whose binds were put in one by one.
pub type Query = BoxedSqlQuery<'static, Pg, SqlQuery>;

/// Is a statement whose text stays: each connection parses it once and keeps it. (What `diesel::sql_query` makes is
/// prepared anew at each run, which costs a round trip and a plan.)
#[derive(Debug, Clone)]
#[must_use = "a statement does nothing until it is run"]
pub struct Sql<Binds = Unbound> {
    text: String,
    binds: Binds,
}

/// Holds no values.
#[derive(Debug, Clone, Copy)]
pub struct Unbound;

/// Holds a value of the SQL type `Type` behind others.
#[derive(Debug, Clone, Copy)]
pub struct Bound<Before, Value, Type> {
    before: Before,
    value: Value,
    of: PhantomData<Type>,
}

/// Takes SQL written by hand; add values with `.bind::<Type, _>(value)`, never by putting text together. A text that
/// differs from caller to caller is one for [`bind`].
pub fn sql(text: impl Into<String>) -> Sql {
    Sql { text: text.into(), binds: Unbound }
}

impl<Binds> Sql<Binds> {
    /// Gives the next value: the first is `$1`.
    pub fn bind<Type, Value>(self, value: Value) -> Sql<Bound<Binds, Value, Type>> {
        Sql { text: self.text, binds: Bound { before: self.binds, value, of: PhantomData } }
    }
}

impl<Binds: QueryFragment<Pg>> QueryFragment<Pg> for Sql<Binds> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&self.text);
        self.binds.walk_ast(out)
    }
}

impl QueryFragment<Pg> for Unbound {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }
}

impl<Before, Value, Type> QueryFragment<Pg> for Bound<Before, Value, Type>
where
    Before: QueryFragment<Pg>,
    Value: ToSql<Type, Pg>,
    Pg: HasSqlType<Type>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.before.walk_ast(out.reborrow())?;
        out.push_bind_param_value_only(&self.value)
    }
}

/// What it is known by is its text.
impl<Binds> QueryId for Sql<Binds> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Binds> diesel::query_builder::Query for Sql<Binds> {
    type SqlType = Untyped;
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

/// Takes SQL whose text is known only at run time: the first of `values` is `$1`. It is prepared at each run.
#[expect(clippy::disallowed_methods, reason = "this is the one place for hand-written SQL")]
pub fn bind(text: impl Into<String>, values: Vec<Value>) -> Query {
    values.into_iter().fold(diesel::sql_query(text).into_boxed(), |query, value| match value {
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
