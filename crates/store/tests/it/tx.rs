use crate::support::{database, number};
use diesel_async::RunQueryDsl;
use futures_util::future::BoxFuture;
use std::sync::Mutex;
use std::time::Duration;
use store::{Conn, Failure, Store, pool, sql};
use testkit::{PATIENCE, Proxy, until};
use tokio::runtime::Handle;

async fn insert(conn: &mut Conn, id: i64) -> Result<(), Failure> {
    sql(format!("insert into item (id, name) values ({id}, 'item {id}')")).execute(conn).await?;
    Ok(())
}

#[tokio::test]
async fn ok_commits_and_err_rolls_back() {
    let (_database, store) = database().await;
    store.tx(async |conn: &mut Conn| insert(conn, 1).await).await.unwrap();
    let undone: Result<(), Failure> = store
        .tx(async |conn: &mut Conn| {
            insert(conn, 2).await?;
            Err(Failure::NotFound)
        })
        .await;
    assert!(matches!(undone, Err(Failure::NotFound)));
    assert_eq!(number(&store, "select count(*) as number from item").await, 1);
}

#[tokio::test]
async fn what_is_left_for_afterwards_is_done_after_a_commit_alone() {
    static DONE: Mutex<Vec<&str>> = Mutex::new(vec![]);
    let done = |what| store::after_commit(move || DONE.lock().unwrap().push(what));
    let (_database, store) = database().await;
    let undone: Result<(), Failure> = store
        .tx(async |conn: &mut Conn| {
            insert(conn, 1).await?;
            done("rolled back");
            Err(Failure::NotFound)
        })
        .await;
    undone.unwrap_err();
    // one that fails at its very end
    let late: Result<(), Failure> = store
        .tx(async |conn: &mut Conn| {
            insert(conn, 1).await?;
            sql("create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$")
                .execute(conn)
                .await?;
            sql("create constraint trigger no after update on item initially deferred for each row execute function no()")
                .execute(conn)
                .await?;
            sql("update item set name = 'other'").execute(conn).await?;
            done("not committed");
            Ok(())
        })
        .await;
    late.unwrap_err();
    assert!(DONE.lock().unwrap().is_empty(), "{DONE:?}");
    let committed: Result<(), Failure> = store
        .tx(async |conn: &mut Conn| {
            done("first");
            insert(conn, 1).await?;
            done("second");
            assert!(DONE.lock().unwrap().is_empty(), "{DONE:?}");
            Ok(())
        })
        .await;
    committed.unwrap();
    done("outside");
    assert_eq!(*DONE.lock().unwrap(), ["first", "second", "outside"]);
}

/// The line breaks while the database is about to commit: the change comes about, and nobody is told so.
#[tokio::test]
async fn a_commit_that_was_not_answered_for_is_not_called_undone() {
    let (database, store) = database().await;
    let proxy = Proxy::before(database.url()).await;
    let mut settings = database.settings().clone();
    settings.url = proxy.through(database.url());
    let far = Store::new(pool(&settings, Handle::current()).unwrap());
    let mut conn = store.get().await.unwrap();
    for text in [
        "create function nap() returns trigger language plpgsql as $$ begin perform pg_sleep(2); return null; end $$",
        "create constraint trigger nap after insert on item initially deferred for each row execute function nap()",
    ] {
        sql(text).execute(&mut conn).await.unwrap();
    }
    let change = far.tx(async |conn: &mut Conn| insert(conn, 1).await);
    let cut = async {
        let committing = "select count(*) as number from pg_stat_activity
             where datname = current_database() and state = 'active' and query = 'COMMIT'";
        until(PATIENCE, async || number(&store, committing).await == 1).await;
        proxy.cut();
    };
    let (changed, ()) = tokio::join!(change, cut);
    let failure = changed.unwrap_err();
    assert!(matches!(failure, Failure::Uncertain(_)) && failure.is_transient(), "{failure:?}");
    until(PATIENCE, async || number(&store, "select count(*) as number from item").await == 1)
        .await;

    let before = far.tx(async |conn: &mut Conn| insert(conn, 2).await).await.unwrap_err();
    assert!(matches!(before, Failure::Unavailable(_)), "{before:?}");
}

#[tokio::test]
async fn a_failed_statement_leaves_the_pool_whole() {
    let (_database, store) = database().await;
    for _ in 0..10 {
        let failed: Result<(), Failure> = store
            .tx(async |conn: &mut Conn| {
                sql("select no_such_column").execute(conn).await?;
                Ok(())
            })
            .await;
        assert!(matches!(failed, Err(Failure::Internal(_))));
    }
    assert_eq!(number(&store, "select count(*) as number from item").await, 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_transaction_and_no_lock() {
    let (database, store) = database().await;
    store.tx(async |conn: &mut Conn| insert(conn, 1).await).await.unwrap();
    let endless = store.tx(async |conn: &mut Conn| -> Result<(), Failure> {
        sql("select * from item for update").execute(conn).await?;
        insert(conn, 2).await?;
        std::future::pending::<()>().await;
        Ok(())
    });
    tokio::time::timeout(Duration::from_millis(300), endless).await.unwrap_err();
    // nobody takes anything from the pool that would clean up: the lock goes by itself
    let other = database.store();
    until(PATIENCE, async || {
        let mut conn = other.get().await.unwrap();
        sql("select * from item for update nowait").execute(&mut conn).await.is_ok()
    })
    .await;
    assert_eq!(number(&store, "select count(*) as number from item").await, 1);
}

/// The shape in which handlers use it: borrowed state, a future that can go to another thread.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_fits_into_a_boxed_future_that_borrows() {
    struct Service {
        store: Store,
        id: i64,
    }
    fn handle<'a>(service: &'a Service, name: &'a str) -> BoxFuture<'a, Result<usize, Failure>> {
        Box::pin(async move {
            let changed = service
                .store
                .tx(async |conn: &mut Conn| -> Result<usize, Failure> {
                    insert(conn, service.id).await?;
                    Ok(sql("update item set name = $1")
                        .bind::<diesel::sql_types::Text, _>(name)
                        .execute(conn)
                        .await?)
                })
                .await?;
            Ok(changed)
        })
    }
    let (_database, store) = database().await;
    let service = Service { store, id: 1 };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { handle(&service, "name").await });
    assert_eq!(tasks.join_next().await.unwrap().unwrap().unwrap(), 1);
}
