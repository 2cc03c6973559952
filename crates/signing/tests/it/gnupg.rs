//! Keys and signatures of the real GnuPG.

use crate::secret::now;
use signing::{KeySet, Policy, PublicKey, VerifyError};
use time::{Duration, OffsetDateTime};

// the same file as testkit's: this crate's tests build without databases and brokers
#[expect(unreachable_pub, reason = "it is public in testkit")]
#[path = "../../../testkit/src/gpg.rs"]
mod gpg;

pub(crate) use gpg::Gpg;

pub(crate) const TEXT: &[u8] = b"name=n;target=t;\nvalidfrom=1;\n";

fn verify(keys: &KeySet, line: &str, at: OffsetDateTime) -> Result<String, VerifyError> {
    keys.verify(line, TEXT, at, &Policy::default()).map(|verified| verified.fingerprint)
}

#[test]
fn every_kind_of_key_signs() {
    let gpg = Gpg::new();
    for (kind, usage) in
        [("rsa2048", "sign"), ("ed25519", "sign"), ("nistp256", "sign"), ("dsa2048", "sign")]
    {
        let fingerprint = gpg.make(kind, kind, usage, "never");
        let key = gpg.export(kind);
        assert_eq!(key.fingerprint(), fingerprint);
        assert_eq!(key.check(now(), &Policy::default()), Ok(()));
        let keys: KeySet = [key].into_iter().collect();
        for options in [
            &[][..],
            &["--textmode"],
            &["--digest-algo", "SHA512"],
            &["--emit-version", "--comment", "made: by hand"],
            &["--no-emit-version", "--no-comments"],
        ] {
            let line = gpg.sign(kind, options, TEXT);
            assert_eq!(verify(&keys, &line, now()), Ok(fingerprint.clone()), "{kind} {options:?}");
            let policy = Policy::default();
            let tampered = keys.verify(&line, b"name=n;target=T;\nvalidfrom=1;\n", now(), &policy);
            assert_eq!(tampered, Err(VerifyError::OtherText), "{kind} {options:?}");
        }
    }
}

#[test]
fn text_mode_is_indifferent_to_line_ends_and_binary_is_not() {
    let gpg = Gpg::new();
    gpg.make("ann", "ed25519", "sign", "never");
    let keys: KeySet = [gpg.export("ann")].into_iter().collect();
    let other = String::from_utf8(TEXT.to_vec()).unwrap().replace('\n', "\r\n");
    let verify = |line: &str| keys.verify(line, other.as_bytes(), now(), &Policy::default());
    assert!(verify(&gpg.sign("ann", &["--textmode"], TEXT)).is_ok());
    assert_eq!(verify(&gpg.sign("ann", &[], TEXT)), Err(VerifyError::OtherText));
}

#[test]
fn a_subkey_signs_for_its_primary_key() {
    let gpg = Gpg::new();
    let primary = gpg.make("ann", "rsa3072", "cert", "never");
    gpg.run(&["--passphrase", "", "--quick-add-key", &primary, "rsa2048", "sign", "30d"], b"");
    gpg.run(&["--passphrase", "", "--quick-add-key", &primary, "rsa2048", "encr", "never"], b"");
    let armored =
        gpg.text(&["--armor", "--emit-version", "--comment", "x: y", "--export", "ann"], b"");
    assert!(armored.contains("Version: ") && armored.contains("Comment: "));
    let key = PublicKey::parse(&armored).unwrap();
    assert_eq!(key.key_ids().len(), 2, "the encryption subkey is none that signs");
    let keys: KeySet = [key].into_iter().collect();
    let line = gpg.sign("ann", &[], TEXT);
    assert_eq!(verify(&keys, &line, now()), Ok(primary.clone()));
    let later = verify(&keys, &line, now() + Duration::days(31));
    assert!(matches!(later, Err(VerifyError::KeyExpired { key, .. }) if key != primary));

    let script = b"key 1\nrevkey\ny\n0\n\ny\nsave\n";
    gpg.run(&["--command-fd", "0", "--edit-key", &primary], script);
    let keys: KeySet = [gpg.export("ann")].into_iter().collect();
    let revoked = verify(&keys, &line, now());
    assert!(matches!(revoked, Err(VerifyError::KeyRevoked { key }) if key != primary));
    let lenient = Policy { allow_revoked: true, ..Policy::default() };
    assert!(keys.verify(&line, TEXT, now(), &lenient).is_ok());
}

