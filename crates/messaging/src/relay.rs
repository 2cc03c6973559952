//! From the outbox to the broker.

use crate::batch::CREATED;
use crate::link::{LinkError, Pause};
use crate::outbox::{self, Row};
use crate::publisher::{Fate, Outgoing, Publisher};
use crate::trace::{Sending, TraceContext};
use crate::{Bus, Shutdown, topology};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use std::time::{Duration, Instant};
use store::{Conn, Failure, Store};

/// The outbox is looked at so often when nobody wakes the relay.
const EVERY: Duration = Duration::from_millis(500);
/// What waits is counted so often.
const CENSUS: Duration = Duration::from_secs(10);

/// Says why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the outbox cannot be read: {0}")]
    Store(#[from] Failure),
    #[error("the broker does not take messages: {0}")]
    Link(#[from] LinkError),
}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Is what the relay sends by, and what went out and is not noted yet.
struct Sender {
    publisher: Publisher,
    batch: Option<Batch>,
}

/// Is what was published together.
struct Batch {
    rows: Vec<Row>,
    sendings: Vec<Sending>,
    start: Instant,
}

impl From<Publisher> for Sender {
    fn from(publisher: Publisher) -> Self {
        Self { publisher, batch: None }
    }
}

/// Publishes what is in the outbox until `shutdown`, and then what is in it at that moment.
///
/// A row is deleted only when the broker has confirmed its message. A message that no queue wants yet (its consumer was
/// never started) stays and is tried again, ever less often; see `topology::needs_queue`. While the broker holds
/// publishers up, nothing is taken, and what went out is waited for.
pub async fn relay(bus: Bus, store: Store, shutdown: Shutdown) {
    let mut sender = listen_first(&bus, &shutdown).await.map(Sender::from);
    let mut pause = Pause::new();
    let mut counted: Option<Instant> = None;
    loop {
        let last = shutdown.is_triggered();
        if counted.is_none_or(|at| at.elapsed() >= CENSUS) {
            counted = Some(Instant::now());
            census(&bus, &store, sender.as_ref().map(|sender| &sender.publisher)).await;
        }
        let (wait, idle) = match round(&bus, &store, &mut sender).await {
            Ok(Some(published)) => {
                pause.reset();
                if published > 0 {
                    continue;
                }
                (EVERY, true)
            }
            Ok(None) => {
                pause.reset();
                (EVERY, false)
            }
            Err(trouble) => {
                tracing::warn!(error = %trouble, "messages stay in the outbox for now");
                sender = None;
                (pause.take(), false)
            }
        };
        if last {
            break;
        }
        tokio::select! {
            () = shutdown.wait() => {}
            () = bus.woken(), if idle => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    drop(sender);
    bus.publishing().close().await;
}

/// Waits until this service's own queues exist: it does not speak before it listens, or else, at its very first start,
/// it could miss what others answer.
async fn listen_first(bus: &Bus, shutdown: &Shutdown) -> Option<Publisher> {
    let mut pause = Pause::new();
    while !shutdown.is_triggered() {
        match Publisher::open(bus.publishing()).await {
            Ok(publisher) if bus.is_listening() => return Some(publisher),
            Ok(_) => tracing::debug!("waiting for the service's own queues"),
            Err(error) => tracing::warn!(error = %error, "cannot reach the broker"),
        }
        let _either = tokio::time::timeout(pause.take(), shutdown.wait()).await;
    }
    None
}

/// Publishes once what is due; tells how many messages the broker took, or nothing when it holds publishers up.
async fn round(
    bus: &Bus,
    store: &Store,
    sender: &mut Option<Sender>,
) -> Result<Option<usize>, Trouble> {
    let is_fit = |sender: &Sender| sender.batch.is_some() || sender.publisher.is_open();
    let fit = sender.take().filter(is_fit);
    if bus.publishing().is_blocked() && fit.as_ref().is_none_or(|sender| sender.batch.is_none()) {
        *sender = fit;
        return Ok(None);
    }
    let open = match fit {
        Some(open) => sender.insert(open),
        None => sender.insert(Publisher::open(bus.publishing()).await?.into()),
    };
    let fates = if let Some(batch) = &mut open.batch {
        let Some(fates) = open.publisher.word(bus.publishing()).await else { return Ok(None) };
        store.tx(async |conn: &mut Conn| note(bus, batch, &fates, conn).await).await?;
        open.batch = None;
        fates
    } else {
        let fates = store.tx(async |conn: &mut Conn| publish_due(bus, open, conn).await).await?;
        let Some(fates) = fates else { return Ok(None) };
        fates
    };
    if fates.contains(&Fate::Lost) {
        return Err(LinkError::Gone("the link broke while publishing").into());
    }
    if fates.contains(&Fate::Returned) {
        // an exchange may have come back: another channel sees to that; each consumer sees to its own queues
        *sender = None;
    }
    Ok(Some(fates.iter().filter(|fate| **fate == Fate::Confirmed).count()))
}

/// Publishes what is due and notes what became of it. When the broker holds publishers up, it gives nothing and lets go
/// of the rows, which are noted later: for a transaction that may be too long. Another process may publish them too
/// meanwhile, which the inboxes are for.
async fn publish_due(
    bus: &Bus,
    sender: &mut Sender,
    conn: &mut Conn,
) -> Result<Option<Vec<Fate>>, Trouble> {
    let mut rows = outbox::take(conn).await?;
    if rows.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let (traces, sendings): (Vec<_>, Vec<_>) = rows.iter().map(begin).unzip();
    let messages = rows.iter_mut().zip(&traces).map(|(row, trace)| outgoing(row, trace)).collect();
    let start = Instant::now();
    sender.publisher.send(messages);
    let mut batch = Batch { rows, sendings, start };
    let Some(fates) = sender.publisher.word(bus.publishing()).await else {
        tracing::warn!(
            messages = batch.rows.len(),
            "the broker holds publishers up, it is short of memory or disk; messages stay in the outbox"
        );
        sender.batch = Some(batch);
        return Ok(None);
    };
    note(bus, &mut batch, &fates, conn).await?;
    Ok(Some(fates))
}

/// Notes what became of messages.
async fn note(
    bus: &Bus,
    batch: &mut Batch,
    fates: &[Fate],
    conn: &mut Conn,
) -> Result<(), Trouble> {
    let fault = fates.iter().find(|fate| **fate != Fate::Confirmed).map(|fate| fate.name());
    bus.meters().sent(fault, batch.start.elapsed());
    for (sending, fate) in batch.sendings.drain(..).zip(fates) {
        sending.end((*fate != Fate::Confirmed).then(|| fate.name()));
    }
    let rows = &batch.rows;
    let with = |wanted: &[Fate]| -> Vec<i64> {
        rows.iter()
            .zip(fates)
            .filter(|(_, fate)| wanted.contains(fate))
            .map(|(row, _)| row.id)
            .collect()
    };
    outbox::delete(conn, &with(&[Fate::Confirmed])).await?;
    outbox::postpone(conn, &with(&[Fate::Returned, Fate::Refused])).await?;
    for (row, fate) in rows.iter().zip(fates) {
        report(bus, row, *fate);
    }
    Ok(())
}

fn report(bus: &Bus, row: &Row, fate: Fate) {
    bus.meters().published(fate.name(), &row.kind);
    if matches!(fate, Fate::Returned | Fate::Refused) {
        tracing::warn!(
            message.id = %row.message_id,
            message.kind = %row.kind,
            message.attempts = row.attempts,
            fate = fate.name(),
            "no queue took the message; it stays in the outbox and is tried again"
        );
    }
}

/// Gives the trace that a message carries, and the span of its sending.
fn begin(row: &Row) -> (TraceContext, Sending) {
    let mut trace = TraceContext { parent: row.traceparent.clone(), state: row.tracestate.clone() };
    let id = row.message_id.to_string();
    let sending = Sending::begin(&mut trace, row, &id);
    (trace, sending)
}

/// Takes the body out of a row.
fn outgoing(row: &mut Row, trace: &TraceContext) -> Outgoing {
    let mut headers = FieldTable::default();
    for (name, value) in [("traceparent", &trace.parent), ("tracestate", &trace.state)] {
        if let Some(value) = value {
            headers.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
        }
    }
    let created = row.created.unix_timestamp_nanos() / 1_000_000;
    headers.insert(CREATED.into(), AMQPValue::LongLongInt(i64::try_from(created).unwrap_or(0)));
    let mut properties = BasicProperties::default()
        .with_message_id(row.message_id.to_string().into())
        .with_type(row.kind.as_str().into())
        .with_content_type(types::envelope::CONTENT_TYPE.into())
        .with_delivery_mode(2)
        .with_headers(headers);
    if row.gzip {
        properties = properties.with_content_encoding("gzip".into());
    }
    Outgoing {
        exchange: topology::EXCHANGE,
        key: row.kind.clone(),
        mandatory: topology::needs_queue(&row.kind),
        body: std::mem::take(&mut row.body),
        properties,
    }
}

/// Measures what waits: in the outbox, in the service's own queues, and among the dead letters.
async fn census(bus: &Bus, store: &Store, publisher: Option<&Publisher>) {
    let counted = async {
        let mut conn = store.get().await?;
        outbox::pending(&mut conn).await.map_err(Failure::from)
    };
    // a database that is away is reported by the round itself
    if let Ok(pending) = counted.await {
        bus.meters().pending(pending.count, pending.oldest_seconds);
    }
    let Some(publisher) = publisher.filter(|publisher| publisher.is_open()) else { return };
    if bus.publishing().is_blocked() {
        // nobody would be answered
        return;
    }
    for queue in bus.durable_queues().into_iter().chain([topology::DEAD.to_owned()]) {
        match publisher.depth(&queue).await {
            Ok(messages) if queue == topology::DEAD => bus.meters().dead(messages),
            Ok(messages) => bus.meters().depth(&queue, messages),
            // the channel is gone then, and the next round opens another
            Err(error) => return tracing::warn!(error = %error, queue, "a queue was not counted"),
        }
    }
}
