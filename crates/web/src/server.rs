//! Starts the HTTP server of one service, or of several behind one public origin.

use crate::manner::{ServiceName, manner};
use crate::span::RootSpan;
use crate::{Origin, Problem, TrustedProxies, openapi};
use actix_web::dev::Server;
use actix_web::middleware::{NormalizePath, TrailingSlash, from_fn};
use actix_web::{App, HttpServer, guard, web};
use socket2::SockRef;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tracing_actix_web::TracingLogger;
use utoipa_actix_web::service_config::ServiceConfig;

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a caller may take to send the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How many connections may wait to be taken: fleets that were started together ask together, each over a new
/// connection (specs/runbook/backend.md §2, §4), and the standard library's 128 make some of them wait for seconds.
const BACKLOG: i32 = 4_096;

/// Is one service as a server mounts it: its name and what it adds to an application (routes and their data).
#[derive(Clone)]
pub struct Site {
    /// The service's name, as in `types::paths`.
    pub name: &'static str,
    /// Adds routes and data.
    pub mount: Arc<dyn Fn(&mut ServiceConfig<'_>) + Send + Sync>,
}

/// Is how a server runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Stands before every link.
    pub origin: Origin,
    /// The proxies whose word on the caller's address counts.
    pub proxies: TrustedProxies,
    /// The number of event loops.
    pub workers: usize,
    /// How long running requests may take after the server was told to stop.
    pub drain: Duration,
}

/// Serves one service on its own origin, with its `/openapi.json`.
pub fn own(listener: TcpListener, settings: &Settings, site: &Site) -> std::io::Result<Server> {
    let mount = Arc::clone(&site.mount);
    let document = openapi::document(site.name, |config| mount(config));
    let site = site.clone();
    run(listener, settings, move |config| {
        config.app_data(ServiceName(site.name));
        (site.mount)(&mut ServiceConfig::new(config));
        openapi::routes(&document, config);
    })
}

/// Serves several services on one public origin; the table of paths says which one answers.
pub fn public(
    listener: TcpListener,
    settings: &Settings,
    sites: &[Site],
) -> std::io::Result<Server> {
    let sites = sites.to_vec();
    run(listener, settings, move |config| {
        for site in &sites {
            let name = site.name;
            let mine = guard::fn_guard(move |request| {
                types::paths::service(request.head().uri.path()) == Some(name)
            });
            let scope = web::scope("").guard(mine).app_data(ServiceName(name));
            config.service(scope.configure(|config| (site.mount)(&mut ServiceConfig::new(config))));
        }
    })
}

/// Starts a server; it takes connections as soon as the future is polled.
fn run<F>(listener: TcpListener, settings: &Settings, mount: F) -> std::io::Result<Server>
where
    F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    lengthen(&listener)?;
    let origin = web::Data::new(settings.origin.clone());
    let proxies = web::Data::new(settings.proxies.clone());
    let server = HttpServer::new(move || {
        App::new()
            .configure(|config| mount(config))
            .app_data(origin.clone())
            .app_data(proxies.clone())
            .app_data(web::PathConfig::default().error_handler(|error, _| {
                tracing::debug!(%error, "no such path");
                Problem::not_found("there is nothing with this id").into()
            }))
            .default_service(web::to(async || Err::<&str, _>(Problem::no_route())))
            .wrap(from_fn(manner))
            .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
            .wrap(TracingLogger::<RootSpan>::new())
    });
    Ok(server
        // who hangs up gets nothing any more: an agent's poll that nobody waits for must not take work
        .h1_allow_half_closed(false)
        .workers(settings.workers)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_DEADLINE)
        .shutdown_timeout(settings.drain.as_secs())
        .disable_signals()
        .listen(listener)?
        .run())
}

/// Lets more connections wait to be taken. A listener that listens already may be told again; only its queue changes.
fn lengthen(listener: &TcpListener) -> std::io::Result<()> {
    SockRef::from(listener).listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_fleet_that_comes_at_once_is_let_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        lengthen(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(5));
        // nobody takes them; with the standard library's queue the 130th is not let in
        let fleet: Result<Vec<_>, _> = (0..400).map(connect).collect();
        assert_eq!(fleet.unwrap().len(), 400);
    }
}
