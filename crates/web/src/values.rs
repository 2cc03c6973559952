//! Parameters as Go's `net/http` reads them, for MIG's routes: body before query, the first value counts.

use crate::{Problem, body};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::ops::Deref;

/// Says how many values a body and a query may have together: of one that costs its sender two bytes, we keep about a
/// hundred.
const MOST: usize = 1000;

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

    /// Adds what is written as a form or a query, one by one, so that what is too much is never there.
    fn add(&mut self, encoded: &[u8]) -> Result<(), Problem> {
        let mut room = MOST - self.0.values().map(Vec::len).sum::<usize>().min(MOST);
        for (name, value) in form_urlencoded::parse(encoded) {
            room = room.checked_sub(1).ok_or_else(|| {
                let detail = format!("at most {MOST} parameters are taken");
                Problem::malformed("parameters-too-many", detail)
            })?;
            self.0.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Ok(())
    }
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
                values.add(&bytes)?;
            }
            values.add(request.query_string().as_bytes())?;
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
        let mut values = Values::default();
        ready(values.add(request.query_string().as_bytes()).map(|()| Self(values)))
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Values};

    #[test]
    fn values_are_read_as_a_form_has_them() {
        let mut values = Values::default();
        values.add(b"a=1&b=%C3%A4+%26&&a=2&c&\xff=%ff").unwrap();
        values.add(b"a=3").unwrap();
        assert_eq!(values.all("a"), ["1", "2", "3"]);
        assert_eq!((values.first("b"), values.first("c")), (Some("\u{e4} &"), Some("")));
        assert_eq!((values.first("\u{fffd}"), values.first("d")), (Some("\u{fffd}"), None));
    }

    #[test]
    fn more_values_than_any_form_has_are_refused() {
        let many = |count: usize| "a&".repeat(count);
        let mut values = Values::default();
        values.add(many(MOST - 1).as_bytes()).unwrap();
        values.add(b"b=1&&&").unwrap();
        assert_eq!(values.all("a").len(), MOST - 1);
        let problem = values.add(b"c").unwrap_err();
        assert_eq!(problem.status(), 400);
        assert!(problem.to_string().contains("at most 1000 parameters"), "{problem}");
        let mut values = Values::default();
        values.add(many(1 << 20).as_bytes()).unwrap_err();
        assert_eq!(values.all("a").len(), MOST);
    }
}
