//! The way down: one file per aggregate, each function one statement on the connection it is given.

pub(crate) mod chunks;
pub(crate) mod deliveries;
pub(crate) mod loaders;
pub(crate) mod manifests;
pub(crate) mod signatures;

use ::store::Conn;
use diesel::sql_types::BigInt;
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Counts the loaders and the manifests.
pub(crate) async fn digest(conn: &mut Conn) -> QueryResult<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Counts {
        #[diesel(sql_type = BigInt)]
        loaders: i64,
        #[diesel(sql_type = BigInt)]
        manifests: i64,
    }
    let query = "select (select count(*) from loader) as loaders, (select count(*) from manifest) as manifests";
    let counts: Counts = ::store::sql(query).get_result(conn).await?;
    Ok((counts.loaders, counts.manifests))
}

/// Says that a row does not read as what it should be; a fault of ours.
fn unreadable(what: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(what.into())
}
