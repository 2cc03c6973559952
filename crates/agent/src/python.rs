//! Runs a plugin's function in a Python process of its own: no shell, no inherited environment, its own process group,
//! an empty directory to work in, and limits on time and output.
//!
//! The process gets the source that was checked, not a path to it, so nothing can be put in its place in between.
//! A plugin that leaves its process group on purpose is not followed.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};
use types::go_json;

const RUNNER: &str = include_str!("runner.py");
/// Says how much of what a plugin prints is kept: its end.
const TAIL: usize = 16 * 1024;
/// Says how long to wait for what a killed process leaves behind.
const GRACE: Duration = Duration::from_secs(2);
/// Says where programs are looked for, here and by plugins.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts Python processes.
#[derive(Debug, Clone)]
pub(crate) struct Python {
    program: PathBuf,
    /// Holds the directories the processes work in.
    dirs: PathBuf,
}

/// Is what a process is asked to do.
#[derive(Debug, Serialize)]
pub(crate) struct Request<'a> {
    /// The plugin's source.
    pub(crate) source: &'a str,
    /// The method of its class `Plugin`.
    pub(crate) function: &'a str,
    /// The method's keyword arguments.
    pub(crate) arguments: &'a Map<String, Value>,
    /// How many bytes of JSON it may return.
    pub(crate) limit: usize,
}

/// Is how a process ended and what it printed.
#[derive(Debug)]
pub(crate) struct Report {
    /// How it ended.
    pub(crate) ended: Ended,
    /// The end of what it printed.
    pub(crate) output: String,
    /// How many bytes it printed.
    pub(crate) output_bytes: u64,
}

/// Says how a process ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    /// The function returned this.
    Returned(Value),
    /// It did not; this is why.
    Failed(String),
    /// It took too long and was killed.
    TimedOut,
}

impl Python {
    /// Uses `program`, or the first `python3` of the usual directories; `dirs` is where the processes work.
    pub(crate) fn new(program: Option<&Path>, dirs: PathBuf) -> Self {
        let usual = || PATH.split(':').map(|dir| Path::new(dir).join("python3"));
        let found = || usual().find(|path| path.is_file());
        let program = program.map(Path::to_owned).or_else(found);
        Self { program: program.unwrap_or_else(|| PathBuf::from("/usr/bin/python3")), dirs }
    }

    /// Runs a function, for at most `limit`; whatever happens, nothing of its process group is left afterwards.
    pub(crate) async fn call(&self, request: &Request<'_>, limit: Duration) -> Report {
        let failed = |why: String| Report {
            ended: Ended::Failed(why),
            output: String::new(),
            output_bytes: 0,
        };
        let dir = match tempfile::Builder::new().prefix("run-").tempdir_in(&self.dirs) {
            Ok(dir) => dir,
            Err(error) => return failed(format!("no directory to work in: {error}")),
        };
        let program = self.program.display();
        let report = match self.start(dir.path()) {
            Ok(process) => match process.talk(request, Instant::now() + limit).await {
                Ok(report) => report,
                Err(error) => failed(format!("cannot speak with {program}: {error}")),
            },
            Err(error) => failed(format!("cannot start {program}: {error}")),
        };
        // a plugin may have filled it
        if let Err(error) = tokio::task::spawn_blocking(move || dir.close()).await {
            tracing::warn!(%error, "a plugin's directory is left over");
        }
        report
    }

    fn start(&self, dir: &Path) -> io::Result<Process> {
        let mut command = std::process::Command::new(&self.program);
        command
            .args(["-I", "-B", "-X", "utf8", "-c", RUNNER])
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", dir)
            .env("TMPDIR", dir)
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = Command::from(command).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Process { child, group: Group(group) })
    }
}

struct Process {
    group: Group,
    child: Child,
}

