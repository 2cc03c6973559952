//! A virtual host of the broker for each test.

use crate::database::on_its_own;
use crate::{PATIENCE, rabbitmq, until};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use std::time::Duration;
use time::OffsetDateTime;
use types::{Envelope, Message};
use uuid::Uuid;

/// Is a fresh virtual host; deleted with the value, but kept when the test fails, to be looked at.
pub struct Vhost {
    name: String,
    url: String,
}

/// Makes a virtual host on the shared broker.
pub async fn vhost() -> Vhost {
    let name = format!("test-{}", Uuid::now_v7().simple());
    let (server, old) = rabbitmq().amqp_url().rsplit_once('/').expect("a virtual host in the URL");
    let user = server
        .rsplit_once("//")
        .and_then(|(_, rest)| rest.split(':').next())
        .expect("a user in the URL");
    assert!(!old.is_empty(), "the URL names no virtual host");
    api(reqwest::Method::PUT, &format!("/vhosts/{name}"), "{}").await;
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    api(reqwest::Method::PUT, &format!("/permissions/{name}/{user}"), all).await;
    Vhost { url: format!("{server}/{name}"), name }
}

impl Vhost {
    /// Gives its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives settings for a bus on it.
    pub fn settings(&self) -> messaging::Settings {
        messaging::Settings::new(&self.url)
    }

    /// Publishes a message as `service` would; returns when a queue has it, so also waits for its consumer to appear.
    pub async fn publish<M: Message>(&self, service: &str, now: OffsetDateTime, message: M) {
        let envelope = Envelope::new(Uuid::now_v7(), service, now, message);
        let body = serde_json::to_vec(&envelope).expect("the message does not serialise");
        self.publish_raw(M::KIND, envelope.id, &body).await;
    }

    /// Publishes any bytes under `kind`, as [`Vhost::publish`] does.
    pub async fn publish_raw(&self, kind: &str, id: Uuid, body: &[u8]) {
        let channel = self.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("no confirms");
        until(PATIENCE, async || {
            let properties = BasicProperties::default()
                .with_message_id(id.to_string().into())
                .with_type(kind.into())
                .with_content_type(types::envelope::CONTENT_TYPE.into())
                .with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let exchange = messaging::EXCHANGE.into();
            let Ok(sent) =
                channel.basic_publish(exchange, kind.into(), options, body, properties).await
            else {
                panic!(
                    "the exchange {} does not exist yet: start a consumer first",
                    messaging::EXCHANGE
                );
            };
            matches!(sent.await, Ok(Confirmation::Ack(None)))
        })
        .await;
    }

    /// Counts the messages that wait in a queue; nothing when there is no such queue.
    pub async fn queue_length(&self, queue: &str) -> Option<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await;
        let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
        declared.ok().map(|queue| queue.message_count())
    }

    /// Waits for a message in a queue and gives the names of its headers; it stays there.
    pub async fn headers(&self, queue: &str) -> Vec<String> {
        let some = async || self.queue_length(queue).await.is_some_and(|length| length > 0);
        until(PATIENCE, some).await;
        let channel = self.channel().await;
        let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await;
        let message = got.expect("the queue cannot be read").expect("somebody took the message");
        let headers = message.properties.headers().clone().unwrap_or_default();
        headers.inner().keys().map(ToString::to_string).collect()
    }

    /// Opens a channel, on a connection of its own that lives as long as the channel.
    pub async fn channel(&self) -> Channel {
        let connect = Connection::connect(&self.url, ConnectionProperties::default());
        let connection = tokio::time::timeout(Duration::from_secs(10), connect)
            .await
            .expect("the broker is silent");
        connection.expect("no connection").create_channel().await.expect("no channel")
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let path = format!("/vhosts/{}", self.name);
        on_its_own(async move { api(reqwest::Method::DELETE, &path, "").await });
    }
}

/// Asks the broker's management API.
async fn api(method: reqwest::Method, path: &str, body: &'static str) {
    // fails only when the test itself has chosen one
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("no HTTP client");
    let url = format!("{}{path}", rabbitmq().management_url());
    let answer = client
        .request(method, &url)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("the management API does not answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}
