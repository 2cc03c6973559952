//! What manual-interaction does by the clock.

use crate::ManualInteraction;
use service::Job;
use std::time::Duration;

pub(crate) fn jobs() -> Vec<Job<ManualInteraction>> {
    const SECOND: Duration = Duration::from_secs(1);
    vec![
        Job::every("expire-steps", SECOND, |service| {
            Box::pin(async { Ok(service.app.expire_steps().await?) })
        }),
        Job::every("remind", SECOND, |service| Box::pin(async { Ok(service.app.remind().await?) })),
        Job::woken(
            "deliver-calls",
            SECOND,
            |service| &service.app.to_tell,
            |service| Box::pin(async { Ok(service.app.deliver_calls().await?) }),
        ),
        Job::every("deliver-mails", SECOND, |service| {
            Box::pin(async { Ok(service.app.deliver_mails().await?) })
        }),
        Job::every("measure", 5 * SECOND, |service| {
            Box::pin(async { Ok(service.app.measure().await?) })
        }),
        Job::every("purge", Duration::from_hours(1), |service| {
            Box::pin(async { Ok(service.app.purge().await?) })
        }),
    ]
}
