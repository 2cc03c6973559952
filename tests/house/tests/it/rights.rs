//! A stolen account on the broker can do what its service can do, and nothing else.

use crate::house::House;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

/// Uses the account of loader-manifest for what it may and for what it may not do.
pub(crate) async fn a_stolen_account_is_confined(house: &House) {
    let account = std::fs::read_to_string(house.path("run/loader-manifest.env")).unwrap();
    assert!(!account.contains("AMQP_URL="), "the service has an account of its own only");
    let url = account
        .lines()
        .find_map(|line| line.strip_prefix("export WRIT_LOADER_MANIFEST_BROKER_URL="));
    let url = url.unwrap().trim_matches('\'').to_owned();
    let runtime = lapin::runtime::default_runtime().unwrap();
    let connection =
        Connection::connect_with_runtime(&url, ConnectionProperties::default(), runtime)
            .await
            .unwrap();
    let publish = async |exchange: &str, key: &str| {
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions::default();
        let (exchange, key) = (exchange.into(), key.into());
        channel.basic_publish(exchange, key, options, b"{", BasicProperties::default()).await?.await
    };
    let sent = publish("writ", "loader.changed.v1").await.unwrap();
    assert!(matches!(sent, Confirmation::Ack(_)), "its own kind: {sent:?}");
    for (exchange, key) in [
        ("writ", "investigator.changed.v1"),
        ("writ", "action.accepted.v1"),
        ("writ", "command.issued.v1"),
        ("writ", "command.returned.v1"),
        ("writ", "action.changed.v1"),
        ("", "agent-gateway.commands"),
        ("", "writ.dead"),
        ("amq.topic", "anything"),
        ("writ.again", "scheduler.actions"),
    ] {
        let sent = publish(exchange, key).await;
        assert!(refused(&sent), "{exchange:?} {key}: {sent:?}");
    }

    takes_nothing(&connection).await;
    connection.close(200, "OK".into()).await.unwrap();
}

/// Tries to read, empty and delete what belongs to others.
async fn takes_nothing(connection: &Connection) {
    let channel = async || -> Channel { connection.create_channel().await.unwrap() };
    let none = FieldTable::default;
    for queue in
        ["scheduler.actions", "agent-gateway.commands", "investigation-api.runs", "writ.dead"]
    {
        let options = BasicConsumeOptions::default();
        let taken = channel().await.basic_consume(queue.into(), "".into(), options, none()).await;
        assert!(refused(&taken), "{queue} can be read");
        let purged = channel().await.queue_purge(queue.into(), QueuePurgeOptions::default()).await;
        assert!(refused(&purged), "{queue} can be emptied");
        let gone = channel().await.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
        assert!(refused(&gone), "{queue} can be deleted");
    }
    for exchange in ["writ", "writ.again", "writ.dead"] {
        let gone = channel()
            .await
            .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
            .await;
        assert!(refused(&gone), "{exchange} can be deleted");
    }
    // it may listen to what its service takes, and to no more
    let own = "loader-manifest.stolen";
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel().await.queue_declare(own.into(), exclusive, none()).await.unwrap();
    let bind = async |key: &str| {
        let options = QueueBindOptions::default();
        channel().await.queue_bind(own.into(), "writ".into(), key.into(), options, none()).await
    };
    bind("investigator.changed.v1").await.unwrap();
    for key in ["#", "command.issued.v1", "command.returned.v1", "manual.answered.v1"] {
        let bound = bind(key).await;
        assert!(refused(&bound), "{key} can be heard: {bound:?}");
    }
}

fn refused<T>(outcome: &lapin::Result<T>) -> bool {
    outcome.as_ref().err().is_some_and(|error| error.to_string().contains("ACCESS_REFUSED"))
}
