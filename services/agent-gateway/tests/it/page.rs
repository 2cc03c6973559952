//! The page where a person admits a device, as a browser without script uses it.

use crate::support::{Gateway, READER, WRITER, gateway, plugin};
use reqwest::{Client, Response, redirect};
use serde_json::json;

struct Browser {
    client: Client,
    base: String,
    cookie: String,
}

impl Browser {
    fn new(gateway: &Gateway) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, base: gateway.url(""), cookie: String::new() }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request =
            self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        read(request.send().await.unwrap()).await
    }

    async fn send(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Response {
        let mut request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        read(self.send(path, form, &[]).await).await
    }

    async fn sign_in(&mut self, key: &str) -> u16 {
        let answer = self.send("/device/session", &[("key", key)], &[]).await;
        let status = answer.status().as_u16();
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.contains("HttpOnly")
                    && cookie.contains("SameSite=Strict")
                    && cookie.contains("Path=/device")
            );
            self.cookie = cookie.split(';').next().unwrap().into();
        }
        status
    }
}

/// Sends the last form.
async fn send(browser: &Browser, form: &[(&str, String)]) -> (u16, String) {
    let form: Vec<(&str, &str)> =
        form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post("/device", &form).await
}

async fn read(answer: Response) -> (u16, String) {
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"));
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert!(!text.contains("<script") && !text.contains("http"), "{text}");
    (status, text)
}

fn word(page: &str) -> String {
    let (_, after) = page.split_once("name=\"csrf\" value=\"").unwrap();
    after.split_once('"').unwrap().0.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_admits_a_device_without_script() {
    let gateway = gateway().await;
    let team =
        gateway.post("/v1/teams", WRITER, &json!({"name": "<b>blue"})).await.expect(201).json();
    let plugin = gateway.post("/v1/plugins", WRITER, &plugin()).await.expect(201).json();
    let request =
        gateway.client.post(gateway.url("/oauth/device/code")).header("user-agent", "<img src=x>");
    let code: serde_json::Value = request
        .json(&json!({"client_id": "\"><b>evil"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let letters = code["user_code"].as_str().unwrap();
    let mut browser = Browser::new(&gateway);

    let (status, page) = browser.get(&format!("/device?code={letters}")).await;
    assert!(status == 200 && page.contains("API key") && !page.contains("evil"), "{page}");
    for key in ["", "wrong", READER] {
        assert_eq!(browser.sign_in(key).await, 403);
    }
    assert_eq!(browser.sign_in(WRITER).await, 303);
    let (_, page) = browser.get("/device").await;
    let csrf = word(&page);
    let typed = letters.replace('-', " ").to_lowercase();
    let (status, page) = browser.post("/device/code", &[("csrf", &csrf), ("code", &typed)]).await;
    assert_eq!(status, 200);
    for shown in [
        "127.0.0.1",
        "&quot;&gt;&lt;b&gt;evil",
        "&lt;img src=x&gt;",
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
    let mut browser = Browser::new(&gateway);
    let form = [("code", letters), ("name", "a"), ("decision", "approve")];
    assert_eq!(browser.post("/device", &form).await.0, 403, "nobody is signed in");
    assert_eq!(browser.sign_in(WRITER).await, 303);
    let csrf = word(&browser.get("/device").await.1);
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
    let thief = Browser { cookie: "writ-device=stolen".into(), ..Browser::new(&gateway) };
    assert_eq!(thief.post("/device", &with).await.0, 403, "another session");
    assert_eq!(gateway.count("agent").await, 0);

    // ten wrong codes, and the right one does not help for five minutes
    for _ in 0..10 {
        let wrong = [("csrf", csrf.as_str()), ("code", "BBBB-BBBB")];
        assert_eq!(browser.post("/device/code", &wrong).await.0, 404);
    }
    let (status, page) = browser.post("/device", &with).await;
    assert!(status == 429 && page.contains("five minutes"), "{page}");
    assert_eq!(browser.sign_in(WRITER).await, 429);
    assert_eq!(
        gateway.poll_token(&code).await.expect(400).json()["error"],
        "authorization_pending"
    );
    gateway.clock.advance(time::Duration::minutes(5));
    assert_eq!(browser.post("/device", &with).await.0, 200);
    gateway.clock.advance(time::Duration::minutes(15));
    assert!(browser.get("/device").await.1.contains("API key"), "a session ends");
}
