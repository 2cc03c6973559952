use crate::support::{database, number};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use store::{Settings, Store, pool, sql};
use testkit::{PATIENCE, Proxy, postgres, until};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

/// Opens a connection on a runtime of one thread, stops this thread, and uses the connection from here: it answers only
/// when it does not live there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_live_at_home_and_not_where_they_were_opened() {
    let (_database, store) = database().await;
    let (opened, told) = tokio::sync::oneshot::channel();
    let (used, seen) = std::sync::mpsc::channel::<()>();
    let theirs = store.clone();
    let worker = std::thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            drop(theirs.get().await.unwrap());
            opened.send(()).unwrap();
            // the thread stands still with all that lives on it, until the sender is gone
            assert!(seen.recv().is_err());
        });
    });
    told.await.unwrap();
    let mut conn = store.get().await.unwrap();
    let answer = timeout(PATIENCE, sql("select 1").execute(&mut conn)).await;
    answer.expect("the connection stands still").unwrap();

    drop(used);
    worker.join().unwrap();
    // the runtime that opened it is gone; the connection is not
    sql("select 1").execute(&mut conn).await.unwrap();
}

#[tokio::test]
async fn a_connection_has_its_name_and_time_out() {
    #[derive(diesel::QueryableByName)]
    struct Seen {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
        #[diesel(sql_type = diesel::sql_types::Text)]
        timeout: String,
    }
    let mut settings = Settings::new(postgres().database_url());
    settings.application = "a service".into();
    settings.statement_timeout = Duration::from_millis(150);
    let store = Store::new(pool(&settings, Handle::current()).unwrap());
    let mut conn = store.get().await.unwrap();
    let seen: Seen = sql("select current_setting('application_name') as name, current_setting('statement_timeout') as timeout")
        .get_result(&mut conn)
        .await
        .unwrap();
    assert_eq!((seen.name.as_str(), seen.timeout.as_str()), ("a service", "150ms"));

    let failure =
        store::Failure::from(sql("select pg_sleep(5)").execute(&mut conn).await.unwrap_err());
    assert!(failure.is_transient(), "{failure:?}");
}

#[tokio::test]
async fn a_pool_without_a_free_connection_says_so_in_time() {
    let mut settings = Settings::new(postgres().database_url());
    settings.max_size = 1;
    let store = Store::new(pool(&settings, Handle::current()).unwrap());
    let held = store.get().await.unwrap();
    let refused = timeout(PATIENCE, store.get()).await.expect("it waits for ever");
    assert!(refused.err().unwrap().is_transient());
    drop(held);
    drop(store.get().await.unwrap());
}

#[tokio::test]
async fn a_dead_line_is_noticed_before_a_caller_gets_it() {
    let proxy = Proxy::before(postgres().database_url()).await;
    let mut settings = Settings::new(proxy.through(postgres().database_url()));
    settings.max_size = 1;
    let store = Store::new(pool(&settings, Handle::current()).unwrap());
    let backend = "select pg_backend_pid()::bigint as number";
    let before = number(&store, backend).await;

    // a line that goes dead without a word: only asking finds it out, and rested connections are asked
    proxy.hold();
    // longer than a connection may rest without being asked; longer still does no harm
    tokio::time::sleep(Duration::from_millis(600)).await;
    let known = proxy.asked();
    let (got, ()) = tokio::join!(store.get(), async {
        // it was asked, did not answer in time, and another one is to take its place
        until(PATIENCE, async || proxy.asked() > known).await;
        proxy.resume();
    });
    drop(got.unwrap());
    assert_ne!(number(&store, backend).await, before, "the dead connection was handed out");
}
