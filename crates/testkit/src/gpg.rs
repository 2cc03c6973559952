//! The real GnuPG, in a home of its own.

use signing::{PublicKey, armor};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Is a GnuPG home of its own, gone with its agent at the end.
pub struct Gpg {
    home: tempfile::TempDir,
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let home = self.home.path();
        let _ = Command::new("gpgconf").arg("--homedir").arg(home).args(["--kill", "all"]).status();
    }
}

impl Default for Gpg {
    fn default() -> Self {
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        // a passphrase is stretched for a tenth of a second otherwise, many times that in a debug build
        std::fs::write(home.path().join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        Self { home }
    }
}

impl Gpg {
    /// Makes one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a key without a passphrase, expiring after `life`; gives its fingerprint.
    pub fn make(&self, name: &str, kind: &str, usage: &str, life: &str) -> String {
        self.run(&["--passphrase", "", "--quick-generate-key", name, kind, usage, life], b"");
        self.fingerprint(name)
    }

    /// Gives the fingerprint of someone's primary key.
    pub fn fingerprint(&self, name: &str) -> String {
        let list = self.text(&["--with-colons", "--list-keys", name], b"");
        let line = list.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// Runs gpg, which must succeed; gives what it prints.
    pub fn run(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.try_run(args, input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Runs gpg.
    pub fn try_run(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs gpg, which must succeed; gives the text that it prints.
    pub fn text(&self, args: &[&str], input: &[u8]) -> String {
        String::from_utf8(self.run(args, input)).unwrap()
    }

    /// Gives the home's path.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Gives someone's public key.
    pub fn export(&self, name: &str) -> PublicKey {
        PublicKey::parse(&self.text(&["--armor", "--export", name], b"")).unwrap()
    }

    /// Signs `text`; gives the one-line form.
    pub fn sign(&self, name: &str, options: &[&str], text: &[u8]) -> String {
        let args = [&["--armor", "--local-user", name], options, &["--detach-sign"]].concat();
        line(&self.text(&args, text))
    }
}

/// Joins an armored signature to one line.
fn line(block: &str) -> String {
    let (kind, packets) = armor::from_block(block).unwrap();
    assert_eq!(kind, armor::Block::Signature);
    armor::to_line(&packets)
}
