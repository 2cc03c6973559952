//! Investigators through MIG's routes (specs/mig/api.md §3.10–3.12; captures 001–009, 045–091).

use crate::house::{ADMIN, house, send, start};
use testkit::{PATIENCE, Tap, keys, until};
use time::OffsetDateTime;
use types::Permission;
use types::messages::InvestigatorChanged;

const SIX: &str = r#"{"search":true,"action":true,"action_create":true,"command":true,"agent":true,"dashboard":true}"#;

#[tokio::test(flavor = "multi_thread")]
async fn one_is_created_shown_changed_and_told() {
    let house = house(&[]).await;
    let mut tap = Tap::new(&house.vhost).await;
    let key = keys::of("eve").public().clone();
    let parts = [
        ("name", "Eve <é>", None),
        ("permissions", SIX, None),
        ("publickey", &*key.armored(), Some("eve.asc")),
    ];
    let made = house.create(&parts).await.expect(201);
    let value = made.value();
    let id = value["id"].as_i64().unwrap();
    assert_eq!(
        made.json()["collection"]["items"][0]["data"][0]["name"],
        format!("Investigator ID {id}")
    );
    assert_eq!(
        made.json()["collection"]["items"][0]["href"],
        format!("http://127.0.0.1:18340/api/v1/investigator?investigatorid={id}")
    );
    assert_eq!(
        (value["status"].as_str(), value["createdat"].as_str()),
        (Some(""), Some("0001-01-01T00:00:00Z"))
    );
    let told = tap.next::<InvestigatorChanged>().await.data;
    assert_eq!((told.id.0, told.permissions, told.version), (id, 63, 1));

    let shown = house.get(&format!("/api/v1/investigator?investigatorid={id}e0")).await.expect(200);
    let value = shown.value();
    assert_eq!(
        (value["name"].as_str(), value["status"].as_str()),
        (Some("Eve <é>"), Some("active"))
    );
    assert_eq!(value["pgpfingerprint"], key.fingerprint());
    assert!(value["publickey"].as_str().unwrap().starts_with("LS0tLS1CRUdJTiBQR1A"));
    assert!(value.get("apikey").is_none());
    assert_eq!(shown.json()["collection"]["items"][0]["links"][0]["rel"], "investigator history");

    // a new key counts at once; a second one replaces it
    let body = format!(
        "id={id}&status=active&permissions=%7B%22dashboard%22%3Atrue%2C%22investigator%22%3Atrue%7D&apikey=active"
    );
    let first =
        house.update(&body).await.expect(200).value()["apikey"].as_str().unwrap().to_owned();
    assert!(first.len() == 32 && first.bytes().all(|b| b.is_ascii_alphanumeric()), "{first}");
    let path = "/api/v1/investigator?investigatorid=1";
    house.call(reqwest::Method::GET, path, &first).await.expect(200);
    let second = house.update(&format!("id={id}&apikey=active")).await.expect(200).value();
    house.call(reqwest::Method::GET, path, &first).await.expect(401);
    house.call(reqwest::Method::GET, path, second["apikey"].as_str().unwrap()).await.expect(200);
    assert_eq!(
        house.get(&format!("/api/v1/investigator?investigatorid={id}")).await.value()["apikey"],
        "set"
    );
    assert_eq!(house.count(&format!("investigator where api_key_sha256 ~ '{first}'")).await, 0);
    let told = tap.next::<InvestigatorChanged>().await.data;
    assert_eq!((told.version, told.permissions), (2, (1 << 5) | (1 << 16)));

    // by token, too, until they are disabled
    let token = || signing::token::make(&keys::of("eve"), house.clock.now(), "7").unwrap();
    let url = format!("{}{path}", house.running.url());
    send(house.client.get(&url).header("x-pgpauthorization", token())).await.expect(200);
    house.update(&format!("id={id}&status=disabled")).await.expect(200);
    send(house.client.get(&url).header("x-pgpauthorization", token())).await.expect(401);
    house.call(reqwest::Method::GET, path, second["apikey"].as_str().unwrap()).await.expect(401);
    assert_eq!(house.count("investigator i full join auth.investigator a using (id) where i.version is distinct from a.version").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_changes_nothing() {
    let house = house(&[]).await;
    let admin = keys::of("admin").public().armored();
    let eve = keys::of("eve").public().armored();
    let two = format!("{eve}\n{admin}");
    let long = "x".repeat(1025);
    // the original answers 500 to all of these (captures 047–053); 4xx says whose fault it is, and no client crashes
    for (name, permissions, key, status, text) in [
        ("", SIX, None, 400, "Investigator name must not be empty"),
        (&*long, SIX, None, 400, "at most 1024"),
        ("nul\0", SIX, None, 400, "no control character"),
        ("two\nlines", SIX, None, 400, "no control character"),
        ("a\u{9b}31mred", SIX, None, 400, "no control character"),
        ("X", "", None, 400, "EOF"),
        ("X", "{bad", None, 400, "permissions"),
        ("X", "[]", None, 400, "permissions"),
        ("X", r#"{"search":1}"#, None, 400, "permissions"),
        ("X", SIX, Some(""), 400, "Investigator Public Key must not be empty"),
        ("X", SIX, Some("not a key"), 400, "LoadArmoredPubKey() ->"),
        ("X", SIX, Some(&*two), 400, "LoadArmoredPubKey() ->"),
        ("X", SIX, Some(&*admin), 409, "Investigator's PGP Fingerprint already exists in database"),
    ] {
        let mut parts = vec![("name", name, None), ("permissions", permissions, None)];
        parts.extend(key.map(|key| ("publickey", key, Some("k"))));
        let answer = house.create(&parts).await.expect(status);
        assert!(answer.error().contains(text), "{answer:?}");
    }
    let answer = house.form("/api/v1/investigator/create/", "name=X").await.expect(400);
    assert_eq!(answer.error(), "request Content-Type isn't multipart/form-data");
    for (body, status, text) in [
        ("", 400, "Investigator ID must not be empty"),
        ("id=abc&status=active", 400, "strconv.ParseFloat: parsing \"abc\": invalid syntax"),
        ("id=0&status=active", 400, "Invalid Investigator ID '0'"),
        ("id=NaN&status=active", 400, "Invalid Investigator ID 'NaN'"),
        ("id=Inf&status=active", 404, "not found"),
        ("id=1", 400, "No updates to the investigator were specified"),
        ("id=1&status=zombie", 400, "Invalid investigator status 'zombie'"),
        ("id=1&permissions=%7Bbad", 400, "permissions"),
        ("id=1&apikey=maybe", 400, "Invalid value for apikey parameter"),
        ("id=9999&status=active", 404, "Investigator ID '9999' not found"),
        ("id=1&status=disabled", 409, "will not remove last admin"),
        ("id=1&permissions=%7B%22search%22%3Atrue%7D", 409, "will not remove last admin"),
        // all or nothing: the key is not replaced either
        ("id=1&apikey=active&status=disabled", 409, "will not remove last admin"),
    ] {
        let answer = house.update(body).await.expect(status);
        assert!(answer.error().contains(text), "{body}: {answer:?}");
    }
    for (query, status) in [
        ("", 400),
        ("?investigatorid=0", 400),
        ("?investigatorid=x", 400),
        ("?investigatorid=999", 404),
    ] {
        house.get(&format!("/api/v1/investigator{query}")).await.expect(status);
    }
    assert_eq!(house.count("investigator where version = 1").await, 1);
    assert_eq!(house.count("audit where outcome = 'done'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_is_one_who_can_log_in() {
    let house = house(&[]).await;
    let parts = [
        ("name", "second", None),
        ("permissions", r#"{"investigator":true,"investigator_update":true}"#, None),
    ];
    let id = house.create(&parts).await.expect(201).value()["id"].clone();
    house.update("id=1&status=disabled").await.expect(409);
    house.update(&format!("id={id}&apikey=active")).await.expect(200);
    house.update("id=1&status=disabled").await.expect(200);
    house.get("/api/v1/investigator?investigatorid=1").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_remove_each_other_one_stays() {
    let house = house(&[]).await;
    let other = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    let rights = Permission::Investigator.mask() | Permission::InvestigatorUpdate.mask();
    for (round, change) in ["status=disabled", "permissions=%7B%7D"].into_iter().enumerate() {
        let (name, key) = (format!("second-{round}"), format!("key-{round}"));
        house.add(&name, rights, &key).await;
        other.parts.replica.refresh(&other.parts.store, house.clock.now()).await.unwrap();
        let ids = house
            .texts(&format!("select id::text as text from investigator where name = '{name}'"))
            .await;
        let update = async |url: String, key: &str, id: &str| {
            let request = house.client.post(format!("{url}/api/v1/investigator/update/"));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            send(request.header("x-migapikey", key).body(format!("id={id}&{change}"))).await
        };
        let (first, second) = tokio::join!(
            update(house.running.url(), ADMIN, &ids[0]),
            update(other.url(), &key, "1")
        );
        let won = [first.status, second.status].iter().filter(|status| **status == 200).count();
        assert_eq!(won, 1, "{first:?} {second:?}");
        let left =
            format!("investigator where status = 'active' and permissions & {rights} = {rights}");
        assert_eq!(house.count(&left).await, 1);
        if first.status != 200 {
            // the next round begins with both again
            house.execute(&format!("update investigator set status = 'disabled', permissions = 0, version = version + 1 where name = '{name}'")).await;
            house.execute(&format!("update investigator set status = 'active', permissions = {}, version = version + 1 where id = 1", types::Permissions::all().0)).await;
            house.execute("update auth.investigator a set status = i.status, permissions = i.permissions, version = i.version from investigator i where i.id = a.id").await;
            for process in [&house.running, &other] {
                process
                    .parts
                    .replica
                    .refresh(&process.parts.store, house.clock.now())
                    .await
                    .unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_away_what_they_do_not_hold() {
    let house = house(&[]).await;
    let admin = Permission::Investigator.mask() | Permission::InvestigatorUpdate.mask();
    house
        .add("maker", Permission::InvestigatorCreate.mask() | Permission::Search.mask(), "maker")
        .await;
    house
        .add(
            "changer",
            Permission::InvestigatorUpdate.mask() | Permission::Search.mask(),
            "changer",
        )
        .await;
    house.add("chief", admin | Permission::InvestigatorCreate.mask(), "chief").await;
    let create = async |key: &str, permissions: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nX\r\n--b\r\n\
             Content-Disposition: form-data; name=\"permissions\"\r\n\r\n{permissions}\r\n--b--\r\n"
        );
        let request =
            house.client.post(format!("{}/api/v1/investigator/create/", house.running.url()));
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        send(request.header("x-migapikey", key).body(body)).await
    };
    let update = async |key: &str, body: &str| {
        let request =
            house.client.post(format!("{}/api/v1/investigator/update/", house.running.url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        send(request.header("x-migapikey", key).body(body.to_owned())).await
    };
    create("maker", r#"{"search":true}"#).await.expect(201);
    let refused = create("maker", r#"{"search":true,"action_create":true}"#).await.expect(401);
    assert!(refused.error().contains("you do not hold action_create"), "{refused:?}");
    create("chief", SIX).await.expect(201);

    let search = "permissions=%7B%22search%22%3Atrue%7D";
    let more = "permissions=%7B%22search%22%3Atrue%2C%22investigator%22%3Atrue%2C%22investigator_update%22%3Atrue%7D";
    update("changer", &format!("id=3&{more}")).await.expect(401); // themselves
    update("changer", &format!("id=2&{more}")).await.expect(401);
    update("changer", "id=1&apikey=active").await.expect(401); // an administrator's key
    update("changer", "id=6&apikey=active").await.expect(401);
    update("changer", &format!("id=6&{search}")).await.expect(200); // less than they had
    update("changer", "id=6&apikey=active").await.expect(200);
    update("chief", &format!("id=6&{more}&apikey=active")).await.expect(200);
    assert_eq!(house.count("investigator where version > 1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_wakes_one_who_may_more_than_they() {
    let house = house(&[]).await;
    let update = Permission::InvestigatorUpdate.mask();
    house.add("changer", update | Permission::Search.mask(), "changer").await;
    house.add("chief", types::Permissions::all().0, "chief").await;
    house.add("searcher", Permission::Search.mask(), "searcher").await;
    let changer = async |body: &str| {
        let url = format!("{}/api/v1/investigator/update/", house.running.url());
        let request = house.client.post(url).header("x-migapikey", "changer");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        send(request.body(body.to_owned())).await
    };
    for id in [3, 4] {
        house.update(&format!("id={id}&status=disabled")).await.expect(200);
    }
    let refused = changer("id=3&status=active").await.expect(401);
    assert!(refused.error().contains("you do not hold"), "{refused:?}");
    // rows come in the order of what they tell
    house.call(reqwest::Method::GET, "/api/v1/search", "wrong").await.expect(401);
    until(PATIENCE, async || house.count("audit where what = 'login'").await == 1).await;
    let rows = house
        .texts("select what || ' ' || subject as text from audit where outcome = 'refused' order by id")
        .await;
    assert_eq!(rows, ["investigator.changed investigator 3", "login GET /api/v1/search"]);
    assert_eq!(house.count("investigator where id = 3 and status = 'disabled'").await, 1);
    changer("id=4&status=active").await.expect(200);
    house.update("id=3&status=active").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_may_ask_for_keys_heartbeat_and_address() {
    let house = house(&[]).await;
    let key = keys::of("admin").public().clone();
    let open =
        async |path: &str| send(house.client.get(format!("{}{path}", house.running.url()))).await;
    for fingerprint in [key.fingerprint(), key.fingerprint().to_lowercase()] {
        let answer = open(&format!("/api/v1/publickey/{fingerprint}")).await.expect(200);
        assert_eq!(answer.text, key.armored().trim_end());
    }
    let none = open("/api/v1/publickey/AAAA").await.expect(404);
    assert_eq!(none.text, "Invalid Fingerprint : No PublicKey found for fingerprint 'AAAA'");
    assert!(open("/api/v1/heartbeat").await.expect(200).text.contains("gatorz say hi"));
    for path in ["/api/v1/ip", "/api/v1//ip"] {
        assert_eq!(open(path).await.expect(200).text, "127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_is_out_of_another_process_within_a_second() {
    let house = house(&[]).await;
    let other = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
    house.add("eve", 1 << 16, "eve-key").await;
    let url = format!("{}/api/v1/investigator?investigatorid=1", other.url());
    let eve = async || send(house.client.get(&url).header("x-migapikey", "eve-key")).await.status;
    other.parts.replica.refresh(&other.parts.store, house.clock.now()).await.unwrap();
    assert_eq!(eve().await, 200);
    house.update("id=2&status=disabled").await.expect(200);
    let since = std::time::Instant::now();
    until(PATIENCE, async || eve().await == 401).await;
    // a loaded machine may be slow; the message alone takes some milliseconds
    assert!(since.elapsed() < std::time::Duration::from_secs(5), "{:?}", since.elapsed());
    send(house.client.get(&url).header("x-migapikey", ADMIN)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_once_where_that_is_set() {
    let house = house(&["--token-once"]).await;
    let url = format!("{}/api/v1/investigator?investigatorid=1", house.running.url());
    let make =
        |at: OffsetDateTime, nonce| signing::token::make(&keys::of("admin"), at, nonce).unwrap();
    let token = make(house.clock.now(), "1");
    let ask =
        async |token: &str| send(house.client.get(&url).header("x-pgpauthorization", token)).await;
    ask(&token).await.expect(200);
    let again = ask(&token).await.expect(401);
    assert!(again.error().contains("used before"), "{again:?}");
    ask(&make(house.clock.now(), "2")).await.expect(200);
}
