//! What a service answered, read whole.

use reqwest::Response;
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
    /// Reads an answer to its end.
    pub async fn of(response: Response) -> Self {
        Self { status: response.status().as_u16(), text: response.text().await.unwrap() }
    }

    /// Gives the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Wants this status.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "that it was wanted is enough for most")]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}
