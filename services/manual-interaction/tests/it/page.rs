//! The page for people, as a browser without script uses it.

use crate::support::{ALICE, BOB, Manual, NOBODY, READER, manual};
use reqwest::{Client, Response, redirect};
use types::messages::ManualAnswered;

struct Browser {
    client: Client,
    base: String,
    cookie: String,
}

impl Browser {
    fn new(manual: &Manual) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, base: manual.url(""), cookie: String::new() }
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

    async fn sign_in(&mut self, key: &str, next: &str) -> (u16, String) {
        let answer = self.send("/manual/page/session", &[("key", key), ("next", next)], &[]).await;
        let status = answer.status().as_u16();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            for rule in ["HttpOnly", "SameSite=Strict", "Path=/manual/page"] {
                assert!(cookie.contains(rule), "{cookie}");
            }
            self.cookie = cookie.split(';').next().unwrap().into();
        }
        (status, to.unwrap_or_default())
    }
}

async fn read(answer: Response) -> (u16, String) {
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"));
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert!(!text.contains("<script") && !text.contains("src="), "{text}");
    (status, text)
}

fn word(page: &str) -> String {
    let (_, after) = page.split_once("name=\"csrf\" value=\"").unwrap();
    after.split_once('"').unwrap().0.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_a_step_without_script() {
    let mut manual = manual().await;
    let mut step = manual.step();
    step.name = "<b>ask".into();
    step.out_args[0].value = "\"><b>".into();
    manual.ask(&step).await;
    let mut browser = Browser::new(&manual);
    let at = format!("/manual/page/steps/{}", step.step);
    let (status, page) = browser.get(&at).await;
    assert!(status == 200 && page.contains("API key") && !page.contains("ask"), "{page}");
    for key in ["", "wrong", NOBODY] {
        assert_eq!(browser.sign_in(key, &at).await.0, 403);
    }
    assert_eq!(browser.sign_in(ALICE, "//evil.example").await, (303, "/manual/page".into()));
    assert_eq!(browser.sign_in(ALICE, &at).await, (303, at.clone()));

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
    let csrf = word(&page);
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
    let mut other = Browser::new(&manual);
    other.sign_in(BOB, &at).await;
    let csrf = word(&other.get(&at).await.1);
    let late = [("csrf", csrf.as_str()), ("do", "failure")];
    let (status, page) = other.post(&at, &late).await;
    assert!(status == 409 && page.contains("answered already, by alice"), "{page}");
    assert_eq!(browser.get("/manual/page/steps/00000000-0000-0000-0000-000000000001").await.0, 404);
    let csrf = word(&browser.get("/manual/page").await.1);
    assert_eq!(browser.post("/manual/page/session/end", &[("csrf", &csrf)]).await.0, 303);
    assert!(browser.get("/manual/page").await.1.contains("API key"), "signed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_no_reader_and_no_guesser_answers() {
    let manual = manual().await;
    let step = manual.asked().await;
    let at = format!("/manual/page/steps/{}", step.step);
    let mut browser = Browser::new(&manual);
    let form = [("do", "failure")];
    assert_eq!(browser.post(&at, &form).await.0, 403, "nobody is signed in");
    browser.sign_in(ALICE, "").await;
    let csrf = word(&browser.get(&at).await.1);
    assert_eq!(browser.post(&at, &form).await.0, 403, "no word");
    assert_eq!(browser.post(&at, &[("csrf", "wrong"), form[0]]).await.0, 403, "a wrong word");
    let with = [("csrf", csrf.as_str()), form[0]];
    for header in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")]
    {
        assert_eq!(browser.send(&at, &with, &[header]).await.status(), 403, "{header:?}");
    }
    let mut reader = Browser::new(&manual);
    assert_eq!(reader.sign_in(READER, "").await.0, 303);
    let (_, page) = reader.get(&at).await;
    assert!(!page.contains("value=\"success\"") && !page.contains("name=\"text\""), "{page}");
    let csrf = word(&page);
    assert_eq!(reader.post(&at, &[("csrf", &csrf), form[0]]).await.0, 403, "may only read");
    assert_eq!(manual.shown(&step).await["state"], "pending");
    for _ in 0..10 {
        assert_eq!(reader.sign_in("wrong", "").await.0, 403);
    }
    assert_eq!(reader.sign_in(ALICE, "").await.0, 429);
    manual.clock.advance(time::Duration::minutes(15));
    assert!(browser.get("/manual/page").await.1.contains("API key"), "a session ends");
}
