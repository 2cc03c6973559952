//! `writ bootstrap`: has investigation-api's own program make the first administrator.

use super::key;
use crate::cli::Bootstrap;
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The program that has the database.
pub(super) const PROGRAM: &str = "investigation-api";
/// Leaves time to connect; it does little.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) async fn run(context: &Context, args: Bootstrap) -> Result<Exit, Failure> {
    // kept until the program has read it
    let mut made = None;
    let public_key = match &args.public_key {
        Some(path) => path.clone(),
        None => made.insert(configured_key(context, &args.name).await?).path().to_path_buf(),
    };
    let program = program();
    let mut command = Command::new(&program);
    command.args(["bootstrap", "--name", &args.name, "--public-key"]).arg(&public_key);
    if args.apikey {
        command.arg("--apikey");
    }
    let output = output(command, &program).await?;
    let words = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Failure::new("no administrator was made")
            .why(format!("{PROGRAM} ended with {}; its words are above", output.status))
            .next("WRIT_INVESTIGATION_API_DATABASE_URL must name the database"));
    }
    if args.apikey {
        context.screen.data(&words)?;
    } else if !words.trim().is_empty() {
        context.screen.note(words.trim_end());
    }
    context.screen.note(&format!("{} is administrator", args.name));
    Ok(Exit::Ok)
}

/// Writes the configured public key to a file; makes a key when there is none.
async fn configured_key(context: &Context, name: &str) -> Result<tempfile::NamedTempFile, Failure> {
    let armored = match context.signer()? {
        Some(signer) => signer.public().await?,
        None => key::make(context, name, None, false)?.public().armored(),
    };
    let write = || {
        let mut file = tempfile::Builder::new().prefix("writ-").suffix(".asc").tempfile()?;
        file.write_all(armored.as_bytes())?;
        file.flush()?;
        Ok::<_, std::io::Error>(file)
    };
    write().because(|| "cannot write the public key to a temporary file".into())
}

/// Names the program: the one beside our own, else whichever the path has.
pub(super) fn program() -> PathBuf {
    beside_us().unwrap_or_else(|| PathBuf::from(PROGRAM))
}

/// Finds the program beside our own.
fn beside_us() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let path = own.parent()?.join(PROGRAM);
    path.is_file().then_some(path)
}

/// Runs the program to its end; its standard error is ours.
pub(super) async fn output(
    mut command: Command,
    program: &Path,
) -> Result<std::process::Output, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let child = command
        .spawn()
        .because(|| format!("cannot run {}", program.display()))
        .map_err(|failure| failure.next("run it where investigation-api is installed"))?;
    match tokio::time::timeout(PATIENCE, child.wait_with_output()).await {
        Ok(output) => output.because(|| format!("cannot wait for {PROGRAM}")),
        Err(_) => Err(Failure::new(format!("{PROGRAM} did not end"))
            .why(format!("waited for {} seconds", PATIENCE.as_secs()))),
    }
}
