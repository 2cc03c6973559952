//! The owner is followed: what it tells is taken, and it is asked while there is nothing.

use crate::support::{Copy, NOW, agent};
use auth::{HasReplica, Replica};
use messaging::{Bus, Delivery, Outcome, Settings, Shutdown};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use testkit::{PATIENCE, Tap, until};
use types::messages::agent::SeenAgent;
use types::messages::{AgentChanged, AgentSeen, ReplicaRequested};
use types::{AgentId, Clock, Envelope, Message};
use uuid::Uuid;

struct Follower {
    replica: Replica,
    store: Store,
    bus: Bus,
    clock: Clock,
}

impl HasReplica for Follower {
    fn replica(&self) -> &Replica {
        &self.replica
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn bus(&self) -> &Bus {
        &self.bus
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

fn follower(copy: &Copy, broker: &Settings) -> Follower {
    Follower {
        replica: Replica::new(auth::Settings::default(), []),
        store: copy.store.clone(),
        bus: Bus::new("scheduler", broker).unwrap(),
        clock: Clock::fixed(NOW),
    }
}

fn delivery<M: Message>(message: M) -> Delivery {
    let id = Uuid::now_v7();
    let envelope = Envelope::new(id, "agent-gateway", NOW, message);
    Delivery::new(id, M::KIND, serde_json::to_vec(&envelope).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_taken_whole_whatever_is_in_it() {
    let copy = Copy::new().await;
    let follower = follower(&copy, &Settings::new("amqp://nobody@127.0.0.1:1/x"));
    let subscription = fleet::subscription::<Follower>();
    let seen = AgentSeen { agents: vec![SeenAgent { agent: AgentId(1), at: NOW }] };
    let newer = AgentChanged { revision: 2, ..agent(1, "newer") };
    let mut batch =
        vec![delivery(seen), delivery(newer), delivery(agent(1, "older")), delivery(agent(2, "b"))];
    assert_eq!((subscription.handle)(&follower, &batch).await, Outcome::Done);
    let row = copy.row(1).await;
    assert_eq!((row.name.as_str(), row.last_seen), ("newer", NOW));

    batch.insert(0, delivery(agent(3, "c")));
    batch.push(Delivery::new(Uuid::now_v7(), AgentSeen::KIND, b"{}".to_vec()));
    let outcome = (subscription.handle)(&follower, &batch).await;
    assert!(matches!(outcome, Outcome::Reject(_)), "{outcome:?}");
    assert!(copy.find(3).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_database_has_not_is_refused_and_the_rest_goes_on() {
    let copy = Copy::new().await;
    let follower = follower(&copy, &Settings::new("amqp://nobody@127.0.0.1:1/x"));
    let subscription = fleet::subscription::<Follower>();
    let outcome = (subscription.handle)(&follower, &[delivery(agent(1, "a\0b"))]).await;
    assert!(matches!(outcome, Outcome::Reject(_)), "{outcome:?}");
    assert_eq!((subscription.handle)(&follower, &[delivery(agent(2, "b"))]).await, Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_the_copy_and_the_owner_is_asked_only_while_it_is_empty() {
    let (copy, vhost) = (Copy::new().await, testkit::vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let follower = Arc::new(follower(&copy, &vhost.settings()));
    let end = Shutdown::new();
    let bus = follower.bus.clone();
    let relay = messaging::relay(bus.clone(), copy.store.clone(), end.clone());
    let subscription = fleet::subscription::<Follower>();
    let consumer = messaging::consume(
        bus,
        copy.store.clone(),
        Arc::clone(&follower),
        subscription,
        end.clone(),
    );
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(relay);
    tasks.spawn(consumer);

    fleet::ask_while_empty(&*follower).await.unwrap();
    let asked = tap.next::<ReplicaRequested>().await.data;
    assert_eq!(asked, ReplicaRequested { of: "agent".into(), by: "scheduler".into() });
    vhost.publish("agent-gateway", NOW, agent(1, "a")).await;
    until(PATIENCE, async || copy.find(1).await.is_some()).await;
    fleet::ask_while_empty(&*follower).await.unwrap();
    tap.none_of(ReplicaRequested::KIND, Duration::from_millis(700)).await;
    end.trigger();
    while tasks.join_next().await.is_some() {}
}
