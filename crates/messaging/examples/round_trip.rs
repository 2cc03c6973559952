//! A yardstick: how fast the broker alone takes, keeps and gives messages. `round_trip URL COUNT BYTES`
//!
//! Publishes to a quorum queue with confirms, as the relay does, and takes with one acknowledgement for many, as
//! consumers do, both at once; prints one JSON line.

use anyhow::Context as _;
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Instant;

const QUEUE: &str = "writ.bench";
/// How many messages may be unconfirmed, and unacknowledged.
const IN_FLIGHT: u16 = 200;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let url = words.next().context("round_trip URL COUNT BYTES")?;
    let count: usize = words.next().context("COUNT is missing")?.parse()?;
    let bytes: usize = words.next().context("BYTES is missing")?.parse()?;
    let publishing = Connection::connect(&url, ConnectionProperties::default()).await?;
    let consuming = Connection::connect(&url, ConnectionProperties::default()).await?;
    let (sender, receiver) =
        (publishing.create_channel().await?, consuming.create_channel().await?);
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    receiver.queue_declare(QUEUE.into(), durable, quorum).await?;
    sender.confirm_select(ConfirmSelectOptions::default()).await?;
    let start = Instant::now();
    let (sent, taken) = tokio::join!(publish(&sender, count, bytes), take(&receiver, count));
    sent?;
    taken?;
    let seconds = start.elapsed().as_secs_f64();
    receiver.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    writeln!(
        std::io::stdout(),
        r#"{{"messages":{count},"bytes":{bytes},"seconds":{seconds:.4}}}"#
    )?;
    Ok(())
}

async fn publish(channel: &Channel, count: usize, bytes: usize) -> anyhow::Result<()> {
    let body = vec![b'x'; bytes];
    let properties = BasicProperties::default().with_delivery_mode(2);
    let mut confirms = VecDeque::new();
    for _ in 0..count {
        if confirms.len() >= usize::from(IN_FLIGHT)
            && let Some(oldest) = confirms.pop_front()
        {
            take_confirm(oldest).await?;
        }
        let options = BasicPublishOptions::default();
        let sent = channel
            .basic_publish("".into(), QUEUE.into(), options, &body, properties.clone())
            .await?;
        confirms.push_back(sent);
    }
    for confirm in confirms {
        take_confirm(confirm).await?;
    }
    Ok(())
}

async fn take_confirm(
    confirm: impl Future<Output = lapin::Result<lapin::Confirmation>>,
) -> anyhow::Result<()> {
    confirm.await?;
    Ok(())
}

async fn take(channel: &Channel, count: usize) -> anyhow::Result<()> {
    channel.basic_qos(IN_FLIGHT, BasicQosOptions::default()).await?;
    let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(QUEUE.into(), "".into(), options, table).await?;
    for taken in 1..=count {
        let delivery = consumer.next().await.context("the queue ended")??;
        if taken % 100 == 0 || taken == count {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(())
}
