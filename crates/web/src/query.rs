//! Query parameters of the plain dialect: typed, with a problem that names the parameter.

use crate::Problem;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};
use std::ops::Deref;

/// Is the query read into `T`.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T> Query<T> {
    /// Gives the value away.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = serde_urlencoded::Deserializer::new(form_urlencoded::parse(
            request.query_string().as_bytes(),
        ));
        ready(serde_path_to_error::deserialize(query).map(Self).map_err(|error| {
            let name = error.path().to_string();
            let what = error.inner().to_string();
            let detail = format!("the query does not parse: {name}: {what}");
            Problem::malformed("query-invalid", detail).fault(format!("?{name}"), what)
        }))
    }
}
