//! Where the house stands in the eyes of its callers.

/// Is the public origin that stands before every link, for example `https://writ.example.org`; empty for links that
/// start with the path. MIG calls it `server.host`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Takes an origin; a slash at its end is dropped.
    pub fn new(origin: &str) -> Self {
        Self(origin.trim_end_matches('/').to_owned())
    }

    /// Gives the address of `path`, which starts with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Gives the address of the request itself, query included, as MIG repeats it.
    pub fn href(&self, request: &actix_web::HttpRequest) -> String {
        self.link(&request.uri().to_string())
    }
}
