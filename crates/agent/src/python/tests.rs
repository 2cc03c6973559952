//! Real Python processes.

use super::*;
use serde_json::json;
use std::time::Instant as StdInstant;

async fn call_within(
    source: &str,
    arguments: Value,
    limit: usize,
    time: Duration,
) -> (Report, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let python = Python::new(None, dir.path().into());
    let Value::Object(arguments) = arguments else { unreachable!() };
    let request = Request { source, function: "f", arguments: &arguments, limit };
    (python.call(&request, time).await, dir)
}

async fn call(source: &str, arguments: Value) -> Report {
    let (report, dir) = call_within(source, arguments, 100_000, Duration::from_mins(1)).await;
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "its directory is left over");
    report
}

fn plugin(body: &str) -> String {
    format!(
        "import os, sys, time, subprocess\nclass Plugin:\n  def f(self, **given):\n    {body}\n"
    )
}

async fn returned(body: &str) -> Value {
    match call(&plugin(body), json!({})).await.ended {
        Ended::Returned(value) => value,
        other => panic!("{other:?}"),
    }
}

async fn failed(source: &str) -> String {
    match call(source, json!({})).await.ended {
        Ended::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn arguments_go_in_and_the_value_comes_back() {
    let given = json!({"text": "ü\u{2028}\"", "number": 1.5, "list": [1, null, true]});
    let report = call(&plugin("return given"), given.clone()).await;
    assert_eq!(report.ended, Ended::Returned(given));
    assert_eq!(returned("return '\\ud800'").await, json!("\u{fffd}"));
    assert_eq!(returned("pass").await, Value::Null);
}

#[tokio::test]
async fn what_it_prints_is_kept_apart() {
    let body = "print('{\"value\": 1}'); sys.stderr.write('err\\n'); os.write(1, b'raw\\n'); subprocess.run(['echo', 'child']); return 2";
    let report = call(&plugin(body), json!({})).await;
    assert_eq!(report.ended, Ended::Returned(json!(2)));
    for part in ["{\"value\": 1}", "err", "raw", "child"] {
        assert!(report.output.contains(part), "{part} in {:?}", report.output);
    }
}

#[tokio::test]
async fn it_sees_nothing_of_the_agent() {
    assert_eq!(returned("return sys.stdin.read()").await, json!(""));
    let environment = returned("return dict(os.environ)").await;
    let names: Vec<&String> = environment.as_object().unwrap().keys().collect();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TMPDIR"]);
    assert_eq!(environment["HOME"], environment["TMPDIR"]);
    assert_eq!(returned("return os.listdir('.')").await, json!([]));
    assert_eq!(returned("return os.getpgrp() == os.getpid()").await, json!(true));
    let open = returned("return sorted(int(fd) for fd in os.listdir('/proc/self/fd'))").await;
    assert!(open.as_array().unwrap().len() <= 6, "the agent's files are not inherited: {open}");
}

#[tokio::test]
async fn failures_say_what_and_where() {
    assert_eq!(
        failed(&plugin("raise ValueError('boom')")).await,
        "ValueError: boom (plugin line 4)"
    );
    assert_eq!(failed(&plugin("sys.exit(3)")).await, "SystemExit: 3 (plugin line 4)");
    assert!(failed("class Plugin\n").await.starts_with("SyntaxError"));
    assert!(failed("x = 1\n").await.contains("no attribute 'Plugin'"));
    assert!(
        failed("class Plugin:\n  def __init__(self, a): pass\n").await.starts_with("TypeError")
    );
    assert!(failed("class Plugin: pass\n").await.contains("no attribute 'f'"));
    assert!(failed("class Plugin:\n  f = 1\n").await.contains("not callable"));
    assert!(failed(&plugin("os._exit(7)")).await.contains("exit status: 7"));
    assert!(failed(&plugin("os.kill(os.getpid(), 9)")).await.contains("signal: 9"));
    assert!(failed(&plugin("return b'x'")).await.contains("not JSON"));
    assert!(failed(&plugin("return float('nan')")).await.contains("not JSON"));
    assert!(failed(&plugin("x = []; x.append(x); return x")).await.contains("not JSON"));
    let traceback = call(&plugin("raise ValueError('boom')"), json!({})).await.output;
    assert!(traceback.contains("raise ValueError('boom')"), "{traceback}");
}

#[tokio::test]
async fn unusual_sources_load_as_python_loads_files() {
    for source in [
        "\u{feff}class Plugin:\n  def f(self): return 'ok'",
        "class Plugin:\r\n  def f(self): return 'ok'\r\n",
        "class Plugin:\r  def f(self): return 'ok'\r",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Plugin:\n  a: str = 'ok'\n  def f(self): return self.a\n",
    ] {
        assert_eq!(call(source, json!({})).await.ended, Ended::Returned(json!("ok")), "{source:?}");
    }
}

#[tokio::test]
async fn output_is_limited() {
    let body =
        "\n    for i in range(1000): print('x' * 100000)\n    print('the end')\n    return 1";
    let report = call(&plugin(body), json!({})).await;
    assert_eq!(report.ended, Ended::Returned(json!(1)));
    assert!(report.output_bytes > 100_000_000, "{}", report.output_bytes);
    assert!(report.output.len() <= TAIL && report.output.ends_with("the end\n"));
    let long = failed(&plugin("return 'x' * 200000")).await;
    assert!(long.contains("the limit is 100000"), "{long}");
    let forged = "import os, sys\nclass Plugin:\n  def f(self):\n    for fd in range(3, 20):\n      try: os.write(fd, b'x' * 200000)\n      except OSError: pass\n";
    assert!(failed(forged).await.contains("more than 100000 bytes"));
}

#[tokio::test]
async fn a_slow_one_is_killed_with_its_children() {
    let mark = tempfile::tempdir().unwrap();
    let path = mark.path().join("alive");
    let body = format!(
        "subprocess.Popen(['/bin/sh', '-c', 'while true; do echo x >> {}; sleep 0.05; done']); time.sleep(600)",
        path.display()
    );
    let began = StdInstant::now();
    let source = plugin(&body);
    let (report, _dir) = call_within(&source, json!({}), 1000, Duration::from_secs(3)).await;
    assert_eq!(report.ended, Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_quiet(&path).await;
}

#[tokio::test]
async fn children_left_behind_are_killed_and_not_waited_for() {
    let mark = tempfile::tempdir().unwrap();
    for end in ["return 1", "os._exit(0)"] {
        let path = mark.path().join(end.split_once(['(', ' ']).unwrap().0);
        // a fork holds all pipes, the one for the answer too
        let body = format!(
            "\n    if os.fork() == 0:\n      while True:\n        open({path:?}, 'a').write('x'); time.sleep(0.05)\n    while not (os.path.exists({path:?}) and os.path.getsize({path:?})): time.sleep(0.01)\n    {end}"
        );
        let began = StdInstant::now();
        let report = call(&plugin(&body), json!({})).await;
        assert!(!matches!(report.ended, Ended::TimedOut), "{:?}", report.ended);
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_quiet(&path).await;
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing() {
    let mark = tempfile::tempdir().unwrap();
    let path = mark.path().join("alive");
    let body = format!("\n    while True:\n      open({path:?}, 'a').write('x'); time.sleep(0.05)");
    let source = plugin(&body);
    let call = call_within(&source, json!({}), 1000, Duration::from_mins(10));
    let appeared = async {
        while std::fs::metadata(&path).map_or(0, |about| about.len()) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = call => panic!("it ended"),
        () = appeared => {}
    }
    assert_quiet(&path).await;
}

#[tokio::test]
async fn a_python_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let python = Python::new(Some(Path::new("/nowhere/python3")), dir.path().into());
    let arguments = Map::new();
    let request = Request { source: "", function: "f", arguments: &arguments, limit: 1 };
    let report = python.call(&request, Duration::from_secs(5)).await;
    assert!(matches!(report.ended, Ended::Failed(why) if why.contains("/nowhere/python3")));
}

/// Checks that nobody writes to a file any more: twenty writes would fit into the time it is watched.
async fn assert_quiet(path: &Path) {
    let size = || std::fs::metadata(path).map_or(0, |about| about.len());
    let before = size();
    assert!(before > 0, "it never ran");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(size(), before, "something goes on writing to {}", path.display());
}
