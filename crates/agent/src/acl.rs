//! MIG's access list: whose signatures weigh how much for which module (specs/mig/data-model.md §3.4).

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Says who may order what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Acl(BTreeMap<String, Entry>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    minimumweight: u32,
    investigators: BTreeMap<String, Weight>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weight {
    fingerprint: String,
    weight: u32,
}

/// Says why a module may not be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AclError {
    /// Nothing is said about it.
    #[error("the access list says nothing about module '{0}' and has no default")]
    Unlisted(String),
    /// The signatures are not enough.
    #[error("module '{module}' needs signatures of weight {needed}, these have {weight}")]
    TooLight {
        /// The module.
        module: String,
        /// What it needs.
        needed: u32,
        /// What it has.
        weight: u32,
    },
}

impl Acl {
    /// Reads the list; an entry that could let anyone in, or that names a key twice, is an error.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut acl: Self = serde_json::from_str(text)?;
        anyhow::ensure!(!acl.0.is_empty(), "the access list is empty; it would refuse everything");
        for (module, entry) in &mut acl.0 {
            anyhow::ensure!(entry.minimumweight >= 1, "'{module}': minimumweight is less than 1");
            let mut listed = BTreeSet::new();
            for (label, weight) in &mut entry.investigators {
                weight.fingerprint = normal(&weight.fingerprint);
                let is_one = weight.fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
                anyhow::ensure!(
                    is_one && matches!(weight.fingerprint.len(), 40 | 64),
                    "'{module}': the fingerprint of '{label}' is not one"
                );
                anyhow::ensure!(
                    listed.insert(weight.fingerprint.clone()),
                    "'{module}': the key of '{label}' is listed twice"
                );
            }
        }
        Ok(acl)
    }

    /// Tells whether these signers together may use a module; each key counts once.
    pub(crate) fn check(&self, module: &str, signers: &BTreeSet<String>) -> Result<(), AclError> {
        let entry = self.0.get(module).or_else(|| self.0.get("default"));
        let entry = entry.ok_or_else(|| AclError::Unlisted(module.into()))?;
        let signed = |weight: &&Weight| signers.contains(&weight.fingerprint);
        let weights = entry.investigators.values().filter(signed).map(|weight| weight.weight);
        let weight = weights.fold(0_u32, u32::saturating_add);
        let needed = entry.minimumweight;
        if weight < needed {
            return Err(AclError::TooLight { module: module.into(), needed, weight });
        }
        Ok(())
    }
}

/// Writes a fingerprint as the keys have it: upper case, no blanks.
pub(crate) fn normal(fingerprint: &str) -> String {
    let letters = fingerprint.chars().filter(|letter| !letter.is_whitespace());
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const SUE: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    fn acl() -> Acl {
        Acl::parse(&format!(
            r#"{{"default": {{"minimumweight": 2, "investigators": {{
                "Bob": {{"fingerprint": "{}", "weight": 1}}, "Sue": {{"fingerprint": "{SUE}", "weight": 1}}}}}},
               "file": {{"minimumweight": 1, "investigators": {{"Bob": {{"fingerprint": "{BOB}", "weight": 1}}}}}}}}"#,
            BOB.to_lowercase()
        ))
        .unwrap()
    }

    fn signers(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn weights_are_summed_per_module_or_default() {
        let acl = acl();
        assert_eq!(acl.check("file", &signers(&[BOB])), Ok(()));
        assert_eq!(acl.check("other", &signers(&[BOB, SUE])), Ok(()));
        let light = |module: &str, needed, weight| {
            Err(AclError::TooLight { module: module.into(), needed, weight })
        };
        assert_eq!(acl.check("other", &signers(&[BOB])), light("other", 2, 1));
        assert_eq!(acl.check("file", &signers(&[SUE])), light("file", 1, 0));
        assert_eq!(acl.check("file", &signers(&[])), light("file", 1, 0));
    }

    #[test]
    fn without_a_default_the_rest_is_refused() {
        let text = format!(
            r#"{{"file": {{"minimumweight": 1, "investigators": {{"B": {{"fingerprint": "{BOB}", "weight": 1}}}}}}}}"#
        );
        let acl = Acl::parse(&text).unwrap();
        assert_eq!(acl.check("x", &signers(&[BOB])), Err(AclError::Unlisted("x".into())));
    }

    #[test]
    fn lists_that_would_let_anyone_in_are_refused() {
        let entry = |weight: i32, investigators: &str| {
            format!(
                r#"{{"default": {{"minimumweight": {weight}, "investigators": {investigators}}}}}"#
            )
        };
        let one = format!(r#"{{"B": {{"fingerprint": "{BOB}", "weight": 1}}}}"#);
        let twice = format!(
            r#"{{"B": {{"fingerprint": "{BOB}", "weight": 1}}, "C": {{"fingerprint": "{BOB}", "weight": 1}}}}"#
        );
        assert!(Acl::parse(&entry(1, &one)).is_ok());
        for wrong in [
            "{}".into(),
            entry(0, &one),
            entry(-1, &one),
            entry(1, &twice),
            entry(1, r#"{"B": {"fingerprint": "", "weight": 1}}"#),
            entry(1, &one.replace("weight", "Weight")),
        ] {
            assert!(Acl::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
