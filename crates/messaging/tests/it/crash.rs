//! The broker dies in the middle.

use crate::support::{NUMBERS, Process, database};
use messaging::Settings;
use std::sync::Arc;
use testkit::{PATIENCE, Server, Services, until};
use tokio::task::spawn_blocking;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_nothing_and_doubles_nothing() {
    let own = Arc::new(
        spawn_blocking(|| Services::own(&[("PS_PG", "0"), ("PS_TLS", "1")])).await.unwrap(),
    );
    let database = database().await;
    // over TLS with a client certificate, which this broker insists on
    let tls = own.variable("PS_TLS_DIR");
    let files =
        format!("cacertfile={tls}/ca.crt&certfile={tls}/client.crt&keyfile={tls}/client.key");
    let settings = Settings::new(format!("{}?{files}", own.variable("AMQPS_URL")));
    let (mut one, mut two) =
        (Process::new(database.store(), &settings), Process::new(database.store(), &settings));
    for process in [&mut one, &mut two] {
        process.relay();
        process.consume(NUMBERS);
    }
    one.connected().await;
    two.connected().await;
    let speaking = async {
        for n in 0..1000 {
            one.put([n]).await;
        }
    };
    let dying = async {
        until(PATIENCE, async || two.count("effect").await > 300).await;
        until(PATIENCE, async || own.keeps_queue("counter.numbers")).await;
        own.kill(Server::RabbitMq);
        until(PATIENCE, async || !one.bus.is_connected() && !two.bus.is_connected()).await;
        let restarting = Arc::clone(&own);
        spawn_blocking(move || restarting.restart()).await.unwrap();
    };
    tokio::join!(speaking, dying);
    one.effects(1000).await;
    one.empty_outbox().await;
    one.connected().await;
    // nothing more comes: what was lost on the way to the broker was said again, and the inbox has swallowed it
    one.put([1000]).await;
    one.effects(1001).await;
    one.stop().await;
    two.stop().await;
}
