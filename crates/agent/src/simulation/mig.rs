//! The language of MIG's agents: commands and results over AMQP, heartbeats over HTTP or AMQP
//! (specs/mig/scheduler-agent.md).

use super::broker::Broker;
use super::config::{Cli, Heartbeats};
use super::dialect::{Answer, Dialect, Door, Given, Newcomer, Verdict};
use super::nature::{Nature, dice};
use super::say;
use super::writ::clients;
use crate::client::Client;
use anyhow::Context as _;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::{ActionId, Clock, Environment, RunId};
use uuid::Uuid;

/// How many agents share a queue.
const PER_QUEUE: u32 = 5_000;
/// How many queues there are at most.
const QUEUES: u32 = 16;
const VERSION: &str = "20190913-0.9e7e4f52.dev";
/// A second process of a machine has a number so much higher.
const TWIN: i64 = 40_000;
/// An agent in checkin mode has one of so many process ids each time it starts.
const STARTS: u32 = 4;

/// Speaks for agents of MIG.
pub(super) struct Mig {
    client: Client,
    broker: Broker,
    label: String,
    seed: u64,
    heartbeats: Heartbeats,
    /// How long heartbeats and results may lie in a queue, in milliseconds.
    expiration: String,
    machines: Mutex<HashMap<String, Arc<Machine>>>,
    /// The actions as they came, to be given back; each is read once.
    actions: Mutex<HashMap<ActionId, Arc<Document>>>,
}

/// Is a machine with its agent.
pub(super) struct Machine {
    number: u32,
    name: String,
    queueloc: String,
    pid: AtomicI64,
    /// Of duplicates, two agents run on it.
    nature: Nature,
    beats: AtomicU32,
    description: Mutex<Description>,
    /// As whom it was asked, by command that it has not done with.
    asked: Mutex<HashMap<RunId, Addressee>>,
    /// What waits in the queue of an agent that starts only at its turn.
    queue: Mutex<Vec<Given>>,
    door: Mutex<Option<Door>>,
}

/// Says how often a machine was described, and when last.
#[derive(Debug, Clone, Copy)]
struct Description {
    count: u32,
    at: OffsetDateTime,
}