#[test]
fn keys_expire_and_are_prolonged() {
    let gpg = Gpg::new();
    let fingerprint = gpg.make("ann", "ed25519", "sign", "1d");
    let mut keys: KeySet = [gpg.export("ann")].into_iter().collect();
    let line = gpg.sign("ann", &[], TEXT);
    let later = now() + Duration::days(2);
    assert_eq!(verify(&keys, &line, now()), Ok(fingerprint.clone()));
    assert!(matches!(verify(&keys, &line, later), Err(VerifyError::KeyExpired { .. })));
    assert!(matches!(
        gpg.export("ann").check(later, &Policy::default()),
        Err(VerifyError::KeyExpired { .. })
    ));
    let lenient = Policy { allow_expired: true, ..Policy::default() };
    assert!(keys.verify(&line, TEXT, later, &lenient).is_ok());

    gpg.run(&["--quick-set-expire", &fingerprint, "10d"], b"");
    keys.insert(gpg.export("ann"));
    assert_eq!(keys.len(), 1);
    assert_eq!(verify(&keys, &line, later), Ok(fingerprint));
}

#[test]
fn signatures_end_and_do_not_come_from_the_future() {
    let gpg = Gpg::new();
    gpg.make("ann", "ed25519", "sign", "never");
    let keys: KeySet = [gpg.export("ann")].into_iter().collect();
    let line = gpg.sign("ann", &["--default-sig-expire", "1d"], TEXT);
    assert!(verify(&keys, &line, now()).is_ok());
    assert!(verify(&keys, &line, now() - Duration::minutes(9)).is_ok(), "clocks differ");
    let early = verify(&keys, &line, now() - Duration::minutes(11));
    assert!(matches!(early, Err(VerifyError::FromTheFuture { .. })), "{early:?}");
    let late = verify(&keys, &line, now() + Duration::days(2));
    assert!(matches!(late, Err(VerifyError::SignatureExpired { .. })), "{late:?}");
}

#[test]
fn revoked_keys_do_not_count() {
    let gpg = Gpg::new();
    let fingerprint = gpg.make("ann", "ed25519", "sign", "never");
    let line = gpg.sign("ann", &[], TEXT);
    let mut keys: KeySet = [gpg.export("ann")].into_iter().collect();
    assert!(verify(&keys, &line, now()).is_ok());
    let file = gpg.path().join("openpgp-revocs.d").join(format!("{fingerprint}.rev"));
    let certificate = std::fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
    gpg.run(&["--import"], certificate.as_bytes());
    keys.insert(gpg.export("ann"));
    assert_eq!(verify(&keys, &line, now()), Err(VerifyError::KeyRevoked { key: fingerprint }));
    let lenient = Policy { allow_revoked: true, ..Policy::default() };
    assert!(keys.verify(&line, TEXT, now(), &lenient).is_ok());
}

#[test]
fn weak_hashes_and_short_keys_are_refused() {
    let gpg = Gpg::new();
    gpg.make("ann", "rsa2048", "sign", "never");
    gpg.make("old", "rsa1024", "sign", "never");
    let keys: KeySet = [gpg.export("ann"), gpg.export("old")].into_iter().collect();
    let line = gpg.sign("ann", &["--digest-algo", "SHA1", "--allow-weak-digest-algos"], TEXT);
    let refused = keys.verify(&line, TEXT, now(), &Policy::default());
    assert_eq!(refused, Err(VerifyError::WeakHash { hash: "SHA1".into() }));
    let lenient = Policy { allow_sha1: true, ..Policy::default() };
    assert!(keys.verify(&line, TEXT, now(), &lenient).is_ok());

    let line = gpg.sign("ann", &["--digest-algo", "MD5", "--allow-weak-digest-algos"], TEXT);
    let refused = keys.verify(&line, TEXT, now(), &lenient);
    assert_eq!(refused, Err(VerifyError::WeakHash { hash: "MD5".into() }));

    let line = gpg.sign("old", &[], TEXT);
    let refused = keys.verify(&line, TEXT, now(), &Policy::default());
    assert_eq!(refused, Err(VerifyError::WeakKey { bits: 1024, least: 2048 }));
    let lenient = Policy { min_rsa_bits: 1024, ..Policy::default() };
    assert!(keys.verify(&line, TEXT, now(), &lenient).is_ok());
}

#[test]
fn what_a_key_says_of_itself_may_be_over_sha1_but_not_over_md5() {
    let gpg = Gpg::new();
    let md5 = ["--cert-digest-algo", "MD5", "--allow-weak-digest-algos", "--passphrase", ""];
    let sha1 = ["--cert-digest-algo", "SHA1", "--passphrase", ""];
    gpg.run(&[&md5[..], &["--quick-generate-key", "bad", "rsa2048", "sign"]].concat(), b"");
    gpg.run(&[&sha1[..], &["--quick-generate-key", "old", "rsa2048", "sign"]].concat(), b"");
    let keys: KeySet = [gpg.export("bad"), gpg.export("old")].into_iter().collect();
    let bad = gpg.fingerprint("bad");
    let old = gpg.fingerprint("old");
    let line = gpg.sign("bad", &["--allow-weak-digest-algos"], TEXT);
    assert_eq!(verify(&keys, &line, now()), Err(VerifyError::Unbound { key: bad }));
    assert_eq!(verify(&keys, &gpg.sign("old", &[], TEXT), now()), Ok(old));
}
