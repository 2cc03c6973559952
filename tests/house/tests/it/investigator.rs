//! An investigator: signs with the first administrator's key and asks through the one public origin.

use crate::house::House;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use signing::key::SecretKey;
use std::process::Command;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::{Action, Clock};

/// Says how long a condition of the house may take, restarts included.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Investigator {
    http: Client,
    url: String,
    api_key: String,
    key: SecretKey,
    /// The header `traceparent` of all requests.
    pub(crate) trace: Option<String>,
}

impl Investigator {
    pub(crate) fn of(house: &House) -> Self {
        let exported = Command::new("gpg")
            .args(["--batch", "--armor", "--homedir", house.var("WRIT_ADMIN_GNUPGHOME")])
            .args(["--export-secret-keys", house.var("WRIT_ADMIN_FINGERPRINT")])
            .output()
            .unwrap();
        let armored = String::from_utf8(exported.stdout).unwrap();
        let _once = rustls::crypto::ring::default_provider().install_default();
        Self {
            // a front that takes in a new configuration closes the connections that wait for a next request
            http: Client::builder()
                .timeout(Duration::from_secs(10))
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
            trace: None,
            url: house.var("WRIT_URL").to_owned(),
            api_key: house.var("WRIT_ADMIN_APIKEY").to_owned(),
            key: SecretKey::parse(&armored, None).unwrap(),
        }
    }

    pub(crate) fn public_key(&self) -> String {
        self.key.public().armored()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> reqwest::Result<Response> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.api_key);
        if let Some(trace) = &self.trace {
            request = request.header("traceparent", trace);
        }
        match body {
            Some(body) => {
                request
                    .header("content-type", "application/json")
                    .body(body.to_owned())
                    .send()
                    .await
            }
            None => request.send().await,
        }
    }

    /// Asks until the answer is a success, through any outage; panics at a refusal or when it takes too long.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&str>) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            match self.send(method.clone(), path, body).await {
                Ok(answer) if answer.status().is_success() => {
                    return answer.json().await.unwrap_or(Value::Null);
                }
                Ok(answer) if answer.status().is_client_error() => {
                    let status = answer.status();
                    assert_eq!(status, StatusCode::OK, "{path}: {}", answer.text().await.unwrap());
                }
                Ok(answer) => last = answer.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path}: no answer: {last}");
    }

    /// Asks once; anything but a success is a fault.
    pub(crate) async fn once(&self, method: Method, path: &str, body: Option<&str>) -> Value {
        let answer = self.send(method, path, body).await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Reads once; that there is nothing is an answer too.
    pub(crate) async fn once_unless_absent(&self, path: &str) {
        let answer = self.send(Method::GET, path, None).await.unwrap();
        let status = answer.status();
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{path}: {status}");
    }

    /// Asks until `wanted` holds of the answer.
    pub(crate) async fn ask_until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(Method::GET, path, None).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: in vain: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes and signs an action.
    pub(crate) fn sign(
        &self,
        name: &str,
        target: &str,
        module: &str,
        parameters: &Value,
    ) -> String {
        self.sign_for(name, target, module, parameters, Duration::ZERO)
    }

    /// Writes and signs an action that begins so much later.
    pub(crate) fn sign_for(
        &self,
        name: &str,
        target: &str,
        module: &str,
        parameters: &Value,
        later: Duration,
    ) -> String {
        let now = Clock::system().now();
        let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
        let mut action = json!({
            "name": name, "target": target, "syntaxversion": 2,
            "validfrom": text(now - Duration::from_mins(1) + later), "expireafter": text(now + Duration::from_mins(10) + later),
            "operations": [{"module": module, "parameters": parameters}],
        });
        let read = Action::parse(action.to_string().as_bytes()).unwrap();
        let signed = signing::action::signed_string(&read);
        action["pgpsignatures"] = json!([self.key.sign_line(signed.as_bytes(), now).unwrap()]);
        action.to_string()
    }
}
