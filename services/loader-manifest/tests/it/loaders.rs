//! Loaders as people see them (specs/mig/api.md §3.13–3.17; captures 093–125, 162, 327).

use crate::house::{Answer, api_key, house, start};
use serde_json::json;
use testkit::loader::agent;

/// Texts that end a statement or a string somewhere in SQL, or are none of the language.
const HOSTILE: &[&str] = &[
    "nonsense ((",
    "TRUE; drop table loader",
    "TRUE) or (1=1",
    "TRUE -- ",
    "TRUE /* */",
    "1=1) UNION SELECT 1 --",
    "loadername='x' OR ''=''; --",
    "pg_sleep(10) IS NULL",
    "(select count(*) from loader) > 0",
    "id IN (select id from loader)",
    "loadername=$1",
    "loadername=E'\\''",
    "key_hash IS NOT NULL",
    "loaders.key_salt::text='x'",
    "status='online'",
    "\u{0}",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_exchanges_come_out_as_they_were() {
    let house = house(&[]).await;
    let answer = house.form("/api/v1/loader/new/", &[]).await.expect(400);
    assert_eq!(answer.error(), "no loader entry specified in form");
    let form = [("loader", r#"{"name":"khan","expectenv":"tags#>>'{operator}'='opsec'"}"#)];
    let made = house.form("/api/v1/loader/new/", &form).await.expect(201);
    let value = made.value();
    let (prefix, key) = (value["prefix"].as_str().unwrap(), value["key"].as_str().unwrap());
    assert!(prefix.len() == 8 && key.len() == 32, "{value}");
    assert!(format!("{prefix}{key}").bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(
        made.text,
        format!(
            r#"{{"collection":{{"version":"1.0","href":"http://127.0.0.1:18340/api/v1/loader/new/","items":[{{"href":"http://127.0.0.1:18340/api/v1/loader?loaderid=1","data":[{{"name":"loader","value":{{"id":1,"name":"khan","prefix":"{prefix}","key":"{key}","agentname":"","lastseen":"0001-01-01T00:00:00Z","enabled":false,"expectenv":"tags#\u003e\u003e'{{operator}}'='opsec'"}}}}]}}],"template":{{}},"error":{{}}}}}}"#
        )
    );
    let shown = house.get("/api/v1/loader?loaderid=1.0").await.expect(200).value();
    assert_eq!((shown["key"].as_str(), shown["prefix"].as_str()), (Some(""), Some(prefix)));
    assert_eq!(shown["expectenv"], "tags#>>'{operator}'='opsec'");
    for (query, status) in
        [("", 400), ("?loaderid=0", 400), ("?loaderid=x", 400), ("?loaderid=9", 404)]
    {
        house.get(&format!("/api/v1/loader{query}")).await.expect(status);
    }
    let none = r#"{"collection":{"version":"1.0","href":"http://127.0.0.1:18340/api/v1/loader/status/","template":{},"error":{}}}"#;
    let status = async |id: &str, status: &str| {
        house.form("/api/v1/loader/status/", &[("loaderid", id), ("status", status)]).await
    };
    assert_eq!(status("1", "enabled").await.expect(200).text, none);
    assert_eq!(house.get("/api/v1/loader?loaderid=1").await.value()["enabled"], true);
    status("1", "anything else").await.expect(200);
    assert_eq!(house.get("/api/v1/loader?loaderid=1").await.value()["enabled"], false);
    status("777", "enabled").await.expect(404);
    house.form("/api/v1/loader/key/", &[("loaderid", "777")]).await.expect(404);
    house.form("/api/v1/loader/expect/", &[("loaderid", "1")]).await.expect(200);
    assert_eq!(house.get("/api/v1/loader?loaderid=1").await.value()["expectenv"], "");
    assert_eq!(house.count("loader where key_hash::text like '%' || key_prefix || '%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let house = house(&[]).await;
    house.new_loader("khan", "").await;
    let new = |entry: &serde_json::Value| entry.to_string();
    let long = "x".repeat(257);
    for (entry, status) in [
        (new(&json!({"name": "khan"})), 409),
        (new(&json!({"name": ""})), 400),
        (new(&json!({"name": long})), 400),
        (new(&json!({"name": "a\u{0}b"})), 400),
        (new(&json!({"name": 3})), 400),
        ("{".into(), 400),
        ("[]".into(), 400),
    ] {
        house.form("/api/v1/loader/new/", &[("loader", &entry)]).await.expect(status);
    }
    for hostile in HOSTILE {
        let entry = new(&json!({"name": "other", "expectenv": hostile}));
        house.form("/api/v1/loader/new/", &[("loader", &entry)]).await.expect(400);
        let form = [("loaderid", "1"), ("expectenv", hostile)];
        house.form("/api/v1/loader/expect/", &form).await.expect(400);
        house
            .post("/v1/loaders", &json!({"name": "other", "expect_env": hostile}))
            .await
            .expect(422);
        house.post_manifest("m", hostile, "x").await.expect(400);
    }
    assert_eq!(house.count("loader where expect_env is null and version = 1").await, 1);
    assert_eq!(house.count("manifest").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_until_it_is_replaced_or_its_loader_disabled() {
    let house = house(&[]).await;
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let (id, key) = house.enabled_loader("khan").await;
    let prefix = key.split_at(8).0;
    let other = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    let ask = async |base: &str, key: &str| {
        let form = [("parameters", json!({"agent": agent("h", "q")}).to_string())];
        let request = house.client.post(format!("{base}/api/v1/manifest/agent/")).form(&form);
        Answer::to(request.header("X-LOADERKEY", key)).await
    };
    let here = house.running.url();
    for base in [&here, &other.url()] {
        ask(base, &key).await.expect(200);
    }
    for (wrong, text) in [
        ("", "X-LOADERKEY header not found"),
        ("abc", "Loader authorization failed"),
        (&"A".repeat(40), "Loader authorization failed"),
        (&format!("{}{}", prefix, "A".repeat(32)), "Loader authorization failed"),
        (&key.to_lowercase(), "Loader authorization failed"),
        (&format!("{key} "), "Loader authorization failed"),
        (&"-".repeat(40), "Loader authorization failed"),
    ] {
        let answer = ask(&here, wrong).await;
        // trailing blanks are not part of a header's value
        if wrong.trim() != key {
            assert_eq!(answer.expect(401).error(), text, "{wrong}");
        }
    }
    let set = async |status: &str| {
        let form = [("loaderid", &*id.to_string()), ("status", status)];
        house.form("/api/v1/loader/status/", &form).await.expect(200);
    };
    set("disabled").await;
    for base in [&here, &other.url()] {
        ask(base, &key).await.expect(401);
    }
    set("enabled").await;
    ask(&other.url(), &key).await.expect(200);
    let new = house.form("/api/v1/loader/key/", &[("loaderid", &id.to_string())]).await.expect(200);
    let new = new.value();
    assert_eq!(new["prefix"], prefix);
    for base in [&here, &other.url()] {
        ask(base, &key).await.expect(401);
        ask(base, &format!("{}{}", prefix, new["key"].as_str().unwrap())).await.expect(200);
    }
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_loader_sends_wrong_is_told_to_it() {
    let house = house(&[]).await;
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let post = async |path: &str, parameters: &str| {
        let request = house.client.post(house.url(path)).header("x-loaderkey", &key);
        Answer::to(request.form(&[("parameters", parameters)])).await
    };
    for parameters in ["", "{", "[]", r#"{"agent":{"name":"a\u0000b"}}"#] {
        post("/api/v1/manifest/agent/", parameters).await.expect(400);
    }
    let of = |object: &str| json!({"agent": agent("h", "q"), "object": object}).to_string();
    let answer = post("/api/v1/manifest/fetch/", &of("")).await.expect(400);
    assert_eq!(answer.error(), "manifest fetch with no object");
    for object in ["mig-agent", "../configuration", "/", "writ-rollback"] {
        let answer = post("/api/v1/manifest/fetch/", &of(object)).await.expect(404);
        assert!(answer.error().contains("not found in manifest"), "{answer:?}");
    }
    assert_eq!(house.count("loader where name is not null").await, 0, "nothing was installed yet");
    post("/api/v1/manifest/fetch/", &of("configuration")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_plain_json() {
    let house = house(&[]).await;
    let new = json!({"name": "khan", "expect_env": "env->>'os'='linux'"});
    let made = house.post("/v1/loaders", &new).await.expect(201).json();
    let (id, key) = (made["loader"]["id"].clone(), made["key"].as_str().unwrap().to_owned());
    assert_eq!((key.len(), &made["loader"]["enabled"]), (40, &json!(false)));
    let path = format!("/v1/loaders/{id}");
    let changed = house.patch(&path, &json!({"enabled": true, "expect_env": ""})).await.expect(200);
    assert_eq!(
        (&changed.json()["enabled"], &changed.json()["expect_env"]),
        (&json!(true), &json!(null))
    );
    house.patch(&path, &json!({})).await.expect(422);
    house.patch(&path, &json!({"nonsense": 1})).await.expect(422);
    house.patch("/v1/loaders/99", &json!({"enabled": true})).await.expect(404);
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    house.host(&key, &["alice"], 1).run().await.unwrap();
    let shown = house.get(&path).await.expect(200).json();
    assert_eq!(
        (&shown["agent_name"], &shown["manifest_id"]),
        (&json!("host1.example.net"), &json!(1))
    );
    let new = house.post(&format!("{path}/key"), &json!({})).await.expect(200).json();
    assert_ne!(new["key"], key);
    for name in ["a", "b", "c"] {
        house.post("/v1/loaders", &json!({"name": name})).await.expect(201);
    }
    let page = house.get("/v1/loaders?limit=3").await.expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    let next = page["next"].as_str().unwrap();
    let page = house.get(&format!("/v1/loaders?limit=3&cursor={next}")).await.expect(200).json();
    assert_eq!((page["items"][0]["name"].as_str(), &page["next"]), (Some("c"), &json!(null)));
    house.get("/v1/loaders?limit=0").await.expect(422);
    house.get("/v1/loaders?cursor=x").await.expect(400);
    let nobody = house.client.get(house.url("/v1/loaders")).bearer_auth(api_key("nobody"));
    Answer::to(nobody).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_keys_is_stopped_for_a_minute() {
    let house = house(&[]).await;
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let (_, key) = house.enabled_loader("khan").await;
    let (_, other) = house.enabled_loader("kirk").await;
    let ask = async |key: &str, queueloc: &str| {
        let form = [("parameters", json!({"agent": agent("h", queueloc)}).to_string())];
        let request = house.client.post(house.url("/api/v1/manifest/agent/")).form(&form);
        Answer::to(request.header("X-LOADERKEY", key)).await
    };
    let prefix = key.split_at(8).0;
    for guess in 0..30 {
        ask(&format!("{prefix}{guess:032}"), "q").await.expect(401);
    }
    let stopped = ask(&format!("{prefix}{:032}", 30), "q").await.expect(503);
    assert!(stopped.error().contains("busy"), "{stopped:?}");
    // nor is one more hashed that is right; who has another prefix notices nothing
    ask(&key, "q").await.expect(503);
    ask(&other, "q2").await.expect(200);
    house.clock.advance(time::Duration::minutes(1));
    ask(&key, "q").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_host_gets_no_file_and_is_not_written_down() {
    let house = house(&[]).await;
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let (id, key) = house.new_loader("khan", "env#>>'{os}'='windows'").await;
    let form = [("loaderid", &*id.to_string()), ("status", "enabled")];
    house.form("/api/v1/loader/status/", &form).await.expect(200);
    let parameters = json!({"agent": agent("h", "q"), "object": "configuration"}).to_string();
    let request = house.client.post(house.url("/api/v1/manifest/fetch/"));
    let request = request.header("x-loaderkey", &key).form(&[("parameters", parameters)]);
    let answer = Answer::to(request).await.expect(404);
    assert_eq!(answer.error(), "Unable to locate valid manifest for this loader entry");
    let untouched = "loader where name is null and queueloc is null and manifest_id is null";
    assert_eq!(house.count(untouched).await, 1);
    assert_eq!(house.count("delivery").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_that_change_places_do_not_wait_for_each_other() {
    let house = house(&[]).await;
    house.active_manifest("base", "TRUE", &[("configuration", b"one")]).await;
    let (_, first) = house.enabled_loader("first").await;
    let (_, second) = house.enabled_loader("second").await;
    let ask = async |key: &str, queueloc: &str| {
        let form = [("parameters", json!({"agent": agent("h", queueloc)}).to_string())];
        let request = house.client.post(house.url("/api/v1/manifest/agent/")).form(&form);
        Answer::to(request.header("X-LOADERKEY", key)).await.expect(200);
    };
    for round in 0..40 {
        let (one, other) = if round % 2 == 0 { ("q1", "q2") } else { ("q2", "q1") };
        tokio::join!(ask(&first, one), ask(&second, other));
    }
    let places = "select queueloc as text from loader where queueloc is not null order by 1";
    assert_eq!(house.texts(places).await, ["q1", "q2"]);
}
