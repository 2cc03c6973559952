//! Keys that the real GnuPG makes: which count, for tokens and for actions, and which do not.

use crate::bad_input::encoded;
use crate::house::{Answer, House, house, send};
use serde_json::json;
use signing::token;
use testkit::Gpg;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use types::Action;

const ALL: &str = r#"{"dashboard":true,"action_create":true}"#;

/// Registers a key.
async fn register(house: &House, name: &str, key: &str) -> Answer {
    house
        .create(&[("name", name, None), ("permissions", ALL, None), ("publickey", key, Some("k"))])
        .await
}

/// Asks with a token that gpg signs for `name`.
async fn by_token(house: &House, gpg: &Gpg, name: &str, options: &[&str], nonce: &str) -> Answer {
    let text = token::text(house.clock.now(), nonce).unwrap();
    let header = token::with_signature(&text, &gpg.sign(name, options, text.as_bytes()));
    let url = format!("{}/api/v1/dashboard", house.running.url());
    send(house.client.get(url).header("x-pgpauthorization", header)).await
}

/// Gives an action that ends `life` from now, signed by gpg for each of `names`.
fn signed(
    house: &House,
    gpg: &Gpg,
    names: &[(&str, &[&str])],
    title: &str,
    life: Duration,
) -> String {
    let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
    let now = house.clock.now();
    let mut action = json!({
        "name": title, "target": "name='nobody'", "syntaxversion": 2,
        "validfrom": text(now), "expireafter": text(now + life),
        "operations": [{"module": "file", "parameters": {"searches": {}}}],
    });
    let read = Action::parse(action.to_string().as_bytes()).unwrap();
    let string = signing::action::signed_string(&read);
    let sign = |(name, options): &(&str, &[&str])| gpg.sign(name, options, string.as_bytes());
    action["pgpsignatures"] = names.iter().map(sign).collect();
    action.to_string()
}

