use crate::support::{ONE, THREE, TWO, number};
use diesel_async::RunQueryDsl;
use std::time::{Duration, Instant};
use store::{Settings, migrate, migrate_until, sql};
use testkit::{Database, PATIENCE, Proxy, postgres, until};
use tokio::task::JoinSet;

#[tokio::test]
async fn six_at_once_migrate_once() {
    let database = Database::new("race", vec![]).await;
    let mut racers = JoinSet::new();
    for _ in 0..6 {
        let settings = database.settings().clone();
        racers.spawn(async move { migrate(&settings, vec![ONE, TWO]).await.unwrap() });
    }
    let mut ran = racers.join_all().await;
    ran.sort();
    let (winner, others) = ran.split_last().unwrap();
    assert_eq!(winner, &["20200101000000", "20200102000000"]);
    assert!(others.iter().all(Vec::is_empty), "{others:?}");
}

#[tokio::test]
async fn a_database_that_is_not_up_yet_is_waited_for() {
    let database = Database::new("late", vec![]).await;
    let proxy = Proxy::before(database.url()).await;
    proxy.cut();
    let settings = Settings::new(proxy.through(database.url()));
    let migrating = migrate(&settings, vec![ONE]);
    let (ran, ()) = tokio::join!(migrating, async {
        // it was refused, and did not give up
        until(PATIENCE, async || proxy.asked() > 1).await;
        proxy.resume();
    });
    assert_eq!(ran.unwrap().len(), 1);
}

#[tokio::test]
async fn waiting_has_an_end() {
    let proxy = Proxy::before(postgres().database_url()).await;
    proxy.cut();
    let settings = Settings::new(proxy.through(postgres().database_url()));
    let error = migrate_until(&settings, vec![ONE], Instant::now() + Duration::from_millis(300))
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("cannot connect to the database"), "{error:#}");
}

#[tokio::test]
async fn what_will_never_come_up_is_not_waited_for() {
    let (server, _) = postgres().database_url().rsplit_once('/').unwrap();
    let missing = Settings::new(format!("{server}/no_such_database"));
    let (scheme, rest) = server.split_once("://").unwrap();
    let (_, host) = rest.split_once('@').unwrap();
    let stranger = Settings::new(format!("{scheme}://app:wrong@{host}/postgres"));
    for settings in [missing, stranger] {
        let began = Instant::now();
        let error = format!("{:#}", migrate(&settings, vec![]).await.unwrap_err());
        assert!(began.elapsed() < Duration::from_secs(10), "{error}");
        assert!(error.contains("does not exist") || error.contains("password"), "{error}");
        assert!(!error.contains("wrong"), "{error}");
    }
}

#[tokio::test]
async fn a_migration_that_waits_for_a_table_lets_readers_go_first() {
    let database = Database::new("gives_way", vec![ONE]).await;
    let (store, settings) = (database.store(), database.settings().clone());
    let count = "select count(*) as number from item";
    let (mut migrating, mut still_pending) = (JoinSet::new(), true);
    let read = store.tx(async |conn| {
        sql(count).execute(conn).await?;
        migrating.spawn(async move { migrate(&settings, vec![ONE, THREE]).await });
        let waits = "select count(*) as number from pg_locks
             where relation = 'item'::regclass and not granted and mode = 'AccessExclusiveLock'";
        until(PATIENCE, async || number(&store, waits).await == 1).await;
        // this one stands behind the migration, until that gives way
        number(&store, count).await;
        still_pending = migrating.try_join_next().is_none();
        Ok::<_, store::Failure>(())
    });
    read.await.unwrap();
    assert!(still_pending, "it had not given up");
    let ran = migrating.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(ran, ["20200103000000"]);
}
