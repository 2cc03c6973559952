//! The admin port: is the process alive, may it have work, what does it measure. Not for the public.

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

/// Answers the probes; nothing here may wait for anything.
pub trait Probes: Send + Sync + 'static {
    /// Tells whether the process should go on living.
    fn live(&self) -> bool;
    /// Tells whether it should be given work, and why not.
    fn ready(&self) -> Readiness;
    /// Gives all measures in Prometheus' text form.
    fn metrics(&self) -> String;
}

/// Says whether a process should be given work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether it should.
    pub ready: bool,
    /// `starting`, `ready`, `degraded`, `waiting` (for what it needs), `stopping` or `failed`.
    pub state: &'static str,
    /// How each thing it depends on stands, by name.
    pub checks: BTreeMap<&'static str, Check>,
}

/// Says how one dependency stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether the process gets no work as long as it is not.
    pub needed: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Serves `/livez`, `/readyz` and `/metrics`; `/healthz` for tools that still ask for it, and `/readyz?verbose` for
/// people.
pub fn serve(listener: TcpListener, probes: Arc<dyn Probes>) -> std::io::Result<Server> {
    let probes: web::Data<dyn Probes> = web::Data::from(probes);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(probes.clone())
            .route("/livez", web::get().to(live))
            .route("/healthz", web::get().to(live))
            .route("/readyz", web::get().to(ready))
            .route("/metrics", web::get().to(metrics))
    });
    Ok(server.workers(1).shutdown_timeout(1).disable_signals().listen(listener)?.run())
}

async fn live(probes: web::Data<dyn Probes>) -> HttpResponse {
    if probes.live() {
        HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("live\n")
    } else {
        HttpResponse::InternalServerError().body("a task of the process failed; it is stopping\n")
    }
}

async fn ready(request: HttpRequest, probes: web::Data<dyn Probes>) -> HttpResponse {
    let readiness = probes.ready();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = HttpResponse::build(status);
    if request.query_string().split('&').any(|word| word == "verbose") {
        return response.content_type("text/plain; charset=utf-8").body(lines(&readiness));
    }
    response.json(readiness)
}

/// Writes a line for each check, as Kubernetes' own servers do.
fn lines(readiness: &Readiness) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, check) in &readiness.checks {
        lines.push(match &check.detail {
            None => format!("[+]{name} ok"),
            Some(detail) => format!("[-]{name} failed: {detail}"),
        });
    }
    lines.push(format!("readyz: {}\n", readiness.state));
    lines.join("\n")
}

async fn metrics(probes: web::Data<dyn Probes>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(probes.metrics())
}
