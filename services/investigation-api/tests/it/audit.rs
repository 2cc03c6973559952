//! What was done and refused is written down for good.

use crate::house::{house, send};
use investigation_api::{Config, InvestigationApi};
use service::Service;
use std::process::ExitCode;
use testkit::until;

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_refusals_are_rows_that_only_grow() {
    let house = house(&[]).await;
    house.create(&[("name", "Eve", None), ("permissions", "{}", None)]).await.expect(201);
    house.update("id=2&apikey=active").await.expect(200);
    house.update("id=9&apikey=active").await.expect(404);
    for _ in 0..50 {
        house.call(reqwest::Method::GET, "/api/v1/search", "wrong").await.expect(401);
    }
    until(testkit::PATIENCE, async || house.count("audit").await == 4).await;
    let rows = house
        .texts("select who || ' ' || what || ' ' || subject || ' ' || outcome || ' ' || address || ' ' || count as text from audit order by id")
        .await;
    assert!(
        rows.contains(&"admin investigator.created investigator 2 done 127.0.0.1 1".into()),
        "{rows:?}"
    );
    assert!(
        rows.contains(&"admin investigator.changed investigator 2 done 127.0.0.1 1".into()),
        "{rows:?}"
    );
    assert!(
        rows.contains(&"admin investigator.changed investigator 9 refused 127.0.0.1 1".into()),
        "{rows:?}"
    );
    assert!(rows.contains(&" login GET /api/v1/search refused 127.0.0.1 1".into()), "{rows:?}");

    // a flood is one row more when its minute is over
    house.clock.advance(time::Duration::minutes(2));
    house.call(reqwest::Method::GET, "/api/v1/search", "wrong").await.expect(401);
    until(testkit::PATIENCE, async || house.count("audit where count = 49").await == 1).await;

    for statement in
        ["update audit set who = 'x'", "delete from audit where id = 1", "truncate audit"]
    {
        let error = house.try_execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("only grows"), "{statement}: {error}");
    }
    let granted = house
        .texts("select privilege_type::text as text from pg_class, aclexplode(relacl) where relname = 'audit'")
        .await;
    assert!(granted.iter().any(|right| right == "INSERT"), "{granted:?}");
    assert!(
        !granted.iter().any(|right| matches!(&**right, "UPDATE" | "DELETE" | "TRUNCATE")),
        "{granted:?}"
    );
    let linked = "audit a join audit b on b.id = a.id + 1 where a.hash = b.previous";
    assert_eq!(house.count(linked).await, house.count("audit").await - 1);
    // nobody without a credential is asked for one twice
    send(house.client.get(format!("{}/api/v1/heartbeat", house.running.url()))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_found() {
    let house = house(&[]).await;
    for _ in 0..3 {
        house.update("id=1&status=active").await.expect(200);
    }
    let verify = async |more: &[&str]| {
        let command = InvestigationApi::commands().into_iter().find(|c| c.get_name() == "audit");
        let words = ["audit", "verify"].iter().chain(more);
        let matches = command.unwrap().try_get_matches_from(words).unwrap();
        let parts = house.running.parts.clone();
        let code = InvestigationApi::command(parts, Config {}, "audit", &matches).await.unwrap();
        format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
    };
    let last = house
        .texts("select id || ':' || encode(hash, 'hex') as text from audit where id = 3")
        .await
        .remove(0);
    let noted = ["--noted", last.as_str()];
    assert!(verify(&[]).await && verify(&noted).await);
    house.execute("alter table audit disable trigger all").await;
    house.execute("update audit set who = 'nobody' where id = 2").await;
    assert!(!verify(&[]).await, "a changed row");
    house.execute("update audit set who = 'admin' where id = 2").await;
    assert!(verify(&[]).await);
    house.execute("delete from audit where id = 3").await;
    assert!(verify(&[]).await, "a chain without its end is a chain");
    assert!(!verify(&noted).await, "but the end was noted");
    house.execute("delete from audit where id = 1").await;
    assert!(!verify(&[]).await, "a missing row");
}
