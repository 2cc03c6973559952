//! The way in for people and their tools: the list of routes.

mod html;
mod notifications;
mod page;
mod problem;
mod query;
mod soarca;
mod soarca_object;
mod steps;
mod who;

use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts every route.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(soarca::list)
        .service(soarca::list_slash)
        .service(page::show)
        .service(page::sign_in)
        .service(page::sign_out)
        .service(page::step)
        .service(page::act)
        .service(soarca::answer)
        .service(soarca::answer_slash)
        .service(soarca::read)
        .service(soarca::read_slash)
        .service(notifications::list)
        .service(notifications::replay)
        .service(steps::list)
        .service(steps::read)
        .service(steps::claim)
        .service(steps::release)
        .service(steps::assign)
        .service(steps::comment)
        .service(steps::answer);
}
