//! How MIG agents are heard over HTTP and AMQP, and what becomes of those that are not (specs/mig/api.md §3.2,
//! scheduler-agent.md §4, §5, §8, §9).
//!
//! Long because both ways in are asked the same questions, one after the other.

use crate::mig_agent::{Identity, MigAgent, beat};
use crate::mig_work::{issue, mig_gateway};
use crate::scripted::raw;
use crate::support::{Answer, Gateway, READER, WRITER, gateway, gateway_through, gateway_with};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{PATIENCE, Proxy, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use types::messages::{AgentChanged, CommandReturned};
use types::{AgentStatus, CommandStatus};

async fn post(gateway: &Gateway, body: String) -> Answer {
    let request = gateway.client.post(gateway.url("/api/v1/heartbeat")).body(body);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_answered_as_the_original_does() {
    let gateway = gateway().await;
    let body = Identity::new("linux.a", 1, gateway.now()).over_http(gateway.now());
    let answer = gateway.client.post(gateway.url("/api/v1/heartbeat")).body(body.to_string());
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), "{\"error\":null}\n");
    for (place, value, want) in [
        ("/mode", json!("weird"), "Missing fields in request body: agent reported an invalid mode"),
        ("/pid", json!(-1), "Failed to decode request body: "),
        (
            "/startTime",
            json!("2020-01-01T00:00:00Z"),
            "Missing fields in request body: heartbeat expired",
        ),
        ("/queueLoc", json!(""), "Missing fields in request body: missing field(s): queueLoc"),
    ] {
        let mut wrong = body.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        let answer = post(&gateway, wrong.to_string()).await.expect(400);
        assert!(answer.text.ends_with("\"}\n"), "{answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().starts_with(want), "{answer:?}");
    }
    post(&gateway, String::new()).await.expect(400);
    post(&gateway, " ".repeat(102_401)).await.expect(413);
    // whoever does not say how long it is is read until it is too long
    let mut unknown =
        b"POST /api/v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..11 {
        unknown.extend_from_slice(format!("2710\r\n{}\r\n", " ".repeat(10_000)).as_bytes());
    }
    unknown.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(raw(gateway.running.address, &unknown).await.unwrap().0, 413);
    assert_eq!(gateway.count("agent").await, 1);
    // Go's client reads no body, of refusals neither
    for (wrong, status) in [("{}".to_owned(), 400), (" ".repeat(102_401), 413)] {
        assert_eq!(post_as_go(&gateway, wrong).await.expect(status).text, "");
    }
    let long = json!({"pid": "x".repeat(90_000)}).to_string();
    assert!(post(&gateway, long).await.expect(400).text.len() < 400);
}

