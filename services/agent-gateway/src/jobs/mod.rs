//! What is done again and again.

use crate::AgentGateway;
use service::Job;
use std::time::Duration;

/// Lists the jobs.
pub(crate) fn jobs() -> Vec<Job<AgentGateway>> {
    vec![
        Job::every("write-seen", Duration::from_millis(200), |gateway| {
            Box::pin(async { Ok(gateway.app.write_seen().await?) })
        }),
        Job::every("announce-seen", Duration::from_secs(10), |gateway| {
            Box::pin(async { Ok(gateway.app.announce_seen().await?) })
        }),
        Job::every("ring-doors", Duration::from_secs(1), |gateway| {
            Box::pin(async { Ok(gateway.app.ring_doors().await?) })
        }),
        Job::every("fade-agents", Duration::from_secs(5), |gateway| {
            Box::pin(async { Ok(gateway.app.fade_agents().await?) })
        }),
        Job::every("end-leases", Duration::from_secs(5), |gateway| {
            Box::pin(async { Ok(gateway.app.end_leases().await?) })
        }),
        Job::every("end-tasks", Duration::from_secs(5), |gateway| {
            Box::pin(async { Ok(gateway.app.end_tasks().await?) })
        }),
        Job::every("measure", Duration::from_secs(10), |gateway| {
            Box::pin(async { Ok(gateway.app.measure().await?) })
        }),
        Job::every("forget-agents", Duration::from_hours(1), |gateway| {
            Box::pin(async { Ok(gateway.app.forget_agents().await?) })
        }),
        Job::every("purge", Duration::from_mins(1), |gateway| {
            Box::pin(async { Ok(gateway.app.purge().await?) })
        }),
    ]
}
