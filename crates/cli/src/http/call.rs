//! What is asked of the server.

use crate::exit::{Because, Failure};
use reqwest::Method;
use serde::Serialize;

/// Is one request: method, path segments (escaped here), query and JSON body.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'a str, String)>,
    pub(super) body: Option<Vec<u8>>,
}

impl<'a> Call<'a> {
    /// Reads.
    pub fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, query: Vec::new(), body: None }
    }

    /// Posts nothing yet.
    pub fn post(path: &'a [&'a str]) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }

    /// Puts nothing yet.
    pub fn put(path: &'a [&'a str]) -> Self {
        Self { method: Method::PUT, ..Self::get(path) }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Sets the body as it is.
    #[must_use]
    pub fn body(mut self, json: Vec<u8>) -> Self {
        self.body = Some(json);
        self
    }

    /// Sets the body.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Failure> {
        let json =
            serde_json::to_vec(value).because(|| "cannot write the request as JSON".into())?;
        Ok(self.body(json))
    }
}
