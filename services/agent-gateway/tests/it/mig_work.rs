//! MIG agents are given commands and answer them, over a real broker.
//!
//! Long because it is one list: each thing that can become of a command of such an agent.

use crate::mig_agent::{Identity, MigAgent, beat};
use crate::scripted::exchange;
use crate::support::{Gateway, gateway_with, servers, start};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;
use testkit::{PATIENCE, Process, Vhost, until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::messages::command::IssuedCommand;
use types::messages::{
    AgentChanged, CommandDelivered, CommandIssued, CommandReturned, CommandWithdrawn,
};
use types::{ActionId, AgentId, AgentStatus, Clock, CommandId, CommandStatus, Transport};

/// Starts a gateway with a virtual host for MIG's agents.
pub(crate) async fn mig_gateway(flags: &[&str]) -> (Gateway, Vhost) {
    let vhost = testkit::vhost().await;
    let flags: Vec<&str> =
        ["--mig-amqp-url", vhost.url()].into_iter().chain(flags.iter().copied()).collect();
    (gateway_with(&flags).await, vhost)
}

/// Makes commands as the scheduler does, of an action that has the times that it must have.
pub(crate) async fn issue(gateway: &Gateway, action: i64, commands: &[(i64, AgentId)]) {
    let now = gateway.now();
    gateway.vhost.publish("scheduler", now, order(now, action, commands)).await;
}

/// Is what it tells then.
fn order(now: OffsetDateTime, action: i64, commands: &[(i64, AgentId)]) -> CommandIssued {
    let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
    let expire_after = now + Duration::from_hours(1);
    let operation = json!({"module": "file", "parameters": {"searches": {}}});
    let document = json!({
        "name": format!("action {action}"), "target": "status='online'", "syntaxversion": 2,
        "validfrom": text(now - Duration::from_mins(1)), "expireafter": text(expire_after),
        "operations": [operation, operation], "pgpsignatures": ["wsBc=Qixo"],
    });
    let commands = commands.iter();
    let commands = commands.map(|(id, agent)| IssuedCommand {
        id: CommandId(*id),
        agent: *agent,
        failed: None,
    });
    CommandIssued {
        action: ActionId(action),
        document: document.to_string(),
        at: now,
        expire_after,
        commands: commands.collect(),
    }
}

/// Starts an agent that beats over HTTP; gives its number too.
async fn joined(gateway: &mut Gateway, mig: &Vhost, queueloc: &str) -> (MigAgent, AgentId) {
    let identity = Identity::new(queueloc, 4_242, gateway.now());
    let agent = MigAgent::join(gateway, mig.url(), identity).await;
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.queueloc.as_str(), told.status), (queueloc, AgentStatus::Online));
    (agent, told.number)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_heard_works_and_answers() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let identity = Identity::new("linux.a1", 16_248, gateway.now());
    let mut agent = MigAgent::start(mig.url(), identity).await;
    assert_eq!(agent.beat(&gateway).await.expect(200).text, "", "Go's client reads no body");
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!(told.transport, Transport::Mig);
    assert_eq!((told.pid, told.mode.as_str()), (16_248, "daemon"));
    assert_eq!(told.environment.publicip, "192.0.2.2");
    assert_eq!(told.tags["operator"], "opsec");

    issue(&gateway, 7, &[(70, told.number)]).await;
    let (command, delivery) = agent.take().await;
    let properties = &delivery.properties;
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "text/plain");
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(*properties.timestamp(), Some(gateway.now().unix_timestamp().try_into().unwrap()));
    assert_eq!(properties.expiration().as_ref().unwrap().as_str(), "3660000");
    assert!(properties.headers().is_none(), "{properties:?}");
    assert_eq!(delivery.exchange.as_str(), "toagents");
    assert_eq!(delivery.routing_key.as_str(), "mig.agt.linux.a1");
    assert_eq!((&command["id"], &command["action"]["id"]), (&json!(70), &json!(7)));
    assert_eq!(command["action"]["counters"], json!({"sent": 1}));
    assert_eq!(command["agent"]["pid"], 16_248);
    assert_eq!(command["results"].as_array().unwrap().len(), 2);
    let delivered = gateway.tap.next::<CommandDelivered>().await.data.commands;
    assert_eq!((delivered[0].id, delivered[0].action), (CommandId(70), Some(ActionId(7))));

    let answer = agent.answer(&command, &json!({"s1": [{"file": "/etc/passwd"}]})).to_string();
    // an agent that is given a message twice answers twice
    for _ in 0..2 {
        agent.publish("mig.agt.results", answer.clone()).await;
    }
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned[0].id, returned[0].agent), (CommandId(70), told.number));
    assert_eq!(returned[0].status, CommandStatus::Success);
    assert_eq!(returned[0].results[1].elements, json!({"s1": [{"file": "/etc/passwd"}]}));
    gateway.tap.none_of("command.returned.v1", Duration::from_millis(500)).await;
    until(PATIENCE, async || mig.queue_length("mig.agt.results").await == Some(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_agent_beats_over_amqp_and_one_in_checkin_mode_finds_what_waits() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let mut identity = Identity::new("linux.old", 100, gateway.now());
    identity.mode = "checkin";
    let agent = MigAgent::start(mig.url(), identity.clone()).await;
    agent.beat_over_amqp(gateway.now()).await;
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.mode.as_str(), told.version.as_str()), ("checkin", identity.version.as_str()));
    drop(agent);
    // its machine is silent for so long that it is idle: what it is to do waits in the house
    gateway.clock.advance(time::Duration::minutes(26));
    gateway.running.service.app.fade_agents().await.unwrap();
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, AgentStatus::Idle);
    issue(&gateway, 7, &[(70, told.number)]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    assert_eq!(mig.queue_length("mig.agt.linux.old").await, Some(0));
    // the next run has another process id, so another row; the command is its machine's all the same
    identity.pid = 101;
    let mut next = MigAgent::start(mig.url(), identity).await;
    next.beat_over_amqp(gateway.now()).await;
    let again = gateway.tap.next::<AgentChanged>().await.data;
    assert_ne!(again.number, told.number);
    let command = next.work(&json!(null)).await;
    assert_eq!(command["agent"]["pid"], 100);
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned[0].id, returned[0].agent), (CommandId(70), told.number));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_do_not_belong_together_are_refused() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let (mut agent, number) = joined(&mut gateway, &mig, "linux.a").await;
    let (liar, other) = joined(&mut gateway, &mig, "linux.b").await;
    assert_ne!(number, other);
    issue(&gateway, 7, &[(70, number), (71, other)]).await;
    let (command, _) = agent.take().await;
    let honest = agent.answer(&command, &json!("honest"));
    let changed = |place: &str, value: Value| {
        let mut forged = agent.answer(&command, &json!("forged"));
        *forged.pointer_mut(place).unwrap() = value;
        forged.to_string()
    };
    let too_many = json!(vec![json!({"success": true}); 3]);
    for forged in [
        liar.answer(&command, &json!("forged")).to_string(),
        changed("/id", json!(71)),
        changed("/id", json!(99)),
        changed("/agent/pid", json!(1)),
        changed("/agent/id", json!(other)),
        changed("/status", json!("expired")),
        changed("/results", too_many),
        changed("/results", json!(vec![json!({}); 200_000])),
        changed("/results", json!("x")),
        "{\"id\":70,\"agent\"}".to_owned(),
        "x".into(),
        format!("{{\"id\":{}70{}}}", "[".repeat(5_000), "]".repeat(5_000)),
    ] {
        liar.publish("mig.agt.results", forged).await;
    }
    agent.publish("mig.agt.results", honest.to_string()).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!(returned.len(), 1);
    assert_eq!(returned[0].results[0].elements, json!("honest"));
    assert_eq!(gateway.count("mailbox where state = 'returned'").await, 1);
    until(PATIENCE, async || mig.queue_length("mig.agt.results").await == Some(0)).await;
    gateway.tap.none_of("command.returned.v1", Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_answers_are_counted() {
    let (vhost, mut tap, database) = servers().await;
    let mig = testkit::vhost().await;
    // a process of its own, for what is counted is counted of a process
    let program = env!("CARGO_BIN_EXE_agent-gateway");
    let mut command = Process::command(program, database.url(), vhost.url());
    command.args(["--mig-amqp-url", mig.url()]).stderr(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let mut lines = BufReader::new(process.0.stderr.as_mut().unwrap()).lines();
    let admin = lines.find_map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (line["message"] == "serving").then(|| line["admin"].as_str().unwrap().to_owned())
    });
    let admin = admin.expect("it ended before it served").parse().unwrap();
    let counted = async |name: &str, label: &str| {
        let (_, text) = exchange(admin, "GET", "/metrics", None, None).await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(label));
        line.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap())
    };
    let of = |outcome: &str| format!("outcome=\"{outcome}\"");
    let now = Clock::system().now();
    let mut agents = Vec::new();
    for queueloc in ["linux.a", "linux.b"] {
        let agent = MigAgent::start(mig.url(), Identity::new(queueloc, 1, now)).await;
        agent.beat_over_amqp(now).await;
        agents.push((agent, tap.next::<AgentChanged>().await.data.number));
    }
    let (liar, other) = agents.pop().unwrap();
    let (mut agent, number) = agents.pop().unwrap();
    vhost.publish("scheduler", now, order(now, 7, &[(70, number), (71, other)])).await;
    let (command, _) = agent.take().await;
    let with = |place: &str, value: Value| {
        let mut forged = agent.answer(&command, &json!("forged"));
        *forged.pointer_mut(place).unwrap() = value;
        forged.to_string()
    };
    let refused = [
        liar.answer(&command, &json!("forged")).to_string(),
        with("/id", json!(71)),
        with("/id", json!(99)),
        with("/agent/pid", json!(2)),
        with("/results", json!(vec![json!({}); 3])),
    ];
    let broken = [
        "x".to_owned(),
        with("/status", json!("sent")),
        with("/results", json!(vec![json!({}); 300])),
    ];
    for forged in refused.iter().chain(&broken) {
        liar.publish("mig.agt.results", forged.clone()).await;
    }
    agent.publish("mig.agt.results", agent.answer(&command, &json!("honest")).to_string()).await;
    until(PATIENCE, async || counted("mig_results_total", &of("accepted")).await == 1).await;
    assert_eq!(counted("mig_results_total", &of("refused")).await, 5);
    assert_eq!(counted("mig_results_total", &of("broken")).await, 3);
    // the one that an alert asks for
    assert_eq!(counted("writ_results_refused_total", "agent-gateway").await, 5);
    let returned = tap.next::<CommandReturned>().await.data.commands;
    assert_eq!(returned[0].results[0].elements, json!("honest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_is_replaced_and_a_late_success_is_kept() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let (mut agent, number) = joined(&mut gateway, &mig, "linux.a").await;
    issue(&gateway, 7, &[(70, number)]).await;
    let (command, _) = agent.take().await;
    let at = gateway.now();
    let status = CommandStatus::Expired;
    let gone = CommandWithdrawn { action: ActionId(7), status, at, commands: vec![CommandId(70)] };
    gateway.vhost.publish("scheduler", at, gone).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'withdrawn'").await == 1).await;
    let answer = agent.answer(&command, &json!("a\0b")).to_string();
    assert!(answer.contains("\\u0000"));
    agent.publish("mig.agt.results", answer).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!(returned[0].results[0].elements, json!("aNULLb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_when_its_agent_has_become_another_or_went_away() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let (mut agent, number) = joined(&mut gateway, &mig, "linux.a").await;
    issue(&gateway, 7, &[(70, number), (71, number)]).await;
    let (first, _) = agent.take().await;
    let (second, _) = agent.take().await;
    gateway.clock.advance(time::Duration::minutes(1));
    agent.identity.refreshed = gateway.now();
    agent.beat(&gateway).await.expect(200);
    for status in [AgentStatus::Offline, AgentStatus::Online] {
        assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, status);
    }
    let answer = async |command: &Value| {
        let answer = agent.answer(command, &json!(null)).to_string();
        agent.publish("mig.agt.results", answer).await;
    };
    answer(&first).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned[0].id, returned[0].agent), (CommandId(70), number));
    gateway.clock.advance(time::Duration::minutes(26));
    for status in [AgentStatus::Idle, AgentStatus::Offline] {
        gateway.running.service.app.fade_agents().await.unwrap();
        assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, status);
    }
    answer(&second).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned[0].id, returned[0].status), (CommandId(71), CommandStatus::Success));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_a_queue_waits_and_a_withdrawn_one_is_never_sent() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    // heard, but its queue is not there
    let identity = Identity::new("linux.a", 1, gateway.now());
    beat(&gateway, &identity).await.expect(200);
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    issue(&gateway, 7, &[(70, number), (71, number)]).await;
    let later = "mailbox where state = 'waiting' and push_at > now() + '1 second'::interval";
    until(PATIENCE, async || gateway.count(later).await == 2).await;
    let at = gateway.now();
    let (action, commands) = (ActionId(7), vec![CommandId(70)]);
    let gone = CommandWithdrawn { action, status: CommandStatus::Cancelled, at, commands };
    gateway.vhost.publish("scheduler", at, gone).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'withdrawn'").await == 1).await;
    let mut agent = MigAgent::start(mig.url(), identity).await;
    gateway.clock.advance(time::Duration::seconds(31));
    assert_eq!(agent.take().await.0["id"], 71);
    assert!(!agent.is_given(Duration::from_millis(500)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_lost_a_module_is_not_sent_what_needs_it() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let mut identity = Identity::new("linux.a", 1, gateway.now());
    drop(MigAgent::join(&gateway, mig.url(), identity.clone()).await);
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    gateway.clock.advance(time::Duration::minutes(26));
    gateway.running.service.app.fade_agents().await.unwrap();
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, AgentStatus::Idle);
    issue(&gateway, 7, &[(70, number)]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    (identity.pid, identity.modules) = (2, vec!["ping"]);
    let mut agent = MigAgent::join(&gateway, mig.url(), identity).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned[0].id, returned[0].status), (CommandId(70), CommandStatus::Failed));
    assert_eq!(returned[0].agent, number);
    let told: Vec<_> = returned[0].results.iter().map(|result| result.errors.clone()).collect();
    let reason = Some(vec!["module 'file' is not available on this agent".to_owned()]);
    assert_eq!(told, [reason.clone(), reason]);
    assert!(!agent.is_given(Duration::from_millis(500)).await, "it would never recover");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_send_each_command_once() {
    const COUNT: i64 = 300;
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let flags = ["--mig-amqp-url", mig.url()];
    let second = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &flags).await;
    let (mut agent, number) = joined(&mut gateway, &mig, "linux.a").await;
    for action in 0..10 {
        let commands: Vec<_> =
            (0..COUNT / 10).map(|n| (1_000 + action * 100 + n, number)).collect();
        issue(&gateway, action + 1, &commands).await;
    }
    let mut given = BTreeSet::new();
    for place in 0..COUNT {
        let command = agent.work(&json!(place)).await;
        assert!(given.insert(command["id"].as_i64().unwrap()), "given twice: {}", command["id"]);
    }
    assert!(!agent.is_given(Duration::from_millis(300)).await);
    let mut returned = BTreeSet::new();
    while returned.len() < given.len() {
        for command in gateway.tap.next::<CommandReturned>().await.data.commands {
            assert!(returned.insert(command.id.0), "told twice: {}", command.id);
        }
    }
    assert_eq!(returned, given);
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_a_command_fails_at_once_and_says_why() {
    let mut gateway = gateway_with(&[]).await;
    beat(&gateway, &Identity::new("linux.a", 1, gateway.now())).await.expect(200);
    let number = gateway.tap.next::<AgentChanged>().await.data.number;
    issue(&gateway, 7, &[(70, number)]).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((returned[0].id, returned[0].status), (CommandId(70), CommandStatus::Failed));
    let errors = returned[0].results[0].errors.as_ref().unwrap();
    assert!(errors[0].contains("WRIT_AGENT_GATEWAY_MIG_AMQP_URL"), "{errors:?}");
    assert_eq!(gateway.count("mailbox").await, 0);
}

