//! The middleware that wraps every server: request ids, security headers, problems in the dialect of the path,
//! measures.

use crate::render::{self, Asked};
use crate::request_id::HEADER;
use crate::{Dialect, Origin, Problem, RequestId, Witness, cors, span};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use std::time::Instant;

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("web")
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_description("How long requests took, by route")
        .with_boundaries(vec![
            0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 60.0,
        ])
        .build()
});

/// Is the service that a request belongs to: a process may have several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceName(pub(crate) &'static str);

/// Wraps one request; everything that all routes share happens here.
pub(crate) async fn manner(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let start = Instant::now();
    let asked = asked(&request);
    let (method, scheme) = (span::method(request.method()), span::scheme(&request));
    let response = next.call(request).await?.map_into_boxed_body();
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    Witness::tell_end(response.request(), response.status(), problem);
    let response = match response.response().error() {
        None => response,
        Some(error) => {
            let rendered = render_error(error, &asked);
            response.into_response(rendered)
        }
    };
    let mut response = cors::apply(response);
    dress(response.headers_mut(), &asked);
    measure(&response, method, scheme, start);
    Ok(response)
}

fn asked(request: &ServiceRequest) -> Asked {
    let origin = request.app_data::<web::Data<Origin>>();
    let uri = request.uri().to_string();
    Asked {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        href: origin.map_or_else(|| uri.clone(), |origin| origin.link(&uri)),
        request_id: RequestId::of(request).0,
    }
}

fn render_error(error: &Error, asked: &Asked) -> HttpResponse {
    let dialect = Dialect::of(&asked.path);
    if let Some(problem) = error.as_error::<Problem>() {
        render::log(problem.parts(), asked);
        return render::problem(problem.parts(), dialect, asked);
    }
    let problem = render::foreign(error.as_response_error().status_code(), error);
    render::log(problem.parts(), asked);
    render::problem(problem.parts(), dialect, asked)
}

/// Sets what every answer carries, unless its handler chose otherwise.
fn dress(headers: &mut HeaderMap, asked: &Asked) {
    let mut default = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::CACHE_CONTROL, "no-store");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    if let Ok(id) = HeaderValue::from_str(&asked.request_id) {
        headers.insert(HeaderName::from_static(HEADER), id);
    }
}

fn measure(response: &ServiceResponse, method: &'static str, scheme: &'static str, start: Instant) {
    let service = response.request().app_data::<ServiceName>().map_or("none", |name| name.0);
    let route = response.request().match_pattern().unwrap_or_else(|| "none".into());
    let mut labels = vec![
        KeyValue::new("service.name", service),
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.scheme", scheme),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(response.status().as_u16())),
    ];
    if response.status().is_server_error() {
        labels.push(KeyValue::new("error.type", response.status().as_str().to_owned()));
    }
    DURATION.record(start.elapsed().as_secs_f64(), &labels);
}