async fn post(house: &House, document: &str) -> Answer {
    house.form("/api/v1/action/create/", &format!("action={}", encoded(document))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rsa_and_ed25519_with_and_without_subkeys_count() {
    let (house, gpg) = (house(&[]).await, Gpg::new());
    gpg.make("ann", "rsa2048", "sign", "never");
    gpg.make("ben", "ed25519", "sign", "never");
    for (name, primary, sub) in [("cas", "rsa3072", "rsa2048"), ("dot", "ed25519", "ed25519")] {
        let fingerprint = gpg.make(name, primary, "cert", "never");
        gpg.run(&["--passphrase", "", "--quick-add-key", &fingerprint, sub, "sign", "never"], b"");
    }
    let names = ["ann", "ben", "cas", "dot"];
    for (number, name) in names.iter().enumerate() {
        let key = gpg.text(&["--armor", "--export", name], b"");
        let made = register(&house, name, &key).await.expect(201).value();
        assert_eq!(made["pgpfingerprint"], gpg.fingerprint(name), "the primary key's");
        for options in [&[][..], &["--textmode"], &["--digest-algo", "SHA512"]] {
            by_token(&house, &gpg, name, options, &number.to_string()).await.expect(200);
        }
        let document = signed(&house, &gpg, &[(name, &[])], name, Duration::minutes(5));
        let value = post(&house, &document).await.expect(202).value();
        let shown =
            house.get(&format!("/api/v1/action?actionid={}", value["id"])).await.expect(200);
        assert_eq!(shown.value()["investigators"][0]["name"], *name);
    }
    // all four on one action; none of them may be missing or wrong
    let all: Vec<(&str, &[&str])> = names.iter().map(|name| (*name, &[][..])).collect();
    let document = signed(&house, &gpg, &all, "all", Duration::minutes(5));
    let id = post(&house, &document).await.expect(202).value()["id"].clone();
    let shown = house.get(&format!("/api/v1/action?actionid={id}")).await.expect(200).value();
    assert_eq!(shown["investigators"].as_array().unwrap().len(), 4);
    assert_eq!(house.count("signature").await, 8);
    let broken = document.replace("\"all\"", "\"al\"");
    let said = post(&house, &broken).await.expect(400).error();
    assert!(said.starts_with("VerifySignatures() -> openpgp: invalid signature"), "{said}");
    gpg.make("stranger", "ed25519", "sign", "never");
    let with = [("ann", &[][..]), ("stranger", &[])];
    let document = signed(&house, &gpg, &with, "stranger", Duration::minutes(5));
    let said = post(&house, &document).await.expect(400).error();
    assert!(said.ends_with("openpgp: signature made by unknown entity"), "{said}");
    assert_eq!((house.count("action").await, house.count("signature").await), (5, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_keys_count_only_where_that_is_set() {
    for lenient in [false, true] {
        let house = house(if lenient { &["--pgp-allow-expired"] } else { &[] }).await;
        let gpg = Gpg::new();
        // one that is over is refused where it is brought
        let old = ["--faked-system-time", "20200101T000000", "--passphrase", ""];
        gpg.run(
            &[&old[..], &["--quick-generate-key", "old", "ed25519", "sign", "1d"]].concat(),
            b"",
        );
        let key = gpg.text(&["--armor", "--export", "old"], b"");
        let refused = register(&house, "old", &key).await;
        if lenient {
            refused.expect(201);
        } else {
            assert!(refused.expect(400).error().contains("expired at 2020-01-02"));
        }
        // one that ends later counts until then
        gpg.make("short", "ed25519", "sign", "1d");
        let key = gpg.text(&["--armor", "--export", "short"], b"");
        register(&house, "short", &key).await.expect(201);
        by_token(&house, &gpg, "short", &[], "1").await.expect(200);
        house.clock.advance(Duration::days(2));
        house
            .running
            .parts
            .replica
            .refresh(&house.running.parts.store, house.clock.now())
            .await
            .unwrap();
        let token = by_token(&house, &gpg, "short", &[], "2").await;
        let names = [("short", &[][..])];
        let action =
            post(&house, &signed(&house, &gpg, &names, "late", Duration::minutes(5))).await;
        if lenient {
            token.expect(200);
            action.expect(202);
        } else {
            assert!(token.expect(401).error().contains("expired"));
            assert!(action.expect(400).error().contains("expired"));
            assert_eq!(house.count("action").await, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_keys_and_weak_hashes_count_only_where_that_is_set() {
    for lenient in [false, true] {
        let house =
            house(if lenient { &["--pgp-allow-revoked", "--pgp-allow-sha1"] } else { &[] }).await;
        let gpg = Gpg::new();
        let fingerprint = gpg.make("rsa", "rsa2048", "sign", "never");
        let key = gpg.text(&["--armor", "--export", "rsa"], b"");
        register(&house, "rsa", &key).await.expect(201);
        let sha1 = ["--digest-algo", "SHA1"];
        let token = by_token(&house, &gpg, "rsa", &sha1, "1").await;
        let action = signed(&house, &gpg, &[("rsa", &sha1)], "sha1", Duration::minutes(5));
        let action = post(&house, &action).await;
        if lenient {
            token.expect(200);
            action.expect(202);
        } else {
            assert!(token.expect(401).error().contains("too weak"));
            assert!(action.expect(400).error().contains("too weak"));
        }

        // what is signed before the revocation is known counts no more than what is signed after it
        let text = token::text(house.clock.now(), "2").unwrap();
        let before = token::with_signature(&text, &gpg.sign("rsa", &[], text.as_bytes()));
        let action = signed(&house, &gpg, &[("rsa", &[])], "before", Duration::minutes(5));
        let path = gpg.path().join(format!("openpgp-revocs.d/{fingerprint}.rev"));
        let certificate =
            std::fs::read_to_string(path).unwrap().replace(":-----BEGIN", "-----BEGIN");
        gpg.run(&["--import"], certificate.as_bytes());
        let revoked = gpg.text(&["--armor", "--export", "rsa"], b"");
        house.execute(&format!("update investigator set public_key = '{revoked}', version = version + 1 where name = 'rsa'")).await;
        house.execute("update auth.investigator a set public_key = i.public_key, version = i.version from investigator i where i.id = a.id").await;
        house
            .running
            .parts
            .replica
            .refresh(&house.running.parts.store, house.clock.now())
            .await
            .unwrap();
        let url = format!("{}/api/v1/dashboard", house.running.url());
        let token = send(house.client.get(url).header("x-pgpauthorization", before)).await;
        let action = post(&house, &action).await;
        if lenient {
            token.expect(200);
            action.expect(202);
        } else {
            assert!(token.expect(401).error().contains("revoked"));
            assert!(action.expect(400).error().contains("revoked"));
            assert_eq!(house.count("action").await, 0);
            house.execute("update investigator set fingerprint = null where name = 'rsa'").await;
            assert!(
                register(&house, "again", &revoked).await.expect(400).error().contains("revoked")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_line_ends_under_a_signature_in_text_mode_are_no_other_order() {
    let (house, gpg) = (house(&[]).await, Gpg::new());
    gpg.make("ann", "ed25519", "sign", "never");
    let key = gpg.text(&["--armor", "--export", "ann"], b"");
    register(&house, "ann", &key).await.expect(201);
    for (number, options) in [&["--textmode"][..], &[]].into_iter().enumerate() {
        let title = format!("two\nlines {number}");
        let document = signed(&house, &gpg, &[("ann", options)], &title, Duration::minutes(5));
        let id = post(&house, &document).await.expect(202).value()["id"].clone();
        let other = document.replace("two\\nlines", "two\\r\\nlines");
        assert_ne!(other, document);
        if number == 0 {
            let again = post(&house, &other).await.expect(202).value();
            assert_eq!(again["id"], id, "the signature is good for both texts, and orders once");
        } else {
            assert!(post(&house, &other).await.expect(400).error().contains("invalid signature"));
        }
        assert_eq!(post(&house, &document).await.expect(202).value()["id"], id);
        assert_eq!(house.count("action").await, i64::try_from(number).unwrap() + 1);
    }
}
