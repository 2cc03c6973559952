//! Decides whether an order may run here, trusting nobody but the keys pinned on this machine.

use crate::acl::{Acl, AclError};
use crate::ledger::Digest;
use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use signing::action::{mark, one_text, signed_string};
use signing::{KeySet, Policy, PublicKey, Verified, VerifyError};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use time::{Duration, OffsetDateTime};
use types::action::{ActionError, ActionFault, MAX_DOCUMENT};
use types::{Action, Operation};

/// Holds what orders are judged by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The keys whose signatures count.
    pub keys: KeySet,
    /// Which signatures by them count, and how far the signer's clock may be ahead of this machine's.
    pub policy: Policy,
    /// Who may use which module; everyone everything when there is none.
    pub acl: Option<Acl>,
}

/// Is an order that may run.
#[derive(Debug)]
pub(crate) struct Order {
    /// Name it, whoever hands it out and however often: each of its signatures orders once
    /// (proto-docs/decisions/0008).
    pub(crate) marks: BTreeSet<Digest>,
    /// Named it to older agents, whose ledger this machine may still have: the SHA-256 of what is signed, also
    /// with the other line ends that a signature in text mode is good for.
    pub(crate) former: [Digest; 2],
    /// When it ends.
    pub(crate) expires: OffsetDateTime,
    /// What to do.
    pub(crate) operations: Vec<Operation>,
    /// Whose signatures it has, by fingerprint.
    pub(crate) signers: BTreeSet<String>,
}

/// Says why an order may not run, and how many operations it has.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The number of operations, at least 1.
    pub(crate) operations: usize,
    /// Why.
    pub(crate) reason: Reason,
}

/// Says why an order may not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    /// It is too long.
    #[error("the order has more than {MAX_DOCUMENT} bytes")]
    TooLong,
    /// It does not parse.
    #[error("{0}")]
    Parse(ActionError),
    /// It breaks a rule of form or time.
    #[error("{0}")]
    Form(ActionFault),
    /// It begins later.
    #[error("the order is not valid before {0}")]
    Early(OffsetDateTime),
    /// It is over.
    #[error("the order expired at {0}")]
    Expired(OffsetDateTime),
    /// A signature does not count.
    #[error("signature {0} does not count on this machine: {1}")]
    Signature(usize, VerifyError),
    /// The signers are not enough for a module.
    #[error("{0}")]
    Acl(AclError),
    /// It was taken before.
    #[error("replayed: this machine took this order before, under another run")]
    Replayed,
}

impl Rules {
    /// Judges by the keys in the files of `dir`.
    pub fn with_keys_of(dir: &Path) -> anyhow::Result<Self> {
        let keys = read_keys(dir)?;
        Ok(Self { keys, policy: Policy::default(), acl: None })
    }

    /// Judges an order as it was handed out.
    pub(crate) fn check(&self, document: &str, now: OffsetDateTime) -> Result<Order, Refusal> {
        let alone = |reason| Refusal { operations: 1, reason };
        if document.len() > MAX_DOCUMENT {
            return Err(alone(Reason::TooLong));
        }
        let action = Action::parse(document.as_bytes()).map_err(|e| alone(Reason::Parse(e)))?;
        let operations = action.operations.as_ref().map_or(1, Vec::len).clamp(1, 256);
        let refused = |reason| Refusal { operations, reason };
        check_times(&action, now, self.policy.clock_skew).map_err(refused)?;
        let signed = signed_string(&action);
        let verified = self.verified(&action, &signed, now).map_err(refused)?;
        let marks = verified.iter().map(|by| mark(&signed, by)).collect();
        let former = [&signed, &one_text(&signed)].map(|text| Sha256::digest(text).into());
        let signers = verified.into_iter().map(|by| by.fingerprint).collect();
        let operations = action.operations.unwrap_or_default();
        if let Some(acl) = &self.acl {
            for operation in &operations {
                let allowed = acl.check(&operation.module, &signers);
                allowed.map_err(|error| refused(Reason::Acl(error)))?;
            }
        }
        Ok(Order { marks, former, expires: action.expireafter, operations, signers })
    }

