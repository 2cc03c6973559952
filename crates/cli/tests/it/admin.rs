//! The first administrator, agents, plugins.

use crate::support::documents::json_of;
use crate::support::{Answer, Server, Writ, install, script};
use serde_json::{Value, json};
use signing::key::PublicKey;

const AGENT: &str = "0190a1b2-0000-7000-8000-000000000001";
const PLUGIN: &str = "0190a1b2-0000-7000-8000-000000000002";
const OTHER: &str = "0190a1b2-0000-7000-8000-000000000003";

fn agent(number: i64, name: &str, plugins: &[&str]) -> Value {
    json!({"id": AGENT, "number": number, "name": name, "team_id": null, "transport": "writ", "status": "online",
        "last_seen": "2026-11-21T12:00:00Z", "plugins": plugins, "tags": {"role": "demo"}})
}

fn plugin() -> Value {
    let key = format!("{PLUGIN}.greet");
    json!({"id": PLUGIN, "name": "greeter", "version": "1", "description": "", "hash": "ab",
        "commands": {key.as_str(): {"id": key, "name": "greet", "function": "say"}}})
}

#[test]
fn a_device_is_let_in_or_turned_away() {
    let server = Server::start(|request| match request.line().as_str() {
        "GET /v1/device-codes" => json_of(
            200,
            &json!({"items": [{"user_code": "ABCD-EFGH", "client_id": "x", "address": "10.0.0.1",
                "user_agent": "evil\u{1b}]0;x\u{7}", "created": "2026-11-21T12:00:00Z",
                "expires": "2026-11-21T12:10:00Z"}], "next": null}),
        ),
        "POST /v1/device-codes/AB%2FCD/approve" | "POST /v1/device-codes/ABCD-EFGH/approve" => {
            json_of(200, &agent(3, "web-1", &[]))
        }
        "POST /v1/device-codes/ABCD-EFGH/deny" => Answer::text(204, ""),
        _ => Answer::problem(404, "not-found", "no such code", "it may be dead"),
    });
    let writ = Writ::with_key(&server);
    let ran = writ.run(&["enrol", "pending"]).ends(0);
    insta::assert_snapshot!(ran.stdout, @r"
    CODE       CLIENT  ADDRESS   USER AGENT           CREATED               EXPIRES
    ABCD-EFGH  x       10.0.0.1  evil\u{1b}]0;x\u{7}  2026-11-21T12:00:00Z  2026-11-21T12:10:00Z
    ");
    let approve = [
        "enrol",
        "approve",
        "ABCD-EFGH",
        "--name",
        "web-1",
        "--plugin",
        PLUGIN,
        "--tag",
        "role=demo",
    ];
    let ran = writ.run(&[&approve[..], &["--tag", "env=a=b", "-o", "json"]].concat()).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["number"], 3);
    assert_eq!(
        server.asked("POST /v1/device-codes/ABCD-EFGH/approve")[0].json(),
        json!({"name": "web-1", "plugins": [PLUGIN], "tags": {"role": "demo", "env": "a=b"}})
    );
    writ.run(&["enrol", "approve", "AB/CD", "--name", "n"]).ends(0);
    writ.run(&["enrol", "deny", "ABCD-EFGH"]).ends(0);
    writ.run(&["enrol", "deny", "WRONG"]).ends(1);
}

