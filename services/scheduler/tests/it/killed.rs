//! Two processes of the scheduler work on the same actions, and one is killed in the middle.

use crate::support::{ALL, Servers, accepted, agent, answer, investigator, operation, signed};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration as Wait;
use testkit::{PATIENCE, Process, Tap, until};
use time::{Duration, OffsetDateTime};
use types::messages::{
    ActionAccepted, ActionChanged, AgentChanged, CommandIssued, CommandReturned, InvestigatorDigest,
};
use types::{Action, ActionId, AgentId, Clock, CommandId, CommandStatus, Dispatch, Message, Wave};
use uuid::Uuid;

const ACTIONS: i64 = 8;
const AGENTS: i64 = 12;

fn start(servers: &Servers) -> Process {
    let program = env!("CARGO_BIN_EXE_scheduler");
    let mut command = Process::command(program, servers.database.url(), servers.vhost.url());
    Process(command.spawn().unwrap())
}

/// Tells the schedulers who there is, as the owners would.
async fn introduce(servers: &Servers, now: OffsetDateTime) {
    let vhost = &servers.vhost;
    vhost.publish("investigation-api", now, investigator(1, "alice")).await;
    let (count, hash) = auth::digest::of([(types::InvestigatorId(1), 1)]);
    vhost.publish("investigation-api", now, InvestigatorDigest { count, hash, at: now }).await;
    for number in 1..=AGENTS {
        let agent = AgentChanged { last_seen: now, ..agent(number) };
        vhost.publish("agent-gateway", now, agent).await;
    }
}

fn order(id: i64, now: OffsetDateTime) -> ActionAccepted {
    let action = Action {
        name: format!("number {id}"),
        target: ALL.into(),
        validfrom: now - Duration::minutes(1),
        expireafter: now + Duration::minutes(10),
        operations: Some(vec![operation("file")]),
        syntaxversion: 2,
        ..Action::default()
    };
    // some at once, some in waves, some at a rate
    let dispatch = match id % 3 {
        0 => None,
        1 => Some(Dispatch {
            waves: vec![Wave::Of(1), Wave::Of(4), Wave::All],
            ..Dispatch::default()
        }),
        _ => Some(Dispatch { rate_per_second: Some(8.0), ..Dispatch::default() }),
    };
    ActionAccepted { at: now, dispatch, ..accepted(id, &signed(action, &["alice"])) }
}

/// Is what the agents were given, by message: the broker may bring one twice, the inboxes take it once.
#[derive(Default)]
struct Given {
    messages: BTreeSet<Uuid>,
    commands: BTreeMap<(ActionId, AgentId), CommandId>,
}

impl Given {
    /// Takes the next message of commands, and has the agents answer.
    async fn take(&mut self, tap: &mut Tap, servers: &Servers, now: OffsetDateTime) -> bool {
        let Some(heard) = tap.next_of(CommandIssued::KIND, Wait::from_millis(200)).await else {
            return false;
        };
        let envelope: types::Envelope<CommandIssued> = serde_json::from_slice(&heard.body).unwrap();
        if !self.messages.insert(envelope.id) {
            return true;
        }
        let issued = envelope.data;
        let mut commands = Vec::new();
        for command in issued.commands {
            let key = (issued.action, command.agent);
            let before = self.commands.insert(key, command.id);
            assert_eq!(before, None, "{key:?} was given out twice");
            let id = (command.id.0, issued.action.0, command.agent.0);
            commands.push(answer(id.0, id.1, id.2, CommandStatus::Success));
        }
        let returned = CommandReturned { commands };
        servers.vhost.publish("agent-gateway", now, returned).await;
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_dies_every_command_is_given_out_once_and_every_action_ends() {
    let clock = Clock::system();
    let servers = Servers::new().await;
    let mut tap = Tap::new(&servers.vhost).await;
    let mut first = start(&servers);
    let store = servers.database.store();
    let count = async |what: &str| testkit::count(&store, what).await;
    for queue in ["scheduler.actions", "scheduler.commands", "scheduler.agents"] {
        until(PATIENCE, async || servers.vhost.queue_length(queue).await.is_some()).await;
    }
    introduce(&servers, clock.now()).await;
    until(PATIENCE, async || count("agent").await == AGENTS).await;
    let _second = start(&servers);
    for id in 1..=ACTIONS {
        servers.vhost.publish("investigation-api", clock.now(), order(id, clock.now())).await;
    }
    let mut given = Given::default();
    let all = usize::try_from(ACTIONS * AGENTS).unwrap();
    let end = tokio::time::Instant::now() + 2 * PATIENCE;
    let (mut killed, mut told) = (false, 0);
    while given.commands.len() < all {
        assert!(tokio::time::Instant::now() < end, "{} of {all} are out", given.commands.len());
        given.take(&mut tap, &servers, clock.now()).await;
        told += 1;
        if told % 5 == 0 {
            // the keys must stay fresh
            let (count, hash) = auth::digest::of([(types::InvestigatorId(1), 1)]);
            let at = clock.now();
            let digest = InvestigatorDigest { count, hash, at };
            servers.vhost.publish("investigation-api", at, digest).await;
        }
        if !killed && given.commands.len() > all / 4 {
            first.kill();
            killed = true;
        }
    }
    assert!(killed);
    let over = "run where status = 'completed' and success = targeted and held = 0";
    until(PATIENCE, async || count(over).await == ACTIONS).await;
    let commands = count("command where status = 'success'").await;
    assert_eq!(commands, ACTIONS * AGENTS);
    // nothing is left that could be given out again
    until(PATIENCE, async || count("messaging.outbox").await == 0).await;
    while given.take(&mut tap, &servers, clock.now()).await {}
    assert_eq!(given.commands.len(), all);
    let mut ended = BTreeSet::new();
    while let Some(heard) = tap.next_of(ActionChanged::KIND, Wait::from_millis(200)).await {
        let envelope: types::Envelope<ActionChanged> = serde_json::from_slice(&heard.body).unwrap();
        if envelope.data.status == "completed" {
            ended.insert(envelope.data.id);
        }
    }
    assert_eq!(ended.len(), usize::try_from(ACTIONS).unwrap(), "the others learn of each end");
}
