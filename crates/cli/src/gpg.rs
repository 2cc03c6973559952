//! Signing through `gpg`: its key rings, cards and agents stay where they are.

use crate::exit::{Because, Failure};
use signing::armor;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Leaves a person time to type a PIN or to touch a card.
const PATIENCE: Duration = Duration::from_mins(5);

/// Is a key that gpg holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpg {
    /// Which one: a fingerprint, a key id or an address.
    pub id: String,
    /// `GNUPGHOME`, where it is not gpg's own default.
    pub home: Option<PathBuf>,
    /// The file with the passphrase, where gpg's own agent is not to ask for it.
    pub passphrase_file: Option<PathBuf>,
}

impl Gpg {
    /// Names a key; its passphrase, where it is given, has to be in a file of its own.
    pub fn new(
        id: String,
        home: Option<PathBuf>,
        passphrase_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        if passphrase_file.is_some_and(|path| path.as_os_str() == "-") {
            return Err(Failure::new("gpg takes no passphrase from our standard input")
                .next("--passphrase-file FILE, or let gpg's own agent ask"));
        }
        Ok(Self { id, home, passphrase_file: passphrase_file.map(Into::into) })
    }

    /// Signs `data` detached; gives the signature in MIG's one-line form.
    pub async fn sign_line(&self, data: &[u8]) -> Result<String, Failure> {
        let mut command = self.command();
        if let Some(file) = &self.passphrase_file {
            command.args(["--pinentry-mode", "loopback", "--passphrase-file"]).arg(file);
        }
        command.args(["--no-armor", "--no-textmode", "--local-user", &self.id, "--detach-sign"]);
        let packets = self.run(command, data, "sign").await?;
        Ok(armor::to_line(&packets))
    }

    /// Gives the upper-case hex fingerprint of the primary key.
    pub async fn fingerprint(&self) -> Result<String, Failure> {
        let mut command = self.command();
        command.args(["--with-colons", "--list-keys", "--", &self.id]);
        let listing = self.run(command, &[], "find the key").await?;
        let listing = String::from_utf8_lossy(&listing);
        let mut fingerprints = listing.lines().filter_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some("fpr")).then(|| fields.nth(8)).flatten()
        });
        let keys = listing.lines().filter(|line| line.starts_with("pub:")).count();
        match (keys, fingerprints.next()) {
            (1, Some(fingerprint)) => Ok(fingerprint.to_uppercase()),
            (0, _) | (_, None) => Err(Failure::new(format!("gpg has no key {}", self.id))),
            _ => Err(Failure::new(format!("gpg has more than one key {}", self.id))
                .next("name it by its fingerprint: gpg --list-keys --with-fingerprint")),
        }
    }

    /// Gives the armored public key.
    pub async fn public(&self) -> Result<String, Failure> {
        let mut command = self.command();
        command.args(["--armor", "--export-options", "export-minimal", "--export", "--", &self.id]);
        let armored = self.run(command, &[], "export the public key").await?;
        if armored.is_empty() {
            return Err(Failure::new(format!("gpg has no key {}", self.id)));
        }
        String::from_utf8(armored).because(|| "gpg's public key is not text".into())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet"]);
        if let Some(home) = &self.home {
            command.env("GNUPGHOME", home);
        }
        command
    }

    async fn run(&self, command: Command, input: &[u8], what: &str) -> Result<Vec<u8>, Failure> {
        let what = || format!("gpg cannot {what}");
        let output = match timeout(PATIENCE, feed(command, input)).await {
            Ok(output) => output.because(what)?,
            Err(_) => {
                return Err(Failure::new(what())
                    .why(format!("it did not end within {} seconds", PATIENCE.as_secs())));
            }
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let mut failure = Failure::new(format!("{} (key {})", what(), self.id));
        failure.why.extend(String::from_utf8_lossy(&output.stderr).lines().map(Into::into));
        let home = self.home.as_ref().map(|home| format!("GNUPGHOME={} ", home.display()));
        Err(failure.next(format!("{}gpg --list-secret-keys", home.unwrap_or_default())))
    }
}

async fn feed(mut command: Command, input: &[u8]) -> std::io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // gpg that fails early closes its end; its own words say why
        let _ = stdin.write_all(input).await;
    }
    child.wait_with_output().await
}
