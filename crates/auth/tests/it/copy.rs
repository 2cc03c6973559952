//! The copy: versions, restarts, digests, and when it is fresh.

use crate::support::{Copy, NOW, database, disabled, investigator};
use auth::{FRESH_FOR, digest};
use messaging::Shutdown;
use testkit::{PATIENCE, Tap, until};
use time::Duration;
use types::messages::{InvestigatorChanged, InvestigatorDigest, ReplicaRequested};

fn told(states: &[InvestigatorChanged]) -> InvestigatorDigest {
    let (count, hash) = digest::of(states.iter().map(|state| (state.id, state.version)));
    InvestigatorDigest { count, hash, at: NOW }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_version_stays_in_whatever_order_states_come() {
    let (database, vhost) = (database().await, testkit::vhost().await);
    let copy = Copy::new(&database, &vhost).await;
    for (version, name) in [(2, "second"), (1, "first"), (2, "twin"), (3, "third")] {
        copy.take(investigator(7, name, version)).await;
    }
    assert_eq!(copy.name_of(7).unwrap(), "third");
    copy.take(investigator(7, "late", 2)).await;
    let again = Copy::new(&database, &vhost).await;
    assert_eq!(
        (copy.name_of(7).unwrap(), again.name_of(7).unwrap()),
        ("third".into(), "third".into())
    );
    assert_eq!(
        again.replica.current().get(types::InvestigatorId(7)),
        copy.replica.current().get(types::InvestigatorId(7))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_come_together_are_as_if_they_came_one_by_one() {
    let (database, vhost) = (database().await, testkit::vhost().await);
    let copy = Copy::new(&database, &vhost).await;
    copy.take(investigator(3, "carol", 5)).await;
    let nameless = InvestigatorChanged {
        fingerprint: None,
        public_key: None,
        api_key_sha256: None,
        ..investigator(2, "robot", 1)
    };
    let told = [
        investigator(7, "second", 2),
        investigator(3, "late", 4),
        investigator(7, "third", 3),
        nameless.clone(),
        investigator(7, "first", 1),
    ];
    let written = copy.store.tx(async |conn| -> Result<(), store::Failure> {
        copy.replica.apply_all(conn, &[]).await?;
        Ok(copy.replica.apply_all(conn, &told).await?)
    });
    written.await.unwrap();
    copy.replica.learn(&told);
    for copy in [&copy, &Copy::new(&database, &vhost).await] {
        assert_eq!(copy.name_of(3).unwrap(), "carol");
        assert_eq!(copy.name_of(7).unwrap(), "third");
        assert_eq!(copy.replica.current().get(nameless.id), Some(&nameless));
        assert_eq!(copy.replica.current().digest().0, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_is_not_known() {
    let (database, vhost) = (database().await, testkit::vhost().await);
    let copy = Copy::new(&database, &vhost).await;
    let failed = copy.store.tx(async |conn| -> Result<(), store::Failure> {
        copy.replica.apply(conn, &investigator(1, "alice", 1)).await?;
        Err(store::Failure::NotFound)
    });
    assert!(failed.await.is_err());
    assert_eq!(copy.name_of(1), None);
    assert_eq!(Copy::new(&database, &vhost).await.name_of(1), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_fresh_for_five_minutes_after_a_digest_that_matches() {
    let (database, vhost) = (database().await, testkit::vhost().await);
    let copy = Copy::new(&database, &vhost).await;
    assert!(!copy.replica.is_fresh(NOW), "nobody confirmed an empty copy");
    let alice = investigator(1, "alice", 1);
    copy.take(alice.clone()).await;
    let hear = async |digest: InvestigatorDigest, now| {
        let heard = copy.store.tx(async |conn| -> Result<bool, store::Failure> {
            Ok(copy.replica.hear_digest(conn, &copy.bus, &digest, now).await?)
        });
        heard.await.unwrap()
    };
    assert!(!hear(told(&[]), NOW).await, "the owner knows nobody");
    assert!(!hear(told(&[disabled(alice.clone())]), NOW).await, "the owner knows better");
    assert!(!copy.replica.is_fresh(NOW));
    assert!(hear(told(std::slice::from_ref(&alice)), NOW).await);
    assert!(copy.replica.is_fresh(NOW + FRESH_FOR - Duration::seconds(1)));
    assert!(!copy.replica.is_fresh(NOW + FRESH_FOR));

    let again = Copy::new(&database, &vhost).await;
    assert!(
        again.replica.is_fresh(NOW + Duration::minutes(4)),
        "a restart knows what was confirmed"
    );
    let ahead = InvestigatorDigest { at: NOW + Duration::hours(9), ..told(&[alice]) };
    assert!(hear(ahead, NOW + Duration::minutes(1)).await);
    assert!(!copy.replica.is_fresh(NOW + Duration::minutes(6)), "an owner's clock cannot buy time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_asks_at_the_start_and_when_it_differs_and_follows_its_owner() {
    let (database, vhost) = (database().await, testkit::vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let copy = Copy::new(&database, &vhost).await;
    let shutdown = Shutdown::new();
    copy.listen(&shutdown);
    let asked = ReplicaRequested { of: "investigator".into(), by: "scheduler".into() };
    assert_eq!(tap.next::<ReplicaRequested>().await.data, asked, "it is new");

    let (alice, bob) = (investigator(1, "alice", 1), investigator(2, "bob", 4));
    vhost.publish("investigation-api", NOW, alice.clone()).await;
    vhost.publish("investigation-api", NOW, told(std::slice::from_ref(&alice))).await;
    until(PATIENCE, async || copy.replica.is_fresh(NOW)).await;
    assert_eq!(copy.replica.current().by_api_key("key of alice").unwrap().name, "alice");

    vhost.publish("investigation-api", NOW, told(&[alice.clone(), bob.clone()])).await;
    assert_eq!(tap.next::<ReplicaRequested>().await.data, asked, "it lacks one");
    let gone = disabled(alice);
    vhost.publish("investigation-api", NOW, gone.clone()).await;
    vhost.publish("investigation-api", NOW, bob.clone()).await;
    until(PATIENCE, async || copy.replica.current().by_api_key("key of bob").is_ok()).await;
    assert!(copy.replica.current().by_api_key("key of alice").is_err(), "revoked at once");
    let (count, hash) = copy.replica.current().digest();
    assert_eq!((count, hash), (2, told(&[gone, bob]).hash));
    shutdown.trigger();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_reads_what_another_of_its_processes_wrote() {
    let (database, vhost) = (database().await, testkit::vhost().await);
    let (one, other) = (Copy::new(&database, &vhost).await, Copy::new(&database, &vhost).await);
    one.take(investigator(1, "alice", 1)).await;
    assert_eq!(other.name_of(1), None);
    let digest = other.replica.refresh(&other.store, NOW).await.unwrap();
    assert_eq!(other.name_of(1).unwrap(), "alice");
    assert_eq!(digest, told(&[investigator(1, "alice", 1)]));
    assert!(other.replica.is_fresh(NOW) && !one.replica.is_fresh(NOW));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_away_as_it_came() {
    use diesel_async::SimpleAsyncConnection;
    let database = database().await;
    let mut conn = database.store().get().await.unwrap();
    let down = include_str!("../../migrations/2000-01-02-000000_auth/down.sql");
    let up = include_str!("../../migrations/2000-01-02-000000_auth/up.sql");
    conn.batch_execute(down).await.unwrap();
    conn.batch_execute(up).await.unwrap();
}
