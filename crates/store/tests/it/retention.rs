use crate::support::database;
use diesel_async::RunQueryDsl;
use store::{Retention, sql};
use time::macros::datetime;

#[tokio::test]
async fn old_things_lose_their_parts_however_many_and_young_ones_keep_theirs() {
    let (_database, store) = database().await;
    let mut conn = store.get().await.unwrap();
    for statement in [
        "create table thing (id bigint primary key, over timestamptz)",
        "create table piece (id bigint primary key, thing bigint)",
        "insert into thing values (1, '2026-01-01Z'), (2, '2026-01-02Z'), (3, '2026-01-03Z'), (4, '2026-02-02Z')",
        "insert into piece select n, 1 + n % 4 from generate_series(0, 43999) n",
    ] {
        sql(statement).execute(&mut conn).await.unwrap();
    }
    let things = Retention {
        old: "select id from thing where over < $1 order by over limit $2",
        parts: "piece",
        owner: "thing",
    };
    let before = datetime!(2026-02-01 0:00 UTC);
    assert_eq!(things.strip(&mut conn, before, 2).await.unwrap(), [1, 2]);
    for (thing, parts) in [(1, 0), (2, 0), (3, 11_000), (4, 11_000)] {
        let left = testkit::count(&store, &format!("piece where thing = {thing}")).await;
        assert_eq!(left, parts, "{thing}");
    }
    sql("delete from thing where id < 4").execute(&mut conn).await.unwrap();
    assert_eq!(things.strip(&mut conn, before, 2).await.unwrap(), [0; 0]);
    assert_eq!(testkit::count(&store, "piece where thing = 4").await, 11_000);
}
