//! A PostgreSQL and a RabbitMQ of our own, alive as long as the process that wants them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Names a file with the exports of services that run already: `scripts/test` starts one pair for all test binaries.
const GIVEN: &str = "WRIT_TEST_SERVICES";

/// Names one of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL
    Postgres,
    /// RabbitMQ
    RabbitMq,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
        }
    }
}

/// Is a running pair, or one of it.
pub struct Services {
    exports: BTreeMap<String, String>,
    /// The script that holds the servers; it stops them when its input ends, so also when this process is killed.
    holder: Option<Mutex<Child>>,
    knobs: Vec<(&'static str, &'static str)>,
}

/// Gives the PostgreSQL that all tests of the process share; the first caller starts it, unless `WRIT_TEST_SERVICES`
/// names one that runs.
pub fn postgres() -> &'static Services {
    static SHARED: OnceLock<Services> = OnceLock::new();
    SHARED.get_or_init(|| given().unwrap_or_else(|| Services::own(&[("PS_RMQ", "0")])))
}

/// Gives the RabbitMQ that all tests of the process share; the first caller starts it, unless `WRIT_TEST_SERVICES`
/// names one that runs.
pub fn rabbitmq() -> &'static Services {
    static SHARED: OnceLock<Services> = OnceLock::new();
    SHARED.get_or_init(|| given().unwrap_or_else(|| Services::own(&[("PS_PG", "0")])))
}

#[expect(clippy::disallowed_methods, reason = "tests have no Config")]
fn given() -> Option<Services> {
    let file = std::env::var(GIVEN).ok()?;
    let text = std::fs::read_to_string(&file).expect("WRIT_TEST_SERVICES names no readable file");
    Some(Services { exports: exports(&text), holder: None, knobs: Vec::new() })
}

impl Services {
    /// Starts servers for one test alone, which it may kill; `knobs` as in `scripts/private-services --help`.
    pub fn own(knobs: &[(&'static str, &'static str)]) -> Self {
        let mut log = tempfile::tempfile().expect("no temporary file");
        let mut holder = command("hold", knobs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("no second handle"))
            .spawn()
            .expect("scripts/private-services does not start");
        let mut text = String::new();
        // ends when the script closes its output: it is up, or has failed
        holder
            .stdout
            .take()
            .expect("piped")
            .read_to_string(&mut text)
            .expect("the script's output");
        let exports = exports(&text);
        assert!(
            exports.contains_key("PS_DIR"),
            "private services did not start:\n{}",
            contents(&mut log)
        );
        Self { exports, holder: Some(Mutex::new(holder)), knobs: knobs.to_vec() }
    }

    /// Gives a variable of `env.sh`, such as `PS_TLS_DIR`.
    pub fn variable(&self, name: &str) -> &str {
        self.exports.get(name).unwrap_or_else(|| panic!("these services have no {name}"))
    }

    /// Gives the URL of the database `postgres`, as the user who may do all.
    pub fn database_url(&self) -> &str {
        self.variable("DATABASE_URL")
    }

    /// Gives the URL of the broker.
    pub fn amqp_url(&self) -> &str {
        self.variable("AMQP_URL")
    }

    /// Gives the URL of the broker's management API.
    pub fn management_url(&self) -> &str {
        self.variable("RABBITMQ_API")
    }

    /// Kills a server as a power cut would: at once, with all its processes.
    pub fn kill(&self, server: Server) {
        assert!(
            self.holder.is_some(),
            "shared services are not one test's to kill: use Services::own"
        );
        let pids = std::fs::read_to_string(self.dir().join("pids"))
            .expect("the script's list of processes");
        let pid = pids
            .lines()
            .filter_map(|line| line.strip_prefix(server.name())?.split_whitespace().next())
            .next_back()
            .expect("the server was never started");
        // the server leads a process group of its own; PostgreSQL's children lead theirs
        let mut victims = vec![format!("-{pid}")];
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", pid]).output().expect("ps");
        victims
            .extend(String::from_utf8_lossy(&children.stdout).split_whitespace().map(Into::into));
        let killed = Command::new("kill").args(["-KILL", "--"]).args(victims).output();
        assert!(killed.is_ok(), "kill cannot be run");
    }

    /// Starts again what was killed, with its data and on its port; returns when it is ready.
    pub fn restart(&self) {
        let done = command("start", &self.knobs)
            .arg(self.dir())
            .output()
            .expect("the script does not start");
        assert!(done.status.success(), "no restart:\n{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Raises or ends the broker's alarm of being out of memory: while it lasts, publishers are held up.
    pub fn alarm(&self, on: bool) {
        let call = if on {
            "rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})."
        } else {
            "rabbit_alarm:clear_alarm({resource_limit, memory, node()})."
        };
        let done = command("ctl", &self.knobs)
            .arg(self.dir())
            .args(["eval", call])
            .output()
            .expect("the script does not start");
        assert!(done.status.success(), "no alarm:\n{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Tells whether the broker's register of quorum queues names this one on disk: one that was declared less than
    /// half a second before it is killed, RabbitMQ does not find again.
    pub fn keeps_queue(&self, queue: &str) -> bool {
        names_on_disk(self.dir(), queue.as_bytes())
    }

    fn dir(&self) -> &Path {
        Path::new(self.variable("PS_DIR"))
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        // the holder stops the servers when its input ends, whether we wait or not
        if let Some(holder) = self.holder.take() {
            let mut holder = holder.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            drop(holder.stdin.take());
            let _ended = holder.wait();
        }
    }
}

fn command(what: &str, knobs: &[(&'static str, &'static str)]) -> Command {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/private-services");
    let mut command = Command::new(script);
    // a group of its own: Ctrl-C in the terminal is for the tests, whose end the script notices by itself
    command.arg(what).envs(knobs.iter().copied()).process_group(0);
    command
}

fn names_on_disk(dir: &Path, queue: &[u8]) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return names_on_disk(&path, queue);
        }
        path.ends_with("names.dets")
            && std::fs::read(&path)
                .is_ok_and(|text| text.windows(queue.len() + 1).any(|part| is_name(part, queue)))
    })
}

/// Tells `queue` from `queue.wait`, which is declared before it.
fn is_name(part: &[u8], queue: &[u8]) -> bool {
    part.strip_prefix(queue).is_some_and(|after| after != b".")
}

fn contents(log: &mut File) -> String {
    use std::io::Seek;
    let mut text = String::new();
    log.rewind().and_then(|()| log.read_to_string(&mut text)).expect("the script's log");
    text
}

/// Reads lines such as `export A=1 B='two'`.
fn exports(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("export "))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}
