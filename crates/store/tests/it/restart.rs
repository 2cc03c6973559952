use diesel_async::RunQueryDsl;
use store::{Conn, Failure, Settings, Store, pool, sql};
use testkit::{PATIENCE, Server, Services, until};
use tokio::runtime::Handle;

/// The database is killed and comes back: no caller afterwards is handed a connection from before.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_is_not_felt_afterwards() {
    let own = tokio::task::spawn_blocking(|| Services::own(&[("PS_RMQ", "0")])).await.unwrap();
    let store = Store::new(pool(&Settings::new(own.database_url()), Handle::current()).unwrap());
    let fill = async |count: usize| {
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(store.get().await.unwrap());
        }
    };
    fill(8).await;

    own.kill(Server::Postgres);
    until(PATIENCE, async || !store.is_up().await).await;
    let down = store.tx(async |conn: &mut Conn| select(conn).await).await;
    assert!(down.unwrap_err().is_transient());

    own.restart();
    for _ in 0..8 {
        store.tx(async |conn: &mut Conn| select(conn).await).await.unwrap();
    }
    fill(8).await;

    // orderly too: each backend says good-bye, the pool still holds the connections
    let mut conn = store.get().await.unwrap();
    sql("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name = 'writ'")
        .execute(&mut conn)
        .await
        .unwrap();
    drop(conn);
    for _ in 0..8 {
        store.tx(async |conn: &mut Conn| select(conn).await).await.unwrap();
    }
}

async fn select(conn: &mut Conn) -> Result<(), Failure> {
    sql("select 1").execute(conn).await?;
    Ok(())
}
