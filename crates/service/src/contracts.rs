//! What a house promises, for scripts and readers: the table of its paths, its messages and its routes as files.

use anyhow::Context;
use std::fs;
use std::io::Write;
use std::path::Path;
use types::{asyncapi, paths};

/// Prints which service answers below which prefix, one per line; proxies are set up from it.
pub(crate) fn print_paths() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for route in paths::TABLE {
        writeln!(out, "{} {}", route.prefix, route.service)?;
    }
    Ok(())
}

/// Writes `asyncapi.yaml` and `openapi/<service>.json` below `folder`.
pub(crate) fn write(folder: &Path, services: &[(&str, String)]) -> anyhow::Result<()> {
    let openapi = folder.join("openapi");
    fs::create_dir_all(&openapi).with_context(|| format!("cannot make {}", openapi.display()))?;
    let messages = yaml_serde::to_string(&asyncapi::document())?;
    put(&folder.join("asyncapi.yaml"), &messages)?;
    for (service, document) in services {
        put(&openapi.join(format!("{service}.json")), &format!("{document}\n"))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
