//! Parameters as Go's `net/http` reads them, for MIG's routes: body before query, the first value counts.

use crate::{Problem, body};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::ops::Deref;

/// Holds named values, several per name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<String, Vec<String>>);

impl Values {
    /// Gives the first value of `name`.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// Gives every value of `name`, in order.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Goes through the names with their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    fn add(&mut self, encoded: &str) -> Result<(), serde_urlencoded::de::Error> {
        for (name, value) in serde_urlencoded::from_str::<Vec<(String, String)>>(encoded)? {
            self.0.entry(name).or_default().push(value);
        }
        Ok(())
    }

    fn of_query(request: &HttpRequest) -> Result<Self, Problem> {
        let mut values = Self::default();
        values.add(request.query_string()).map_err(unreadable)?;
        Ok(values)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "called by map_err")]
fn unreadable(error: serde_urlencoded::de::Error) -> Problem {
    Problem::malformed("parameters-unreadable", format!("the parameters do not parse: {error}"))
}

/// Is the body's form merged with the query; a body of another type counts as empty, as in the original.
///
/// Name the body in `utoipa::path(request_body(…))`: utoipa takes this for the framework's own `Form<T>`.
#[derive(Debug, Clone, Default)]
pub struct Form<const LIMIT: usize = { 10 << 20 }>(pub Values);

impl<const LIMIT: usize> Deref for Form<LIMIT> {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.0
    }
}

impl<const LIMIT: usize> FromRequest for Form<LIMIT> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let bytes = body::read(&request, payload, LIMIT).await?;
            let mut values = Values::default();
            if is_form(&request) {
                values.add(&String::from_utf8_lossy(&bytes)).map_err(unreadable)?;
            }
            values.add(request.query_string()).map_err(unreadable)?;
            Ok(Self(values))
        })
    }
}

fn is_form(request: &HttpRequest) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Is the query alone, read as Go reads it.
#[derive(Debug, Clone, Default)]
pub struct QueryValues(pub Values);

impl Deref for QueryValues {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.0
    }
}

impl FromRequest for QueryValues {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Values::of_query(request).map(Self))
    }
}
