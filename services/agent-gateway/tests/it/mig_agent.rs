//! An agent of MIG, scripted: over AMQP and HTTP it does what the original does, no more (specs/mig/scheduler-agent.md
//! §1–§3; captures/amqp).

use crate::support::{Answer, Gateway};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{PATIENCE, until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Is what the agent knows of itself.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) queueloc: String,
    pub(crate) pid: i64,
    pub(crate) mode: &'static str,
    pub(crate) version: String,
    pub(crate) refreshed: OffsetDateTime,
    pub(crate) ident: String,
    pub(crate) operator: String,
    pub(crate) modules: Vec<&'static str>,
}

impl Identity {
    pub(crate) fn new(queueloc: &str, pid: i64, now: OffsetDateTime) -> Self {
        Self {
            queueloc: queueloc.into(),
            pid,
            mode: "daemon",
            version: "20190913-0.9e7e4f52.dev".into(),
            refreshed: now,
            ident: "Debian 12 bookworm".into(),
            operator: "opsec".into(),
            modules: vec!["file", "ping"],
        }
    }

    /// Is the body of `POST /api/v1/heartbeat`.
    pub(crate) fn over_http(&self, now: OffsetDateTime) -> Value {
        json!({
            "name": format!("{}.example.net", self.queueloc), "mode": self.mode, "version": self.version, "pid": self.pid,
            "queueLoc": self.queueloc, "startTime": text(now), "refreshTime": text(self.refreshed),
            "environment": {"init": "systemd", "ident": self.ident, "os": "linux", "arch": "amd64", "isProxied": false,
                "proxy": "", "addresses": ["192.0.2.2/24"], "publicIP": "192.0.2.2", "modules": self.modules},
            "tags": [{"name": "operator", "value": self.operator}],
        })
    }

    /// Is the body of a message to `mig.agt.heartbeats`.
    pub(crate) fn over_amqp(&self, now: OffsetDateTime) -> Value {
        json!({
            "name": format!("{}.example.net", self.queueloc), "queueloc": self.queueloc, "mode": self.mode,
            "version": self.version, "pid": self.pid, "starttime": text(now), "destructiontime": "0001-01-01T00:00:00Z",
            "heartbeatts": text(now), "refreshts": text(self.refreshed),
            "environment": {"init": "systemd", "ident": self.ident, "os": "linux", "arch": "amd64", "isproxied": false,
                "addresses": ["192.0.2.2/24"], "publicip": "192.0.2.2", "aws": {}, "modules": self.modules},
            "tags": {"operator": self.operator},
        })
    }
}

fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap()
}

/// Is an agent whose queue is bound and read.
pub(crate) struct MigAgent {
    pub(crate) identity: Identity,
    channel: Channel,
    commands: Consumer,
    _connection: Connection,
}

impl MigAgent {
    /// Starts: one connection, one channel, a queue of its own. The exchanges must be there.
    pub(crate) async fn start(url: &str, identity: Identity) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let queue = format!("mig.agt.{}", identity.queueloc);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
        let (name, key) = (queue.as_str().into(), queue.as_str().into());
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(name, "toagents".into(), key, bind, FieldTable::default())
            .await
            .unwrap();
        let options = BasicConsumeOptions::default();
        let commands = channel
            .basic_consume(
                queue.as_str().into(),
                "ctag-mig-agent-1".into(),
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
        Self { identity, channel, commands, _connection: connection }
    }

    /// Hears from now on what is sent to any agent; the exchange must be a topic one.
    pub(crate) async fn hear_all(&self) {
        let queue = format!("mig.agt.{}", self.identity.queueloc);
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        self.channel
            .queue_bind(queue.into(), "toagents".into(), "#".into(), options, none)
            .await
            .unwrap();
    }

    /// Starts and beats over HTTP.
    pub(crate) async fn join(gateway: &Gateway, url: &str, identity: Identity) -> Self {
        let agent = Self::start(url, identity).await;
        agent.beat(gateway).await.expect(200);
        agent
    }

    /// Posts a heartbeat as Go's client does.
    pub(crate) async fn beat(&self, gateway: &Gateway) -> Answer {
        beat(gateway, &self.identity).await
    }

    /// Publishes a heartbeat, as agents before November 2018 do.
    pub(crate) async fn beat_over_amqp(&self, now: OffsetDateTime) {
        self.publish("mig.agt.heartbeats", self.identity.over_amqp(now).to_string()).await;
    }

    /// Publishes anything with the agents' properties.
    pub(crate) async fn publish(&self, key: &str, body: String) {
        self.publish_with(key, body, None).await;
    }

    /// Publishes with headers, which agents never have.
    pub(crate) async fn publish_with(&self, key: &str, body: String, headers: Option<FieldTable>) {
        let mut properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(2)
            .with_expiration("3000000".into());
        if let Some(headers) = headers {
            properties = properties.with_headers(headers);
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        self.channel
            .basic_publish("toschedulers".into(), key.into(), options, body.as_bytes(), properties)
            .await
            .unwrap();
    }

    /// Waits until all that was published to a queue is with who reads it.
    pub(crate) async fn arrived(&self, queue: &str) {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        until(PATIENCE, async || {
            let declare = self.channel.queue_declare(queue.into(), passive, FieldTable::default());
            declare.await.unwrap().message_count() == 0
        })
        .await;
    }

    /// Waits for a command and acknowledges it, before it is run.
    pub(crate) async fn take(&mut self) -> (Value, Delivery) {
        let delivery = tokio::time::timeout(PATIENCE, self.commands.next()).await;
        let delivery = delivery.expect("no command came").unwrap().unwrap();
        let all = BasicAckOptions { multiple: true };
        self.channel.basic_ack(delivery.delivery_tag, all).await.unwrap();
        (serde_json::from_slice(&delivery.data).unwrap(), delivery)
    }

    /// Tells whether a command comes within that time.
    pub(crate) async fn is_given(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, self.commands.next()).await.is_ok()
    }

    /// Gives back a command with results, as the original does: it is the same message.
    pub(crate) fn answer(&self, command: &Value, elements: &Value) -> Value {
        let mut command = command.clone();
        let count = command["results"].as_array().unwrap().len();
        let result = json!({"foundanything": true, "success": true, "elements": elements, "statistics": {"exectime": "1ms"},
            "errors": null});
        command["results"] = json!(vec![result; count]);
        command["status"] = json!("success");
        command["agent"]["queueloc"] = json!(self.identity.queueloc);
        command
    }

    /// Takes a command and answers it; gives the command.
    pub(crate) async fn work(&mut self, elements: &Value) -> Value {
        let (command, _) = self.take().await;
        self.publish("mig.agt.results", self.answer(&command, elements).to_string()).await;
        command
    }
}

/// Posts a heartbeat as Go's client does.
pub(crate) async fn beat(gateway: &Gateway, identity: &Identity) -> Answer {
    let request = gateway
        .client
        .post(gateway.url("/api/v1/heartbeat"))
        .header("user-agent", "Go-http-client/1.1")
        .header("content-type", "application/json")
        .body(identity.over_http(gateway.now()).to_string());
    Answer::of(request.send().await.unwrap()).await
}
