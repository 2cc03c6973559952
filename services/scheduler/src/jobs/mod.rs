//! What the scheduler does by the clock.

use crate::Scheduler;
use service::Job;
use std::time::Duration;

pub(crate) fn jobs() -> Vec<Job<Scheduler>> {
    vec![
        Job::woken(
            "launch",
            Duration::from_secs(1),
            |service| &service.app.due,
            |service| {
                Box::pin(async move {
                    while service.app.launch_run().await? {}
                    Ok(())
                })
            },
        ),
        // a rate is kept in steps of this length
        Job::woken(
            "dispatch",
            Duration::from_millis(100),
            |service| &service.app.held,
            |service| {
                Box::pin(async move {
                    while service.app.dispatch_run().await? {}
                    Ok(())
                })
            },
        ),
        Job::every("expire", Duration::from_secs(1), |service| {
            Box::pin(async move {
                while service.app.expire_run().await? {}
                Ok(())
            })
        }),
        Job::every("publish_runs", Duration::from_millis(250), |service| {
            Box::pin(async move { Ok(service.app.publish_runs().await?) })
        }),
        Job::every("measure", Duration::from_secs(10), |service| {
            Box::pin(async move { Ok(service.app.measure().await?) })
        }),
        Job::every("ask_for_agents", Duration::from_secs(15), |service| {
            Box::pin(async move { Ok(fleet::ask_while_empty(service).await?) })
        }),
    ]
}
