//! A browser without script, for pages for people.

use reqwest::{Client, Response, redirect};

/// Is a browser at one service; it keeps one cookie.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    base: String,
    /// The cookie that it sends.
    pub cookie: String,
}

impl Browser {
    /// Opens a browser for the service at `base`.
    pub fn new(base: impl Into<String>) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, base: base.into(), cookie: String::new() }
    }

    /// Gets a page; gives its status and text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let request =
            self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        Self::read(request.send().await.unwrap()).await
    }

    /// Sends a form with further headers.
    pub async fn send(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Response {
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

    /// Sends a form; gives the status and text of the page that comes.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        Self::read(self.send(path, form, &[]).await).await
    }

    /// Sends the form to sign in at `path`; keeps the cookie, which must be one for `scope` only. Gives the status and
    /// where to go then.
    pub async fn sign_in(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        scope: &str,
    ) -> (u16, String) {
        let answer = self.send(path, form, &[]).await;
        let status = answer.status().as_u16();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            for rule in ["HttpOnly", "SameSite=Strict", &format!("Path={scope}")] {
                assert!(cookie.split("; ").any(|part| part == rule), "{cookie}");
            }
            self.cookie = cookie.split(';').next().unwrap_or_default().into();
        }
        (status, to.unwrap_or_default())
    }

    /// Reads a page, which must keep to itself.
    pub async fn read(answer: Response) -> (u16, String) {
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"));
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(!text.contains("<script") && !text.contains("src="), "{text}");
        (status, text)
    }

    /// Gives the word that the forms of a page carry.
    pub fn word(page: &str) -> String {
        let (_, after) = page.split_once("name=\"csrf\" value=\"").unwrap();
        after.split_once('"').unwrap().0.into()
    }
}