    /// Verifies every signature; one that does not count spoils them all.
    fn verified(
        &self,
        action: &Action,
        signed: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<Verified>, Reason> {
        let signatures = action.pgpsignatures.as_deref().unwrap_or_default();
        if signatures.is_empty() {
            return Err(Reason::Form(ActionFault::NoSignature));
        }
        let verify = |(signature, number): (&String, usize)| {
            let verified = self.keys.verify(signature, signed.as_bytes(), now, &self.policy);
            verified.map_err(|error| Reason::Signature(number, error))
        };
        signatures.iter().zip(1..).map(verify).collect()
    }
}

fn check_times(action: &Action, now: OffsetDateTime, skew: Duration) -> Result<(), Reason> {
    match action.check(now) {
        Err(ActionFault::Expired) => return Err(Reason::Expired(action.expireafter)),
        Err(fault) => return Err(Reason::Form(fault)),
        Ok(()) => {}
    }
    if action.expireafter <= now {
        return Err(Reason::Expired(action.expireafter));
    }
    if action.validfrom > now.saturating_add(skew) {
        return Err(Reason::Early(action.validfrom));
    }
    Ok(())
}

/// Reads the pinned keys: every file in `dir` holds one; there is at least one.
fn read_keys(dir: &Path) -> anyhow::Result<KeySet> {
    let entries = fs::read_dir(dir)
        .with_context(|| format!("cannot list the pinned keys in {}", dir.display()))?;
    let mut keys = KeySet::default();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // a mounted secret is a link to a file in a hidden directory
        let about =
            fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
        if hidden || about.is_dir() {
            continue;
        }
        if about.mode() & 0o022 != 0 {
            bail!("others may write {}; run: chmod go-w {0}", path.display());
        }
        let armored = fs::read_to_string(&path)
            .with_context(|| format!("cannot read the key in {}", path.display()))?;
        let key = PublicKey::parse(&armored)
            .with_context(|| format!("{} is not a public key", path.display()))?;
        keys.insert(key);
    }
    if keys.is_empty() {
        bail!(
            "{} holds no keys; put the investigators' armored public keys there, one in each file",
            dir.display()
        );
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use signing::SecretKey;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    fn key(name: &str) -> SecretKey {
        SecretKey::generate(name, NOW - Duration::DAY).unwrap()
    }

    fn rules(keys: &[&SecretKey]) -> Rules {
        Rules {
            keys: keys.iter().map(|key| key.public().clone()).collect(),
            policy: Policy::default(),
            acl: None,
        }
    }

    fn order() -> Value {
        json!({"name": "n", "target": "t", "syntaxversion": 2,
            "validfrom": "2026-11-21T11:59:00Z", "expireafter": "2026-11-21T12:10:00Z",
            "operations": [{"module": "file", "parameters": {"a": 1}}, {"module": "x"}]})
    }

    fn sign(mut order: Value, keys: &[&SecretKey]) -> String {
        let action = Action::parse(order.to_string().as_bytes()).unwrap();
        let signed = signed_string(&action);
        let lines = keys
            .iter()
            .map(|key| key.sign_line(signed.as_bytes(), NOW - Duration::MINUTE).unwrap());
        order["pgpsignatures"] = lines.collect();
        order.to_string()
    }

    fn reason(rules: &Rules, document: &str, now: OffsetDateTime) -> String {
        rules.check(document, now).unwrap_err().reason.to_string()
    }

    #[test]
    fn a_signed_order_may_run() {
        let (bob, sue) = (key("bob"), key("sue"));
        let document = sign(order(), &[&bob, &sue, &bob]);
        let order = rules(&[&bob, &sue]).check(&document, NOW).unwrap();
        let want = [bob, sue].map(|key| key.public().fingerprint());
        assert_eq!(order.signers, BTreeSet::from(want), "a key that signs twice counts once");
        assert_eq!(order.operations.len(), 2);
    }

    #[test]
    fn every_signature_has_to_count() {
        let (bob, eve) = (key("bob"), key("eve"));
        let rules = rules(&[&bob]);
        let foreign = reason(&rules, &sign(order(), &[&eve]), NOW);
        assert!(foreign.starts_with("signature 1 does not count"), "{foreign}");
        let mixed = reason(&rules, &sign(order(), &[&bob, &eve]), NOW);
        assert!(mixed.starts_with("signature 2 does not count"), "{mixed}");
        assert!(reason(&rules, &order().to_string(), NOW).contains("pgpsignatures is empty"));
        let mut garbage = order();
        garbage["pgpsignatures"] = json!(["xx"]);
        assert!(reason(&rules, &garbage.to_string(), NOW).contains("signature 1"));
    }

    #[test]
    fn whatever_is_signed_cannot_be_changed() {
        let bob = key("bob");
        let signed: Value = serde_json::from_str(&sign(order(), &[&bob])).unwrap();
        for (pointer, other) in [
            ("/name", json!("m")),
            ("/target", json!("u")),
            ("/validfrom", json!("2026-11-21T11:58:00Z")),
            ("/expireafter", json!("2026-11-22T12:10:00Z")),
            ("/operations/0/module", json!("x")),
            ("/operations/0/parameters/a", json!(2)),
        ] {
            let mut changed = signed.clone();
            *changed.pointer_mut(pointer).unwrap() = other;
            let reason = reason(&rules(&[&bob]), &changed.to_string(), NOW);
            assert!(reason.contains("signature 1"), "{pointer}: {reason}");
        }
        let mut more = signed.clone();
        more["operations"].as_array_mut().unwrap().push(json!({"module": "x"}));
        assert_eq!(rules(&[&bob]).check(&more.to_string(), NOW).unwrap_err().operations, 3);
    }

    #[test]
    fn times_are_judged_by_this_machines_clock() {
        let bob = key("bob");
        let (rules, document) = (rules(&[&bob]), sign(order(), &[&bob]));
        assert!(rules.check(&document, datetime!(2026-11-21 11:49 UTC)).is_ok());
        let early = reason(&rules, &document, datetime!(2026-11-21 11:48:59 UTC));
        assert!(early.contains("not valid before"), "{early}");
        for now in [datetime!(2026-11-21 12:10 UTC), datetime!(2026-11-22 12:10 UTC)] {
            let late = reason(&rules, &document, now);
            assert!(late.contains("expired"), "{late}");
        }
    }

    #[test]
    fn what_is_no_order_is_refused() {
        let rules = rules(&[&key("bob")]);
        for (document, want) in [
            ("", "not valid JSON"),
            ("[]", "not a JSON object"),
            ("{}", "name is empty"),
            (&"x".repeat(MAX_DOCUMENT + 1), "more than"),
        ] {
            let refusal = rules.check(document, NOW).unwrap_err();
            assert!(refusal.reason.to_string().contains(want), "{}", refusal.reason);
            assert_eq!(refusal.operations, 1);
        }
        let mut old = order();
        old["syntaxversion"] = json!(1);
        assert!(reason(&rules, &old.to_string(), NOW).contains("syntax version"));
    }

    #[test]
    fn the_access_list_is_asked_for_every_operation() {
        let (bob, sue) = (key("bob"), key("sue"));
        let acl = json!({
            "default": {"minimumweight": 2, "investigators": {
                "bob": {"fingerprint": bob.public().fingerprint(), "weight": 1},
                "sue": {"fingerprint": sue.public().fingerprint(), "weight": 1}}},
            "file": {"minimumweight": 1, "investigators": {
                "bob": {"fingerprint": bob.public().fingerprint(), "weight": 1}}}});
        let mut rules = rules(&[&bob, &sue]);
        rules.acl = Some(Acl::parse(&acl.to_string()).unwrap());
        assert!(rules.check(&sign(order(), &[&bob, &sue]), NOW).is_ok());
        for signers in [&[&bob][..], &[&bob, &bob]] {
            let reason = reason(&rules, &sign(order(), signers), NOW);
            assert_eq!(reason, "module 'x' needs signatures of weight 2, these have 1");
        }
    }

    #[test]
    fn keys_are_read_from_a_directory() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let read = || read_keys(dir.path()).map(|keys| keys.len()).map_err(|e| format!("{e:#}"));
        assert!(read().unwrap_err().contains("holds no keys"));
        fs::write(dir.path().join("bob.asc"), key("bob").public().armored()).unwrap();
        fs::write(dir.path().join("sue.asc"), key("sue").public().armored()).unwrap();
        assert_eq!(read(), Ok(2));
        fs::write(dir.path().join("note"), "no key").unwrap();
        assert!(read().unwrap_err().contains("note is not a public key"));
        fs::remove_file(dir.path().join("note")).unwrap();
        let mode = fs::Permissions::from_mode(0o666);
        fs::set_permissions(dir.path().join("bob.asc"), mode).unwrap();
        assert!(read().unwrap_err().contains("chmod"));
        assert!(read_keys(&dir.path().join("none")).is_err());
    }
}
