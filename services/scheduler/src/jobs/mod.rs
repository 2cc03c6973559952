//! What the scheduler does by the clock.

use crate::Scheduler;
use crate::app::{LOOK, RENEW};
use crate::error::Error;
use service::Job;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn jobs() -> Vec<Job<Scheduler>> {
    vec![
        Job::woken(
            "launch",
            Duration::from_secs(1),
            |service| &service.app.due,
            |service| {
                Box::pin(async move {
                    // two at a time: a target that takes long does not hold up the next
                    let launches = tokio::join!(launch(service), launch(service));
                    launches.0.and(launches.1)
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
                    let mut failed = None;
                    while service.app.goes_on()
                        && service.app.dispatch_run().await?.goes_on(&mut failed)
                    {
                    }
                    ended(failed)
                })
            },
        ),
        Job::every("expire", Duration::from_secs(1), |service| {
            Box::pin(async move {
                // many that reach the whole fleet may end together
                let ends = tokio::join!(expire(service), expire(service));
                ends.0.and(ends.1)
            })
        }),
        Job::woken(
            "words",
            Duration::from_millis(250),
            |service| &service.app.words,
            |service| Box::pin(async move { Ok(service.app.follow_words().await?) }),
        ),
        Job::every("publish_runs", Duration::from_millis(250), |service| {
            Box::pin(async move { Ok(service.app.publish_runs().await?) })
        }),
        Job::every("measure", Duration::from_secs(10), |service| {
            Box::pin(async move { Ok(service.app.measure().await?) })
        }),
        Job::woken(
            "executions",
            LOOK,
            |service| &service.app.steps,
            |service| {
                Box::pin(async move {
                    let gathered = service.app.gather_ends().await.map_err(Into::into);
                    // each looks at one execution at a time
                    let looks = tokio::join!(look(service), look(service), look(service));
                    gathered.and(looks.0).and(looks.1).and(looks.2)
                })
            },
        ),
        Job::every("renew_calls", RENEW, |service| {
            Box::pin(async move { Ok(service.app.renew_calls().await?) })
        }),
        Job::every("find_executions", Duration::from_secs(10), |service| {
            Box::pin(async move { Ok(service.app.find_executions().await?) })
        }),
        Job::every("count_executions", Duration::from_secs(10), |service| {
            Box::pin(async move { Ok(service.app.count_executions().await?) })
        }),
        Job::every("retain", Duration::from_hours(1), |service| {
            Box::pin(async move { Ok(service.app.retain().await?) })
        }),
        Job::every("ask_for_agents", Duration::from_secs(15), |service| {
            Box::pin(async move { Ok(fleet::ask_while_empty(service).await?) })
        }),
        Job::every("forget_agents", Duration::from_hours(1), |service| {
            Box::pin(async move { Ok(fleet::forget(service, "false").await?) })
        }),
    ]
}

/// Launches runs until none is due.
async fn launch(service: &Scheduler) -> anyhow::Result<()> {
    let mut failed = None;
    while service.app.goes_on() && service.app.launch_run().await?.goes_on(&mut failed) {}
    ended(failed)
}

/// Ends runs until none is over.
async fn expire(service: &Scheduler) -> anyhow::Result<()> {
    let mut failed = None;
    while service.app.goes_on() && service.app.expire_run().await?.goes_on(&mut failed) {}
    ended(failed)
}

/// Fails when a run did: the others were seen to, and the job is counted as failed.
fn ended(failed: Option<Error>) -> anyhow::Result<()> {
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Looks at executions until none is due, and has the commands done that it takes.
async fn look(service: &Scheduler) -> anyhow::Result<()> {
    loop {
        let (found, calls) = service.app.tick_execution().await?;
        for call in calls {
            service.app.began(call.step);
            let app = Arc::clone(&service.app);
            service.app.tasks.spawn("command", async move { app.call_command(call).await });
        }
        if !found {
            return Ok(());
        }
    }
}
