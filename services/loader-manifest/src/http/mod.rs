//! What loader-manifest answers: MIG's routes for people and loaders, `/v1/loaders` and `/v1/manifests`.

mod content;
mod held;
mod loader_key;
mod loaders;
mod manifests;
mod mig_agent;
mod mig_loaders;
mod mig_manifests;
mod problem;
mod query;
mod who;

pub(crate) use held::ROOM;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(mig_loaders::show)
        .service(mig_loaders::create)
        .service(mig_loaders::set_status)
        .service(mig_loaders::set_expect)
        .service(mig_loaders::replace_key)
        .service(mig_manifests::show)
        .service(mig_manifests::show_documented)
        .service(mig_manifests::create)
        .service(mig_manifests::sign)
        .service(mig_manifests::set_status)
        .service(mig_manifests::loaders)
        .service(mig_agent::agent)
        .service(mig_agent::fetch)
        .service(loaders::list)
        .service(loaders::create)
        .service(loaders::show)
        .service(loaders::change)
        .service(loaders::replace_key)
        .service(manifests::list)
        .service(manifests::create)
        .service(manifests::show)
        .service(manifests::download)
        .service(manifests::sign)
        .service(manifests::set_status)
        .service(manifests::rollout);
}
