//! The way down: one file per aggregate, each function one statement on the connection it is given.

pub(crate) mod events;
pub(crate) mod notifications;
pub(crate) mod steps;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}
