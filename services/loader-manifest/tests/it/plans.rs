//! No statement that runs with each question of a loader, each file and each page reads a whole table: each has its
//! index.

use crate::house::{house, start};
use testkit::Scans;

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_a_loader_has_its_index() {
    let mut house = house(&[]).await;
    let (_, key) = house.enabled_loader("one").await;
    let scans = Scans::new(&house.database).await;
    house.running.stop().await.unwrap();
    house.running = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    // the number of changes is one row; it has no index and needs none
    scans.forget("manifest_revision").await;

    let first = house.active_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    let loader = house.host(&key, &["alice"], 1);
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert!(loader.run().await.unwrap().is_empty());
    let second = house.active_manifest("m", "TRUE", &[("configuration", b"two")]).await;
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert!(loader.run().await.unwrap().is_empty());
    for path in ["/v1/loaders", "/v1/manifests", "/v1/loaders?limit=1", "/v1/manifests?limit=1"] {
        house.get(path).await.expect(200);
    }
    house.get(&format!("/api/v1/manifest?manifestid={first}")).await.expect(200);
    house.set_status(second, "disabled").await.expect(200);

    house.running.stop().await.unwrap();
    let tables =
        ["loader", "manifest", "manifest_file", "manifest_chunk", "manifest_signature", "delivery"];
    let indexes = [
        "loader_key_prefix_key",
        "loader_pkey",
        "manifest_pkey",
        "manifest_file_pkey",
        "manifest_chunk_pkey",
        "manifest_signature_pkey",
        "delivery_pkey",
    ];
    scans.check(&tables, &indexes).await;
}
