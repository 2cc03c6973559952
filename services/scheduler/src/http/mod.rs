//! What the scheduler answers: `/v1/playbooks`, `/v1/executions`, and SOARCA's routes, with and without a slash at the
//! end.

mod executions;
mod playbooks;
mod problem;
mod reporter;
mod soarca;
mod status;
mod view;
mod who;

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
        .service(status::status);
}
