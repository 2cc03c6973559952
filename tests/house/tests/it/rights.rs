//! A stolen account on the broker can do what its service can do, and nothing else.

use crate::house::{House, SERVICES, root};
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::json;

/// Uses the account of loader-manifest for what it may and for what it may not do.
pub(crate) async fn a_stolen_account_is_confined(house: &House) {
    let account = std::fs::read_to_string(house.path("run/loader-manifest.env")).unwrap();
    assert!(!account.contains("AMQP_URL="), "the service has an account of its own only");
    let url = account
        .lines()
        .find_map(|line| line.strip_prefix("export WRIT_LOADER_MANIFEST_BROKER_URL="));
    let url = url.unwrap().trim_matches('\'').to_owned();
    let connection = connect(&url).await.unwrap();
    let publish = async |exchange: &str, key: &str| publish(&connection, exchange, key).await;
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

/// Tries each service's role of the database on all the other databases, and on what is above all of them.
pub(crate) fn a_role_reaches_its_own_database_alone(house: &House) {
    let urls = SERVICES.map(|service| house.service_var(service, "DATABASE_URL"));
    let names = urls.map(|url| url.rsplit_once('/').unwrap().1);
    for (url, own) in urls.iter().zip(names) {
        let at = |name: &str| url.strip_suffix(own).unwrap().to_owned() + name;
        psql(url, "select count(*) from messaging.outbox").unwrap();
        for other in names.iter().filter(|name| **name != own).chain(&["postgres", "template1"]) {
            let refused = psql(&at(other), "select 1").unwrap_err();
            assert!(
                refused.contains("permission denied for database"),
                "{own}, {other}: {refused}"
            );
        }
        let somebody = names.iter().find(|name| **name != own).unwrap();
        for statement in [
            format!("set role {somebody}"),
            format!("alter role {somebody} password 'x'"),
            "select * from pg_authid".to_owned(),
            "create role evil superuser".to_owned(),
            "create database evil".to_owned(),
            "copy messaging.outbox to program 'true'".to_owned(),
            "select pg_read_file('/etc/passwd')".to_owned(),
            "alter system set log_statement = 'none'".to_owned(),
            "create extension dblink".to_owned(),
        ] {
            let refused = psql(url, &statement).unwrap_err();
            let words = ["permission denied", "must be", "superuser", "is not available"];
            assert!(words.iter().any(|w| refused.contains(w)), "{own}: {statement}: {refused}");
        }
    }
}

/// Runs a statement; gives what was said against it.
fn psql(url: &str, statement: &str) -> Result<(), String> {
    let out = std::process::Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", statement, url])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    if out.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Uses the accounts of MIG's virtual host: that of all agents, that of one agent, that of the gateway.
pub(crate) async fn accounts_of_migs_agents_are_confined(house: &House) {
    let all = connect(house.var("WRIT_MIG_AMQP_URL")).await.unwrap();
    let one = connect(&account_of_one(house, "linux.one").await).await.unwrap();
    let gateway = std::fs::read_to_string(house.path("run/agent-gateway.env")).unwrap();
    let gateway = gateway
        .lines()
        .find_map(|line| line.strip_prefix("export WRIT_AGENT_GATEWAY_MIG_AMQP_URL="));
    let gateway = gateway.unwrap().trim_matches('\'').to_owned();
    assert!(connect(&gateway.replace("/mig", "/writ")).await.is_err(), "it is not of the house");
    let gateway = connect(&gateway).await.unwrap();

    for (account, queue) in [(&all, "mig.agt.linux.other"), (&one, "mig.agt.linux.one")] {
        an_agent_does_what_agents_do(account, queue).await;
    }
    others_are_out_of_reach(&one, "mig.agt.linux.other").await;
    // the gateway gives orders, and neither takes them nor answers for agents
    let sent = publish(&gateway, "toagents", "mig.agt.linux.other").await.unwrap();
    assert!(matches!(sent, Confirmation::Ack(_)), "{sent:?}");
    let read = reads(&gateway, "mig.agt.linux.other").await;
    assert!(refused(&read), "the gateway reads an agent's queue");
    let sent = publish(&gateway, "toschedulers", "mig.agt.results").await;
    assert!(refused(&sent), "the gateway answers for agents: {sent:?}");
    for connection in [all, one, gateway] {
        connection.close(200, "OK".into()).await.unwrap();
    }
}

/// Does all that an agent must, and no more.
async fn an_agent_does_what_agents_do(account: &Connection, queue: &str) {
    let channel = account.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
    bind(account, queue, "toagents", queue).await.unwrap();
    reads(account, queue).await.unwrap();
    let sent = publish(account, "toschedulers", "mig.agt.results").await.unwrap();
    assert!(matches!(sent, Confirmation::Ack(_)), "{sent:?}");
    for own in ["mig.agt.heartbeats", "mig.agt.results"] {
        let read = reads(account, own).await;
        assert!(refused(&read), "an agent reads {own}: {read:?}");
    }
    for exchange in ["toagents", ""] {
        let sent = publish(account, exchange, "mig.agt.linux.other").await;
        assert!(refused(&sent), "an agent gives orders by {exchange:?}: {sent:?}");
    }
}

/// Tries to reach another agent's queue with an account of its own.
async fn others_are_out_of_reach(one: &Connection, queue: &str) {
    assert!(refused(&reads(one, queue).await), "it reads another's queue");
    let channel = one.create_channel().await.unwrap();
    let purged = channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await;
    assert!(refused(&purged), "it empties another's queue");
    let channel = one.create_channel().await.unwrap();
    let gone = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
    assert!(refused(&gone), "it deletes another's queue");
    assert!(refused(&bind(one, queue, "toagents", queue).await), "it binds another's queue");
}

/// Gives an agent an account of its own as `scripts/mig-account` says; gives its URL.
async fn account_of_one(house: &House, queueloc: &str) -> String {
    let said = std::process::Command::new(root().join("scripts/mig-account"))
        .arg(queueloc)
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let api = std::fs::read_to_string(house.path("private/env.sh")).unwrap();
    let api = api.lines().find_map(|line| line.strip_prefix("export RABBITMQ_API=")).unwrap();
    let client = reqwest::Client::builder().build().unwrap();
    let put = async |path: String, body: serde_json::Value| {
        let url = format!("{}/{path}", api.trim_matches('\''));
        let answer = client.put(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    };
    let mut password = String::new();
    for line in said.lines().filter(|line| line.starts_with("rabbitmqctl ")) {
        let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('\'')).collect();
        match words.as_slice() {
            [_, "add_user", user, secret] => {
                password = (*secret).to_owned();
                put(format!("users/{user}"), json!({"password": secret, "tags": ""})).await;
            }
            [_, "set_permissions", "-p", vhost, user, configure, write, read] => {
                let rights = json!({"configure": configure, "write": write, "read": read});
                put(format!("permissions/{vhost}/{user}"), rights).await;
            }
            [_, "set_topic_permissions", "-p", vhost, user, exchange, write, read] => {
                let rights = json!({"exchange": exchange, "write": write, "read": read});
                put(format!("topic-permissions/{vhost}/{user}"), rights).await;
            }
            other => panic!("{other:?}"),
        }
    }
    let shared = house.var("WRIT_MIG_AMQP_URL");
    let place = shared.rsplit_once('@').unwrap().1;
    format!("amqp://{queueloc}:{password}@{place}")
}

async fn connect(url: &str) -> lapin::Result<Connection> {
    let runtime = lapin::runtime::default_runtime().unwrap();
    Connection::connect_with_runtime(url, ConnectionProperties::default(), runtime).await
}

async fn publish(
    connection: &Connection,
    exchange: &str,
    key: &str,
) -> lapin::Result<Confirmation> {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let options = BasicPublishOptions::default();
    let (exchange, key) = (exchange.into(), key.into());
    channel.basic_publish(exchange, key, options, b"{", BasicProperties::default()).await?.await
}

async fn reads(connection: &Connection, queue: &str) -> lapin::Result<()> {
    let channel = connection.create_channel().await.unwrap();
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    channel.close(200, "OK".into()).await
}

async fn bind(
    connection: &Connection,
    queue: &str,
    exchange: &str,
    key: &str,
) -> lapin::Result<()> {
    let channel = connection.create_channel().await.unwrap();
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await
}

fn refused<T>(outcome: &lapin::Result<T>) -> bool {
    outcome.as_ref().err().is_some_and(|error| error.to_string().contains("ACCESS_REFUSED"))
}
