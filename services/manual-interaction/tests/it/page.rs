//! The page for people, as a browser without script uses it.

use crate::support::{ALICE, BOB, Manual, NOBODY, READER, manual};
use testkit::{Browser, PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::messages::{AuditNoted, ManualAnswered};

fn open(manual: &Manual) -> Browser {
    Browser::new(manual.url(""))
}

async fn sign_in(browser: &mut Browser, key: &str, next: &str) -> (u16, String) {
    let form = [("key", key), ("next", next)];
    browser.sign_in("/manual/page/session", &form, "/manual/page").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_a_step_without_script() {
    let mut manual = manual().await;
    let mut step = manual.step();
    step.name = "<b>ask".into();
    step.out_args[0].value = "\"><b>".into();
    manual.ask(&step).await;
    let mut browser = open(&manual);
    let at = format!("/manual/page/steps/{}", step.step);
    let (status, page) = browser.get(&at).await;
    assert!(status == 200 && page.contains("API key") && !page.contains("ask"), "{page}");
    for key in ["", "wrong", NOBODY] {
        assert_eq!(sign_in(&mut browser, key, &at).await.0, 403);
    }
    assert_eq!(sign_in(&mut browser, ALICE, "//evil.example").await, (303, "/manual/page".into()));
    assert_eq!(sign_in(&mut browser, ALICE, &at).await, (303, at.clone()));

    let (status, page) = browser.get("/manual/page").await;
    assert_eq!(status, 200);
    for shown in ["&lt;b&gt;ask", "1 h 0 min", "Lock out", "http-equiv=\"refresh\"", &at] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let (_, page) = browser.get(&at).await;
    for shown in [
        "do X1 &lt;now&gt; &amp; go",
        "cmd descr",
        "step descr",
        "Ops",
        "type=\"number\"",
        "value=\"&quot;&gt;&lt;b&gt;\"",
        "<textarea id=\"v2\" name=\"value.__note__\"",
        "constant",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let csrf = Browser::word(&page);
    let act = async |fields: &[(&str, &str)]| {
        let mut form = vec![("csrf", csrf.as_str())];
        form.extend(fields);
        browser.post(&at, &form).await
    };
    assert_eq!(act(&[("do", "claim")]).await.0, 303);
    assert_eq!(act(&[("do", "comment"), ("text", "on <it>")]).await.0, 303);
    let (status, page) =
        act(&[("do", "success"), ("value.__count__", "many"), ("value.__note__", "kept")]).await;
    assert!(status == 422 && page.contains("is no integer") && page.contains("kept"), "{page}");
    assert_eq!(act(&[("do", "assign"), ("assignee", "mallory")]).await.0, 422);
    assert_eq!(act(&[("do", "odd")]).await.0, 422);
    let (status, _) =
        act(&[("do", "success"), ("value.__count__", "12"), ("value.__note__", "a\r\nb")]).await;
    assert_eq!(status, 303);
    let told = manual.tap.next::<ManualAnswered>().await.data;
    assert_eq!((told.answered_by.as_str(), told.variables["__note__"].as_str()), ("alice", "a\nb"));
    let (_, page) = browser.get(&at).await;
    assert!(page.contains("on &lt;it&gt;") && page.contains("success by alice"), "{page}");
    assert!(!page.contains("value=\"success\""), "it waits no longer");
    let (_, page) = browser.get("/manual/page?state=answered").await;
    assert!(page.contains("&lt;b&gt;ask") && page.contains("success"), "{page}");
    let mut other = open(&manual);
    sign_in(&mut other, BOB, &at).await;
    let csrf = Browser::word(&other.get(&at).await.1);
    let late = [("csrf", csrf.as_str()), ("do", "failure")];
    let (status, page) = other.post(&at, &late).await;
    assert!(status == 409 && page.contains("answered already, by alice"), "{page}");
    assert_eq!(browser.get("/manual/page/steps/00000000-0000-0000-0000-000000000001").await.0, 404);
    let csrf = Browser::word(&browser.get("/manual/page").await.1);
    assert_eq!(browser.post("/manual/page/session/end", &[("csrf", &csrf)]).await.0, 303);
    assert!(browser.get("/manual/page").await.1.contains("API key"), "signed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_no_reader_and_no_guesser_answers() {
    let manual = manual().await;
    let step = manual.asked().await;
    let at = format!("/manual/page/steps/{}", step.step);
    let mut browser = open(&manual);
    let form = [("do", "failure")];
    assert_eq!(browser.post(&at, &form).await.0, 403, "nobody is signed in");
    sign_in(&mut browser, ALICE, "").await;
    let csrf = Browser::word(&browser.get(&at).await.1);
    assert_eq!(browser.post(&at, &form).await.0, 403, "no word");
    assert_eq!(browser.post(&at, &[("csrf", "wrong"), form[0]]).await.0, 403, "a wrong word");
    let with = [("csrf", csrf.as_str()), form[0]];
    for header in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")]
    {
        assert_eq!(browser.send(&at, &with, &[header]).await.status(), 403, "{header:?}");
    }
    let mut reader = open(&manual);
    assert_eq!(sign_in(&mut reader, READER, "").await.0, 303);
    let (_, page) = reader.get(&at).await;
    assert!(!page.contains("value=\"success\"") && !page.contains("name=\"text\""), "{page}");
    let csrf = Browser::word(&page);
    let (status, page) = reader.post(&at, &[("csrf", &csrf), form[0]]).await;
    assert!(status == 403 && page.contains("may only read"), "{page}");
    assert_eq!(manual.shown(&step).await["state"], "pending");
    for _ in 0..10 {
        assert_eq!(sign_in(&mut reader, "wrong", "").await.0, 403);
    }
    assert_eq!(sign_in(&mut reader, "wrong", "").await.0, 429);
    assert_eq!(sign_in(&mut reader, ALICE, "").await.0, 303, "behind a proxy all have one address");
    manual.clock.advance(time::Duration::minutes(15));
    assert!(browser.get("/manual/page").await.1.contains("API key"), "a session ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nobodys_form_is_anything_read_and_of_nobody_is_one_too_large() {
    let manual = manual().await;
    let step = manual.asked().await;
    let at = format!("/manual/page/steps/{}", step.step);
    for cookie in ["", "cookie: writ-manual=0123456789\r\n"] {
        // nothing of what is said to follow ever comes
        let head = format!(
            "POST {at} HTTP/1.1\r\nhost: writ\r\n{cookie}\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 2000000\r\n\r\n"
        );
        let mut stream = TcpStream::connect(manual.running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        // well before the service would give the body up
        let read = tokio::time::timeout(PATIENCE / 3, stream.read_exact(&mut answer)).await;
        read.expect("it waits for the body").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 403", "{cookie}");
    }
    let mut browser = open(&manual);
    sign_in(&mut browser, ALICE, "").await;
    let csrf = Browser::word(&browser.get(&at).await.1);
    let mut form = vec![("csrf", csrf.as_str()), ("do", "claim")];
    form.resize(1001, ("a", ""));
    let refused = browser.send(&at, &form, &[]).await;
    assert_eq!(refused.status(), 400);
    let text = refused.text().await.unwrap();
    assert!(text.contains("at most 1000 parameters"), "{text}");
    form.truncate(1000);
    assert_eq!(browser.post(&at, &form).await.0, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_told_who_came_and_who_left() {
    let mut manual = manual().await;
    let mut browser = open(&manual);
    assert_eq!(sign_in(&mut browser, ALICE, "").await.0, 303);
    let csrf = Browser::word(&browser.get("/manual/page").await.1);
    assert_eq!(browser.post("/manual/page/session/end", &[("csrf", &csrf)]).await.0, 303);
    let mut noted = Vec::new();
    while noted.len() < 2 {
        noted.extend(manual.tap.next::<AuditNoted>().await.data.entries);
    }
    for (entry, subject) in noted.iter().zip(["session", "session/end"]) {
        let told = (entry.who.as_str(), entry.outcome.as_str(), entry.subject.clone());
        assert_eq!(told, ("alice", "done", format!("POST /manual/page/{subject}")));
    }
}
