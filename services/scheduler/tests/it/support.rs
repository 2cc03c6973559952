//! A process of the scheduler on servers of its own, and what the others would send it.
//!
//! Long because every test of runs begins with the same process and hears the same of the others.

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel_async::RunQueryDsl;
use messaging::{Delivery, Outcome, Queue};
use scheduler::Scheduler;
use serde_json::json;
use service::{Running, Service, Settings, Shutdown};
use std::sync::Arc;
use store::{Store, sql};
use testkit::{Database, PATIENCE, Proxy, Tap, Vhost, keys, until};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use types::messages::command::ReturnedCommand;
use types::messages::{
    ActionAccepted, ActionCancelled, AgentChanged, CommandReturned, InvestigatorChanged,
    InvestigatorDigest,
};
use types::{
    Action, ActionId, AgentId, AgentStatus, AgentUid, Clock, CommandId, CommandStatus, Envelope,
    Environment, InvestigatorId, InvestigatorStatus, Message, Operation, OperationResult,
    Permissions, Transport,
};
use uuid::Uuid;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00 UTC);
/// Is a target that every agent of [`agents`] matches.
pub(crate) const ALL: &str = "status='online' OR status='idle'";

/// Is a process of the scheduler, with an ear on the exchange.
pub(crate) struct Process {
    pub(crate) running: Running<Scheduler>,
    pub(crate) tap: Tap,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) servers: Servers,
    known: Vec<InvestigatorChanged>,
}

/// Are the servers of a test, which several processes may share.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) database: Arc<Database>,
    pub(crate) vhost: Arc<Vhost>,
    /// Where processes reach the database and the broker.
    urls: [String; 2],
}

impl Servers {
    pub(crate) async fn new() -> Self {
        let database = Arc::new(Database::new("scheduler", vec![]).await);
        let vhost = Arc::new(testkit::vhost().await);
        let urls = [database.url().to_owned(), vhost.url().to_owned()];
        Self { database, vhost, urls }
    }

    /// Gives the same servers with another way to the database.
    pub(crate) fn through(&self, database: String) -> Self {
        let [_, broker] = self.urls.clone();
        Self { urls: [database, broker], ..self.clone() }
    }

    /// Has processes reach the database and the broker over lines that can be cut.
    pub(crate) fn behind(mut self, database: &Proxy, broker: &Proxy) -> Self {
        self.urls = [database.through(&self.urls[0]), broker.through(&self.urls[1])];
        self
    }

    /// Starts a process on them.
    pub(crate) async fn start(&self, clock: &Clock, flags: &[&str]) -> Running<Scheduler> {
        let fixed = ["--database-url", &self.urls[0], "--amqp-url", &self.urls[1]];
        let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let small = ["--database-pool", "6", "--workers", "1"];
        let words = fixed.iter().chain(&ports).chain(&small).chain(flags);
        let mut settings = Settings::<Scheduler>::parse(words).unwrap_or_else(|e| panic!("{e}"));
        settings.clock = clock.clone();
        service::start(settings, Shutdown::new()).await.unwrap()
    }
}

impl Process {
    /// Starts one that knows the investigator alice.
    pub(crate) async fn new() -> Self {
        Self::on(Servers::new().await, &[]).await
    }

    pub(crate) async fn on(servers: Servers, flags: &[&str]) -> Self {
        let clock = Clock::fixed(NOW);
        let tap = Tap::new(&servers.vhost).await;
        let running = servers.start(&clock, flags).await;
        let store = running.parts.store.clone();
        let mut process = Self { running, tap, clock, store, servers, known: vec![] };
        process.know(investigator(1, "alice")).await;
        process
    }

    /// Tells of an investigator as its owner would, and waits until that is known.
    pub(crate) async fn know(&mut self, state: InvestigatorChanged) {
        self.known.retain(|known| known.id != state.id);
        self.known.push(state.clone());
        self.publish(state.clone()).await;
        self.confirm().await;
        let replica = &self.running.parts.replica;
        until(PATIENCE, async || replica.current().get(state.id) == Some(&state)).await;
    }

    /// Tells how the investigators stand, as their owner does each minute.
    pub(crate) async fn confirm(&self) {
        let (count, hash) =
            auth::digest::of(self.known.iter().map(|known| (known.id, known.version)));
        let at = self.clock.now();
        self.publish(InvestigatorDigest { count, hash, at }).await;
        let replica = &self.running.parts.replica;
        until(PATIENCE, async || replica.age(at) == Some(Duration::ZERO)).await;
    }

    pub(crate) async fn publish<M: Message>(&self, message: M) {
        self.servers.vhost.publish("another", self.clock.now(), message).await;
    }

    /// Puts agents into the copy.
    pub(crate) async fn agents(&self, agents: &[AgentChanged]) {
        let mut conn = self.store.get().await.unwrap();
        fleet::apply_changed(&mut conn, agents).await.unwrap();
    }