struct Document {
    text: String,
    operations: usize,
    modules: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Addressee {
    id: i64,
    pid: i64,
}

/// Is as much of a command as tells whose it is.
#[derive(Deserialize)]
struct Head {
    id: u64,
    action: Numbered,
    agent: Addressee,
}

#[derive(Deserialize)]
struct Numbered {
    id: ActionId,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mig {
    pub(super) async fn connect(cli: &Cli) -> anyhow::Result<Self> {
        let url = cli.amqp_url.as_deref().context("no --amqp-url")?;
        let count = (cli.agents / PER_QUEUE + 1).min(QUEUES);
        let queues = (0..count).map(|at| format!("mig.agt.fleet.{}.{at}", cli.label)).collect();
        let label = Sha256::digest(cli.label.as_bytes());
        let label = label.first_chunk();
        let expiration = Duration::from_secs_f64(cli.every * 10.0).max(Duration::from_mins(10));
        Ok(Self {
            client: clients(cli)?.0,
            broker: Broker::connect(url, queues).await?,
            label: cli.label.clone(),
            seed: cli.seed ^ label.map_or(0, |bytes| u64::from_le_bytes(*bytes)),
            heartbeats: cli.heartbeats,
            expiration: expiration.as_millis().to_string(),
            machines: Mutex::default(),
            actions: Mutex::default(),
        })
    }

    async fn beat(&self, machine: &Machine) -> anyhow::Result<()> {
        let over_amqp = match self.heartbeats {
            Heartbeats::Http => false,
            Heartbeats::Amqp => true,
            Heartbeats::Mixed => machine.number.is_multiple_of(2),
        };
        let now = Clock::system().now();
        let heartbeat = machine.heartbeat(&self.label, over_amqp, now)?;
        if over_amqp {
            self.publish(machine, "mig.agt.heartbeats", &heartbeat, now).await
        } else {
            Ok(self.client.beat(heartbeat).await?)
        }
    }

    async fn publish(
        &self,
        machine: &Machine,
        key: &str,
        body: &str,
        now: OffsetDateTime,
    ) -> anyhow::Result<()> {
        let now = now.unix_timestamp().try_into()?;
        self.broker.publish(machine.number, key, body.as_bytes(), &self.expiration, now).await
    }

    /// Brings a command to whoever gives its agent turns; one that is never heard again does not take it.
    fn bring(&self, key: &str, body: &[u8]) {
        let queueloc = key.strip_prefix("mig.agt.").unwrap_or(key);
        let Some(machine) = locked(&self.machines).get(queueloc).cloned() else { return };
        let given = match self.read(&machine, body) {
            Ok(given) => given,
            Err(error) => return say(&format!("a command for {queueloc} is broken: {error:#}")),
        };
        if machine.nature == Nature::Checkin {
            locked(&machine.queue).push(given);
        } else if let Some(door) = &*locked(&machine.door) {
            // who does not listen any more does not want it
            let _gone = door.to.send((door.at, given));
        }
    }

    fn read(&self, machine: &Machine, body: &[u8]) -> anyhow::Result<Given> {
        let head: Head = serde_json::from_slice(body)?;
        let run = RunId(Uuid::from_u128(head.id.into()));
        let action = head.action.id;
        let document = self.document(action, body)?;
        locked(&machine.asked).insert(run, head.agent);
        let lacking = machine.nature.lacks(&document.modules, Self::MODULES);
        let (action, operations) = (Some(action), document.operations);
        Ok(Given { run, action, operations, lacking, until: None })
    }

    fn document(&self, action: ActionId, body: &[u8]) -> anyhow::Result<Arc<Document>> {
        if let Some(document) = locked(&self.actions).get(&action) {
            return Ok(Arc::clone(document));
        }
        let mut command: Value = serde_json::from_slice(body)?;
        let whole = command.get_mut("action").map(Value::take).unwrap_or_default();
        let operations = whole.get("operations").and_then(Value::as_array);
        let modules = operations.into_iter().flatten().map(|operation| {
            operation.get("module").and_then(Value::as_str).unwrap_or_default().to_owned()
        });
        let modules: Vec<String> = modules.collect();
        let document =
            Arc::new(Document { text: whole.to_string(), operations: modules.len(), modules });
        locked(&self.actions).insert(action, Arc::clone(&document));
        Ok(document)
    }

    /// Writes an answer: the command as it came, with results. What was never asked is answered as if it had been.
    fn result(&self, machine: &Machine, answer: &Answer) -> anyhow::Result<String> {
        let asked = machine.addressee(answer.given.run);
        self.result_of(machine, &machine.queueloc, asked, answer)
    }

    fn result_of(
        &self,
        machine: &Machine,
        queueloc: &str,
        asked: Addressee,
        answer: &Answer,
    ) -> anyhow::Result<String> {
        let given = answer.given;
        let action = given.action.context("a command without an action")?;
        let document = locked(&self.actions).get(&action).cloned().context("an unknown action")?;
        let command = given.run.0.as_u128();
        let agent = json!({"id": asked.id, "name": machine.name, "queueloc": queueloc, "mode": machine.mode(),
            "version": VERSION, "pid": asked.pid, "environment": machine.environment(), "status": "online"});
        let results = serde_json::to_string(&answer.results)?;
        Ok(format!(
            "{{\"id\":{command},\"action\":{},\"agent\":{agent},\"status\":\"{}\",\"results\":{results},\
             \"starttime\":\"{}\",\"finishtime\":\"0001-01-01T00:00:00Z\"}}",
            document.text,
            answer.status.name(),
            Clock::system().now().format(&Rfc3339)?,
        ))
    }
}

impl Machine {
    fn mode(&self) -> &'static str {
        if self.nature == Nature::Checkin { "checkin" } else { "daemon" }
    }

    fn environment(&self) -> Environment {
        let described = locked(&self.description).count;
        Environment {
            init: "systemd".into(),
            ident: format!("Debian 12 bookworm, described {described} times"),
            os: "linux".into(),
            arch: "amd64".into(),
            publicip: "192.0.2.2".into(),
            addresses: vec!["192.0.2.2/24".into()],
            modules: self.nature.modules(Mig::MODULES).iter().map(ToString::to_string).collect(),
            ..Environment::default()
        }
    }

    /// Gives as whom it was asked, or who it is.
    fn addressee(&self, run: RunId) -> Addressee {
        let own = Addressee { id: 0, pid: self.pid.load(Ordering::Relaxed) };
        locked(&self.asked).get(&run).copied().unwrap_or(own)
    }

