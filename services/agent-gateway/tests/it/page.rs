//! The page where a person admits a device, as a browser without script uses it.

use crate::support::{Gateway, READER, WRITER, gateway, plugin};
use serde_json::json;
use testkit::Browser;
use types::messages::AuditNoted;

fn open(gateway: &Gateway) -> Browser {
    Browser::new(gateway.url(""))
}

async fn sign_in(browser: &mut Browser, key: &str) -> u16 {
    browser.sign_in("/device/session", &[("key", key)], "/device").await.0
}

/// Sends the last form.
async fn send(browser: &Browser, form: &[(&str, String)]) -> (u16, String) {
    let form: Vec<(&str, &str)> =
        form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post("/device", &form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_admits_a_device_without_script() {
    let gateway = gateway().await;
    let team =
        gateway.post("/v1/teams", WRITER, &json!({"name": "<b>blue"})).await.expect(201).json();
    let plugin = gateway.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
    let request =
        gateway.client.post(gateway.url("/oauth/device/code")).header("user-agent", "<img alt=x>");
    let code: serde_json::Value = request
        .json(&json!({"client_id": "\"><b>evil"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let letters = code["user_code"].as_str().unwrap();
    let mut browser = open(&gateway);

    let (status, page) = browser.get(&format!("/device?code={letters}")).await;
    assert!(status == 200 && page.contains("API key") && !page.contains("evil"), "{page}");
    for key in ["", "wrong", READER] {
        assert_eq!(sign_in(&mut browser, key).await, 403);
    }
    assert_eq!(sign_in(&mut browser, WRITER).await, 303);
    let (_, page) = browser.get("/device").await;
    let csrf = Browser::word(&page);
    let typed = letters.replace('-', " ").to_lowercase();
    let (status, page) = browser.post("/device/code", &[("csrf", &csrf), ("code", &typed)]).await;
    assert_eq!(status, 200);
    for shown in [
        "127.0.0.1",
        "&quot;&gt;&lt;b&gt;evil",
        "&lt;img alt=x&gt;",
        "&lt;b&gt;blue",
        letters,
        "greeter",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let (team, plugin) = (team["id"].as_str().unwrap(), plugin["id"].as_str().unwrap());
    let form = |name: &'static str| {
        [
            ("csrf", csrf.clone()),
            ("code", letters.into()),
            ("name", name.into()),
            ("team", team.into()),
            ("plugin", plugin.into()),
            ("decision", "approve".into()),
        ]
    };
    let (status, page) = send(&browser, &form("")).await;
    assert!(status == 422 && page.contains("bytes long"), "{page}");
    let (status, page) = send(&browser, &form("web-1")).await;
    assert!(status == 200 && page.contains("The device is in"), "{page}");
    let agents = gateway.get("/v1/agents", READER).await.json();
    let agent = &agents["items"][0];
    assert_eq!(
        (&agent["name"], &agent["team_id"], &agent["plugins"]),
        (&json!("web-1"), &json!(team), &json!([plugin]))
    );
    let (status, _) = send(&browser, &form("web-2")).await;
    assert_eq!((status, gateway.count("agent").await), (404, 1));

    let denied = gateway.device_code().await;
    let letters = denied["user_code"].as_str().unwrap();
    let (status, _) =
        browser.post("/device", &[("csrf", &csrf), ("code", letters), ("decision", "deny")]).await;
    assert_eq!(status, 200);
    assert_eq!(gateway.poll_token(&denied).await.json()["error"], "access_denied");

    assert_eq!(browser.post("/device/session/end", &[("csrf", &csrf)]).await.0, 303);
    assert!(browser.get("/device").await.1.contains("API key"), "signed out");
    assert_eq!(gateway.count("page_session").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_and_no_guesser_gets_through() {
    let gateway = gateway().await;
    let code = gateway.device_code().await;
    let letters = code["user_code"].as_str().unwrap();
    let mut browser = open(&gateway);
    let form = [("code", letters), ("name", "a"), ("decision", "approve")];
    assert_eq!(browser.post("/device", &form).await.0, 403, "nobody is signed in");
    assert_eq!(sign_in(&mut browser, WRITER).await, 303);
    let csrf = Browser::word(&browser.get("/device").await.1);
    assert_eq!(browser.post("/device", &form).await.0, 403, "no word");
    let mut with = form.to_vec();
    with.push(("csrf", "wrong"));
    assert_eq!(browser.post("/device", &with).await.0, 403, "a wrong word");
    with.pop();
    with.push(("csrf", &csrf));
    for header in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")]
    {
        assert_eq!(browser.send("/device", &with, &[header]).await.status(), 403, "{header:?}");
    }
    let mut thief = open(&gateway);
    thief.cookie = "writ-device=stolen".into();
    assert_eq!(thief.post("/device", &with).await.0, 403, "another session");
    assert_eq!(gateway.count("agent").await, 0);

    // ten wrong codes, and the right one does not help for five minutes
    for _ in 0..10 {
        let wrong = [("csrf", csrf.as_str()), ("code", "BBBB-BBBB")];
        assert_eq!(browser.post("/device/code", &wrong).await.0, 404);
    }
    let (status, page) = browser.post("/device", &with).await;
    assert!(status == 429 && page.contains("five minutes"), "{page}");
    assert_eq!(sign_in(&mut browser, "wrong").await, 429);
    assert_eq!(
        gateway.poll_token(&code).await.expect(400).json()["error"],
        "authorization_pending"
    );
    gateway.clock.advance(time::Duration::minutes(5));
    assert_eq!(browser.post("/device", &with).await.0, 200);
    gateway.clock.advance(time::Duration::minutes(15));
    assert!(browser.get("/device").await.1.contains("API key"), "a session ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_told_who_came_and_who_let_a_device_in() {
    let mut gateway = gateway().await;
    let code = gateway.device_code().await;
    let letters = code["user_code"].as_str().unwrap();
    let mut browser = open(&gateway);
    assert_eq!(sign_in(&mut browser, "wrong").await, 403);
    let noted = gateway.tap.next::<AuditNoted>().await.data.entries.remove(0);
    assert_eq!(
        (noted.what.as_str(), noted.outcome.as_str(), noted.subject.as_str()),
        ("login", "refused", "POST /device/session")
    );
    assert_eq!(sign_in(&mut browser, WRITER).await, 303);
    let came = gateway.tap.next::<AuditNoted>().await.data.entries.remove(0);
    assert_eq!(
        (came.who.as_str(), came.outcome.as_str(), came.subject.as_str()),
        ("writer", "done", "POST /device/session")
    );
    let csrf = Browser::word(&browser.get("/device").await.1);
    let form = |name: &'static str, code: &str| {
        [
            ("csrf", csrf.clone()),
            ("code", code.into()),
            ("name", name.into()),
            ("decision", "approve".into()),
        ]
    };
    assert_eq!(send(&browser, &form("", letters)).await.0, 422);
    let refused = gateway.tap.next::<AuditNoted>().await.data.entries.remove(0);
    assert_eq!(
        (refused.who.as_str(), refused.outcome.as_str(), refused.subject.as_str()),
        ("writer", "refused", "POST /device")
    );
    assert!(refused.detail.contains("422"), "{refused:?}");
    assert_eq!(send(&browser, &form("web-1", letters)).await.0, 200);
    let done = gateway.tap.next::<AuditNoted>().await.data.entries.remove(0);
    let agent = gateway.get("/v1/agents", READER).await.json()["items"][0]["id"].clone();
    let subject = format!("POST /device ({letters} admitted as agent {})", agent.as_str().unwrap());
    assert_eq!(
        (done.who.as_str(), done.outcome.as_str(), done.subject),
        ("writer", "done", subject)
    );
    let code = gateway.device_code().await;
    let agent = gateway.approve(&code, &json!({"name": "web-2"})).await.expect(200).json();
    let done = gateway.tap.next::<AuditNoted>().await.data.entries.remove(0);
    let subject = format!("/approve (agent {})", agent["id"].as_str().unwrap());
    assert!(done.who == "writer" && done.subject.ends_with(&subject), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_on_old_keys_or_after_many_guesses() {
    let gateway = gateway().await;
    let mut browser = open(&gateway);
    // guesses count wherever they are made
    assert_eq!(sign_in(&mut browser, WRITER).await, 303);
    let csrf = Browser::word(&browser.get("/device").await.1);
    for turn in 0..5 {
        assert_eq!(browser.get("/device?code=BBBB-BBBB").await.0, 404, "{turn}");
        let guess =
            [("csrf", csrf.as_str()), ("code", "BBBBBBBC"), ("name", "a"), ("decision", "approve")];
        assert_eq!(browser.post("/device", &guess).await.0, 404, "{turn}");
    }
    let code = gateway.device_code().await;
    let letters = code["user_code"].as_str().unwrap();
    assert_eq!(browser.get(&format!("/device?code={letters}")).await.0, 429);
    assert_eq!(gateway.approve(&code, &json!({"name": "a"})).await.status, 429);

    // the copy of the investigators' keys is known to be whole until the year 2100
    gateway.clock.advance(time::Duration::days(365 * 80));
    let code = gateway.device_code().await;
    let letters = code["user_code"].as_str().unwrap();
    assert_eq!(sign_in(&mut browser, WRITER).await, 303);
    let csrf = Browser::word(&browser.get("/device").await.1);
    for decision in ["approve", "deny"] {
        let form =
            [("csrf", csrf.as_str()), ("code", letters), ("name", "a"), ("decision", decision)];
        let (status, page) = browser.post("/device", &form).await;
        assert!(status == 422 && page.contains("may be out of date"), "{page}");
    }
    assert_eq!(
        gateway.poll_token(&code).await.expect(400).json()["error"],
        "authorization_pending"
    );
    assert_eq!(gateway.count("agent").await, 0);
}
