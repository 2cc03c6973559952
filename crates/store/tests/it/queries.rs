use crate::support::{Number, database};
use diesel::sql_types::{Array, BigInt};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use store::{Conn, Value, bind};
use time::macros::datetime;
use uuid::Uuid;

#[tokio::test]
async fn every_kind_of_value_arrives_as_it_is() {
    #[derive(diesel::QueryableByName)]
    struct Same {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        same: bool,
    }
    let (_database, store) = database().await;
    let mut conn = store.get().await.unwrap();
    let id = Uuid::now_v7();
    let values = vec![
        Value::Text("it's; -- $1".into()),
        Value::Int(i64::MIN),
        Value::Float(0.5),
        Value::Bool(true),
        Value::Time(datetime!(2026-11-21 12:00:00.123456 UTC)),
        Value::Uuid(id),
        Value::Json(serde_json::json!({"a": [1, null]})),
        Value::Ints(vec![1, 2]),
        Value::Texts(vec!["a".into(), "b,c".into()]),
        Value::Uuids(vec![id]),
        Value::MaybeText(None),
        Value::MaybeInt(Some(7)),
        Value::MaybeTime(None),
    ];
    let text = format!(
        "select $1 = 'it''s; -- $1' and $2 = -9223372036854775808 and $3 = 0.5 and $4
           and $5 = '2026-11-21 12:00:00.123456+00' and $6 = '{id}' and $7 = '{{\"a\": [1, null]}}'
           and $8 = '{{1,2}}' and $9 = array['a', 'b,c'] and $10 = array['{id}'::uuid]
           and $11 is null and $12 = 7 and $13 is null as same"
    );
    assert!(bind(text, values).get_result::<Same>(&mut conn).await.unwrap().same);
}

#[tokio::test]
async fn what_was_asked_of_a_small_table_is_planned_anew_when_it_is_large() {
    let (_database, store) = database().await;
    let mut conn = store.get().await.unwrap();
    let small = "create table growing (id bigint primary key) with (autovacuum_enabled = false);
        insert into growing select generate_series(1, 10); analyze growing";
    conn.batch_execute(small).await.unwrap();
    let ask = async |conn: &mut Conn| {
        let query = store::sql("select count(*) as number from growing where id = any($1)");
        let query = query.bind::<Array<BigInt>, _>(vec![7_i64, 8]);
        query.get_result::<Number>(conn).await.unwrap().number
    };
    // PostgreSQL would keep a plan after five times
    for _ in 0..10 {
        assert_eq!(ask(&mut conn).await, 2);
    }
    let large = "insert into growing select generate_series(11, 100000); begin";
    conn.batch_execute(large).await.unwrap();
    let scans = async |conn: &mut Conn| {
        let text =
            "select seq_scan as number from pg_stat_xact_user_tables where relname = 'growing'";
        store::sql(text).get_result::<Number>(conn).await.unwrap().number
    };
    let before = scans(&mut conn).await;
    assert_eq!(ask(&mut conn).await, 2);
    assert_eq!(scans(&mut conn).await, before);
}