/// A broker cuts bodies into frames, not headers; what it lets one client publish must not end another's connection.
#[tokio::test(flavor = "multi_thread")]
async fn large_headers_stop_nothing() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let (mut agent, number) = joined(&mut gateway, &mig, "linux.a").await;
    issue(&gateway, 7, &[(70, number)]).await;
    let (command, _) = agent.take().await;
    let mut headers = FieldTable::default();
    headers.insert("x".into(), AMQPValue::LongString("x".repeat(100 << 10).into()));
    for queue in ["mig.agt.results", "mig.agt.heartbeats"] {
        agent.publish_with(queue, "{}".into(), Some(headers.clone())).await;
    }
    agent.publish("mig.agt.results", agent.answer(&command, &json!(1)).to_string()).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!(returned[0].id, CommandId(70));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_among_many_small_ones_all_arrive() {
    const COUNT: i64 = 200;
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let (mut agent, number) = joined(&mut gateway, &mig, "linux.a").await;
    let app = std::sync::Arc::clone(&gateway.running.service.app);
    until(PATIENCE, async || app.count_attached() == 2).await;
    let commands: Vec<_> = (0..COUNT).map(|n| (1_000 + n, number)).collect();
    issue(&gateway, 7, &commands).await;
    let large = "x".repeat(1 << 20);
    for place in 0..COUNT {
        let (command, _) = agent.take().await;
        let elements = if place % 25 == 24 { json!(large) } else { json!(place) };
        agent.publish("mig.agt.results", agent.answer(&command, &elements).to_string()).await;
    }
    let (mut returned, mut whole) = (BTreeSet::new(), 0);
    while returned.len() < commands.len() {
        for command in gateway.tap.next::<CommandReturned>().await.data.commands {
            whole += usize::from(command.results[0].elements == json!(large));
            assert!(returned.insert(command.id.0), "told twice: {}", command.id);
        }
    }
    assert_eq!(whole, 8);
    assert_eq!(app.count_attached(), 2, "they hold nobody up");
    until(PATIENCE, async || mig.queue_length("mig.agt.results").await == Some(0)).await;
}