    /// Hands messages to the consumer of a stream, as the broker would.
    pub(crate) async fn hand(&self, stream: &str, batch: &[Delivery]) -> Outcome {
        hand(&self.running.service, stream, batch).await
    }

    /// Hands one message to the consumer of a stream; it must be taken.
    pub(crate) async fn take<M: Message>(&self, stream: &str, message: M) {
        let outcome = self.hand(stream, &[delivery(message)]).await;
        assert_eq!(outcome, Outcome::Done);
    }

    /// Has an action accepted, by hand, and gives its document.
    pub(crate) async fn accept(&self, id: i64, action: Action) -> String {
        let document = signed(action, &["alice"]);
        self.take("actions", accepted(id, &document)).await;
        document
    }

    pub(crate) async fn cancel(&self, id: i64) -> Outcome {
        let message = ActionCancelled { id: ActionId(id), by: InvestigatorId(1) };
        self.hand("actions", &[delivery(message)]).await
    }

    /// Runs a job now.
    pub(crate) async fn job(&self, name: &str) {
        job(&self.running.service, name).await;
    }

    /// Runs a job now, which fails when something failed with one of the runs; tells whether it did.
    pub(crate) async fn job_fails(&self, name: &str) -> bool {
        let job = Scheduler::jobs().into_iter().find(|job| job.name() == name).unwrap();
        job.run(&self.running.service).await.is_err()
    }

    pub(crate) async fn run(&self, id: i64) -> Run {
        let text = format!("select {RUN} from run where action_id = $1");
        let mut conn = self.store.get().await.unwrap();
        sql(text).bind::<BigInt, _>(id).get_result(&mut conn).await.unwrap()
    }

    /// Waits until a run is in this state.
    pub(crate) async fn until(&self, id: i64, status: &str) -> Run {
        until(PATIENCE, async || {
            let run = self.run(id).await;
            let over = !matches!(run.status.as_str(), "pending" | "inflight" | "paused");
            assert!(run.status == status || !over, "{run:?} will never be {status}");
            run.status == status
        })
        .await;
        self.run(id).await
    }

    /// Gives the commands of an action by number.
    pub(crate) async fn commands(&self, action: i64) -> Vec<Command> {
        let mut conn = self.store.get().await.unwrap();
        sql("select id, agent_id, status, found, finished is null as open from command
             where action_id = $1 order by id")
        .bind::<BigInt, _>(action)
        .get_results(&mut conn)
        .await
        .unwrap()
    }

    /// Gives the one text that a statement selects as `text`.
    pub(crate) async fn text(&self, statement: &str) -> String {
        testkit::texts(&self.store, statement).await.remove(0)
    }

    /// Has the database do something.
    pub(crate) async fn sql(&self, statement: &str) {
        let mut conn = self.store.get().await.unwrap();
        sql(statement.to_owned()).execute(&mut conn).await.unwrap();
    }

    /// Has each write fail that moves the run of an action, and nothing else.
    pub(crate) async fn poison(&self, id: i64) {
        self.sql(
            "create or replace function poison() returns trigger language plpgsql as $$ begin
                 if new.action_id = tg_argv[0]::bigint
                     and (new.status, new.held) is distinct from (old.status, old.held) then
                     raise exception 'poisoned';
                 end if;
                 return new;
             end $$",
        )
        .await;
        self.sql(&format!(
            "create trigger poison before update on run for each row execute function poison({id})"
        ))
        .await;
    }

    pub(crate) async fn cure(&self) {
        self.sql("drop trigger poison on run").await;
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        testkit::count(&self.store, table).await
    }

    /// Has agents answer their commands of an action with one message each.
    pub(crate) async fn answer(&self, action: i64, agents: &[i64], status: CommandStatus) {
        let commands = self.commands(action).await;
        for agent in agents {
            let command = commands.iter().find(|command| command.agent_id == *agent).unwrap();
            let answer = answer(command.id, action, *agent, status);
            self.take("commands", CommandReturned { commands: vec![answer] }).await;
        }
    }

    /// Tells whether nothing was published of these kinds, nor is for a moment.
    pub(crate) async fn silent_of(&mut self, kinds: &[&str]) {
        self.job("publish_runs").await;
        until(PATIENCE, async || self.count("messaging.outbox").await == 0).await;
        for kind in kinds {
            self.tap.none_of(kind, std::time::Duration::from_millis(100)).await;
        }
    }

    /// Has so much time pass.
    pub(crate) fn wait(&self, by: Duration) {
        self.clock.advance(by);
    }
}

/// Gives an agent's answer to a command: two results, of which the second found something when all went well.
pub(crate) fn answer(id: i64, action: i64, agent: i64, status: CommandStatus) -> ReturnedCommand {
    let success = status == CommandStatus::Success;
    let found = OperationResult { foundanything: success, success, ..OperationResult::default() };
    ReturnedCommand {
        id: CommandId(id),
        action: ActionId(action),
        agent: AgentId(agent),
        status,
        results: vec![OperationResult { success, ..OperationResult::default() }, found],
        at: NOW,
        given_up: false,
    }
}

pub(crate) async fn hand(service: &Scheduler, stream: &str, batch: &[Delivery]) -> Outcome {
    let all = Scheduler::subscriptions();
    let subscription = all.into_iter().find(|one| one.queue == Queue::Stream(leak(stream)));
    (subscription.unwrap().handle)(service, batch).await
}

fn leak(stream: &str) -> &'static str {
    ["actions", "commands", "agents", "manual"].into_iter().find(|known| *known == stream).unwrap()
}

