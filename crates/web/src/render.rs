//! The one place where a problem becomes bytes.

use crate::collection::Collection;
use crate::problem::Parts;
use crate::{Dialect, Problem};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;
use types::api::problem;

/// Is what a rendered problem repeats of its request.
#[derive(Debug, Default, Clone)]
pub(crate) struct Asked {
    /// The method, as it came.
    pub(crate) method: String,
    /// The path without doubled slashes.
    pub(crate) path: String,
    /// The whole address that MIG's answers repeat: origin, path, query.
    pub(crate) href: String,
    /// What to quote when asking the operators.
    pub(crate) request_id: String,
}

/// Writes a problem in a dialect.
pub(crate) fn problem(parts: &Parts, dialect: Dialect, asked: &Asked) -> HttpResponse {
    let status = status(parts, dialect);
    let mut response = HttpResponse::build(status);
    if let Some(wait) = parts.retry_after {
        response.insert_header((header::RETRY_AFTER, wait.as_secs().max(1).to_string()));
    }
    let detail = if parts.source.is_some() && status.is_server_error() {
        format!("{}; quote {} when you report it", parts.detail, asked.request_id)
    } else {
        parts.detail.clone()
    };
    match dialect {
        Dialect::Mig => mig(response, parts, detail, asked),
        Dialect::Soarca => response.json(json!({
            "status": status.as_u16().to_string(),
            "message": detail,
            "original-call": format!("{} {}", asked.method, asked.path),
            "downstream-call": "",
            "code": parts.code,
        })),
        Dialect::OAuth => response.json(json!({
            "error": oauth_code(parts.code, status),
            "error_description": detail,
        })),
        Dialect::Runbook => response.json(json!({
            "message": detail,
            "code": parts.code,
            "request_id": asked.request_id,
        })),
        Dialect::Plain => {
            let body = problem::Problem {
                kind: "about:blank".into(),
                title: parts.title.clone().into_owned(),
                status: status.as_u16(),
                detail,
                code: parts.code.into(),
                request_id: asked.request_id.clone(),
                errors: parts.faults.clone(),
            };
            response.insert_header((header::CONTENT_TYPE, "application/problem+json")).json(body)
        }
    }
}

fn mig(
    mut response: HttpResponseBuilder,
    parts: &Parts,
    detail: String,
    asked: &Asked,
) -> HttpResponse {
    if parts.code == "no-route" {
        return response
            .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
            .body("404 page not found\n");
    }
    let collection = Collection::new(asked.href.as_str()).error(detail);
    let body = collection.encode().unwrap_or_default();
    response
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(body)
}

/// Turns the handler's status into the one that the dialect's clients know.
fn status(parts: &Parts, dialect: Dialect) -> StatusCode {
    match (dialect, parts.status) {
        (Dialect::Mig, StatusCode::FORBIDDEN) => StatusCode::UNAUTHORIZED,
        (Dialect::Soarca | Dialect::OAuth | Dialect::Mig, StatusCode::UNPROCESSABLE_ENTITY) => {
            StatusCode::BAD_REQUEST
        }
        (_, status) => status,
    }
}

/// Keeps a code of RFC 6749 or 8628 and finds one for our own words, which have no underscore.
fn oauth_code(code: &'static str, status: StatusCode) -> &'static str {
    if code.contains('_') {
        return code;
    }
    match status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}

/// Makes a problem of an error that is not one: a framework's own refusal.
pub(crate) fn foreign(status: StatusCode, error: &actix_web::Error) -> Problem {
    if status.is_server_error() {
        return Problem::internal(anyhow::anyhow!("{error}"));
    }
    Problem::new(status, "request-refused", "The request was refused", error.to_string())
}

/// Writes to the log what the caller is not told, once.
pub(crate) fn log(parts: &Parts, asked: &Asked) {
    match &parts.source {
        None => tracing::debug!(code = parts.code, detail = parts.detail, "refused"),
        Some(source) if parts.status == StatusCode::SERVICE_UNAVAILABLE => away(parts, source),
        Some(source) => failed(source, asked),
    }
}

fn away(parts: &Parts, source: &anyhow::Error) {
    tracing::warn!(error = format!("{source:#}"), detail = parts.detail, "not available");
}

fn failed(source: &anyhow::Error, asked: &Asked) {
    tracing::error!(
        error = format!("{source:#}"),
        request.id = asked.request_id,
        "the request failed"
    );
}
