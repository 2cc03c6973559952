//! What is asked of the server.

use crate::exit::{Because, Failure};
use reqwest::Method;
use serde::Serialize;

/// Is one request: method, path segments (escaped here), query and body, JSON unless said otherwise.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'a str, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) content_type: String,
}

impl<'a> Call<'a> {
    /// Reads.
    pub fn get(path: &'a [&'a str]) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
            content_type: "application/json".into(),
        }
    }

    /// Posts nothing yet.
    pub fn post(path: &'a [&'a str]) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }

    /// Puts nothing yet.
    pub fn put(path: &'a [&'a str]) -> Self {
        Self { method: Method::PUT, ..Self::get(path) }
    }

    /// Takes something away.
    pub fn delete(path: &'a [&'a str]) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// Changes nothing yet.
    pub fn patch(path: &'a [&'a str]) -> Self {
        Self { method: Method::PATCH, ..Self::get(path) }
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

    /// Sets a form as the body.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let escape =
            |text| form_urlencoded::byte_serialize(str::as_bytes(text)).collect::<String>();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        self.content_type = "application/x-www-form-urlencoded".into();
        self.body(fields.join("&").into_bytes())
    }

    /// Sets a multipart form of texts and files as the body; a third `true` makes a part a file.
    pub fn parts(mut self, parts: &[(&str, &str, bool)]) -> Result<Self, Failure> {
        let boundary = format!("writ{:032x}", rand::random::<u128>());
        let mut body = Vec::new();
        for (name, content, is_file) in parts {
            if content.contains(&boundary) {
                return Err(Failure::new("the content holds its own boundary; try again"));
            }
            let file = if *is_file { format!("; filename=\"{name}\"") } else { String::new() };
            body.push(format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
            ));
        }
        body.push(format!("--{boundary}--\r\n"));
        self.content_type = format!("multipart/form-data; boundary={boundary}");
        Ok(self.body(body.concat().into_bytes()))
    }

    /// Sets the body.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Failure> {
        let json =
            serde_json::to_vec(value).because(|| "cannot write the request as JSON".into())?;
        Ok(self.body(json))
    }
}
