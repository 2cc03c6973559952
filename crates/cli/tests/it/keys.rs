//! Keys: software keys in files, keys that gpg holds.

use crate::support::documents::{Play, command, now};
use crate::support::{Server, Writ};
use serde_json::json;
use signing::action::signed_string;
use signing::key::PublicKey;
use signing::{KeySet, Policy, Token};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use types::Action;

#[test]
fn a_new_key_is_readable_by_its_owner_only_and_never_lost() {
    let writ = Writ::new();
    let first = writ.run(&["key", "new", "--name", "Ada", "--email", "ada@example.net"]).ends(0);
    let mode = std::fs::metadata(writ.dir().join("key.asc")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(first.stdout.trim(), writ.public().fingerprint());
    assert_eq!(writ.run(&["key", "show"]).ends(0).stdout, first.stdout);
    let public = writ.run(&["key", "show", "--public"]).ends(0).stdout;
    assert_eq!(PublicKey::parse(&public).unwrap().fingerprint(), first.stdout.trim());
    let ran = writ.run(&["key", "new"]).ends(1);
    assert!(ran.stderr.contains("there is a key already"), "{}", ran.stderr);
    let old = std::fs::read_to_string(writ.dir().join("key.asc")).unwrap();
    let second = writ.run(&["key", "new", "--force"]).ends(0);
    assert_ne!(second.stdout, first.stdout);
    assert_eq!(std::fs::read_to_string(writ.dir().join("key.1.asc")).unwrap(), old);
}

#[test]
fn a_key_comes_in_from_a_file_or_standard_input() {
    let (from, to) = (Writ::new(), Writ::new());
    let made = from.run(&["key", "new"]).ends(0);
    let file = from.dir().join("key.asc");
    let ran = to.run(&["key", "import", file.to_str().unwrap()]).ends(0);
    assert_eq!(ran.stdout, made.stdout);
    let other = Writ::new();
    let stdin = std::fs::File::open(&file).unwrap();
    let output = other.command(&["key", "import", "-"]).stdin(stdin).output().unwrap();
    assert!(output.status.success());
    assert_eq!(other.run(&["key", "show"]).ends(0).stdout, made.stdout);
    let wrong = other.write("wrong.asc", "not a key");
    let ran = Writ::new().run(&["key", "import", &wrong]).ends(1);
    assert!(ran.stderr.contains("this is no usable secret key"), "{}", ran.stderr);
}

/// Is a throw-away key ring with one key.
struct Gpg {
    home: tempfile::TempDir,
    fingerprint: String,
}

impl Gpg {
    fn new(algorithm: &str, passphrase: &str) -> Self {
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        // few rounds of hashing for passphrases: unoptimised code would take seconds for gpg's usual number
        std::fs::write(home.path().join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        let mut gpg = Self { home, fingerprint: String::new() };
        gpg.gpg(&[
            "--passphrase",
            passphrase,
            "--quick-generate-key",
            "Ada <ada@example.net>",
            algorithm,
            "sign",
            "0",
        ]);
        let listing = gpg.gpg(&["--with-colons", "--list-keys"]);
        let line = listing.lines().find(|line| line.starts_with("fpr:")).unwrap();
        gpg.fingerprint = line.split(':').nth(9).unwrap().into();
        gpg
    }

    fn gpg(&self, args: &[&str]) -> String {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback"]).args(args);
        let output =
            command.env("GNUPGHOME", self.home.path()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn public(&self) -> PublicKey {
        PublicKey::parse(&self.gpg(&["--armor", "--export", &self.fingerprint])).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.home.path().into()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        let _ = command.args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).status();
    }
}

fn server() -> Server {
    let play = Play::over(vec![command(1, "success", true, json!("x"))]);
    Server::start(move |request| play.answer(request))
}

#[test]
fn gpg_signs_order_and_requests_with_a_key_that_stays_its_own() {
    for algorithm in ["ed25519", "rsa3072"] {
        let (gpg, server, writ) = (Gpg::new(algorithm, ""), server(), Writ::new());
        let home = gpg.path();
        let home = home.to_str().unwrap();
        let ran =
            writ.run(&["key", "import", "--gpg", "ada@example.net", "--gpg-home", home]).ends(0);
        assert_eq!(ran.stdout.trim(), gpg.fingerprint);
        writ.run(&["config", "set", "url", &server.url]).ends(0);
        writ.run(&["run", "-t", "x", "--name", "n", "--op", "ping"]).ends(0);
        let keys: KeySet = [gpg.public()].into_iter().collect();
        let posted = Action::parse(&server.asked("POST /v1/actions")[0].body).unwrap();
        let signature = &posted.pgpsignatures.clone().unwrap()[0];
        let verified =
            keys.verify(signature, signed_string(&posted).as_bytes(), now(), &Policy::default());
        assert_eq!(verified.unwrap().fingerprint, gpg.fingerprint, "{algorithm}");
        let seen = server.seen();
        let token = Token::parse(seen[0].header("x-pgpauthorization")).unwrap();
        token.verify(&keys, now(), time::Duration::minutes(1), &Policy::default()).unwrap();
        let tokens: std::collections::BTreeSet<_> =
            seen.iter().map(|request| request.header("x-pgpauthorization")).collect();
        assert_eq!(tokens.len(), 1, "a card is not asked for every request");
        assert_eq!(writ.run(&["key", "show"]).ends(0).stdout.trim(), gpg.fingerprint);
        let public = writ.run(&["key", "show", "--public"]).ends(0).stdout;
        assert_eq!(PublicKey::parse(&public).unwrap().fingerprint(), gpg.fingerprint);
    }
}

#[test]
fn gpg_for_one_run_and_a_passphrase_from_a_file() {
    let (gpg, server, writ) = (Gpg::new("ed25519", "open sesame"), server(), Writ::new());
    let passphrase = writ.write("passphrase", "open sesame\n");
    writ.command(&["run", "-t", "x", "--name", "n", "--op", "ping", "--gpg", &gpg.fingerprint])
        .args(["--passphrase-file", &passphrase, "--url", &server.url])
        .env("GNUPGHOME", gpg.path())
        .status()
        .map(|status| assert!(status.success()))
        .unwrap();
    assert!(!writ.dir().join("config.json").exists(), "for this run only");
    // the key that left gpg under its passphrase stays under it here
    let mut export = Command::new("gpg");
    export.args(["--batch", "--pinentry-mode", "loopback", "--passphrase-file", &passphrase]);
    export.args(["--armor", "--export-secret-keys"]).env("GNUPGHOME", gpg.path());
    let armored = String::from_utf8(export.output().unwrap().stdout).unwrap();
    let file = writ.write("secret.asc", &armored);
    writ.run(&["key", "import", &file]).ends(1);
    writ.run(&["key", "import", &file, "--passphrase-file", &passphrase]).ends(0);
    let status = ["status", "7", "--url", &server.url];
    let ran = writ.run(&status).ends(1);
    assert!(ran.stderr.contains("--passphrase-file"), "{}", ran.stderr);
    writ.run(&[&status[..], &["--passphrase-file", &passphrase]].concat()).ends(0);
}

#[test]
fn a_key_that_gpg_lacks_is_named() {
    let (gpg, writ) = (Gpg::new("ed25519", ""), Writ::new());
    let home = gpg.path();
    let home = ["--gpg-home", home.to_str().unwrap()];
    let ran =
        writ.run(&[&["key", "import", "--gpg", "bob@example.net"], &home[..]].concat()).ends(1);
    assert!(ran.stderr.contains("bob@example.net"), "{}", ran.stderr);
    assert!(ran.stderr.contains("  next: "), "{}", ran.stderr);
}
