//! What investigation-api does by the clock.

use crate::InvestigationApi;
use service::Job;
use std::time::Duration;

/// Holds of agents whose commands are still shown with their names.
const HAS_COMMANDS: &str = "exists (select from command where command.agent_id = agent.id)";

pub(crate) fn jobs() -> Vec<Job<InvestigationApi>> {
    vec![
        Job::every("tell_digest", Duration::from_mins(1), |service| {
            Box::pin(async move { Ok(service.app.tell_digest().await?) })
        }),
        Job::woken(
            "write_notes",
            Duration::from_secs(5),
            |service| &service.app.notes.due,
            |service| Box::pin(async move { Ok(service.app.write_notes().await?) }),
        ),
        Job::every("count_fleet", Duration::from_secs(5), |service| {
            Box::pin(async move { Ok(service.app.count_fleet().await?) })
        }),
        Job::every("retain", Duration::from_hours(1), |service| {
            Box::pin(async move { Ok(service.app.retain(&service.config).await?) })
        }),
        Job::every("ask_for_agents", Duration::from_secs(15), |service| {
            Box::pin(async move { Ok(fleet::ask_while_empty(service).await?) })
        }),
        Job::every("forget_agents", Duration::from_hours(1), |service| {
            Box::pin(async move { Ok(fleet::forget(service, HAS_COMMANDS).await?) })
        }),
    ]
}