async fn post_as_go(gateway: &Gateway, body: String) -> Answer {
    let request = gateway
        .client
        .post(gateway.url("/api/v1/heartbeat"))
        .header("user-agent", "Go-http-client/1.1")
        .body(body);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_and_does_not_come_takes_no_room_and_what_comes_does() {
    let gateway = gateway().await;
    let honest = Identity::new("linux.a", 1, gateway.now());
    let head = "POST /api/v1/heartbeat HTTP/1.1\r\nhost: gateway\r\ncontent-length: 102400\r\n\r\n";
    let mut lines = Vec::new();
    for _ in 0..500 {
        let mut line = TcpStream::connect(gateway.running.address).await.unwrap();
        line.write_all(head.as_bytes()).await.unwrap();
        lines.push(line);
    }
    beat(&gateway, &honest).await.expect(200);
    let nearly = vec![b' '; 102_399];
    for line in &mut lines {
        // one that finds no room is answered and closed
        let _closed = line.write_all(&nearly).await;
    }
    // and what is left is less than one of them had; where that takes long, the first ones are given up meanwhile
    let deadline = Instant::now() + PATIENCE;
    while beat(&gateway, &honest).await.status != 503 {
        assert!(Instant::now() < deadline, "there is room still");
        for _ in 0..250 {
            let mut line = TcpStream::connect(gateway.running.address).await.unwrap();
            line.write_all(format!("{head}{}", " ".repeat(500)).as_bytes()).await.unwrap();
            lines.push(line);
        }
    }
    assert_eq!(beat(&gateway, &honest).await.expect(503).text, "");
    let told = post(&gateway, honest.over_http(gateway.now()).to_string()).await.expect(503);
    assert!(told.text.contains("more heartbeats come in than can be taken"), "{}", told.text);
    drop(lines);
    until(PATIENCE, async || beat(&gateway, &honest).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_which_many_processes_are_heard_has_few_rows() {
    let (gateway, mig) = mig_gateway(&[]).await;
    let of = |pid| Identity::new("linux.a", pid, gateway.now());
    let open = async || gateway.count("agent where status <> 'offline'").await;
    let beats = |pids: std::ops::Range<i64>| {
        let gateway = &gateway;
        async move {
            let beats: Vec<_> = pids.map(of).collect();
            let beats = beats.iter().map(|identity| beat(gateway, identity));
            for answer in futures_util::future::join_all(beats).await {
                answer.expect(200);
            }
        }
    };
    beats(1..60).await;
    assert_eq!(open().await, 59);
    beats(60..300).await;
    assert_eq!(open().await, 64);
    // over AMQP as well
    let agent = MigAgent::start(mig.url(), of(1_000)).await;
    agent.beat_over_amqp(gateway.now()).await;
    let this = "agent where pid = 1000 and status = 'online'";
    until(PATIENCE, async || gateway.count(this).await == 1).await;
    assert_eq!(open().await, 64);
    // one that was made to give way is heard again all the same
    beat(&gateway, &of(1)).await.expect(200);
    assert_eq!(gateway.count("agent where pid = 1 and status = 'online'").await, 1);
    assert_eq!(open().await, 64);
    // and an agent that is twice there is still told from one that began anew
    gateway.clock.advance(time::Duration::minutes(1));
    for pid in [1, 1_000, 1] {
        gateway.running.service.app.write_seen().await.unwrap();
        beat(&gateway, &of(pid)).await.expect(200);
    }
    assert!(gateway.count("agent where conflict_since is not null").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_heartbeats_at_once_are_each_one_agent() {
    let gateway = gateway().await;
    let now = gateway.now();
    let agents: Vec<_> =
        (0..200).map(|n| Identity::new(&format!("linux.{}", n % 100), 1, now)).collect();
    for _ in 0..2 {
        let beats = agents.iter().map(|identity| beat(&gateway, identity));
        for answer in futures_util::future::join_all(beats).await {
            answer.expect(200);
        }
    }
    assert_eq!(gateway.count("agent").await, 100);
    assert_eq!(gateway.count("presence").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_taken_over_and_a_refreshed_machine_begins_a_new_row() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let mut agent = MigAgent::start(mig.url(), Identity::new("linux.a", 1, gateway.now())).await;
    agent.beat(&gateway).await.expect(200);
    let first = gateway.tap.next::<AgentChanged>().await.data;
    for over_amqp in [false, true] {
        agent.identity.version = format!("2-{over_amqp}");
        agent.identity.operator = format!("IT-{over_amqp}");
        agent.identity.ident = format!("Debian {over_amqp}");
        if over_amqp {
            agent.beat_over_amqp(gateway.now()).await;
        } else {
            agent.beat(&gateway).await.expect(200);
        }
        let told = gateway.tap.next::<AgentChanged>().await.data;
        assert_eq!(told.number, first.number);
        assert_eq!(told.version, agent.identity.version);
        assert_eq!(told.tags["operator"], agent.identity.operator);
        assert_eq!(told.environment.ident, agent.identity.ident);
    }
    let mut last = first.number;
    for over_amqp in [false, true] {
        gateway.clock.advance(time::Duration::minutes(5));
        agent.identity.refreshed = gateway.now();
        if over_amqp {
            agent.beat_over_amqp(gateway.now()).await;
        } else {
            agent.beat(&gateway).await.expect(200);
        }
        let told = [
            gateway.tap.next::<AgentChanged>().await.data,
            gateway.tap.next::<AgentChanged>().await.data,
        ];
        let [old, new] = told;
        assert_eq!((old.number, old.status), (last, AgentStatus::Offline));
        assert_eq!((new.status, new.pid), (AgentStatus::Online, 1));
        last = new.number;
    }
    // the same again is no news
    agent.beat(&gateway).await.expect(200);
    gateway.tap.none_of("agent.changed.v1", Duration::from_millis(400)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_is_idle_and_then_offline_and_its_queue_goes() {
    let (mut gateway, mig) = mig_gateway(&["--mig-queue-cleanup", "1"]).await;
    let of = |queueloc: &str| Identity::new(queueloc, 1, gateway.now());
    let [gone, again, asked, read, stays] =
        ["linux.gone", "linux.again", "linux.asked", "linux.read", "linux.stays"].map(of);
    drop(MigAgent::join(&gateway, mig.url(), gone.clone()).await);
    drop(MigAgent::join(&gateway, mig.url(), again).await);
    drop(MigAgent::join(&gateway, mig.url(), asked).await);
    // it reads, and says nothing
    let _read = MigAgent::join(&gateway, mig.url(), read).await;
    let stays = MigAgent::join(&gateway, mig.url(), stays).await;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        numbers.push(gateway.tap.next::<AgentChanged>().await.data.number);
    }
    issue(&gateway, 7, &[(70, numbers[1]), (71, numbers[2])]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'leased'").await == 2).await;
    let app = std::sync::Arc::clone(&gateway.running.service.app);
    for (minutes, status) in [(26, AgentStatus::Idle), (0, AgentStatus::Offline)] {
        gateway.clock.advance(time::Duration::minutes(minutes));
        stays.beat(&gateway).await.expect(200);
        app.write_seen().await.unwrap();
        app.fade_agents().await.unwrap();
        for number in &numbers[..4] {
            let told = gateway.tap.next::<AgentChanged>().await.data;
            assert_eq!((told.number, told.status), (*number, status));
        }
    }
    until(PATIENCE, async || mig.queue_length("mig.agt.linux.gone").await.is_none()).await;
    assert_eq!(mig.queue_length("mig.agt.linux.stays").await, Some(0));
    // offline is final: the process that is heard again is a new row
    beat(&gateway, &gone).await.expect(200);
    assert!(!numbers.contains(&gateway.tap.next::<AgentChanged>().await.data.number));
    // the command of these is good for half an hour more
    assert_eq!(mig.queue_length("mig.agt.linux.asked").await, Some(1));
    // another waits until its machine is heard again, which may be at any moment
    issue(&gateway, 8, &[(80, numbers[1])]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    gateway.clock.advance(time::Duration::minutes(40));
    until(PATIENCE, async || mig.queue_length("mig.agt.linux.asked").await.is_none()).await;
    // queues are looked at in order
    assert_eq!(mig.queue_length("mig.agt.linux.again").await, Some(1));
    gateway.clock.advance(time::Duration::minutes(30));
    until(PATIENCE, async || mig.queue_length("mig.agt.linux.again").await.is_none()).await;
    assert_eq!(mig.queue_length("mig.agt.linux.read").await, Some(0), "somebody reads it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_machine_is_heard_no_more_by_any_of_its_processes() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let mut identity = Identity::new("linux.a", 1, gateway.now());
    beat(&gateway, &identity).await.expect(200);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    identity.pid = 2;
    beat(&gateway, &identity).await.expect(200);
    let other = gateway.tap.next::<AgentChanged>().await.data;
    // what both are to do waits, as their queue is not there
    issue(&gateway, 7, &[(70, told.number), (71, other.number)]).await;
    let later = "mailbox where state = 'waiting' and push_at > now() + '1 second'::interval";
    until(PATIENCE, async || gateway.count(later).await == 2).await;

    let path = format!("/v1/agents/{}", told.id);
    gateway.call(Method::DELETE, &path, WRITER, None).await.expect(204);
    for _ in 0..2 {
        assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, AgentStatus::Offline);
    }
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands;
    let mut failed: Vec<i64> = returned.iter().map(|command| command.id.0).collect();
    failed.sort_unstable();
    assert_eq!(failed, [70, 71]);
    assert!(returned.iter().all(|command| command.status == CommandStatus::Failed));
    for pid in [1, 2, 3] {
        identity.pid = pid;
        let refused = beat(&gateway, &identity).await.expect(401);
        assert_eq!(refused.text, "", "Go's client reads no body");
        let refused = post(&gateway, identity.over_http(gateway.now()).to_string()).await;
        assert!(refused.expect(401).text.contains("the agent was revoked"));
    }
    let agent = MigAgent::start(mig.url(), identity).await;
    agent.beat_over_amqp(gateway.now()).await;
    // what comes after it is heard, so it was read; what is too large is dropped
    let other = MigAgent::start(mig.url(), Identity::new("linux.b", 1, gateway.now())).await;
    let mut large = other.identity.over_amqp(gateway.now());
    (large["tags"], large["queueloc"]) = (json!({"a": "x".repeat(102_400)}), json!("linux.large"));
    other.publish("mig.agt.heartbeats", large.to_string()).await;
    other.beat_over_amqp(gateway.now()).await;
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.queueloc, "linux.b");
    // nor is it given anything
    issue(&gateway, 8, &[(80, told.number)]).await;
    let refused = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((refused[0].id.0, refused[0].status), (80, CommandStatus::Failed));
    assert_eq!(gateway.count("agent where queueloc = 'linux.a' and status = 'offline'").await, 2);
    gateway.clock.advance(time::Duration::days(90));
    gateway.running.service.app.forget_agents().await.unwrap();
    assert!(gateway.count("agent where queueloc = 'linux.a'").await > 0, "it stays revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_say_of_a_machine_goes_on_to_its_next_row() {
    let mut gateway = gateway().await;
    let mut identity = Identity::new("linux.a", 1, gateway.now());
    beat(&gateway, &identity).await.expect(200);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    let team = gateway.post("/v1/teams", WRITER, &json!({"name": "blue"})).await.expect(201).json();
    let patch = |tags: Value| json!({"name": "mail gateway", "team_id": team["id"], "tags": tags});
    let path = format!("/v1/agents/{}", told.id);
    let labels = json!({"operator": "opsec", "site": "Berlin", "rack": "7"});
    gateway.call(Method::PATCH, &path, WRITER, Some(&patch(labels))).await.expect(200);
    // a label of theirs is taken away again, one of the agent's is changed
    let labels = json!({"operator": "people", "site": "Berlin"});
    gateway.call(Method::PATCH, &path, WRITER, Some(&patch(labels.clone()))).await.expect(200);
    for _ in 0..2 {
        gateway.tap.next::<AgentChanged>().await;
    }
    let said = |agent: &AgentChanged| {
        assert_eq!(agent.name, "mail gateway");
        assert_eq!(json!(agent.tags), labels);
        assert_eq!(json!(agent.team), team["id"]);
    };
    // it says something new of itself, describes its machine anew, and starts again
    identity.version = "2".into();
    beat(&gateway, &identity).await.expect(200);
    let renewed = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((renewed.number, renewed.version.as_str()), (told.number, "2"));
    said(&renewed);
    gateway.clock.advance(time::Duration::minutes(1));
    identity.refreshed = gateway.now();
    beat(&gateway, &identity).await.expect(200);
    gateway.tap.next::<AgentChanged>().await;
    said(&gateway.tap.next::<AgentChanged>().await.data);
    identity.pid = 2;
    beat(&gateway, &identity).await.expect(200);
    said(&gateway.tap.next::<AgentChanged>().await.data);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_could_not_be_heard_were_not_silent() {
    let (gateway, line) = gateway_through(&[]).await;
    beat(&gateway, &Identity::new("linux.a", 1, gateway.now())).await.expect(200);
    let app = &gateway.running.service.app;
    let online = async || gateway.count("agent where status = 'online'").await;
    line.cut();
    let away = Identity::new("linux.b", 1, gateway.now());
    assert_eq!(beat(&gateway, &away).await.expect(503).text, "", "Go's client reads no body");
    let told = post(&gateway, away.over_http(gateway.now()).to_string()).await.expect(503);
    assert!(told.json()["error"].as_str().unwrap().contains("could not be stored"), "{told:?}");
    app.fade_agents().await.unwrap_err();
    gateway.clock.advance(time::Duration::minutes(30));
    app.fade_agents().await.unwrap_err();
    line.resume();
    until(PATIENCE, async || app.fade_agents().await.is_ok()).await;
    assert_eq!(online().await, 1, "the database was away");
    gateway.clock.advance(time::Duration::minutes(24));
    app.fade_agents().await.unwrap();
    assert_eq!(online().await, 1, "it is given as long as ever");
    gateway.clock.advance(time::Duration::minutes(2));
    app.fade_agents().await.unwrap();
    assert_eq!(online().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_a_broker_that_was_away_were_not_silent() {
    let mig = testkit::vhost().await;
    let line = Proxy::before(mig.url()).await;
    let gateway = gateway_with(&["--mig-amqp-url", &line.through(mig.url())]).await;
    let agent = MigAgent::start(mig.url(), Identity::new("linux.a", 1, gateway.now())).await;
    agent.beat_over_amqp(gateway.now()).await;
    let online = async || gateway.count("agent where status = 'online'").await;
    until(PATIENCE, async || online().await == 1).await;
    let app = &gateway.running.service.app;
    line.cut();
    until(PATIENCE, async || !app.hears_mig()).await;
    gateway.clock.advance(time::Duration::minutes(30));
    app.fade_agents().await.unwrap();
    assert_eq!(online().await, 1, "nobody could hear it");
    line.resume();
    until(PATIENCE, async || app.hears_mig()).await;
    gateway.clock.advance(time::Duration::minutes(24));
    app.fade_agents().await.unwrap();
    assert_eq!(online().await, 1, "it is given as long as ever");
    gateway.clock.advance(time::Duration::minutes(2));
    app.fade_agents().await.unwrap();
    assert_eq!(online().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_of_one_machine_are_shown_and_a_restart_is_not() {
    let (mut gateway, mig) = mig_gateway(&[]).await;
    let (old, new) =
        (Identity::new("linux.a", 1, gateway.now()), Identity::new("linux.a", 2, gateway.now()));
    let mut listening = MigAgent::start(mig.url(), old.clone()).await;
    let conflicts = async |gateway: &Gateway| {
        let list = gateway.get("/v1/agents", READER).await.expect(200).json();
        let items = list["items"].as_array().unwrap().clone();
        let is_one = |item: &&Value| item.get("conflict_since").is_some();
        items.iter().filter(is_one).count()
    };
    beat(&gateway, &old).await.expect(200);
    gateway.clock.advance(time::Duration::minutes(1));
    for _ in 0..3 {
        beat(&gateway, &new).await.expect(200);
        gateway.running.service.app.write_seen().await.unwrap();
        gateway.clock.advance(time::Duration::minutes(5));
    }
    assert_eq!(conflicts(&gateway).await, 0, "a restart");
    beat(&gateway, &old).await.expect(200);
    gateway.running.service.app.write_seen().await.unwrap();
    assert_eq!(conflicts(&gateway).await, 1, "the old one is heard again");
    gateway.clock.advance(time::Duration::minutes(1));
    beat(&gateway, &new).await.expect(200);
    assert_eq!(conflicts(&gateway).await, 2);
    let mut told = Vec::new();
    while told.len() < 2 {
        let agent = gateway.tap.next::<AgentChanged>().await.data;
        told.extend(agent.conflict_since.map(|_| agent.pid));
    }
    assert_eq!(told, [1, 2]);
    // a new row of the same process is still one of the two
    gateway.clock.advance(time::Duration::minutes(1));
    let described_anew = Identity { refreshed: gateway.now(), ..new.clone() };
    beat(&gateway, &described_anew).await.expect(200);
    gateway.running.service.app.write_seen().await.unwrap();
    assert_eq!(conflicts(&gateway).await, 2);
    let new = described_anew;
    // nobody is ordered to end itself (specs/mig/scheduler-agent.md §8): the first that comes is what an investigator
    // wants
    let number = loop {
        let agent = gateway.tap.next::<AgentChanged>().await.data;
        if agent.refreshed == new.refreshed {
            break agent.number;
        }
    };
    issue(&gateway, 1, &[(1, number)]).await;
    let (command, _) = listening.take().await;
    assert_eq!(command["action"]["name"], "action 1", "{command}");
    // one of them ends
    gateway.clock.advance(time::Duration::minutes(11));
    beat(&gateway, &new).await.expect(200);
    assert_eq!(conflicts(&gateway).await, 1);
    gateway.clock.advance(time::Duration::minutes(26));
    beat(&gateway, &new).await.expect(200);
    let app = &gateway.running.service.app;
    app.write_seen().await.unwrap();
    for _ in 0..2 {
        app.fade_agents().await.unwrap();
    }
    assert_eq!(conflicts(&gateway).await, 0, "the other is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_listed_is_not_heard() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whitelist");
    std::fs::write(&file, "linux.named\nre:linux\\.web[0-9]+\n").unwrap();
    let (mut gateway, mig) = mig_gateway(&["--mig-whitelist", file.to_str().unwrap()]).await;
    let now = gateway.now();
    let of = |queueloc: &str| Identity::new(queueloc, 1, now);
    beat(&gateway, &of("linux.named")).await.expect(200);
    beat(&gateway, &of("linux.web17")).await.expect(200);
    beat(&gateway, &of("linux.web")).await.expect(401);
    let other = MigAgent::start(mig.url(), of("linux.other")).await;
    other.beat_over_amqp(now).await;
    let listed = MigAgent::start(mig.url(), of("linux.web18")).await;
    listed.beat_over_amqp(now).await;
    until(PATIENCE, async || gateway.count("agent").await == 3).await;
    assert_eq!(gateway.count("agent where queueloc = 'linux.other'").await, 0);
    std::fs::write(&file, "linux.other").unwrap();
    beat(&gateway, &of("linux.named")).await.expect(401);
    other.beat_over_amqp(now).await;
    until(PATIENCE, async || gateway.count("agent where queueloc = 'linux.other'").await == 1)
        .await;
    gateway.tap.next::<AgentChanged>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_agents_that_are_long_gone_are_removed() {
    let (gateway, mig) = mig_gateway(&[]).await;
    let mut identity = Identity::new("linux.a", 1, gateway.now());
    identity.mode = "checkin";
    for pid in 1..=3 {
        identity.pid = pid;
        beat(&gateway, &identity).await.expect(200);
    }
    let app = &gateway.running.service.app;
    for _ in 0..2 {
        gateway.clock.advance(time::Duration::minutes(26));
        app.fade_agents().await.unwrap();
    }
    assert_eq!(gateway.count("agent where status = 'offline'").await, 3);
    gateway.clock.advance(time::Duration::days(29));
    app.forget_agents().await.unwrap();
    assert_eq!(gateway.count("agent").await, 3, "not yet");
    identity.pid = 4;
    beat(&gateway, &identity).await.expect(200);
    gateway.clock.advance(time::Duration::days(2));
    app.forget_agents().await.unwrap();
    assert_eq!(gateway.count("agent").await, 1, "the one that was heard since stays");
    drop(mig);
}
