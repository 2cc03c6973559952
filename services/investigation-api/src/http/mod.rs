//! What investigation-api answers: MIG's routes and `/v1/actions`.

mod action_events;
mod action_steering;
mod actions;
mod mig_actions;
mod mig_agents;
mod mig_commands;
mod mig_investigators;
mod mig_open;
mod mig_search;
mod preview;
mod problem;
mod query;
mod who;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(mig_open::heartbeat)
        .service(mig_open::ip)
        .service(mig_open::public_key)
        .service(mig_investigators::show)
        .service(mig_investigators::create)
        .service(mig_investigators::update)
        .service(mig_actions::create)
        .service(mig_actions::show)
        .service(mig_commands::show)
        .service(mig_agents::show)
        .service(mig_agents::dashboard)
        .service(mig_search::find)
        .service(preview::preview)
        .service(actions::create)
        .service(actions::list)
        .service(actions::show)
        .service(action_events::events)
        .service(actions::commands)
        .service(actions::cancel)
        .service(action_steering::pause)
        .service(action_steering::resume);
}
