//! ssh steps against a real sshd: a session comes about with the host and the key that are known, and with no others.

use crate::playbook_house::{House, playbook};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use testkit::{PATIENCE, until};

const SSHD: &str = "/usr/sbin/sshd";

/// Is a server on a port of its own, which lets one key in.
struct Sshd {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Sshd {
    async fn start() -> Self {
        assert!(Path::new(SSHD).exists(), "install openssh-server; scripts/test does");
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "user", "stranger"] {
            make_key(&folder.path().join(name));
        }
        std::fs::copy(folder.path().join("user.pub"), folder.path().join("authorized")).unwrap();
        // as root it asks for this folder, which Debian makes when it starts its own
        let _not_root = std::fs::create_dir_all("/run/sshd");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let at = folder.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nPidFile none\nAuthorizedKeysFile {at}/authorized\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nLogLevel ERROR\n"
        );
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(SSHD)
            .args(["-D", "-f"])
            .arg(file)
            .arg("-E")
            .arg(folder.path().join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, port, folder };
        until(PATIENCE, async || {
            assert_eq!(server.child.try_wait().unwrap(), None, "sshd ended");
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that says this server has the host key `name`.
    fn known_hosts(&self, name: &str) -> String {
        let key = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        let file = self.path(&format!("known-{name}"));
        std::fs::write(&file, format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
        file.display().to_string()
    }

    /// Makes a playbook with one ssh step, by the private key `name`.
    fn step(&self, key: &str, command: &str, timeout: u64) -> Value {
        let me = Command::new("id").arg("-un").output().unwrap().stdout;
        let me = String::from_utf8(me).unwrap();
        let steps = json!({"a": {"type": "action", "commands": [{"type": "ssh", "command": command}], "agent": "g",
            "targets": ["t"], "on_completion": "e", "timeout": timeout, "out_args": ["__out__"]}});
        playbook(
            steps,
            &json!({
                "agent_definitions": {"g": {"type": "soarca", "name": "soarca-ssh"}},
                "target_definitions": {"t": {"type": "ssh", "name": "t", "address": {"ipv4": ["127.0.0.1"]},
                    "port": self.port.to_string(), "authentication_info": "c"}},
                "authentication_info_definitions": {"c": {"type": "private-key", "username": me.trim(), "private_key": "",
                    "kms": true, "kms_key_identifier": key}},
                "playbook_variables": {"__out__": {"type": "string"}, "__word__": {"type": "string", "value": "heard"}},
            }),
        )
    }

    async fn house(&self, known: &str, flags: &[&str]) -> House {
        let hosts = self.known_hosts(known);
        let (allow, secrets) = (format!("127.0.0.1:{}", self.port), self.folder.path().display());
        let secrets = secrets.to_string();
        let own = ["--ssh-known-hosts", &hosts, "--ssh-allow", &allow, "--secrets-dir", &secrets];
        House::new(&[&own[..], flags].concat()).await
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

async fn ends(house: &House, playbook: &Value, state: &str) -> Value {
    let id = house.trigger(playbook).await;
    let ended = house.until(&id, state).await;
    assert!(!ended.to_string().contains("PRIVATE KEY"), "{ended}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_brings_back_what_the_command_wrote() {
    let server = Sshd::start().await;
    let house = server.house("host", &[]).await;
    let mark = server.path("mark");
    let command = format!("echo __word__:value; echo x >> {}", mark.display());
    let ended = ends(&house, &server.step("user", &command, 60_000), "succeeded").await;
    assert_eq!(ended["variables"]["__out__"]["value"], "heard\n");
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "x\n", "it ran once");
    // SOARCA cuts a leading `ssh`
    ends(&house, &server.step("user", "ssh true", 60_000), "succeeded").await;
    for (key, command, timeout, word) in [
        ("user", "echo went wrong >&2; exit 3", 60_000, "the command ended with 3: went wrong"),
        ("user", "head -c 300000 /dev/zero", 60_000, "more than 262144 bytes"),
        ("user", "sleep 60", 1_500, "1.5"),
        ("stranger", "true", 60_000, "no session came about"),
        ("missing", "true", 60_000, "the secret \"missing\" cannot be read"),
    ] {
        let ended = ends(&house, &server.step(key, command, timeout), "failed").await;
        let reason = ended["reason"].as_str().unwrap();
        assert!(reason.contains(word), "{command}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_never_told() {
    let server = Sshd::start().await;
    let house = server.house("host", &[]).await;
    let mut whole = server.step("user", "true", 60_000);
    let credentials = json!({"type": "user-auth", "username": "root", "password": "hunter22"});
    whole["authentication_info_definitions"] = json!({"c": credentials});
    let ended = ends(&house, &whole, "failed").await;
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.contains("Permission denied"), "{reason}");
    assert!(!ended.to_string().contains("hunter22"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_another_key_is_told_nothing() {
    let server = Sshd::start().await;
    let house = server.house("stranger", &[]).await;
    let mark = server.path("mark");
    let command = format!("touch {}", mark.display());
    let ended = ends(&house, &server.step("user", &command, 60_000), "failed").await;
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.contains("no session came about"), "{reason}");
    assert!(reason.contains("Host key verification failed"), "{reason}");
    assert!(!mark.exists());
}
