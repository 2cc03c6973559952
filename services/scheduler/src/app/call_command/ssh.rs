//! `ssh`: one command on a host whose key is known, by the OpenSSH client with nothing left to chance
//! (proto-docs/decisions/0021-ssh.md).

use super::Call;
use super::secret::{Secrets, text_of};
use crate::config::Config;
use crate::domain::destination::{allows, is_host, named};
use crate::domain::execution::Values;
use crate::domain::text;
use std::fs::Permissions;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

const NO_CREDENTIALS: &str =
    "the target has no authentication_info: an ssh step needs a user and a key or password";

pub(super) async fn call(
    call: &Call,
    secrets: &mut Secrets,
    config: &Config,
) -> Result<Values, String> {
    let known_hosts = config.ssh_known_hosts.as_ref().ok_or(
        "the scheduler was given no host keys (--ssh-known-hosts): no host could be told from another",
    )?;
    let script = text::shell(&call.command.text, &call.scope)?;
    // SOARCA cuts a leading `ssh`; here it would be a second one inside of the first
    let script = script.strip_prefix("ssh ").unwrap_or(&script);
    let (kind, host) = call.address(&["dname", "ipv4", "ipv6"])?;
    if kind == "dname" && !is_host(&host)
        || kind != "dname" && host.parse::<IpAddr>().is_err()
        || host.starts_with('-')
    {
        return Err(format!("the target's {kind} {host:?} is none"));
    }
    let port = call.port()?.unwrap_or(22);
    let address = usable(config, &host, port).await?;
    secrets.go_to(&host, port, &config.ssh_allow);
    let credentials = call.credentials().ok_or(NO_CREDENTIALS)?;
    let user = text::line(text_of(credentials, "username"), &call.scope)?;
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@');
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(harmless) {
        return Err(format!("{user:?} is no name of a user"));
    }
    let folder = tempfile::Builder::new()
        .prefix("writ-ssh-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir();
    let folder =
        folder.map_err(|error| format!("no folder for the credentials can be made: {error}"))?;
    let mut command = client(config, known_hosts, &host, port);
    command.env("HOME", folder.path());
    authorize(call, secrets, &folder, &mut command).await?;
    command
        .arg("-l")
        .arg(&user)
        .arg("-p")
        .arg(port.to_string())
        .arg("--")
        .arg(address.to_string())
        .arg(script);
    run(command, config).await
}

/// Gives the client with all that must not depend on the machine it runs on.
fn client(config: &Config, known_hosts: &Path, host: &str, port: u16) -> Command {
    let mut command = Command::new(&config.ssh_program);
    command
        .args(["-F", "none", "-T", "-x", "-a"])
        .args([
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "GlobalKnownHostsFile=none",
            "-o",
            "UpdateHostKeys=no",
        ])
        .args([
            "-o",
            "ConnectTimeout=10",
            "-o",
            "ServerAliveInterval=15",
            "-o",
            "ServerAliveCountMax=2",
        ])
        .args([
            "-o",
            "NumberOfPasswordPrompts=1",
            "-o",
            "ControlMaster=no",
            "-o",
            "ControlPath=none",
        ])
        .args([
            "-o",
            "PermitLocalCommand=no",
            "-o",
            "ProxyCommand=none",
            "-o",
            "ClearAllForwardings=yes",
        ])
        .args([
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            "CheckHostIP=no",
            "-o",
            "LogLevel=ERROR",
        ])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        // the address that was judged, under the name whose key is known
        .arg("-o")
        .arg(format!(
            "HostKeyAlias={}",
            if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
        ))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Hands the credentials over in files that only the client reads; they stand in no list of processes.
async fn authorize(
    call: &Call,
    secrets: &mut Secrets,
    folder: &TempDir,
    command: &mut Command,
) -> Result<(), String> {
    let credentials = call.credentials().ok_or(NO_CREDENTIALS)?;
    match text_of(credentials, "type") {
        "private-key" => {
            let mut key = secrets.get_text(credentials, "private_key").await?;
            if !key.ends_with('\n') {
                key.push('\n');
            }
            let file = private(folder, "key", &key, 0o600)?;
            command
                .args(["-o", "BatchMode=yes", "-o", "PasswordAuthentication=no", "-i"])
                .arg(file);
        }
        "user-auth" => {
            let password = secrets.get(credentials, "password", &call.scope).await?;
            let file = private(folder, "password", &password, 0o600)?;
            let ask =
                private(folder, "ask", "#!/bin/sh\nexec cat \"$WRIT_PASSWORD_FILE\"\n", 0o700)?;
            command
                .args([
                    "-o",
                    "PubkeyAuthentication=no",
                    "-o",
                    "PreferredAuthentications=password,keyboard-interactive",
                ])
                .env("SSH_ASKPASS", ask)
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("WRIT_PASSWORD_FILE", file);
        }
        other => return Err(format!("credentials of type {other:?} cannot be used for ssh")),
    }
    Ok(())
}

async fn run(mut command: Command, config: &Config) -> Result<Values, String> {
    let mut child = command.spawn().map_err(|error| {
        format!(
            "the OpenSSH client {} does not start: {error}; see --ssh-program",
            config.ssh_program.display()
        )
    })?;
    let limit = u64::from(config.response_limit);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // with one that is too long the client ends too
    let (out, err) = tokio::try_join!(read(out, limit), read(err, limit))?;
    let status =
        child.wait().await.map_err(|error| format!("the OpenSSH client is lost: {error}"))?;
    match status.code() {
        Some(0) => Ok([("__soarca_ssh_result__".to_owned(), out)].into()),
        Some(255) => Err(format!("no session came about: {}", err.trim())),
        Some(code) => Err(format!("the command ended with {code}: {}", err.trim())),
        None => Err("the OpenSSH client was killed".into()),
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> Result<String, String> {
    let Some(pipe) = pipe else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    let mut pipe = pipe.take(limit + 1);
    pipe.read_to_end(&mut bytes)
        .await
        .map_err(|error| format!("the output cannot be read: {error}"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("the output has more than {limit} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"))
}

/// Finds an address of `host` that may be used.
async fn usable(config: &Config, host: &str, port: u16) -> Result<IpAddr, String> {
    let named = named(&config.ssh_allow, host, port);
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| format!("{host} is not found: {error}"))?;
    found.map(|at| at.ip()).find(|address| allows(&config.ssh_allow, named, *address, port)).ok_or_else(|| {
        format!("{host}:{port} is not on the list of destinations (--ssh-allow of the scheduler), or leads to an address that is not")
    })
}

/// Writes a file that nobody else can read.
fn private(
    folder: &TempDir,
    name: &str,
    text: &str,
    mode: u32,
) -> Result<std::path::PathBuf, String> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.path().join(name);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        format!("the credentials cannot be handed to the OpenSSH client: {error}")
    })?;
    Ok(path)
}
