//! The samples of every message: what was once sent must be readable for as long as its version is consumed.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use types::messages::{KINDS, Kind};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto-docs/samples")
}

/// Reads the samples of a kind by ascending name.
fn samples(kind: &Kind) -> Vec<(PathBuf, String)> {
    let folder = folder().join(kind.kind);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no sample", kind.kind);
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn rewritten(kind: &Kind, path: &Path, text: &str) -> Value {
    let written =
        (kind.rewrite)(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&written).unwrap()
}

#[test]
fn every_sample_is_still_read_as_its_kind() {
    for kind in KINDS {
        for (path, text) in samples(kind) {
            let sample: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(sample["type"], format!("writ.{}", kind.kind), "{}", path.display());
            let source = sample["source"].as_str().unwrap().trim_start_matches('/');
            assert!(kind.producers.contains(&source), "{}: {source}", path.display());
            let written = rewritten(kind, &path, &text);
            for (name, value) in sample["data"].as_object().unwrap() {
                assert_eq!(&written["data"][name], value, "{}: {name} is lost", path.display());
            }
        }
    }
}

#[test]
fn the_newest_sample_is_what_a_service_writes_today() {
    for kind in KINDS {
        let (path, text) = samples(kind).pop().unwrap();
        let sample: Value = serde_json::from_str(&text).unwrap();
        let add = "a field was added: leave this sample as it is and add another, with the field";
        assert_eq!(rewritten(kind, &path, &text), sample, "{}: {add}", path.display());
        let schemas = serde_json::to_value((kind.schemas)()).unwrap();
        let known = schemas[0][1]["properties"].as_object().unwrap();
        let shown = sample["data"].as_object().unwrap();
        assert_eq!(
            known.keys().collect::<BTreeSet<_>>(),
            shown.keys().collect(),
            "{}: {add}",
            path.display()
        );
    }
}

#[test]
fn no_sample_is_of_a_kind_that_nobody_knows() {
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(types::messages::kind(name.to_str().unwrap()).is_some(), "{}", name.display());
    }
}

#[test]
fn what_is_no_message_of_the_kind_is_refused() {
    for kind in KINDS {
        let (path, text) = samples(kind).pop().unwrap();
        let mut sample: Value = serde_json::from_str(&text).unwrap();
        sample["data"] = Value::from("no object");
        assert!((kind.rewrite)(&sample.to_string()).is_err(), "{}", path.display());
    }
}
