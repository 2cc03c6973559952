//! Starts and stops the house, kills its processes and starts them again.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Lists the five services.
pub(crate) const SERVICES: [&str; 5] =
    ["investigation-api", "scheduler", "agent-gateway", "loader-manifest", "manual-interaction"];

/// Is a running house: five processes, an agent, and what they leave on disk.
pub(crate) struct House {
    dir: TempDir,
    env: BTreeMap<String, String>,
    programs: PathBuf,
    children: Vec<Child>,
}

impl House {
    /// Brings it up; panics with what `scripts/up` said when it does not come.
    pub(crate) fn up() -> Self {
        Self::up_with(&[])
    }

    /// Brings it up with these variables beside the environment's own.
    pub(crate) fn up_with(variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("house-").tempdir().unwrap();
        let mut up = Command::new(root().join("scripts/up"));
        // on servers of its own, whatever house the environment names
        for (name, _) in std::env::vars_os() {
            let of_a_house = |name: &str| {
                let ours = name.starts_with("WRIT_") || name.starts_with("AMQP_");
                ours && (name.ends_with("_URL") || name.starts_with("WRIT_ADMIN_"))
            };
            if name.to_str().is_some_and(of_a_house) {
                up.env_remove(&name);
            }
        }
        let out = up
            .args(["--apart", "--detach"])
            .arg(dir.path())
            .env("WRIT_PROFILE", "dev")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(out.status.success(), "up failed:\n{}", String::from_utf8_lossy(&out.stderr));
        let env = std::fs::read_to_string(dir.path().join("env.sh")).unwrap();
        let env = env.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        });
        let env: BTreeMap<_, _> = env.collect();
        // now, and not when a service has been started again: until its script has become the program, it is a shell
        let service = format!("/proc/{}/exe", env["WRIT_SCHEDULER_PID"]);
        let programs = std::fs::read_link(service).unwrap().parent().unwrap().to_owned();
        Self { env, programs, dir, children: Vec::new() }
    }

    /// Gives a variable of `env.sh`.
    pub(crate) fn var(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("env.sh has no {name}"))
    }

    /// Gives a path below the house's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Kills a service with SIGKILL, waits until it is gone, and starts it again as it was started.
    pub(crate) fn kill_and_restart(&mut self, service: &str) {
        self.end("KILL", service);
        self.start(service);
    }

    /// Sends a service a signal and waits until it is gone.
    pub(crate) fn end(&self, signal: &str, service: &str) {
        let pid: u32 = self.service_var(service, "PID").parse().unwrap();
        send(signal, pid);
        until("the process is gone", || !alive(pid));
    }

    /// Starts a service that has ended, as it was started.
    pub(crate) fn start(&mut self, service: &str) {
        let pid = self.start_another(service, "again", &[]);
        let name = format!("WRIT_{}_PID", service.to_uppercase().replace('-', "_"));
        self.env.insert(name, pid.to_string());
    }

    /// Starts a process of a service with more flags; gives its number.
    pub(crate) fn start_another(&mut self, service: &str, log: &str, flags: &[&str]) -> u32 {
        self.start_another_with(service, log, flags, &[])
    }

    /// Starts a process of a service with more flags and variables; gives its number.
    pub(crate) fn start_another_with(
        &mut self,
        service: &str,
        log: &str,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> u32 {
        let log = self.path(&format!("{service}.{log}.log"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(self.path(&format!("run/{service}.sh")))
            .args(flags)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }

    /// Gives a service's variable of `env.sh`: `URL`, `ADMIN_URL`, `PID`, `DATABASE_URL`.
    pub(crate) fn service_var(&self, service: &str, what: &str) -> &str {
        self.var(&format!("WRIT_{}_{what}", service.to_uppercase().replace('-', "_")))
    }

    /// Gives the folder of the built programs.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    /// Runs one of the scripts with the house's variables; panics with what it said when it fails.
    pub(crate) fn script(&self, script: &str, arguments: &[&str]) {
        let out = Command::new(root().join("scripts").join(script))
            .args(arguments)
            .envs(&self.env)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(out.status.success(), "{script}:\n{}", String::from_utf8_lossy(&out.stderr));
    }

    /// Starts the reference agent, which enrols first; gives its number.
    pub(crate) fn start_agent(&mut self, keys: &Path) -> u32 {
        let log = std::fs::File::create(self.path("agent.log")).unwrap();
        let child = Command::new(self.programs().join("writ-agent"))
            .args(["run", "--enrol", "--server", self.var("WRIT_URL"), "--state"])
            .arg(self.path("agent"))
            .arg("--keys")
            .arg(keys)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }
}

/// Sends a signal; the process must be there.
pub(crate) fn send(signal: &str, pid: u32) {
    let sent =
        Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "{pid} was not running");
}

impl Drop for House {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
        if std::thread::panicking() {
            let logs = [self.path(""), self.path("log")];
            let entries =
                logs.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).flatten();
            for path in entries.map(|entry| entry.path()) {
                if path.extension().is_some_and(|end| end == "log") {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    let tail: Vec<_> = text.lines().rev().take(15).collect();
                    eprintln!("--- {}", path.display());
                    tail.iter().rev().for_each(|line| eprintln!("{line}"));
                }
            }
        }
        let down = Command::new(root().join("scripts/down")).arg(self.dir.path()).status();
        assert!(down.is_ok_and(|status| status.success()), "down failed");
    }
}

/// Waits for a condition of this machine; panics after a minute.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tells whether a process holds anything still: a zombie does not, once all its threads have ended.
pub(crate) fn alive(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = stat.rsplit(')').next().unwrap_or_default().trim().starts_with('Z');
    threads > 1 || (threads == 1 && !zombie)
}

/// Gives an address that nothing listens on.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
