//! The module on real trees.

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const HELLO_SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

fn limit() -> Limit {
    Limit {
        until: Instant::now() + Duration::from_mins(2),
        stop: Arc::new(AtomicBool::new(false)),
        max_output: 1024 * 1024,
    }
}

#[expect(clippy::disallowed_methods, reason = "ages are compared with the files' own times")]
fn search(search: &Value) -> OperationResult {
    let parameters = json!({ "searches": { "s": search } });
    let (result, ended) = run(&parameters, OffsetDateTime::now_utc(), &limit());
    assert_ne!(ended, Ended::Stopped);
    result
}

/// Gives the base names of what was found, sorted.
fn names(result: &OperationResult) -> Vec<String> {
    let entries = result.elements["s"].as_array().unwrap();
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| entry["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("one/two/three")).unwrap();
    for (path, content) in [
        ("hello.txt", "hello\n"),
        ("one/world.txt", "hello world\nsecond line\n"),
        ("one/two/empty", ""),
        ("one/two/three/deep.conf", "key = value\n# comment\n"),
    ] {
        fs::write(root.join(path), content).unwrap();
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o640)).unwrap();
    }
    dir
}

#[test]
fn results_have_migs_shape() {
    let dir = tree();
    let path = dir.path().to_str().unwrap();
    let options = json!({"matchall": true, "macroal": false, "maxdepth": 5.0, "matchlimit": 9, "mismatch": null, "returnsha256": true});
    let result = search(
        &json!({"paths": [path], "names": ["^hello"], "sha2": [HELLO_SHA256.to_uppercase()], "options": options}),
    );
    let mut element = result.elements["s"][0].clone();
    let at = element["fileinfo"]["lastmodified"].take();
    assert!(at.as_str().unwrap().ends_with(" +0000 UTC"), "{at}");
    assert_eq!(
        element,
        json!({
            "file": format!("{path}/hello.txt"),
            "fileinfo": {"size": 6, "mode": "-rw-r-----", "lastmodified": null, "sha256": HELLO_SHA256.to_uppercase()},
            "search": {"paths": [path], "names": ["^hello"], "sha2": [HELLO_SHA256.to_uppercase()],
                "options": {"maxdepth": 0, "matchall": true, "macroal": false, "mismatch": null, "matchlimit": 0, "maxerrors": 0, "returnsha256": true}}
        })
    );
    assert!(result.foundanything && result.success && result.errors.is_none());
    let statistics = result.statistics.as_object().unwrap();
    assert_eq!(
        (&statistics["filescount"], &statistics["totalhits"], &statistics["openfailed"]),
        (&json!(4), &json!(1), &json!(0))
    );
    assert!(statistics["exectime"].as_str().unwrap().ends_with('s'));
}

#[test]
fn a_search_that_finds_nothing_says_so() {
    let dir = tree();
    let result = search(&json!({"paths": [dir.path()], "names": ["^nothing$"]}));
    assert!(!result.foundanything && result.success);
    assert_eq!(result.elements["s"][0]["file"], "");
    assert_eq!(
        result.elements["s"][0]["fileinfo"],
        json!({"size": 0, "mode": "", "lastmodified": ""})
    );
    assert_eq!(result.elements["s"].as_array().unwrap().len(), 1);
}

