//! Queues of agents that are gone are removed (specs/mig/scheduler-agent.md §9).

use super::desk::warn;
use super::topology::queue_of;
use crate::app::App;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use messaging::link::{Link, LinkError, rpc};
use service::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// How many queue locations are read at a time.
const AT_ONCE: i64 = 500;
/// How long after the start queues are looked at first.
const FIRST: Duration = Duration::from_mins(10);
/// How long the broker is left alone between two queues.
const BREATH: Duration = Duration::from_millis(100);

/// Removes queues again and again until `shutdown`; the first time soon after the start, as a server that is restarted
/// every day would never come to it otherwise.
pub(super) async fn run(app: Arc<App>, link: Arc<Link>, shutdown: Shutdown) {
    let every = app.config.mig_queue_cleanup;
    let mut wait = every.min(FIRST);
    while tokio::time::timeout(wait, shutdown.wait()).await.is_err() {
        wait = every;
        tokio::select! {
            () = shutdown.wait() => return,
            () = sweep(&app, &link) => {}
        }
    }
}

async fn sweep(app: &App, link: &Link) {
    let (mut after, mut removed) = (String::new(), 0_usize);
    loop {
        let gone = match app.find_gone_queues(&after, AT_ONCE).await {
            Ok(gone) => gone,
            Err(error) => return warn(&error),
        };
        let Some(last) = gone.last().cloned() else { break };
        for queueloc in gone {
            let left = match app.find_leavings(&queueloc).await {
                Ok(Some(left)) => left,
                Ok(None) => continue,
                Err(error) => return warn(&error),
            };
            if link.is_blocked() {
                // nothing gets through, and the connection must stay for the commands that are on their way
                return;
            }
            match remove(link, &queue_of(&queueloc), left.waiting).await {
                Ok(true) => removed += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the broker lets no queue be removed now");
                    return;
                }
            }
            tokio::time::sleep(BREATH).await;
        }
        after = last;
    }
    if removed > 0 {
        tracing::info!(queues = removed, "removed the queues of agents that are gone");
    }
}

/// Removes a queue, unless somebody reads it; tells whether it did. What is in it is over, and goes with it, unless
/// commands are `waiting`: its machine may be heard, and be sent those, at this moment. So may one whose queue is empty.
async fn remove(link: &Link, queue: &str, waiting: bool) -> Result<bool, LinkError> {
    // a queue that is not there costs its asker the channel
    let channel = link.channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = rpc(channel.queue_declare(queue.into(), passive, FieldTable::default())).await;
    let removed = match found {
        Ok(found) if found.consumer_count() == 0 => {
            // an agent may have attached since
            let if_empty = waiting || found.message_count() == 0;
            let options =
                QueueDeleteOptions { if_unused: true, if_empty, ..QueueDeleteOptions::default() };
            match rpc(channel.queue_delete(queue.into(), options)).await {
                Ok(_) => true,
                Err(LinkError::Broker(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(_) => false,
        Err(LinkError::Broker(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let _closed = rpc(channel.close(200, "OK".into())).await;
    Ok(removed)
}
