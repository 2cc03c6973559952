//! Files come to a host: an investigator publishes with `writ`, and a loader installs through the one public origin.

use crate::house::House;
use serde_json::Value;
use std::process::{Command, Output};
use testkit::loader::{Loader, TRIGGERS};
use types::Clock;

/// Runs `writ` as the administrator.
fn writ(house: &House, words: &[&str]) -> Output {
    Command::new(house.programs().join("writ"))
        .arg("--config-dir")
        .arg(house.path("writ"))
        .args(["--url", house.var("WRIT_URL"), "--gpg", house.var("WRIT_ADMIN_FINGERPRINT")])
        .args(words)
        .env("GNUPGHOME", house.var("WRIT_ADMIN_GNUPGHOME"))
        .output()
        .unwrap()
}

/// Runs it, which must succeed; gives what it prints, and what it says.
fn good(house: &House, words: &[&str]) -> (String, String) {
    let out = writ(house, words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (said, printed) = (text(out.stderr), text(out.stdout));
    assert!(out.status.success(), "writ {words:?}: {said}");
    (printed, said)
}

/// Runs it and reads the rows that it prints.
fn rows(house: &House, words: &[&str]) -> Vec<Value> {
    let (printed, _) = good(house, &[words, &["-o", "json"]].concat());
    match serde_json::from_str(&printed).unwrap() {
        Value::Array(rows) => rows,
        row => vec![row],
    }
}

/// Publishes one file under the name that installs the agent's configuration; gives the manifest's number.
fn publish(house: &House, content: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("configuration"), content).unwrap();
    let path = directory.path().to_str().unwrap();
    let words = ["manifest", "build", path, "--name", "base", "--target", "env->>'os'='linux'"];
    let id = rows(house, &words)[0]["id"].to_string();
    let (_, said) = good(house, &["manifest", "sign", &id]);
    assert!(said.contains("\"base\"") && said.contains("env->>'os'='linux'"), "{said}");
    assert!(said.contains("configuration"), "{said}");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_installs_what_was_signed_and_goes_back_when_that_is_signed() {
    let house = House::up();
    let (printed, _) = good(&house, &["loader", "new", "khan"]);
    let key = printed.trim();
    let listed = rows(&house, &["loader", "ls"]);
    assert_eq!(
        (listed[0]["name"].as_str(), listed[0]["enabled"].as_bool()),
        (Some("khan"), Some(false))
    );
    let loader_id = listed[0]["id"].to_string();

    let exported = Command::new("gpg")
        .args(["--batch", "--armor", "--homedir", house.var("WRIT_ADMIN_GNUPGHOME"), "--export"])
        .output()
        .unwrap();
    let trusted = [String::from_utf8(exported.stdout).unwrap()];
    let api = format!("{}/api/v1/", house.var("WRIT_URL"));
    let loader = Loader::on_host(&api, key, &trusted, Clock::system());
    loader.set("discoverpublicip", "on");
    assert!(loader.run().await.unwrap_err().contains("401"), "it is not enabled");
    good(&house, &["loader", "enable", &loader_id]);

    let first = publish(&house, "one");
    good(&house, &["manifest", "activate", &first]);
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert_eq!(
        (loader.content("configuration").unwrap(), loader.ran()),
        (b"one".to_vec(), TRIGGERS.map(Into::into).to_vec())
    );
    assert!(loader.run().await.unwrap().is_empty());
    let rollout = rows(&house, &["manifest", "rollout", &first]);
    assert_eq!((rollout.len(), rollout[0]["state"].as_str()), (1, Some("taken")));
    let shown = rows(&house, &["loader", "ls"]);
    assert_eq!(shown[0]["environment"]["publicip"], "127.0.0.1");

    let second = publish(&house, "two");
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert_eq!(loader.content("configuration").unwrap(), b"two");

    let digest =
        rows(&house, &["manifest", "status", &first])[0]["digest"].as_str().unwrap().to_owned();
    let order = rows(&house, &["manifest", "rollback", &first])[0]["id"].to_string();
    assert!(loader.run().await.unwrap().is_empty(), "nobody has signed that");
    let (_, said) = good(&house, &["manifest", "sign", &order]);
    assert!(said.contains(&format!("go back to the manifest with the digest {digest}")), "{said}");
    assert_eq!(loader.run().await.unwrap(), ["configuration"]);
    assert_eq!(loader.content("configuration").unwrap(), b"one");
    let rollout = rows(&house, &["manifest", "rollout", &order]);
    assert_eq!(
        (rollout[0]["state"].as_str(), rollout[0]["current"].as_bool()),
        (Some("fetching"), Some(true))
    );
    good(&house, &["manifest", "status", &second, "--set", "disabled"]);

    good(&house, &["loader", "disable", &loader_id]);
    assert_eq!(rows(&house, &["loader", "ls"])[0]["enabled"], false);
    assert!(loader.run().await.unwrap_err().contains("401"));
}
