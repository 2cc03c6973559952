//! The way in for agents and people: the list of routes.

mod agent;
mod agents;
mod device;
mod device_codes;
mod held;
mod html;
mod mig;
mod oauth;
mod plugins;
mod query;
mod runbook;
mod sent;
mod tasks;
mod teams;
mod who;
mod work;

use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts every route.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(mig::heartbeat)
        .service(mig::hear)
        .service(mig::ip)
        .service(oauth::request_code)
        .service(oauth::poll_token)
        .service(device::show)
        .service(device::sign_in)
        .service(device::sign_out)
        .service(device::enter)
        .service(device::decide)
        .service(device_codes::list)
        .service(device_codes::approve)
        .service(device_codes::deny)
        .service(teams::create)
        .service(teams::list)
        .service(plugins::publish)
        .service(plugins::sign)
        .service(plugins::list)
        .service(plugins::read)
        .service(agents::list)
        .service(agents::add)
        .service(agents::read)
        .service(agents::change)
        .service(agents::revoke)
        .service(agents::assign)
        .service(tasks::make)
        .service(tasks::list)
        .service(tasks::read)
        .service(tasks::withdraw)
        .service(tasks::runs)
        .service(runbook::oneself)
        .service(runbook::fetch_plugin)
        .service(runbook::list_tasks)
        .service(runbook::take_result)
        .service(agent::describe)
        .service(agent::plugins)
        .service(agent::plugin)
        .service(work::take_work)
        .service(work::return_results);
}
