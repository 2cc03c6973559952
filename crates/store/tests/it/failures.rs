use crate::support::database;
use diesel_async::RunQueryDsl;
use store::{Conn, Failure, Store, sql};

async fn run(store: &Store, text: &str) -> Result<usize, Failure> {
    let mut conn = store.get().await?;
    Ok(sql(text).execute(&mut conn).await?)
}

#[tokio::test]
async fn a_conflict_names_its_constraint() {
    let (_database, store) = database().await;
    run(&store, "insert into item (id, name) values (1, 'one')").await.unwrap();
    for (text, expected) in [
        ("insert into item (id, name) values (1, 'two')", "item_pkey"),
        ("insert into item (id, name) values (2, 'one')", "item_name_key"),
        ("insert into part (id, item_id) values (1, 9)", "part_item_id_fkey"),
    ] {
        match run(&store, text).await {
            Err(Failure::Conflict { constraint }) => {
                assert_eq!(constraint.as_deref(), Some(expected));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn two_transactions_in_each_others_way_are_told_to_try_again() {
    let (_database, store) = database().await;
    run(&store, "insert into item (id, name) values (1, 'one'), (2, 'two')").await.unwrap();
    let barrier = tokio::sync::Barrier::new(2);
    let lock = async |first: i64, second: i64| -> Result<(), Failure> {
        store
            .tx(async |conn: &mut Conn| {
                sql(format!("select 1 from item where id = {first} for update"))
                    .execute(conn)
                    .await?;
                barrier.wait().await;
                sql(format!("select 1 from item where id = {second} for update"))
                    .execute(conn)
                    .await?;
                Ok(())
            })
            .await
    };
    let (one, two) = tokio::join!(lock(1, 2), lock(2, 1));
    let failures: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].is_transient(), "{failures:?}");
}
