//! Which pages of other origins may read answers: those of a setting, and any under SOARCA's paths where these are
//! open.
//!
//! Credentials are headers that a page has to know, never cookies: no answer allows credentials.

use crate::Dialect;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

const METHODS: &str = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
const HEADERS: &str = "Authorization,Content-Type,X-MIGAPIKEY,X-PGPAUTHORIZATION,X-Request-Id";

/// Says which origins may read which answers.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<String>,
    soarca_is_open: bool,
}

impl Cors {
    /// Allows `origins` everywhere (`*` for any), and any under SOARCA's paths where these are open.
    pub fn new(origins: Vec<String>, soarca_is_open: bool) -> Self {
        let origins = origins.into_iter().map(|origin| origin.trim_end_matches('/').into());
        Self { origins: origins.collect(), soarca_is_open }
    }

    /// Gives what `Access-Control-Allow-Origin` says to a page of `origin` that reads `path`.
    fn allowed<'a>(&self, origin: &'a str, path: &str) -> Option<&'a str> {
        if self.origins.iter().any(|known| known == "*")
            || (self.soarca_is_open && Dialect::of(path) == Dialect::Soarca)
        {
            return Some("*");
        }
        self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)).then_some(origin)
    }
}

/// Answers preflights, and tells browsers who may read an answer.
pub(crate) fn apply(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let request = response.request();
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (Some(cors), Some(origin)) =
        (request.app_data::<web::Data<Cors>>().cloned(), text(header::ORIGIN))
    else {
        return response;
    };
    let preflight = request.method() == Method::OPTIONS
        && text(header::ACCESS_CONTROL_REQUEST_METHOD).is_some()
        && !response.status().is_success();
    let Some(allowed) = cors.allowed(origin, request.path()).map(ToOwned::to_owned) else {
        return response;
    };
    let mut response = if preflight {
        response.into_response(HttpResponse::new(StatusCode::NO_CONTENT))
    } else {
        response
    };
    let headers = response.headers_mut();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
    say(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, "X-Request-Id,Retry-After,Location");
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if preflight {
        say(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        say(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        say(headers, header::ACCESS_CONTROL_MAX_AGE, "43200");
    }
    response
}

fn say(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::Cors;

    #[test]
    fn only_what_is_set_or_open_is_allowed() {
        let shut = Cors::new(vec!["https://soc.example/".into()], false);
        assert_eq!(shut.allowed("https://soc.example", "/v1/steps"), Some("https://soc.example"));
        assert_eq!(shut.allowed("https://evil.example", "/manual"), None);
        let open = Cors::new(Vec::new(), true);
        assert_eq!(open.allowed("https://any.example", "/manual/"), Some("*"));
        assert_eq!(open.allowed("https://any.example", "/v1/steps"), None);
    }
}