    fn heartbeat(
        &self,
        label: &str,
        over_amqp: bool,
        now: OffsetDateTime,
    ) -> anyhow::Result<String> {
        let beat = self.beats.fetch_add(1, Ordering::Relaxed);
        let other = match self.nature {
            Nature::Duplicate if !beat.is_multiple_of(2) => TWIN,
            Nature::Checkin => i64::from(beat % STARTS),
            _ => 0,
        };
        let pid = self.pid.load(Ordering::Relaxed) + other;
        let refreshed = locked(&self.description).at.format(&Rfc3339)?;
        let (now, mode) = (now.format(&Rfc3339)?, self.mode());
        let heartbeat = if over_amqp {
            json!({"name": self.name, "queueloc": self.queueloc, "mode": mode, "version": VERSION, "pid": pid,
                "starttime": now, "destructiontime": "0001-01-01T00:00:00Z", "heartbeatts": now, "refreshts": refreshed,
                "environment": self.environment(), "tags": {"fleet": label}})
        } else {
            let Environment { init, ident, os, arch, publicip, addresses, modules, .. } =
                self.environment();
            json!({"name": self.name, "queueLoc": self.queueloc, "mode": mode, "version": VERSION, "pid": pid,
                "startTime": now, "refreshTime": refreshed, "tags": [{"name": "fleet", "value": label}],
                "environment": {"init": init, "ident": ident, "os": os, "arch": arch, "isProxied": false, "proxy": "",
                    "addresses": addresses, "publicIP": publicip, "modules": modules}})
        };
        Ok(heartbeat.to_string())
    }
}

impl Dialect for Mig {
    type Identity = Arc<Machine>;
    const KIND: &'static str = "mig";
    const ONCE: bool = true;
    const MODULES: &'static [&'static str] = &["file", "ping"];

    async fn enrol(&self, newcomer: Newcomer<'_>) -> anyhow::Result<Arc<Machine>> {
        let Newcomer { number, name, nature } = newcomer;
        // the same seed and label, the same machines: a fleet that is started again is the same
        let id: String =
            dice(number, self.seed, 1).sample_iter(Alphanumeric).take(88).map(char::from).collect();
        let machine = Arc::new(Machine {
            number,
            name: name.to_owned(),
            queueloc: format!("linux.{id}"),
            pid: AtomicI64::new(1_000 + i64::from(number % 20_000)),
            nature,
            beats: AtomicU32::new(0),
            description: Mutex::new(Description { count: 1, at: Clock::system().now() }),
            asked: Mutex::default(),
            queue: Mutex::default(),
            door: Mutex::default(),
        });
        self.broker.bind(number, &format!("mig.agt.{}", machine.queueloc)).await?;
        self.beat(&machine).await?;
        locked(&self.machines).insert(machine.queueloc.clone(), Arc::clone(&machine));
        Ok(machine)
    }

    async fn poll(&self, machine: &Arc<Machine>, _: Duration) -> anyhow::Result<Vec<Given>> {
        self.beat(machine).await?;
        Ok(std::mem::take(&mut *locked(&machine.queue)))
    }

    async fn describe(&self, machine: &Arc<Machine>) -> anyhow::Result<()> {
        let mut description = locked(&machine.description);
        let at = Clock::system().now();
        *description = Description { count: description.count + 1, at };
        Ok(())
    }

    fn forget(&self, machine: &Arc<Machine>, run: RunId) {
        locked(&machine.asked).remove(&run);
    }

    async fn answer(
        &self,
        machine: &Arc<Machine>,
        answers: &[Answer],
    ) -> anyhow::Result<Vec<Verdict>> {
        for answer in answers {
            let body = self.result(machine, answer)?;
            self.publish(machine, "mig.agt.results", &body, Clock::system().now()).await?;
        }
        Ok(vec![Verdict::Untold; answers.len()])
    }

    async fn forge(&self, machine: &Arc<Machine>, answer: &Answer) -> anyhow::Result<Vec<Verdict>> {
        let asked = machine.addressee(answer.given.run);
        let another = locked(&self.machines).keys().find(|at| **at != machine.queueloc).cloned();
        let another = another.unwrap_or_else(|| "linux.nobody".into());
        for body in [
            self.result_of(machine, &another, asked, answer)?,
            // a process that no machine has
            self.result_of(
                machine,
                &machine.queueloc,
                Addressee { pid: asked.pid + 2 * TWIN, ..asked },
                answer,
            )?,
        ] {
            self.publish(machine, "mig.agt.results", &body, Clock::system().now()).await?;
        }
        Ok(vec![Verdict::Untold; 2])
    }

    fn expect(&self, machine: &Arc<Machine>, door: Door) {
        *locked(&machine.door) = Some(door);
    }

    fn restart(&self, machine: &Arc<Machine>) {
        machine.pid.fetch_add(1, Ordering::Relaxed);
    }

    async fn attend(&self) {
        self.broker.read(|key, body| self.bring(key, body)).await;
    }

    async fn leave(&self) {
        if let Err(error) = self.broker.remove().await {
            say(&format!("the fleet's queues stay on the broker: {error:#}"));
        }
    }
}