/// Kills a process group when it is dropped.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take()
            && let Err(error) = killpg(group, Signal::SIGKILL)
            && error != nix::errno::Errno::ESRCH
        {
            tracing::warn!(%error, "a plugin's processes could not be killed");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    async fn talk(mut self, request: &Request<'_>, until: Instant) -> io::Result<Report> {
        let pipes = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let (Some(mut requests), Some(answers), Some(mut prints)) = pipes else {
            return Err(io::Error::other("a pipe is missing"));
        };
        let body = serde_json::to_vec(request)?;
        let head = format!("{}\n", body.len());
        let mut printed = Printed::default();
        let ended = timeout_at(until, async {
            let mut line = std::pin::pin!(read_line(answers, request.limit.saturating_add(1024)));
            let ask = async {
                // an error here means that the process is gone, and its end says more
                if requests.write_all(head.as_bytes()).await.is_ok() {
                    requests.write_all(&body).await.ok();
                }
                std::future::pending::<()>().await;
            };
            let collect = async {
                printed.collect(&mut prints).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                line = &mut line => line,
                // something it started may hold the pipe open for long
                _ = self.child.wait() => timeout(GRACE, line).await.unwrap_or(Ok(Line::None)),
                () = ask => Ok(Line::None),
                () = collect => Ok(Line::None),
            }
        })
        .await;
        self.group.kill();
        drop(requests);
        timeout(GRACE, printed.collect(&mut prints)).await.ok();
        let status = timeout(GRACE, self.child.wait()).await;
        let ended = match ended {
            Err(_) => Ended::TimedOut,
            Ok(Err(error)) => Ended::Failed(format!("its answer cannot be read: {error}")),
            Ok(Ok(Line::Whole(line))) => read_answer(&line),
            Ok(Ok(Line::TooLong)) => {
                Ended::Failed(format!("it returned more than {} bytes", request.limit))
            }
            Ok(Ok(Line::None)) => Ended::Failed(match status {
                Ok(Ok(status)) => format!("its process ended without an answer ({status})"),
                _ => "its process ended without an answer".into(),
            }),
        };
        let (output, output_bytes) = printed.end();
        Ok(Report { ended, output, output_bytes })
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    None,
}

/// Reads up to the end of a line.
async fn read_line(mut source: impl AsyncRead + Unpin, limit: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut buffer).await?;
        let block = buffer.get(..read).unwrap_or_default();
        if block.is_empty() {
            return Ok(Line::None);
        }
        let end = block.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(block.get(..end.unwrap_or(read)).unwrap_or_default());
        if line.len() > limit {
            return Ok(Line::TooLong);
        }
        if end.is_some() {
            return Ok(Line::Whole(line));
        }
    }
}

fn read_answer(line: &[u8]) -> Ended {
    let answer = match go_json::parse(line) {
        Ok(Value::Object(answer)) => answer,
        Ok(_) => return Ended::Failed("its answer is not an object".into()),
        Err(error) => return Ended::Failed(format!("its answer cannot be read: {error}")),
    };
    let mut answer = answer;
    match (answer.remove("value"), answer.remove("error")) {
        (Some(value), None) => Ended::Returned(value),
        (_, Some(Value::String(error))) => Ended::Failed(error),
        _ => Ended::Failed("its answer has neither value nor error".into()),
    }
}

/// Keeps the end of what a process prints.
#[derive(Default)]
struct Printed {
    tail: Vec<u8>,
    bytes: u64,
}

impl Printed {
    /// Reads until the other side is closed.
    async fn collect(&mut self, prints: &mut (impl AsyncRead + Unpin)) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = prints.read(&mut buffer).await {
            self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or_default());
            self.tail.extend_from_slice(buffer.get(..read).unwrap_or_default());
            if self.tail.len() > 8 * TAIL {
                self.shorten();
            }
        }
    }

    fn shorten(&mut self) {
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn end(mut self) -> (String, u64) {
        self.shorten();
        (String::from_utf8_lossy(&self.tail).into_owned(), self.bytes)
    }
}

#[cfg(test)]
mod tests;
