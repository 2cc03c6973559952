//! Loaders and signers with the keys that MIG's programs can read, and keys that expire.

use crate::house::{House, house, person};
use loader_manifest::LoaderManifest;
use service::Service;
use signing::SecretKey;
use testkit::Gpg;
use testkit::loader::{Loader, TRIGGERS};
use time::Duration;
use types::messages::{InvestigatorChanged, ManifestChanged};

/// Gives Alice an RSA key of GnuPG's that lives so long.
fn rsa(house: &House, life: &str) -> SecretKey {
    let gpg = Gpg::new();
    gpg.make("alice", "rsa2048", "sign", life);
    let armored = gpg.text(&["--armor", "--export-secret-keys", "alice"], b"");
    let key = SecretKey::parse(&armored, None).unwrap();
    // the house's clock stands since before the key was made
    house.clock.advance(Duration::minutes(5));
    let alice = InvestigatorChanged {
        version: 2,
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        ..person("alice", &house.clock)
    };
    house.running.parts.replica.learn(&[alice]);
    key
}

/// Signs manifest `id` with this key, as Alice.
async fn sign(house: &House, key: &SecretKey, id: i64) {
    let shown = house.get(&format!("/v1/manifests/{id}")).await.expect(200).json();
    let files = shown["files"].as_array().unwrap().iter();
    let files =
        files.map(|file| (file["name"].as_str().unwrap(), file["sha256"].as_str().unwrap()));
    let text = signing::manifest::signed_string(files);
    let line = key.sign_line(text.as_bytes(), house.clock.now()).unwrap();
    let form = [("manifestid", &*id.to_string()), ("signature", &*line)];
    house.form("/api/v1/manifest/sign/", &form).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_an_empty_host_on_by_an_rsa_key() {
    let house = house(&[]).await;
    let key = rsa(&house, "never");
    let (_, secret) = house.enabled_loader("khan").await;
    let trusted = [key.public().armored()];
    let mut loader =
        Loader::on_host(&house.url("/api/v1/"), &secret, &trusted, house.clock.clone());
    let files: &[(&str, &[u8])] =
        &[("mig-agent", b"agent"), ("configuration", b"one"), ("agentcert", b"cert")];
    let id = house.new_manifest("base", "TRUE", files).await;
    sign(&house, &key, id).await;
    assert_eq!(loader.run().await.unwrap(), ["mig-agent", "configuration", "agentcert"]);
    assert_eq!(loader.ran(), TRIGGERS);
    let modes = ["mig-agent", "configuration", "agentcert"].map(|name| loader.mode(name));
    assert_eq!(modes, [0o700, 0o600, 0o644]);

    // the second run mends modes and changes nothing else
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(loader.path("configuration"), open).unwrap();
    assert!(loader.run().await.unwrap().is_empty());
    assert_eq!(
        (loader.mode("configuration"), loader.ran()),
        (0o600, vec!["mig-agent -q pid".into()])
    );
    loader.agent_answers = false;
    assert!(loader.run().await.unwrap().is_empty());
    assert_eq!(loader.ran(), ["mig-agent -q pid", TRIGGERS[0], TRIGGERS[1]]);

    // an update keeps what was there beside it
    let id = house.new_manifest("base", "TRUE", &[("configuration", b"two")]).await;
    sign(&house, &key, id).await;
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    let old = loader.path("configuration").with_added_extension("old");
    assert_eq!(std::fs::read(old).unwrap(), b"one");
    assert_eq!(loader.content("configuration").unwrap(), b"two");

    // what is no key is not even shown
    let broken = Loader::on_host(&house.url("/api/v1/"), "abc", &trusted, house.clock.clone());
    assert_eq!(broken.run().await.unwrap_err(), "the loader key is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signers_key_that_expires_puts_the_manifest_back() {
    let mut house = house(&[]).await;
    let key = rsa(&house, "2d");
    let (_, secret) = house.enabled_loader("khan").await;
    let trusted = [key.public().armored()];
    let loader = Loader::on_host(&house.url("/api/v1/"), &secret, &trusted, house.clock.clone());
    let id = house.new_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    sign(&house, &key, id).await;
    assert_eq!(house.status_of(id).await, "active");
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);

    house.clock.advance(Duration::days(3));
    // no loader is given it any more, before anybody counts anew
    assert!(loader.run().await.unwrap_err().contains("Unable to locate"));
    for job in LoaderManifest::jobs() {
        if job.name() == "recount_manifests" {
            job.run(&house.running.service).await.unwrap();
        }
    }
    let states = format!("select status as text from manifest where id = {id}");
    assert_eq!(house.texts(&states).await, ["staged"]);
    let mut told = house.tap.next::<ManifestChanged>().await.data;
    while told.version < 3 {
        told = house.tap.next::<ManifestChanged>().await.data;
    }
    assert_eq!((told.id.0, told.status.name()), (id, "staged"));
}
