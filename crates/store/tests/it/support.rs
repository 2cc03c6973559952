//! A database with two tables.

use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use store::{Store, sql};
use testkit::Database;

pub(crate) const ONE: EmbeddedMigrations = embed_migrations!("tests/it/migrations/one");
pub(crate) const TWO: EmbeddedMigrations = embed_migrations!("tests/it/migrations/two");
pub(crate) const THREE: EmbeddedMigrations = embed_migrations!("tests/it/migrations/three");

/// Is one number of a result.
#[derive(diesel::QueryableByName)]
pub(crate) struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub(crate) number: i64,
}

pub(crate) async fn database() -> (Database, Store) {
    let database = Database::new("store", vec![ONE, TWO]).await;
    let store = database.store();
    (database, store)
}

pub(crate) async fn number(store: &Store, text: &str) -> i64 {
    let mut conn = store.get().await.unwrap();
    sql(text).get_result::<Number>(&mut conn).await.unwrap().number
}
