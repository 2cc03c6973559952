//! Rows of a service's database, looked at and put there from outside.

use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use store::Store;
use time::macros::datetime;

/// Is an investigator whom a service's copy knows: number, API key, permissions.
pub type Known = (i64, &'static str, i64);

/// Counts rows, whether a service runs or not.
pub async fn count(store: &Store, from: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let mut conn = store.get().await.unwrap();
    let counted: Count = store::sql(format!("select count(*) as count from {from}"))
        .get_result(&mut conn)
        .await
        .unwrap();
    counted.count
}

/// Reads the column `text` of what `sql` selects.
pub async fn texts(store: &Store, sql: &str) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let mut conn = store.get().await.unwrap();
    let rows: Vec<Row> = store::sql(sql).load(&mut conn).await.unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// Lets a service's copy know investigators, each named by what stands before the dash in the key, and makes it fresh
/// wherever a test moves its clock; `hash` is how keys are kept.
pub async fn know(store: &Store, investigators: &[Known], hash: impl Fn(&str) -> String) {
    let mut conn = store.get().await.unwrap();
    for (id, key, permissions) in investigators {
        store::sql(
            "insert into auth.investigator (id, name, status, permissions, api_key_sha256, created, modified, version)
             values ($1, $2, 'active', $3, $4, now(), now(), 1)",
        )
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(key.split('-').next().unwrap())
        .bind::<BigInt, _>(permissions)
        .bind::<Text, _>(hash(key))
        .execute(&mut conn)
        .await
        .unwrap();
    }
    store::sql("insert into auth.digest (confirmed) values ($1)")
        .bind::<Timestamptz, _>(datetime!(2100-01-01 00:00 UTC))
        .execute(&mut conn)
        .await
        .unwrap();
}
