//! The span of a request, joined to the caller's trace.
//!
//! tracing-actix-web knows older versions of OpenTelemetry only, so the parent is set here.

use crate::{Peer, RequestId};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::http::{Method, Version};
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing::field::Empty;
use tracing_actix_web::RootSpanBuilder;
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub(crate) struct RootSpan;

impl RootSpanBuilder for RootSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let method = method(request.method());
        let span = tracing::info_span!(
            "request",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = Empty,
            error.type = Empty,
            http.request.method = method,
            http.route = Empty,
            url.path = request.path(),
            url.scheme = scheme(request),
            server.address = host(request),
            network.protocol.version = version(request.version()),
            client.address = Empty,
            http.response.status_code = Empty,
            request.id = RequestId::of(request).0,
        );
        span.record("client.address", tracing::field::display(Peer::of(request.request()).0));
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract(&Headers(request.headers()))
        });
        // A span without a layer that keeps traces cannot have a parent; nothing is lost then.
        let _ = span.set_parent(parent);
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, route) = match outcome {
            Ok(response) => (response.status(), response.request().match_pattern()),
            Err(error) => (error.as_response_error().status_code(), None),
        };
        span.record("http.response.status_code", status.as_u16());
        if let (Ok(response), Some(route)) = (outcome, route) {
            // a recorded `otel.name` changes only a span that has not begun
            let name = format!("{} {route}", method(response.request().method()));
            span.context().span().update_name(name);
            span.record("http.route", route);
        }
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", status.as_str());
        }
    }
}

/// Gives a method as traces and measures know it: a caller may invent any number of them.
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

/// Gives the scheme that the caller used: TLS ends before us, and whoever ends it says so. Nothing is decided by it.
pub(crate) fn scheme(request: &ServiceRequest) -> &'static str {
    let told = request.headers().get("x-forwarded-proto").and_then(|told| told.to_str().ok());
    if told.is_some_and(|told| told.eq_ignore_ascii_case("https")) { "https" } else { "http" }
}

/// Gives the name under which the caller knows us, without the port.
fn host(request: &ServiceRequest) -> &str {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(actix_web::http::header::HeaderName::as_str).collect()
    }
}
