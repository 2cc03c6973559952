//! The way down: one file per aggregate, each function one statement on the connection it is given.

pub(crate) mod chunks;
pub(crate) mod deliveries;
pub(crate) mod loaders;
pub(crate) mod manifests;
pub(crate) mod signatures;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Says that a row does not read as what it should be; a fault of ours.
fn unreadable(what: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(what.into())
}
