//! `writ manifest`.

use super::print_list;
use crate::cli::{Manifest, Output};
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, one};
use signing::manifest::{Builder, Entry, Limits, ROLLBACK};
use std::fs::{self, File};
use std::path::Path;
use time::format_description::well_known::Rfc3339;
use types::ManifestStatus;
use types::api::manifest::{ManifestView, NewSignature, RolloutItem, StatusChange};

/// Is what any server takes; which of it ours takes is its own setting, and it has taken this already.
const MOST: Limits = Limits { files: 1024, file: 1 << 30, total: 2 << 30 };

const PATH: &[&str] = &["v1", "manifests"];

pub(super) async fn run(context: &Context, args: Manifest) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Manifest::Ls(output) => {
            print_list::<ManifestView>(context, &api, PATH, output.output).await
        }
        Manifest::Build { directory, name, target, expires, output } => {
            let archive = pack(&directory)?;
            let mut call = Call::post(PATH).query("name", name).query("target", target);
            if let Some(expires) = expires {
                let text =
                    expires.format(&Rfc3339).because(|| "that time cannot be written".into())?;
                call = call.query("expires", text);
            }
            print(context, &api.send(&call.body(archive)).await?.json()?, output)
        }
        Manifest::Rollback { id, output } => {
            let manifest: ManifestView = api.get(&["v1", "manifests", &id.to_string()]).await?;
            let archive = order(&manifest.digest).because(|| "cannot pack the order".into())?;
            let call =
                Call::post(PATH).query("name", manifest.name).query("target", manifest.target);
            print(context, &api.send(&call.body(archive)).await?.json()?, output)
        }
        Manifest::Sign { id, output } => sign(context, &api, &id.to_string(), output).await,
        Manifest::Activate { id, output } => {
            set(context, &api, &id.to_string(), ManifestStatus::Active, output).await
        }
        Manifest::Status { id, set: Some(status), output } => {
            set(context, &api, &id.to_string(), status.into(), output).await
        }
        Manifest::Status { id, set: None, output } => {
            print(context, &api.get(&["v1", "manifests", &id.to_string()]).await?, output)
        }
        Manifest::Rollout { id, output } => {
            let id = id.to_string();
            let path = ["v1", "manifests", &id, "rollout"];
            print_list::<RolloutItem>(context, &api, &path, output.output).await
        }
    }
}

/// Signs what was downloaded, not what the server says of it.
async fn sign(context: &Context, api: &Api, id: &str, output: Output) -> Result<Exit, Failure> {
    let signer = context.needed_signer()?;
    let told: ManifestView = api.get(&["v1", "manifests", id]).await?;
    let content = api.send(&Call::get(&["v1", "manifests", id, "content"])).await?.body;
    let files = signing::manifest::read(content.as_slice(), &MOST, |_, _| Ok(()))
        .because(|| "the manifest's content is not what it should be".into())?;
    let text = signing::manifest::signed_string(
        files.iter().map(|file| (file.name.as_str(), file.sha256.as_str())),
    );
    if signing::manifest::digest(&text) != told.digest {
        return Err(Failure::new("the server says other hashes than its files have")
            .why("nothing was signed")
            .next(
                "tell the operators: the server's data is broken, or someone changes it on the way",
            ));
    }
    show(context, &told, &files, content.as_slice())?;
    let signature = signer.sign_line(text.as_bytes(), context.clock.now()).await?;
    let path = ["v1", "manifests", id, "signatures"];
    let call = Call::post(&path).json(&NewSignature { signature })?;
    print(context, &api.send(&call).await?.json()?, output)
}

/// Shows what is about to be signed. Name, target and expiry are the server's word: names and hashes of files alone are
/// signed.
fn show(
    context: &Context,
    told: &ManifestView,
    files: &[Entry],
    content: &[u8],
) -> Result<(), Failure> {
    let note = |text: String| context.screen.note(&text);
    note(format!("manifest {} {:?}, for {:?}", told.id, told.name, told.target));
    if let Some(expires) = told.expires {
        let text = expires.format(&Rfc3339).because(|| "that time cannot be written".into())?;
        note(format!("given to nobody from {text} on"));
    }
    if let [Entry { name, size: ..=128, .. }] = files
        && name == ROLLBACK
    {
        // what the file says, not what the server says of it
        let mut order = String::new();
        signing::manifest::read(content, &MOST, |_, part| {
            order.push_str(&String::from_utf8_lossy(part));
            Ok(())
        })
        .because(|| "the manifest's content is not what it should be".into())?;
        let digest: String =
            order.trim().chars().take(64).filter(char::is_ascii_hexdigit).collect();
        note(format!("an order to go back to the manifest with the digest {digest}"));
    }
    for file in files {
        note(format!("{}  {} ({} bytes)", file.sha256, file.name, file.size));
    }
    Ok(())
}

async fn set(
    context: &Context,
    api: &Api,
    id: &str,
    status: ManifestStatus,
    output: Output,
) -> Result<Exit, Failure> {
    let path = ["v1", "manifests", id, "status"];
    let call = Call::post(&path).json(&StatusChange { status })?;
    print(context, &api.send(&call).await?.json()?, output)
}

fn print(context: &Context, item: &Item<ManifestView>, output: Output) -> Result<Exit, Failure> {
    one(item, output.output, context.screen)?;
    let manifest = &item.value;
    if manifest.status == ManifestStatus::Staged {
        let missing = manifest.signers_required.saturating_sub(manifest.signers);
        context.screen.note(&format!(
            "manifest {} needs {missing} more signers: writ manifest sign {}",
            manifest.id, manifest.id
        ));
    }
    Ok(Exit::Ok)
}

/// Packs the files of a directory by name, so that the same files give the same archive.
fn pack(directory: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = || format!("cannot read {}", directory.display());
    let entries = fs::read_dir(directory).because(unreadable)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.because(unreadable)?.path());
    }
    paths.sort();
    let mut builder = Builder::default();
    for path in &paths {
        let shown = path.display();
        // a link is not followed: what it leads to may be anything
        let kind = fs::symlink_metadata(path).because(|| format!("cannot read {shown}"))?;
        let name = path.file_name().and_then(|name| name.to_str()).filter(|_| kind.is_file());
        let name = name.ok_or_else(|| {
            Failure::new(format!("{shown} is no regular file with a name in UTF-8"))
                .next("put the files themselves into the directory")
        })?;
        let file = File::open(path).because(|| format!("cannot read {shown}"))?;
        builder.add(name, kind.len(), file).because(|| format!("cannot pack {shown}"))?;
    }
    if paths.is_empty() {
        return Err(Failure::new(format!("{} is empty", directory.display())));
    }
    builder.finish().because(|| "cannot pack the files".into())
}

/// Packs the order to go back to the manifest with this digest.
fn order(digest: &str) -> Result<Vec<u8>, signing::manifest::BuildError> {
    let mut builder = Builder::default();
    let size = u64::try_from(digest.len()).unwrap_or_default();
    builder.add(ROLLBACK, size, digest.as_bytes())?;
    builder
        .finish()
        .map_err(|source| signing::manifest::BuildError::File { name: ROLLBACK.into(), source })
}
