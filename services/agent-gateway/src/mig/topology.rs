//! The exchanges and queues that MIG's scheduler declares (specs/mig/scheduler-agent.md §1).

use crate::config::ExchangeKind;
use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use messaging::link::{LinkError, rpc};

/// Names the exchange of commands; agents bind their queues to it.
pub(super) const TO_AGENTS: &str = "toagents";
/// Names the exchange of heartbeats and results.
pub(super) const TO_SCHEDULERS: &str = "toschedulers";
/// Names the queue of heartbeats.
pub(super) const HEARTBEATS: &str = "mig.agt.heartbeats";
/// Names the queue of results.
pub(super) const RESULTS: &str = "mig.agt.results";

/// Gives the name of an agent's queue, which is its routing key.
pub(super) fn queue_of(queueloc: &str) -> String {
    format!("mig.agt.{queueloc}")
}

/// Declares all of it, anew on each channel: a broker that came back empty is whole again.
pub(super) async fn declare(channel: &Channel, kind: ExchangeKind) -> Result<(), LinkError> {
    let kind = match kind {
        ExchangeKind::Direct => lapin::ExchangeKind::Direct,
        ExchangeKind::Topic => lapin::ExchangeKind::Topic,
    };
    for name in [TO_AGENTS, TO_SCHEDULERS] {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declare =
            channel.exchange_declare(name.into(), kind.clone(), durable, FieldTable::default());
        rpc(declare).await?;
    }
    for name in [HEARTBEATS, RESULTS] {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        rpc(channel.queue_declare(name.into(), durable, FieldTable::default())).await?;
        let options = QueueBindOptions::default();
        let (queue, key) = (name.into(), name.into());
        let bind =
            channel.queue_bind(queue, TO_SCHEDULERS.into(), key, options, FieldTable::default());
        rpc(bind).await?;
    }
    Ok(())
}
