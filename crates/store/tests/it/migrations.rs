use crate::support::{ONE, TWO};
use std::time::{Duration, Instant};
use store::{Settings, migrate, migrate_until};
use testkit::{Database, Proxy, postgres};
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
        tokio::time::sleep(Duration::from_millis(300)).await;
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
