//! Documents of the original's with their signed strings (captures/vectors), and actions it accepted (captures/api).

use signing::{KeySet, Policy, PublicKey, action};
use std::path::PathBuf;
use time::Duration;
use types::Action;

pub(crate) const BOB: &str = "F041D0A7963C30C71025E73AD4A3E083367F11D4";
pub(crate) const CARL: &str = "AC22B96E302392ABAED3C21512F0CF25DF70F58F";

pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(PathBuf::from("tests/vectors").join(name)).unwrap()
}

pub(crate) fn key(name: &str) -> PublicKey {
    PublicKey::parse(&read(name)).unwrap()
}

fn parse(name: &str) -> Action {
    Action::parse(read(name).as_bytes()).unwrap()
}

#[test]
fn signed_strings_are_the_original_s() {
    let mut names: Vec<String> = std::fs::read_dir("tests/vectors")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".signed_string").map(ToOwned::to_owned))
        .collect();
    names.sort();
    assert_eq!(names.len(), 11);
    for name in names {
        let want = read(&format!("{name}.signed_string"));
        assert_eq!(action::signed_string(&parse(&name)), want, "{name}");
        let round = format!("{name}.go_roundtrip.json");
        assert_eq!(action::signed_string(&parse(&round)), want, "{round}");
    }
}

#[test]
fn the_other_members_read_as_the_original_reads_them() {
    for name in ["01_simple.json", "08_flags_false.json", "11_names.json", "14_nullops.json"] {
        let ours = serde_json::to_value(parse(name)).unwrap();
        let theirs = read(&format!("{name}.go_roundtrip.json"));
        assert_eq!(ours, types::go_json::parse(theirs.as_bytes()).unwrap(), "{name}");
    }
}

#[test]
fn the_unsigned_act1_becomes_the_signed_one() {
    let signed = parse("signed_act1.json");
    let mut action = parse("act1.json");
    (action.validfrom, action.expireafter) = (signed.validfrom, signed.expireafter);
    assert_eq!(action::signed_string(&action), action::signed_string(&signed));
}

#[test]
fn actions_that_the_original_took_verify() {
    let keys: KeySet =
        [key("bob.asc"), key("carl.asc"), key("scheduler.asc")].into_iter().collect();
    for (name, signer, count) in [
        ("signed_act1.json", BOB, 1),
        ("signed_by_go_client.json", BOB, 1),
        ("signed_twice_by_bob.json", BOB, 2),
        ("signed_by_carl.json", CARL, 1),
    ] {
        let action = parse(name);
        let text = action::signed_string(&action);
        let signatures = action.pgpsignatures.unwrap();
        assert_eq!(signatures.len(), count, "{name}");
        for line in signatures {
            let now = action.validfrom + Duration::minutes(5);
            let verify = |text: &str| keys.verify(&line, text.as_bytes(), now, &Policy::default());
            let verified = verify(&text).unwrap();
            assert_eq!(verified.fingerprint, signer, "{name}");
            assert!((verified.signed_at - action.validfrom).abs() < Duration::minutes(3), "{name}");
            for other in [text.replace("name", "nom"), format!("{text}\n"), String::new()] {
                let error = verify(&other).unwrap_err();
                assert_eq!(error, signing::VerifyError::OtherText, "{name}");
            }
        }
    }
}

#[test]
fn keys_are_known_by_primary_and_signing_subkey() {
    let bob = key("bob.asc");
    assert_eq!(bob.fingerprint(), BOB);
    assert_eq!(bob.key_ids(), ["889585729869B3F6", "D4A3E083367F11D4"]);
    assert_eq!(key("carl.asc").key_ids(), ["12F0CF25DF70F58F"]);
    let scheduler = key("scheduler.asc");
    assert_eq!(scheduler.key_ids(), ["9071B6426F939B57"], "its subkey only encrypts");
    for name in ["bob.asc", "carl.asc", "scheduler.asc"] {
        let again = PublicKey::parse(&key(name).armored()).unwrap();
        assert_eq!(again.armored(), key(name).armored());
        assert_eq!(again.fingerprint(), key(name).fingerprint());
    }
}

#[test]
fn an_rsa_number_a_byte_short_is_fine() {
    let key = key("short_number.asc");
    let at = key.created() + Duration::days(365);
    let keys: KeySet = [key].into_iter().collect();
    let text = read("short_number.txt");
    keys.verify(&read("short_number.line"), text.as_bytes(), at, &Policy::default()).unwrap();
}
