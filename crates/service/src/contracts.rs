//! What a house promises, for scripts and readers: the table of its paths, its messages and its routes as files.

use anyhow::Context;
use messaging::Rights;
use serde_json::json;
use std::collections::BTreeSet;
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

/// Prints what the broker must have and what each service's account on it may do, as JSON; accounts are made from it.
pub(crate) fn print_rights() -> anyhow::Result<()> {
    let services: BTreeSet<_> = paths::TABLE.iter().map(|route| route.service).collect();
    let accounts: serde_json::Map<_, _> = services
        .into_iter()
        .map(|service| {
            let rights = Rights::of(service);
            let topics = rights.topics.map(|(exchange, write, read)| {
                json!({"exchange": exchange, "write": write, "read": read})
            });
            let permissions =
                json!({"configure": rights.configure, "write": rights.write, "read": rights.read});
            (service.to_owned(), json!({"permissions": permissions, "topics": topics}))
        })
        .collect();
    let shared = messaging::SHARED
        .map(|(what, name, kind)| json!({"what": what, "name": name, "type": kind}));
    let rights = json!({"shared": shared, "accounts": accounts});
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&rights)?)?;
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
