//! What the scheduler answers: `/v1/playbooks`, `/v1/executions`, and SOARCA's routes, with and without a slash at the end.

mod executions;
mod paging;
mod playbooks;
mod problem;
mod reporter;
mod soarca;
mod status;
mod view;
mod who;

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts every route.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(playbooks::store)
        .service(playbooks::list)
        .service(playbooks::download)
        .service(playbooks::show)
        .service(playbooks::delete)
        .service(executions::begin)
        .service(executions::list)
        .service(executions::cancel)
        .service(executions::show)
        .service(soarca::trigger)
        .service(soarca::trigger_stored)
        .service(soarca::list)
        .service(soarca::list_metas)
        .service(soarca::create)
        .service(soarca::show)
        .service(soarca::replace)
        .service(soarca::delete)
        .service(reporter::list)
        .service(reporter::show)
        .service(status::ping)
        .service(status::status)
        .route("/trigger/playbook/", web::post().to(soarca::trigger_inline))
        .route("/trigger/playbook/{id}/", web::post().to(soarca::trigger_by_id))
        .route("/playbook/", web::get().to(soarca::all))
        .route("/playbook/", web::post().to(soarca::add))
        .route("/playbook/meta/", web::get().to(soarca::all_metas))
        .route("/playbook/{id}/", web::get().to(soarca::one))
        .route("/playbook/{id}/", web::put().to(soarca::put))
        .route("/playbook/{id}/", web::delete().to(soarca::remove))
        .route("/reporter/", web::get().to(reporter::all))
        .route("/reporter/{id}/", web::get().to(reporter::one))
        .route("/status/ping/", web::get().to(status::pong))
        .route("/status/", web::get().to(status::whole));
}