pub(crate) async fn job(service: &Scheduler, name: &str) {
    let job = Scheduler::jobs().into_iter().find(|job| job.name() == name).unwrap();
    job.run(service).await.unwrap();
}

const RUN: &str = "status, reason, targeted, success, failed, timeout, expired, cancelled, version, \
     started is not null as was_started, finished is not null as is_finished, unpublished, held";

/// Is a run as the database has it.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub(crate) struct Run {
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) targeted: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) success: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) failed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) timeout: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) expired: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) cancelled: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
    #[diesel(sql_type = Bool)]
    pub(crate) was_started: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) is_finished: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) unpublished: bool,
    #[diesel(sql_type = BigInt)]
    pub(crate) held: i64,
}

impl Run {
    /// Gives targeted, success, failed, timeout, expired, cancelled.
    pub(crate) fn counters(&self) -> [i64; 6] {
        [self.targeted, self.success, self.failed, self.timeout, self.expired, self.cancelled]
    }

    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

/// Is a command as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(crate) struct Command {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) agent_id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Array<Bool>)]
    pub(crate) found: Vec<bool>,
    #[diesel(sql_type = Bool)]
    pub(crate) open: bool,
}

/// Makes a message as the broker would hand it over for the first time.
pub(crate) fn delivery<M: Message>(message: M) -> Delivery {
    let id = Uuid::now_v7();
    let envelope = Envelope::new(id, "another", NOW, message);
    Delivery::new(id, M::KIND, serde_json::to_vec(&envelope).unwrap())
}

pub(crate) fn accepted(id: i64, document: &str) -> ActionAccepted {
    let posted_by = InvestigatorId(1);
    ActionAccepted {
        id: ActionId(id),
        document: document.into(),
        posted_by,
        at: NOW,
        dispatch: None,
        execution_id: None,
        step: None,
    }
}

/// Gives an action over all agents, from a minute ago until in ten minutes.
pub(crate) fn action(name: &str) -> Action {
    Action {
        name: name.into(),
        target: ALL.into(),
        validfrom: NOW - Duration::minutes(1),
        expireafter: NOW + Duration::minutes(10),
        operations: Some(vec![operation("file"), operation("file")]),
        syntaxversion: 2,
        ..Action::default()
    }
}

pub(crate) fn operation(module: &str) -> Operation {
    let parameters = json!({"searches": {"s1": {"paths": ["/etc"], "names": ["^passwd$"]}}});
    Operation { module: module.into(), parameters, is_compressed: false, want_compressed: false }
}

/// Has people sign an action, and writes it down.
pub(crate) fn signed(action: Action, signers: &[&str]) -> String {
    let text = signing::action::signed_string(&action);
    let sign = |name: &&str| keys::of(name).sign_line(text.as_bytes(), NOW).unwrap();
    let pgpsignatures = Some(signers.iter().map(sign).collect());
    serde_json::to_string(&Action { pgpsignatures, ..action }).unwrap()
}

/// Gives the state of an active investigator with a key.
pub(crate) fn investigator(id: i64, name: &str) -> InvestigatorChanged {
    let key = keys::of(name);
    InvestigatorChanged {
        id: InvestigatorId(id),
        name: name.into(),
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        status: InvestigatorStatus::Active,
        permissions: Permissions::all().0,
        api_key_sha256: None,
        created: NOW,
        modified: NOW,
        version: 1,
    }
}

/// Gives an agent that is online and has the module `file`.
pub(crate) fn agent(number: i64) -> AgentChanged {
    AgentChanged {
        number: AgentId(number),
        id: AgentUid(Uuid::from_u128(u128::try_from(number).unwrap())),
        name: format!("host-{number}"),
        queueloc: format!("linux.{number}"),
        transport: Transport::Writ,
        mode: "daemon".into(),
        version: "0.1.0".into(),
        pid: 1,
        status: AgentStatus::Online,
        environment: Environment {
            os: "linux".into(),
            modules: vec!["file".into()],
            ..Environment::default()
        },
        tags: [("role".to_owned(), "web".to_owned())].into(),
        loader_name: String::new(),
        team: None,
        plugins: vec![],
        started: NOW,
        last_seen: NOW,
        refreshed: NOW,
        conflict_since: None,
        revision: 1,
    }
}

/// Gives `count` agents, numbered from 1 on.
pub(crate) fn agents(count: i64) -> Vec<AgentChanged> {
    (1..=count).map(agent).collect()
}