#[test]
fn each_check_finds_its_files() {
    let dir = tree();
    let find = |checks: Value| {
        let mut wanted = json!({"paths": [dir.path()]});
        wanted.as_object_mut().unwrap().extend(checks.as_object().unwrap().clone());
        names(&search(&wanted))
    };
    let all = ["deep.conf", "empty", "hello.txt", "world.txt"];
    assert_eq!(find(json!({"names": ["."]})), all);
    assert_eq!(find(json!({"names": ["!txt$"]})), ["deep.conf", "empty"]);
    assert_eq!(find(json!({"names": ["txt$", "^h"]})), ["hello.txt"]);
    assert_eq!(
        find(json!({"names": ["txt$"], "options": {"mismatch": ["name"]}})),
        ["deep.conf", "empty"]
    );
    assert_eq!(find(json!({"sizes": ["0"]})), ["empty"]);
    assert_eq!(find(json!({"sizes": [">1", "<10"]})), ["hello.txt"]);
    assert_eq!(find(json!({"modes": ["^-rw-r-----$"]})), all);
    assert_eq!(find(json!({"mtimes": ["<1h"]})), all);
    assert_eq!(find(json!({"mtimes": [">1h"]})), [""; 0]);
    assert_eq!(find(json!({"contents": ["^hello"]})), ["hello.txt", "world.txt"]);
    assert_eq!(find(json!({"contents": ["^hello", "second"]})), ["world.txt"]);
    assert_eq!(find(json!({"contents": ["!hello"]})), ["deep.conf", "empty"]);
    assert_eq!(
        find(json!({"contents": ["^hello"], "options": {"mismatch": ["content"]}})),
        ["deep.conf", "empty"]
    );
    assert_eq!(
        find(json!({"contents": ["^(key|#)"], "options": {"macroal": true}})),
        ["deep.conf"]
    );
    assert_eq!(
        find(
            json!({"contents": ["l"], "names": ["txt"], "options": {"macroal": true, "mismatch": ["content"]}})
        ),
        [""; 0]
    );
    assert_eq!(find(json!({"sha2": [HELLO_SHA256]})), ["hello.txt"]);
    assert_eq!(find(json!({"sha1": ["f572d396fae9206628714fb2ce00f72e94f2258f"]})), ["hello.txt"]);
    assert_eq!(
        find(
            json!({"md5": ["b1946ac92492d2347c6235b4d2611184"], "options": {"mismatch": ["md5"]}})
        ),
        ["deep.conf", "empty", "world.txt"]
    );
    assert_eq!(find(json!({})), [""; 0], "without a check nothing matches, as in the original");
}

#[test]
fn any_check_may_match_when_asked_so() {
    let dir = tree();
    let result = search(
        &json!({"paths": [dir.path()], "names": ["^hello"], "sizes": ["<7"], "sha2": [HELLO_SHA256], "contents": ["^nowhere$"], "options": {"matchall": false}}),
    );
    assert_eq!(names(&result), ["empty", "hello.txt", "hello.txt", "hello.txt"]);
    let entries = result.elements["s"].as_array().unwrap();
    let by = |kind: &str| entries.iter().filter(|entry| !entry["search"][kind].is_null()).count();
    assert_eq!((by("names"), by("sizes"), by("sha2"), by("contents")), (1, 2, 1, 1));
    let none = entries.iter().find(|entry| entry["file"] == "").unwrap();
    assert_eq!(none["search"]["contents"], json!(["^nowhere$"]));
    assert_eq!(entries[0]["search"]["options"]["matchall"], json!(false));
}

#[test]
fn depth_and_number_are_limited() {
    let dir = tree();
    let depth = |depth| {
        names(&search(
            &json!({"paths": [dir.path()], "names": ["."], "options": {"maxdepth": depth}}),
        ))
    };
    assert_eq!(depth(1), ["hello.txt"]);
    assert_eq!(depth(2), ["hello.txt", "world.txt"]);
    assert_eq!(depth(4).len(), 4);
    let result =
        search(&json!({"paths": [dir.path()], "names": ["."], "options": {"matchlimit": 2}}));
    assert_eq!(names(&result).len(), 2);
    let mut short = limit();
    short.max_output = 700;
    let parameters = json!({"searches": {"s": {"paths": [dir.path()], "names": ["."]}}});
    let (result, ended) = run(&parameters, OffsetDateTime::UNIX_EPOCH, &short);
    assert_eq!(ended, Ended::Complete);
    assert!(result.elements.to_string().len() <= 700 && !names(&result).is_empty());
    assert!(result.errors.unwrap()[0].contains("cut at 700 bytes"));
}

#[test]
fn several_searches_and_overlapping_paths() {
    let dir = tree();
    let (root, one) = (dir.path(), dir.path().join("one"));
    let parameters = json!({"searches": {
        "a": {"paths": [root, one, root], "names": ["^world"]},
        "b": {"paths": [one], "names": ["."], "options": {"maxdepth": 1}},
        "c": {"paths": [one.join("world.txt")], "contents": ["second"]}}});
    let (result, _) = run(&parameters, OffsetDateTime::UNIX_EPOCH, &limit());
    for label in ["a", "b", "c"] {
        let entries = result.elements[label].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{label}: {entries:?}");
        assert!(entries[0]["file"].as_str().unwrap().ends_with("one/world.txt"));
    }
    assert_eq!(result.statistics["totalhits"], 3);
}

