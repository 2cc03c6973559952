//! What was done and refused is written down for good.

use crate::house::{ADMIN, House, house, send, start};
use diesel_async::SimpleAsyncConnection;
use investigation_api::{Config, InvestigationApi};
use reqwest::Method;
use service::Service;
use std::process::ExitCode;
use testkit::until;
use types::messages::AuditNoted;
use types::messages::audit::AuditEntry;
use types::{InvestigatorId, Permission};

/// Runs `audit verify`; tells whether the audit is whole.
async fn verify(house: &House, more: &[&str]) -> bool {
    let command = InvestigationApi::commands().into_iter().find(|c| c.get_name() == "audit");
    let words = ["audit", "verify"].iter().chain(more);
    let matches = command.unwrap().try_get_matches_from(words).unwrap();
    let parts = house.running.parts.clone();
    let code =
        InvestigationApi::command(parts, Config::default(), "audit", &matches).await.unwrap();
    format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_refusals_are_rows_that_only_grow() {
    let house = house(&[]).await;
    house.create(&[("name", "Eve", None), ("permissions", "{}", None)]).await.expect(201);
    house.update("id=2&apikey=active").await.expect(200);
    house.update("id=9&apikey=active").await.expect(404);
    for _ in 0..50 {
        house.call(Method::GET, "/api/v1/search", "wrong").await.expect(401);
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
    house.call(Method::GET, "/api/v1/search", "wrong").await.expect(401);
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
    let last = house
        .texts("select id || ':' || encode(hash, 'hex') as text from audit where id = 3")
        .await
        .remove(0);
    let noted = ["--noted", last.as_str()];
    assert!(verify(&house, &[]).await && verify(&house, &noted).await);
    house.execute("alter table audit disable trigger all").await;
    house.execute("update audit set who = 'nobody' where id = 2").await;
    assert!(!verify(&house, &[]).await, "a changed row");
    house.execute("update audit set who = 'admin' where id = 2").await;
    assert!(verify(&house, &[]).await);
    house.execute("delete from audit where id = 3").await;
    assert!(verify(&house, &[]).await, "a chain without its end is a chain");
    assert!(!verify(&house, &noted).await, "but the end was noted");
    house.execute("delete from audit where id = 1").await;
    assert!(!verify(&house, &[]).await, "a missing row");
}

/// Gives the rows as `who what subject outcome detail count`.
async fn rows(house: &House) -> Vec<String> {
    let row =
        "who || ' ' || what || ' ' || subject || ' ' || outcome || ' ' || detail || ' ' || count";
    house.texts(&format!("select {row} as text from audit order by id")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_refused_and_rights_that_are_missing_are_rows() {
    let house = house(&[]).await;
    house.add("eve", Permission::Search.mask(), "eve").await;
    house.form("/api/v1/action/create/", "action=%7B%7D").await.expect(400);
    let cancel =
        async |key: &str| house.call(Method::POST, "/v1/actions/7/cancel", key).await.status;
    assert_eq!(cancel(ADMIN).await, 404);
    assert_eq!(cancel("eve").await, 403);
    assert_eq!(house.call(Method::GET, "/v1/actions/7", "eve").await.status, 403);
    house.call(Method::GET, "/api/v1/action?actionid=7", "eve").await.expect(401);
    house.call(Method::GET, "/v1/actions/7", ADMIN).await.expect(404);
    house.clock.advance(time::Duration::minutes(1));
    until(testkit::PATIENCE, async || house.count("audit where count = 2").await == 1).await;
    assert_eq!(
        rows(&house).await,
        [
            "admin action.accepted  refused action name is empty 1",
            "admin action.cancelled action 7 refused action 7 not found 1",
            "eve request POST /v1/actions/7/cancel refused permission-missing: Insufficient permissions to access endpoint 1",
            "eve request POST /v1/actions/7/cancel refused permission-missing: Insufficient permissions to access endpoint 2",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_services_note_is_written_down() {
    let house = house(&[]).await;
    let at = house.clock.now();
    let entry = |outcome: &str, detail: &str, count| AuditEntry {
        at,
        address: "192.0.2.7".into(),
        investigator: Some(InvestigatorId(5)),
        who: "Ada\n".into(),
        what: "request".into(),
        subject: "POST /v1/plugins".into(),
        outcome: outcome.into(),
        detail: detail.into(),
        count,
    };
    let entries = vec![entry("done", "201", 1), entry("refused", &"x".repeat(9999), -3)];
    house.vhost.publish("agent-gateway", at, AuditNoted { entries }).await;
    until(testkit::PATIENCE, async || house.count("audit").await == 2).await;
    let rows = rows(&house).await;
    assert_eq!(rows[0], "Ada  request agent-gateway POST /v1/plugins done 201 1");
    assert!(rows[1].ends_with("x 1") && rows[1].len() < 1100, "{}", rows[1]);
    assert!(verify(&house, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_holds_whoever_writes_at_the_same_time() {
    let house = house(&[]).await;
    let other = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    other.parts.replica.refresh(&other.parts.store, house.clock.now()).await.unwrap();
    let update = async |url: String, body: String| {
        let request = house.client.post(format!("{url}/api/v1/investigator/update/"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        send(request.header("x-migapikey", ADMIN).body(body)).await.status
    };
    let calls = (0..40).map(|n| {
        let url = if n % 2 == 0 { house.running.url() } else { other.url() };
        let body = if n % 5 == 0 {
            format!("id={}&status=active", 900 + n)
        } else {
            "id=1&status=active".into()
        };
        update(url, body)
    });
    let statuses = futures(calls).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 32, "{statuses:?}");
    until(testkit::PATIENCE, async || house.count("audit where outcome = 'refused'").await == 2)
        .await;
    assert_eq!(house.count("audit where outcome = 'done'").await, 32);
    assert!(verify(&house, &[]).await);
}

/// Waits for all of them at once.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_rows_are_removed_and_the_chain_still_holds() {
    let house = house(&["--retention-audit", "30", "--retention-results", "30"]).await;
    for id in 2..6 {
        house.update(&format!("id={id}&apikey=active")).await.expect(404);
        advance(&house, time::Duration::minutes(2)).await;
    }
    until(testkit::PATIENCE, async || house.count("audit").await == 4).await;
    advance(&house, time::Duration::days(31)).await;
    house.update("id=9&apikey=active").await.expect(404);
    until(testkit::PATIENCE, async || house.count("audit").await == 5).await;
    run(&house, "retain").await;
    let left = house.texts("select id || ' ' || what as text from audit order by id").await;
    assert_eq!(left, ["5 investigator.changed", "6 audit.cut"]);
    assert!(verify(&house, &[]).await);
    run(&house, "retain").await;
    assert_eq!(house.count("audit").await, 2, "what is young stays");

    // rows that leave without a word are missed
    let mut conn = house.database.store().get().await.unwrap();
    let theft = "begin; grant delete on audit to current_user; set local writ.audit_cut = 'on';
        delete from audit where id = 5; commit";
    conn.batch_execute(theft).await.unwrap();
    assert!(!verify(&house, &[]).await);
}

async fn run(house: &House, job: &str) {
    let job = InvestigationApi::jobs().into_iter().find(|found| found.name() == job).unwrap();
    job.run(&house.running.service).await.unwrap();
}

/// Lets time pass; nobody is let in on the word of a copy that was not confirmed meanwhile.
async fn advance(house: &House, time: time::Duration) {
    house.clock.advance(time);
    run(house, "tell_digest").await;
}
