//! What a service answered, read whole.

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// Is what came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Answer {
    /// Sends a request and reads the answer to its end.
    pub async fn to(request: RequestBuilder) -> Self {
        Self::of(request.send().await.unwrap()).await
    }

    /// Reads an answer to its end.
    pub async fn of(response: Response) -> Self {
        Self { status: response.status().as_u16(), text: response.text().await.unwrap() }
    }

    /// Gives the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Gives the first value of the first item, as MIG's clients read it.
    pub fn value(&self) -> Value {
        self.json()["collection"]["items"][0]["data"][0]["value"].clone()
    }

    /// Gives the message of the error, as MIG's clients read it.
    pub fn error(&self) -> String {
        self.json()["collection"]["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Wants this status.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "that it was wanted is enough for most")]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}
