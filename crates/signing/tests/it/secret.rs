//! Secret keys: ours in GnuPG's hands, and GnuPG's in ours.

use crate::gnupg::{Gpg, TEXT};
use signing::armor::{Block, from_line, to_block};
use signing::{KeyError, KeySet, Policy, PublicKey, SecretKey, SignError, VerifyError};
use time::{Duration, OffsetDateTime};

/// Gives the machine's time: GnuPG dates what it makes.
pub(crate) fn now() -> OffsetDateTime {
    types::Clock::system().now()
}

/// Has GnuPG verify `line` over [`TEXT`]; gives the fingerprints of the signing and the primary key.
fn gnupg_verifies(gpg: &Gpg, line: &str) -> (String, String) {
    let file = gpg.path().join("signature.asc");
    std::fs::write(&file, to_block(Block::Signature, &from_line(line).unwrap())).unwrap();
    let status = gpg.text(&["--status-fd", "1", "--verify", file.to_str().unwrap(), "-"], TEXT);
    let valid = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG ")).unwrap();
    let words: Vec<&str> = valid.split(' ').collect();
    (words[0].to_owned(), words[words.len() - 1].to_owned())
}

#[test]
fn gnupg_takes_a_generated_key_and_its_signatures() {
    let gpg = Gpg::new();
    let secret =
        SecretKey::generate("Ann Ex <ann@example.net>", now() - Duration::hours(1)).unwrap();
    gpg.run(&["--import"], secret.public().armored().as_bytes());
    let line = secret.sign_line(TEXT, now()).unwrap();
    let fingerprint = secret.public().fingerprint();
    assert_eq!(gnupg_verifies(&gpg, &line), (fingerprint.clone(), fingerprint.clone()));

    gpg.run(&["--import"], secret.armored().as_bytes());
    let list = gpg.text(&["--with-colons", "--list-secret-keys"], b"");
    assert!(list.contains(&fingerprint) && list.contains("Ann Ex <ann@example.net>"), "{list}");
    let keys: KeySet = [secret.public().clone()].into_iter().collect();
    let verified =
        keys.verify(&gpg.sign("ann", &[], TEXT), TEXT, now(), &Policy::default()).unwrap();
    assert_eq!(verified.fingerprint, fingerprint);
}

#[test]
fn exported_keys_sign_here_and_gnupg_verifies() {
    let gpg = Gpg::new();
    for kind in ["rsa2048", "ed25519", "nistp384"] {
        let fingerprint = gpg.make(kind, kind, "sign", "never");
        let armored = gpg.text(&["--armor", "--export-secret-keys", kind], b"");
        let secret = SecretKey::parse(&armored, None).unwrap();
        assert_eq!(secret.public().fingerprint(), fingerprint);
        let line = secret.sign_line(TEXT, now()).unwrap();
        assert_eq!(gnupg_verifies(&gpg, &line).1, fingerprint, "{kind}");
        let again = SecretKey::parse(&secret.armored(), None).unwrap();
        assert_eq!(again.armored(), secret.armored());
    }
}

#[test]
fn a_passphrase_opens_a_key_and_stays_on_it() {
    let gpg = Gpg::new();
    let word = ["--passphrase", "open sesame"];
    gpg.run(&[&word[..], &["--quick-generate-key", "ann", "ed25519", "sign"]].concat(), b"");
    let armored = gpg.text(&[&word[..], &["--armor", "--export-secret-keys", "ann"]].concat(), b"");
    assert_eq!(SecretKey::parse(&armored, None).unwrap_err(), KeyError::Locked);
    assert_eq!(SecretKey::parse(&armored, Some("sesame")).unwrap_err(), KeyError::Passphrase);
    let secret = SecretKey::parse(&armored, Some("open sesame")).unwrap();
    let line = secret.sign_line(TEXT, now()).unwrap();
    assert_eq!(gnupg_verifies(&gpg, &line).1, secret.public().fingerprint());
    assert_eq!(SecretKey::parse(&secret.armored(), None).unwrap_err(), KeyError::Locked);
}

#[test]
fn a_subkey_signs_although_the_primary_key_is_elsewhere() {
    let gpg = Gpg::new();
    let primary = gpg.make("ann", "ed25519", "sign", "never");
    let whole = gpg.text(&["--armor", "--export-secret-subkeys", "ann"], b"");
    assert_eq!(SecretKey::parse(&whole, None).unwrap_err(), KeyError::NoSecret);
    gpg.run(&["--passphrase", "", "--quick-add-key", &primary, "ed25519", "sign", "10d"], b"");
    let armored = gpg.text(&["--armor", "--export-secret-subkeys", "ann"], b"");
    let secret = SecretKey::parse(&armored, None).unwrap();
    let line = secret.sign_line(TEXT, now()).unwrap();
    let (signer, owner) = gnupg_verifies(&gpg, &line);
    assert_eq!(owner, primary);
    assert_ne!(signer, primary);
    let later = secret.sign_line(TEXT, now() + Duration::days(11));
    assert_eq!(later, Err(SignError::NoSecret), "only the absent primary key would count then");
}

#[test]
fn keys_are_told_apart_and_times_checked() {
    let made = time::macros::datetime!(2026-01-01 00:00 UTC);
    let secret = SecretKey::generate("ann", made).unwrap();
    let shown = format!("{secret:?} {:?}", secret.public());
    let fingerprint = secret.public().fingerprint();
    assert_eq!(shown, format!("SecretKey({fingerprint:?}) PublicKey({fingerprint:?})"));
    assert_eq!(secret.public().created(), made);
    let other = |found, wanted| KeyError::OtherBlock { found, wanted };
    assert_eq!(
        PublicKey::parse(&secret.armored()).unwrap_err(),
        other(Block::PrivateKey, Block::PublicKey)
    );
    assert_eq!(
        SecretKey::parse(&secret.public().armored(), None).unwrap_err(),
        other(Block::PublicKey, Block::PrivateKey)
    );
    for user_id in ["", "a\nb", &"x".repeat(256)] {
        assert_eq!(SecretKey::generate(user_id, made).unwrap_err(), KeyError::UserId);
    }
    let never = time::macros::datetime!(1969-12-31 23:59:59 UTC);
    assert_eq!(SecretKey::generate("ann", never).unwrap_err(), KeyError::Created(never));
    assert_eq!(secret.sign_line(TEXT, never), Err(SignError::Time(never)));
    assert_eq!(
        secret.sign_line(TEXT, made - Duration::days(1)),
        Err(SignError::Refused(VerifyError::Unbound { key: fingerprint }))
    );
    let twin = SecretKey::generate("ann", made).unwrap();
    assert_ne!(twin.public().fingerprint(), secret.public().fingerprint());
}
