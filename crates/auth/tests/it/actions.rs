//! Whose signature on an action, whose token and whose API key count.

use crate::support::{NOW, disabled, investigator};
use auth::{AuthError, Replica, Settings};
use signing::action::signed_string;
use std::sync::Arc;
use testkit::keys;
use time::Duration;
use types::messages::InvestigatorChanged;
use types::{Action, InvestigatorId};

fn keyring(states: Vec<InvestigatorChanged>) -> Arc<auth::Keyring> {
    Replica::new(Settings::default(), states).current()
}

fn everyone() -> Vec<InvestigatorChanged> {
    let carol = disabled(investigator(3, "carol", 1));
    vec![investigator(1, "alice", 1), investigator(2, "bob", 1), carol]
}

fn action(signers: &[&str]) -> Action {
    let mut action = Action {
        name: "look".into(),
        target: "status='online'".into(),
        validfrom: NOW - Duration::minutes(1),
        expireafter: NOW + Duration::hours(1),
        operations: Some(vec![]),
        syntaxversion: 2,
        ..Action::default()
    };
    let text = signed_string(&action);
    let sign = |name: &&str| keys::of(name).sign_line(text.as_bytes(), NOW).unwrap();
    action.pgpsignatures = Some(signers.iter().map(sign).collect());
    action
}

#[test]
fn every_signature_must_count_and_each_signer_once() {
    let ring = keyring(everyone());
    let verify = |signers: &[&str]| ring.verify_action(&action(signers), NOW);
    assert_eq!(verify(&["bob", "alice"]).unwrap(), [InvestigatorId(2), InvestigatorId(1)]);
    assert!(matches!(verify(&[]), Err(AuthError::Unsigned)));
    assert!(
        matches!(verify(&["alice", "alice"]), Err(AuthError::SameSigner { name }) if name == "alice")
    );
    for refused in ["mallory", "carol"] {
        let error = verify(&["alice", refused]).unwrap_err();
        assert!(matches!(error, AuthError::Signature { number: 2, .. }), "{error}");
    }
    assert!(matches!(verify(&["alice"; 17]), Err(AuthError::TooMany { count: 17, most: 16 })));
    let other = Action { target: "id=1".into(), ..action(&["alice"]) };
    assert!(ring.verify_action(&other, NOW).is_err(), "another text was signed");
    assert!(ring.verify_action(&Action { pgpsignatures: None, ..other }, NOW).is_err());
}

#[test]
fn a_disabled_investigator_proves_nothing() {
    let replica = Replica::new(Settings::default(), everyone());
    let ring = replica.current();
    let token = |name: &str| signing::token::make(&keys::of(name), NOW, "n").unwrap();
    assert_eq!(replica.by_token(&token("alice"), NOW).unwrap().id, InvestigatorId(1));
    assert!(replica.by_token(&token("carol"), NOW).is_err());
    assert!(replica.by_token(&token("alice"), NOW + Duration::minutes(11)).is_err());
    assert_eq!(ring.by_api_key("key of bob").unwrap().id, InvestigatorId(2));
    for wrong in ["key of carol", "key of mallory", "", &"x".repeat(100_000)] {
        assert!(matches!(ring.by_api_key(wrong), Err(AuthError::ApiKey)));
    }
    assert_eq!(ring.get(InvestigatorId(3)).unwrap().name, "carol", "but is still known");
}

#[test]
fn a_key_that_does_not_parse_harms_nobody_else() {
    let broken = InvestigatorChanged {
        public_key: Some("no key".into()),
        api_key_sha256: Some("no hash".into()),
        ..investigator(4, "dora", 1)
    };
    let ring = keyring([everyone(), vec![broken]].concat());
    assert_eq!(ring.verify_action(&action(&["alice"]), NOW).unwrap(), [InvestigatorId(1)]);
    assert!(ring.verify_action(&action(&["dora"]), NOW).is_err());
    assert!(ring.by_api_key("key of dora").is_err());
}

#[test]
fn a_changed_key_takes_the_place_of_the_old_one() {
    let replica = Replica::new(Settings::default(), everyone());
    let new = keys::of("alice again").public().clone();
    let state = InvestigatorChanged {
        fingerprint: Some(new.fingerprint()),
        public_key: Some(new.armored()),
        api_key_sha256: None,
        ..investigator(1, "alice", 2)
    };
    replica.learn(&[state]);
    let ring = replica.current();
    assert!(ring.verify_action(&action(&["alice"]), NOW).is_err());
    assert_eq!(ring.verify_action(&action(&["alice again"]), NOW).unwrap(), [InvestigatorId(1)]);
    assert!(ring.by_api_key("key of alice").is_err());
}

#[test]
fn what_is_known_already_makes_no_new_keyring() {
    let replica = Replica::new(Settings::default(), everyone());
    let before = replica.current();
    replica.learn(&everyone());
    replica.learn(&[investigator(3, "late", 1)]);
    assert!(Arc::ptr_eq(&replica.current(), &before), "others throw away what they made of it");
    replica.learn(&[everyone(), vec![investigator(2, "bob", 2)]].concat());
    let after = replica.current();
    assert!(!Arc::ptr_eq(&after, &before));
    let version = |id| after.get(InvestigatorId(id)).unwrap().version;
    assert_eq!([1, 2, 3].map(version), [1, 2, 2]);
}
