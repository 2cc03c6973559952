//! Whole runs of a loader, from an empty host on.

use crate::house::house;
use serde_json::json;
use testkit::loader::agent;
use time::Duration;
use types::messages::{LoaderChanged, ManifestChanged};

const LINUX: &str = "env#>>'{os}'='linux'";

#[tokio::test(flavor = "multi_thread")]
async fn one_signed_manifest_is_installed_updated_and_then_left_alone() {
    let mut house = house(&[]).await;
    let (id, key) = house.new_loader("khan", "tags#>>'{operator}'='opsec'").await;
    let loader = house.host(&key, &["alice"], 1);
    assert!(loader.run().await.unwrap_err().contains("401"), "it is not enabled");
    house
        .form("/api/v1/loader/status/", &[("loaderid", &id.to_string()), ("status", "enabled")])
        .await
        .expect(200);
    assert!(loader.run().await.unwrap_err().contains("Unable to locate valid manifest"));

    let large = vec![7; 300_000];
    let files: &[(&str, &[u8])] =
        &[("configuration", b"one"), ("mig-agent", &large), ("README", b"not for loaders")];
    let first = house.new_manifest("base", LINUX, files).await;
    assert!(loader.run().await.unwrap_err().contains("Unable to locate"), "nobody has signed it");
    house.sign_as("alice", first).await.expect(200);
    assert_eq!(loader.run().await.unwrap(), ["configuration", "mig-agent"]);
    assert_eq!(loader.content("configuration").unwrap(), b"one");
    assert_eq!(loader.content("mig-agent").unwrap(), large);
    assert_eq!(loader.run().await.unwrap(), Vec::<String>::new(), "a second run changes nothing");

    let files: &[(&str, &[u8])] = &[("configuration", b"two"), ("mig-agent", &large)];
    house.active_manifest("base", LINUX, files).await;
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert_eq!(loader.content("configuration").unwrap(), b"two");
    assert_eq!(loader.run().await.unwrap(), Vec::<String>::new());

    // others were told
    let told = house.tap.next::<LoaderChanged>().await.data;
    assert_eq!((told.id.0, told.name.as_str(), told.enabled), (id, "khan", false));
    assert!(house.tap.next::<LoaderChanged>().await.data.enabled);
    let told = house.tap.next::<LoaderChanged>().await.data;
    assert_eq!(told.agent_name.as_deref(), Some("host1.example.net"));
    assert_eq!(told.queueloc.as_deref(), Some("linux.q1"));
    assert_eq!((told.environment.os.as_str(), told.version), ("linux", 3));
    let told = house.tap.next::<ManifestChanged>().await.data;
    assert_eq!((told.id.0, told.status.name(), told.signers.len()), (first, "staged", 0));
    let told = house.tap.next::<ManifestChanged>().await.data;
    assert_eq!((told.status.name(), told.signers.len(), told.version), ("active", 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_refuses_what_has_too_few_signatures_or_a_strangers() {
    let house = house(&[]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let id = house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let careful = house.host(&key, &["alice", "bob"], 2);
    assert_eq!(careful.run().await.unwrap_err(), "1 of 2 signatures");
    assert_eq!(careful.content("configuration"), None);
    let stranger = house.host(&key, &["bob"], 1);
    assert!(stranger.run().await.unwrap_err().starts_with("signature:"));
    house.sign_as("bob", id).await.expect(200);
    assert_eq!(careful.run().await.unwrap(), ["configuration"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_host_is_neither_believed_nor_written_down() {
    let house = house(&[]).await;
    let (id, key) =
        house.new_loader("khan", "env#>>'{os}'='linux' AND tags->>'operator'='opsec'").await;
    house
        .form("/api/v1/loader/status/", &[("loaderid", &id.to_string()), ("status", "enabled")])
        .await
        .expect(200);
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let mut loader = house.host(&key, &["alice"], 1);
    let good = loader.agent.clone();
    for (pointer, value) in [
        ("/environment/os", json!("windows")),
        ("/tags", json!(null)),
        ("/tags/operator", json!("x' OR '1'='1")),
        ("/name", json!("")),
    ] {
        loader.agent = good.clone();
        *loader.agent.pointer_mut(pointer).unwrap() = value;
        assert!(loader.run().await.unwrap_err().contains("Unable to locate"), "{pointer}");
    }
    assert_eq!(house.count("loader where name is not null or version > 2").await, 0);
    assert_eq!(house.count("delivery").await, 0);
    loader.agent = good;
    loader.run().await.unwrap();
    assert_eq!(house.count("loader where name = 'host1.example.net'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_moves_to_another_key_takes_its_queue_location_along() {
    let house = house(&[]).await;
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let (first, key) = house.enabled_loader("first").await;
    house.host(&key, &["alice"], 1).run().await.unwrap();
    let (second, key) = house.enabled_loader("second").await;
    house.host(&key, &["alice"], 1).run().await.unwrap();
    let place = async |id: i64| {
        house.get(&format!("/v1/loaders/{id}")).await.expect(200).json()["queueloc"].clone()
    };
    assert_eq!((place(first).await, place(second).await), (json!(null), json!("linux.q1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_that_is_for_the_host_is_chosen_and_none_that_expired() {
    let house = house(&[]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let mut loader = house.host(&key, &["alice"], 1);
    house.active_manifest("all", "TRUE", &[("configuration", b"all")]).await;
    house.active_manifest("linux", LINUX, &[("configuration", b"linux")]).await;
    house.active_manifest("mac", "env#>>'{os}'='darwin'", &[("configuration", b"mac")]).await;
    loader.run().await.unwrap();
    assert_eq!(loader.content("configuration").unwrap(), b"linux");
    // what counts is what the request says of the host, not what the row says
    loader.agent["environment"]["os"] = json!("darwin");
    loader.run().await.unwrap();
    assert_eq!(loader.content("configuration").unwrap(), b"mac");

    let expires = house.clock.now() + Duration::hours(1);
    let expires = expires.format(&time::format_description::well_known::Rfc3339).unwrap();
    let request = house
        .client
        .post(house.url("/v1/manifests"))
        .query(&[("name", "short"), ("target", "TRUE"), ("expires", &expires)])
        .bearer_auth(crate::house::api_key("alice"))
        .body(crate::house::archive(&[("configuration", b"short")]));
    let made = crate::house::Answer::to(request).await.expect(201).json();
    house.sign_as("alice", made["id"].as_i64().unwrap()).await.expect(200);
    loader.run().await.unwrap();
    assert_eq!(loader.content("configuration").unwrap(), b"short");
    house.clock.advance(Duration::seconds(3600));
    loader.run().await.unwrap();
    assert_eq!(loader.content("configuration").unwrap(), b"mac");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_loader_goes_back_unless_a_newer_manifest_signed_says_so() {
    let house = house(&[]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let loader = house.host(&key, &["alice"], 1);
    let first = house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let second = house.active_manifest("base", "TRUE", &[("configuration", b"two")]).await;
    loader.run().await.unwrap();
    assert_eq!(loader.content("configuration").unwrap(), b"two");

    // the newer one is taken away: the older one is still active, and is not given out to whom had the newer
    house.set_status(second, "disabled").await.expect(200);
    assert!(loader.run().await.unwrap_err().contains("Unable to locate"));
    assert_eq!(loader.content("configuration").unwrap(), b"two");
    let (_, key) = house.enabled_loader("fresh").await;
    let mut fresh = house.host(&key, &["alice"], 1);
    fresh.agent = agent("host2.example.net", "linux.q2");
    assert_eq!(fresh.run().await.unwrap(), ["configuration"]);

    // an order to go back names what it goes back to
    let digest =
        house.get(&format!("/v1/manifests/{first}")).await.expect(200).json()["digest"].clone();
    let digest = digest.as_str().unwrap();
    for wrong in ["x", &"0".repeat(64), &format!("{digest} {digest}")] {
        let content = crate::house::archive(&[("writ-rollback", wrong.as_bytes())]);
        let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, content);
        house.post_manifest("base", "TRUE", &content).await.expect(400);
    }
    let order = house.new_manifest("base", "TRUE", &[("writ-rollback", digest.as_bytes())]).await;
    assert!(loader.run().await.is_err(), "the order is not signed");
    house.sign_as("alice", order).await.expect(200);
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert_eq!(loader.content("configuration").unwrap(), b"one");
    assert_eq!(loader.run().await.unwrap(), Vec::<String>::new());
    // and forward again
    let third = house.active_manifest("base", "TRUE", &[("configuration", b"three")]).await;
    loader.run().await.unwrap();
    assert_eq!(loader.content("configuration").unwrap(), b"three");
    // the order is over with that: it does not come back when the newer one is taken away
    house.set_status(third, "disabled").await.expect(200);
    assert!(loader.run().await.unwrap_err().contains("Unable to locate"));
    assert_eq!(loader.content("configuration").unwrap(), b"three");
    // an order leads to something that is installed, never to another order
    let order = house.get(&format!("/v1/manifests/{order}")).await.expect(200).json();
    let digest = order["digest"].as_str().unwrap().as_bytes().to_vec();
    let content = crate::house::archive(&[("writ-rollback", &digest)]);
    let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, content);
    house.post_manifest("base", "TRUE", &content).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_and_files_fit_together_while_a_newer_manifest_comes() {
    let house = house(&[]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let first = house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let loader = house.host(&key, &["alice"], 1);
    loader.run().await.unwrap();
    house.active_manifest("base", "TRUE", &[("configuration", b"two")]).await;
    let parameters = json!({"agent": loader.agent, "object": "configuration"}).to_string();
    let fetch = async || {
        let request = house.client.post(house.url("/api/v1/manifest/fetch/"));
        let request = request.header("x-loaderkey", &key).form(&[("parameters", &parameters)]);
        crate::house::Answer::to(request).await.expect(200).value()["data"].clone()
    };
    let one = fetch().await;
    house.set_status(first, "disabled").await.expect(200);
    assert_ne!(fetch().await, one, "what is disabled is given to nobody");
}