#[test]
fn a_plugin_is_published_and_given_to_an_agent_beside_those_it_has() {
    let server = Server::start(|request| {
        let second = request.query.contains_key("cursor");
        match request.line().as_str() {
            "POST /v1/plugins" => json_of(201, &plugin()),
            "GET /v1/plugins" => json_of(200, &json!({"items": [plugin()], "next": null})),
            "GET /v1/agents" if second => {
                json_of(200, &json!({"items": [agent(3, "web-1", &[OTHER])], "next": null}))
            }
            "GET /v1/agents" => json_of(
                200,
                &json!({"items": [agent(2, "twin", &[]), agent(1, "twin", &[])], "next": "c"}),
            ),
            line if line == format!("GET /v1/agents/{AGENT}") => {
                json_of(200, &agent(3, "web-1", &[OTHER]))
            }
            line if line == format!("PUT /v1/agents/{AGENT}/plugins") => {
                json_of(200, &agent(3, "web-1", &[OTHER, PLUGIN]))
            }
            _ => Answer::text(404, ""),
        }
    });
    let writ = Writ::with_key(&server);
    let source = writ.write("greeter.py", "class Plugin: pass\n");
    let add = ["plugin", "add", &source, "--name", "greeter", "--version", "1"];
    let ran =
        writ.run(&[&add[..], &["--command", "greet=say", "--command", "bye"]].concat()).ends(0);
    insta::assert_snapshot!(ran.stdout, @r"
    ID                                    NAME     VERSION  COMMANDS
    0190a1b2-0000-7000-8000-000000000002  greeter  1        0190a1b2-0000-7000-8000-000000000002.greet
    ");
    assert_eq!(
        server.asked("POST /v1/plugins")[0].json(),
        json!({"name": "greeter", "version": "1", "description": "", "script": "class Plugin: pass\n",
            "commands": {"greet": {"function": "say"}, "bye": {"function": "bye"}}})
    );
    writ.run(&["plugin", "ls", "-o", "json"]).ends(0);
    for name in [AGENT, "web-1", "3"] {
        writ.run(&["plugin", "assign", name, PLUGIN, OTHER]).ends(0);
    }
    for put in server.asked(&format!("PUT /v1/agents/{AGENT}/plugins")) {
        assert_eq!(put.json(), json!([OTHER, PLUGIN]));
    }
    let ran = writ.run(&["plugin", "assign", "twin", PLUGIN]).ends(1);
    assert!(ran.stderr.contains("more than one agent is called twin"), "{}", ran.stderr);
    let ran = writ.run(&["plugin", "assign", "nobody", PLUGIN]).ends(1);
    assert!(ran.stderr.contains("there is no agent nobody"), "{}", ran.stderr);
    let ran = writ.run(&["agents", "-o", "csv"]).ends(0);
    assert_eq!(ran.stdout.lines().count(), 1 + 3, "{}", ran.stdout);
    let ran = writ.run(&["agents", "-o", "json"]).ends(0);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&ran.stdout).unwrap().len(), 3);
}

#[test]
fn bootstrap_runs_the_program_beside_our_own_with_the_configured_key() {
    let mut writ = Writ::new();
    let beside = writ.home.path().join("bin");
    std::fs::create_dir(&beside).unwrap();
    install(&std::fs::read(&writ.program).unwrap(), &beside.join("writ"));
    writ.program = beside.join("writ");
    let (args, key) = (writ.home.path().join("args"), writ.home.path().join("key"));
    let body = format!(
        "echo \"$@\" >{}; cp \"$5\" {}; echo \"$WRIT_INVESTIGATION_API_DATABASE_URL\" >&2; echo k3y",
        args.display(),
        key.display()
    );
    script(&beside.join("investigation-api"), &body);
    let mut command = writ.command(&["bootstrap", "--name", "Ada", "--apikey"]);
    command.env("WRIT_INVESTIGATION_API_DATABASE_URL", "postgres://there");
    let output = command.output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stdout, "k3y\n");
    assert!(stderr.contains("postgres://there"), "{stderr}");
    let given = std::fs::read_to_string(&args).unwrap();
    assert!(given.starts_with("bootstrap --name Ada --public-key /"), "{given}");
    assert!(given.trim().ends_with("--apikey"), "{given}");
    let public = PublicKey::parse(&std::fs::read_to_string(&key).unwrap()).unwrap();
    assert_eq!(public.fingerprint(), writ.public().fingerprint(), "made, and remembered");
    // without --apikey nothing goes to standard output; a key that is named is the one that is taken
    let mine = writ.write("mine.asc", "mine");
    let ran = writ.run(&["bootstrap", "--name", "Ada", "--public-key", &mine]).ends(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), "mine");
    script(
        &beside.join("investigation-api"),
        "echo 'there is an administrator already' >&2; exit 1",
    );
    let ran = writ.run(&["bootstrap", "--name", "Ada"]).ends(1);
    assert!(
        ran.stderr.contains("there is an administrator already\nerror: no administrator was made"),
        "{}",
        ran.stderr
    );
}

#[test]
fn completion_is_a_script() {
    let ran = Writ::new().run(&["completion", "bash"]).ends(0);
    assert!(ran.stdout.contains("complete -F"), "{}", ran.stdout);
    let ran = Writ::new().run(&["--help"]).ends(0);
    assert!(ran.stdout.contains("Exit codes:"), "{}", ran.stdout);
}
