//! `X-PGPAUTHORIZATION` headers as the original answered them, and our own.

use crate::vectors::{BOB, key, read};
use signing::{KeySet, Policy, SecretKey, SignError, Token, TokenError, VerifyError, token};
use time::{Duration, OffsetDateTime};

const TOLERANCE: Duration = Duration::minutes(10);

#[test]
fn headers_are_answered_as_the_original_does() {
    let keys: KeySet = [key("bob.asc"), key("carl.asc")].into_iter().collect();
    let table = read("tokens.tsv");
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 15);
    for row in rows {
        let [capture, now, want, header] = row[..] else { panic!("{row:?}") };
        let now = OffsetDateTime::from_unix_timestamp(now.parse().unwrap()).unwrap();
        let answer = Token::parse(header)
            .and_then(|token| token.verify(&keys, now, TOLERANCE, &Policy::default()));
        match (want, answer) {
            ("bob", Ok(verified)) => assert_eq!(verified.fingerprint, BOB, "{capture}"),
            (text, Err(error)) => assert_eq!(error.to_string(), text, "{capture}"),
            (_, answer) => panic!("{capture}: {answer:?}"),
        }
    }
}

#[test]
fn checks_come_in_the_original_s_order() {
    let now = OffsetDateTime::from_unix_timestamp(1_795_286_144).unwrap();
    let nobody = KeySet::default();
    for (header, want) in [
        ("2;never", "invalid token format"),
        ("2;never;n;s", "invalid token version, must be 1"),
        ("", "invalid token format"),
        (";;;", "invalid token version, must be 1"),
        ("1;;;", "parsing time \"\" as \"2006-01-02T15:04:05Z\": cannot parse \"\" as \"2006\""),
        ("1;2026-11-21T18:25:43Z;;", "token timestamp is not within acceptable time limits"),
        ("1;2026-11-21T18:25:44Z;;", "GetFingerprintFromSignature() -> EOF"),
    ] {
        let answer = Token::parse(header)
            .and_then(|token| token.verify(&nobody, now, TOLERANCE, &Policy::default()));
        assert_eq!(answer.unwrap_err().to_string(), want, "{header}");
    }
}

#[test]
fn a_token_made_here_verifies_here() {
    let now = time::macros::datetime!(2026-11-21 20:35:44.9 +02:00);
    let secret = SecretKey::generate("Ann <ann@example.net>", now - Duration::days(1)).unwrap();
    let header = token::make(&secret, now, "4711").unwrap();
    assert!(header.starts_with("1;2026-11-21T18:35:44Z;4711;"), "{header}");
    let read = Token::parse(&header).unwrap();
    assert_eq!(read.signed_bytes(), b"1;2026-11-21T18:35:44Z;4711\n");
    assert!(!format!("{read:?}").contains("4711"));
    let keys: KeySet = [secret.public().clone()].into_iter().collect();
    let verify = |at| read.verify(&keys, at, TOLERANCE, &Policy::default());
    assert_eq!(verify(now).unwrap().fingerprint, secret.public().fingerprint());
    assert_eq!(verify(now + TOLERANCE), Err(TokenError::Window));
    assert!(verify(now - Duration::minutes(9)).is_ok());

    let moved = header.replace(";4711;", ";4712;");
    let answer = Token::parse(&moved).unwrap().verify(&keys, now, TOLERANCE, &Policy::default());
    assert_eq!(answer, Err(TokenError::Signature(VerifyError::OtherText)));

    for nonce in ["", "a;b", "a b", "a\n", "é"] {
        assert_eq!(token::make(&secret, now, nonce), Err(SignError::Nonce), "{nonce:?}");
    }
}
