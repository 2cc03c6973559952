//! How far loaders are with a manifest.

use crate::house::{House, house};
use serde_json::{Value, json};
use testkit::loader::agent;

async fn rollout(house: &House, id: i64) -> Value {
    house.get(&format!("/v1/manifests/{id}/rollout")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_loader_is_behind_fetching_there_or_stuck() {
    let house = house(&[]).await;
    let target = "loadername LIKE 'web-%'";
    let first = house.active_manifest("m", target, &[("configuration", b"one")]).await;
    let mut loaders = Vec::new();
    for number in 1..=4 {
        let (_, key) = house.enabled_loader(&format!("web-{number}")).await;
        let mut loader = house.host(&key, &["alice"], 1);
        loader.agent = agent(&format!("host{number}"), &format!("linux.q{number}"));
        loaders.push(loader);
    }
    house.enabled_loader("other").await;
    house.new_loader("web-disabled", "").await;
    assert_eq!(rollout(&house, first).await["counts"], json!({"behind": 4}));
    for loader in &loaders {
        loader.run().await.unwrap();
    }
    assert_eq!(rollout(&house, first).await["counts"], json!({"fetching": 4}));
    for loader in &loaders[..3] {
        loader.run().await.unwrap();
    }
    assert_eq!(rollout(&house, first).await["counts"], json!({"fetching": 1, "taken": 3}));

    let second = house.active_manifest("m", target, &[("configuration", b"two")]).await;
    // web-1 keeps losing what it fetched, web-2 trusts nobody any more, web-3 is good, web-4 is away
    for _ in 0..2 {
        loaders[0].run().await.unwrap();
        std::fs::remove_file(loaders[0].path("configuration")).unwrap();
    }
    loaders[1].set("requiredsignatures", "9");
    for _ in 0..2 {
        loaders[1].run().await.unwrap_err();
    }
    for _ in 0..2 {
        loaders[2].run().await.unwrap();
    }
    let shown = rollout(&house, second).await;
    assert_eq!(shown["counts"], json!({"failed": 2, "taken": 1, "behind": 1}));
    let states: Vec<_> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["failed", "failed", "taken", "behind"]);
    assert_eq!(
        (&shown["items"][0]["agent_name"], &shown["items"][3]["offered"]),
        (&json!("host1"), &json!(null))
    );
    let path = format!("/v1/manifests/{second}/rollout");
    let failed = house.get(&format!("{path}?state=failed&limit=1")).await.expect(200).json();
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    let next = failed["next"].as_str().unwrap();
    let failed =
        house.get(&format!("{path}?state=failed&limit=1&cursor={next}")).await.expect(200).json();
    assert_eq!((&failed["items"][0]["name"], &failed["next"]), (&json!("web-2"), &json!(null)));
    house.get(&format!("{path}?state=zombie")).await.expect(422);
    // what became of the old one stays told; who is new will be given the newer one only
    let (_, key) = house.enabled_loader("web-9").await;
    let old = rollout(&house, first).await;
    assert_eq!(old["items"][3]["current"], true);
    assert_eq!(old["items"][2]["current"], false);
    assert_eq!(old["counts"], json!({"fetching": 1, "taken": 3, "behind": 1}));
    let mut new = house.host(&key, &["alice"], 1);
    new.agent = agent("host9", "linux.q9");
    new.run().await.unwrap();
    // web-4 had not come again after it fetched the old one
    loaders[3].run().await.unwrap();
    let old = rollout(&house, first).await;
    assert_eq!(old["counts"], json!({"taken": 3, "passed": 2}));
    let passed = house.get(&format!("/v1/manifests/{first}/rollout?state=passed")).await;
    let names: Vec<_> = passed.expect(200).json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["web-4", "web-9"]);
    // what is disabled is over for who has not taken it
    house.set_status(second, "disabled").await.expect(200);
    let over = rollout(&house, second).await;
    assert_eq!(over["counts"], json!({"failed": 2, "taken": 1, "passed": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_go_back_is_told_by_what_it_leads_to() {
    let house = house(&[]).await;
    let first = house.active_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    let mut loaders = Vec::new();
    for number in 1..=3 {
        let (_, key) = house.enabled_loader(&format!("web-{number}")).await;
        let mut loader = house.host(&key, &["alice"], 1);
        loader.agent = agent(&format!("host{number}"), &format!("linux.q{number}"));
        loaders.push(loader);
    }
    // web-1 and web-2 have the first and then the second; web-3 is away
    for loader in &loaders[..2] {
        loader.run().await.unwrap();
        loader.run().await.unwrap();
    }
    let second = house.active_manifest("m", "TRUE", &[("configuration", b"two")]).await;
    for loader in &loaders[..2] {
        loader.run().await.unwrap();
        loader.run().await.unwrap();
    }
    let digest = house.get(&format!("/v1/manifests/{first}")).await.expect(200).json()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let order = house.new_manifest("m", "TRUE", &[("writ-rollback", digest.as_bytes())]).await;
    let counts = async |id| rollout(&house, id).await["counts"].clone();
    assert_eq!(counts(order).await, json!({"behind": 3}), "what was taken before does not count");
    house.sign_as("alice", order).await.expect(200);
    assert_eq!(counts(order).await, json!({"behind": 3}));
    assert_eq!(counts(second).await, json!({"taken": 2, "behind": 1}));

    loaders[0].run().await.unwrap();
    let shown = rollout(&house, order).await;
    assert_eq!(shown["counts"], json!({"fetching": 1, "behind": 2}));
    assert_eq!(
        (&shown["items"][0]["current"], &shown["items"][1]["current"]),
        (&json!(true), &json!(false))
    );
    loaders[0].run().await.unwrap();
    loaders[2].run().await.unwrap();
    assert_eq!(counts(order).await, json!({"taken": 1, "fetching": 1, "behind": 1}));
    // web-3 was never given the second and is not given it any more
    assert_eq!(counts(second).await, json!({"taken": 2, "passed": 1}));
    // the order leads back to the first: nobody has passed that
    assert_eq!(counts(first).await, json!({"taken": 2, "fetching": 1}));

    let third = house.active_manifest("m", "TRUE", &[("configuration", b"three")]).await;
    for loader in &loaders {
        loader.run().await.unwrap();
    }
    assert_eq!(counts(third).await, json!({"fetching": 3}));
    assert_eq!(counts(order).await, json!({"passed": 3}), "all have something newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_writes_nothing_until_something_changes() {
    let house = house(&[]).await;
    house.active_manifest("m", "TRUE", &[("configuration", b"one")]).await;
    let (id, key) = house.enabled_loader("khan").await;
    let loader = house.host(&key, &["alice"], 1);
    for _ in 0..4 {
        loader.run().await.unwrap();
    }
    let version = async || {
        house.texts(&format!("select version::text as text from loader where id = {id}")).await[0]
            .clone()
    };
    let before = version().await;
    loader.run().await.unwrap();
    assert_eq!(version().await, before);
    house.clock.advance(time::Duration::seconds(60));
    loader.run().await.unwrap();
    assert_ne!(version().await, before);
}
