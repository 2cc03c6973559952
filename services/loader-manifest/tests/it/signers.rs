//! Who signed and may no longer does not count, at once.

use crate::house::{house, person};
use loader_manifest::LoaderManifest;
use service::Service;
use testkit::{PATIENCE, until};
use types::messages::{
    InvestigatorChanged, LoaderChanged, LoaderDigest, ManifestChanged, ReplicaRequested,
};
use types::{InvestigatorStatus, Permission};

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_signer_puts_the_manifest_back_and_an_active_one_forward() {
    let mut house = house(&["--required-signatures", "2"]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let loader = house.host(&key, &["alice", "bob", "carol"], 2);
    let id = house.active_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    house.sign_as("bob", id).await.expect(200);
    loader.run().await.unwrap();
    let bob = person("bob", &house.clock);
    let told = |version, status, permissions| InvestigatorChanged {
        version,
        status,
        permissions,
        ..bob.clone()
    };
    let all = bob.permissions;
    for (version, status, permissions, wanted) in [
        (2, InvestigatorStatus::Disabled, all, "staged"),
        (3, InvestigatorStatus::Active, all, "active"),
        (4, InvestigatorStatus::Active, all & !Permission::ManifestSign.mask(), "staged"),
    ] {
        let now = house.clock.now();
        house.vhost.publish("investigation-api", now, told(version, status, permissions)).await;
        until(PATIENCE, async || house.status_of(id).await == wanted).await;
        assert_eq!(loader.run().await.is_ok(), wanted == "active");
    }
    // a third one takes his place; his own signature is shown to no loader
    house.sign_as("carol", id).await.expect(200);
    assert_eq!(loader.run().await.unwrap(), Vec::<String>::new());
    let mut last = house.tap.next::<ManifestChanged>().await.data;
    while last.status.name() != "active" || last.signers.len() < 3 {
        last = house.tap.next::<ManifestChanged>().await.data;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_was_made_before_the_manifest_does_not_count() {
    let house = house(&[]).await;
    let id = house.new_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    let post = async |line: String| {
        let form = [("manifestid", &*id.to_string()), ("signature", &*line)];
        house.form_as("alice", "/api/v1/manifest/sign/", &form).await
    };
    // as over the same files of an earlier manifest, whose signatures everybody may read
    let earlier = house.clock.now() - time::Duration::hours(1);
    let refused = post(house.signature_at("alice", id, earlier).await).await.expect(400);
    assert!(refused.text.contains("older than the manifest"), "{}", refused.text);
    assert_eq!(house.status_of(id).await, "staged");
    // the signer's clock may be a little late
    let late = house.clock.now() - time::Duration::minutes(9);
    post(house.signature_at("alice", id, late).await).await.expect(200);
    assert_eq!(house.status_of(id).await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_process_knows_counts_before_the_table_says_so() {
    let house = house(&[]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let loader = house.host(&key, &["alice"], 1);
    let id = house.active_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    loader.run().await.unwrap();
    let alice = person("alice", &house.clock);
    let gone = InvestigatorChanged { version: 2, status: InvestigatorStatus::Disabled, ..alice };
    house.running.parts.replica.learn(&[gone]);
    assert!(loader.run().await.is_err());
    assert_eq!(
        house.texts(&format!("select status as text from manifest where id = {id}")).await,
        ["active"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_asks_is_told_everything() {
    let mut house = house(&[]).await;
    house.new_loader("khan", "").await;
    house.active_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    for of in ["loader", "manifest"] {
        let asked = ReplicaRequested { of: of.into(), by: "investigation-api".into() };
        house.vhost.publish("investigation-api", house.clock.now(), asked).await;
    }
    // what was told when it happened, and again
    for version in [1, 1] {
        assert_eq!(house.tap.next::<LoaderChanged>().await.data.version, version);
    }
    for version in [1, 2, 2] {
        assert_eq!(house.tap.next::<ManifestChanged>().await.data.version, version);
    }
    // how much there is, is told each minute without being asked
    for job in LoaderManifest::jobs() {
        if job.name() == "tell_digest" {
            job.run(&house.running.service).await.unwrap();
        }
    }
    let mut told = house.tap.next::<LoaderDigest>().await.data;
    if told.loaders == 0 {
        // that of the start
        told = house.tap.next::<LoaderDigest>().await.data;
    }
    assert_eq!(told, LoaderDigest { loaders: 1, manifests: 1 });
}
