//! The store against a real PostgreSQL.

mod failures;
mod migrations;
mod pool;
mod queries;
mod restart;
mod tls;
mod tx;

use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use store::{Store, sql};
use testkit::Database;

const ONE: EmbeddedMigrations = embed_migrations!("tests/it/migrations/one");
const TWO: EmbeddedMigrations = embed_migrations!("tests/it/migrations/two");

/// Is one number of a result.
#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

async fn database() -> (Database, Store) {
    let database = Database::new("store", vec![ONE, TWO]).await;
    let store = database.store();
    (database, store)
}

async fn number(store: &Store, text: &str) -> i64 {
    let mut conn = store.get().await.unwrap();
    sql(text).get_result::<Number>(&mut conn).await.unwrap().number
}