#[test]
fn links_neither_loop_nor_lead_away() {
    let dir = tree();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "hello\n").unwrap();
    symlink(dir.path(), dir.path().join("one/loop")).unwrap();
    symlink("two", dir.path().join("one/again")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("away")).unwrap();
    symlink("hello.txt", dir.path().join("inside")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    let result = search(&json!({"paths": [dir.path()], "contents": ["^hello$"]}));
    assert_eq!(names(&result), ["hello.txt", "inside"]);
    assert_eq!(result.statistics["openfailed"], 1);
    assert!(result.errors.unwrap()[0].contains("broken"));
    // a path that the order names is followed when it is a link to a file, and reported when it is not one
    let by_name = json!({"paths": [dir.path().join("away")], "contents": ["^hello$"]});
    assert_eq!(names(&search(&by_name)), ["away"]);
    let to_dir = search(&json!({"paths": [dir.path().join("one/loop")], "names": ["."]}));
    assert!(!to_dir.foundanything && to_dir.errors.unwrap()[0].contains("was not followed"));
}

#[test]
fn fifos_sockets_and_devices_are_left_alone() {
    let dir = tree();
    nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let result = search(
        &json!({"paths": [dir.path(), dir.path().join("fifo"), "/dev/null", "/dev/zero"], "contents": ["!x"]}),
    );
    assert_eq!(names(&result), ["deep.conf", "empty", "hello.txt", "world.txt"]);
    assert_eq!(result.errors.unwrap().len(), 3);
}

#[test]
fn compressed_files_are_looked_into_when_asked() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("log.gz")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(b"hello\n").unwrap();
    gzip.finish().unwrap();
    fs::write(dir.path().join("broken.gz"), b"\x1f\x8bnot gzip").unwrap();
    let find = |decompress: bool| {
        search(
            &json!({"paths": [dir.path()], "contents": ["^hello$"], "sha2": [HELLO_SHA256], "options": {"decompress": decompress}}),
        )
    };
    assert_eq!(names(&find(true)), ["log.gz"]);
    assert_eq!(find(true).statistics["openfailed"], 1);
    assert_eq!(names(&find(false)), [""; 0]);
}

#[test]
fn what_cannot_be_opened_is_counted_and_reported() {
    // the super-user can open everything, so another user runs this test
    if nix::unistd::geteuid().is_root() {
        return as_nobody("modules::file::tests::what_cannot_be_opened_is_counted_and_reported");
    }
    let dir = tree();
    let closed = dir.path().join("one/two");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(dir.path().join("hello.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    let missing = dir.path().join("missing");
    let contents = search(
        &json!({"paths": [dir.path(), missing], "contents": ["hello"], "options": {"maxerrors": 2}}),
    );
    let any = search(
        &json!({"paths": [dir.path()], "names": ["^hello"], "contents": ["hello"], "options": {"matchall": false, "maxerrors": 0}}),
    );
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&contents), ["world.txt"]);
    assert!(contents.success);
    assert_eq!(contents.statistics["openfailed"], 3);
    let errors = contents.errors.unwrap();
    assert!(errors.len() == 3 && errors[2] == "and 1 more errors", "{errors:?}");
    assert_eq!(
        names(&any),
        ["hello.txt", "world.txt"],
        "a file is found by name though it cannot be read"
    );
    assert_eq!(any.errors, None);
}

/// Runs one test of this program as another user.
fn as_nobody(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = std::process::Command::new(program)
        .args(["--exact", test])
        .current_dir("/")
        .env("TMPDIR", "/tmp")
        .gid(65_534)
        .uid(65_534)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn wrong_parameters_are_refused_before_anything_is_looked_at() {
    for (parameters, want) in [
        (json!(null), "not understood"),
        (json!({"searches": {"s": {"paths": ["/"], "names": ["(unclosed"]}}}), "(unclosed"),
        (json!({"searches": {"s": {"paths": ["/"], "sizes": ["big"]}}}), "'big'"),
    ] {
        let (result, ended) = run(&parameters, OffsetDateTime::UNIX_EPOCH, &limit());
        assert_eq!(ended, Ended::Refused);
        assert!(!result.success && result.errors.unwrap()[0].contains(want));
    }
}

#[test]
fn a_time_limit_brings_back_what_was_found() {
    let over = Limit { until: Instant::now(), ..limit() };
    let parameters = json!({"searches": {"s": {"paths": ["/"], "names": ["."]}}});
    let (result, ended) = run(&parameters, OffsetDateTime::UNIX_EPOCH, &over);
    assert_eq!(ended, Ended::Stopped);
    assert!(!result.success && result.errors.unwrap()[0].contains("incomplete"));
}

#[test]
fn names_that_are_no_text_are_found() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "x").unwrap();
    let result = search(&json!({"paths": [dir.path()], "names": ["^caf"]}));
    assert_eq!(names(&result), ["caf\u{fffd}.txt"]);
}
