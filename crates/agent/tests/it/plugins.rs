//! Which plugins run.

use crate::support::{
    Machine, Running, Server, document, errors, hash, new_key, new_run, now, publish, script,
    until, writes_to,
};
use serde_json::json;
use signing::SecretKey;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};
use types::api::plugin::PluginDocument;
use types::api::work::Return;
use types::{CommandStatus, PluginId};
use uuid::Uuid;

async fn order(server: &Server, machine: &Machine, command: &str) -> Return {
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": command, "parameters": {}}])));
    server.answer(run).await
}

fn the_error(answer: &Return) -> String {
    assert_eq!(answer.status, CommandStatus::Failed, "{answer:?}");
    errors(answer).first().unwrap().clone()
}

fn change(server: &Server, command: &str, change: impl FnOnce(&mut PluginDocument)) {
    let id: PluginId = command.split_once('.').unwrap().0.parse().unwrap();
    change(server.state().plugins.get_mut(&id).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_with_a_wrong_hash_is_refused() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    change(&server, &command, |plugin| plugin.hash = hash("something else"));
    let _agent = machine.start(&server);
    assert!(the_error(&order(&server, &machine, &command).await).contains("its SHA-512 is not"));
    assert!(!mark.exists());
    assert_eq!(machine.files("plugins"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_fetched_once_and_never_changes() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, "return 'good'");
    let agent = machine.start(&server);
    assert_eq!(order(&server, &machine, &command).await.results[0].elements, json!("good"));
    let evil = script(&writes_to(&mark));
    change(&server, &command, |plugin| {
        plugin.hash = hash(&evil);
        plugin.script.clone_from(&evil);
    });
    assert_eq!(order(&server, &machine, &command).await.results[0].elements, json!("good"));
    // neither a change on the disk nor a restart brings the other source in
    let kept =
        machine.state().join("plugins").join(format!("{}.py", hash(&script("return 'good'"))));
    fs::write(kept, &evil).unwrap();
    assert!(the_error(&order(&server, &machine, &command).await).contains("its source changed"));
    agent.stop().await;
    let _agent = machine.start(&server);
    assert!(the_error(&order(&server, &machine, &command).await).contains("its source changed"));
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_assigned_plugins_and_their_commands_run() {
    let server = Server::start().await;
    let machine = Machine::new();
    let command = publish(&server, "return 1");
    let _agent = machine.start(&server);
    let foreign = format!("{}.go", Uuid::now_v7());
    assert!(the_error(&order(&server, &machine, &foreign).await).contains("not assigned"));
    let other = command.replace(".go", ".stop");
    assert!(the_error(&order(&server, &machine, &other).await).contains("no command"));
    let private = publish(&server, "return 1");
    change(&server, &private, |plugin| {
        plugin.commands.values_mut().for_each(|command| command.function = "__init__".into());
    });
    assert!(the_error(&order(&server, &machine, &private).await).contains("public function"));
    assert!(the_error(&order(&server, &machine, "../../x.go").await).contains("not available"));
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": command, "parameters": [1]}])));
    assert!(the_error(&server.answer(run).await).contains("an object"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_hashes_decides_what_may_run() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let good = publish(&server, "return 'good'");
    let other = publish(&server, &writes_to(&mark));
    let mut settings = machine.settings(&server);
    settings.plugin_hashes = Some(BTreeSet::from([hash(&script("return 'good'"))]));
    let _agent = Running::new(settings);
    assert_eq!(order(&server, &machine, &good).await.status, CommandStatus::Success);
    assert!(the_error(&order(&server, &machine, &other).await).contains("not allowed"));
    assert!(!mark.exists());
}

fn vouch(plugin: &mut PluginDocument, key: &SecretKey) {
    plugin.signatures.push(key.sign_line(plugin.hash.as_bytes(), now()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_nobody_signed_is_refused_where_signatures_are_wanted() {
    let server = Server::start().await;
    let machine = Machine::new();
    let (good, unsigned, foreign) = (
        publish(&server, "return 'good'"),
        publish(&server, "return 'unsigned'"),
        publish(&server, "return 'foreign'"),
    );
    let stranger = new_key("stranger");
    change(&server, &good, |plugin| vouch(plugin, &machine.key));
    change(&server, &foreign, |plugin| vouch(plugin, &stranger));
    let mut settings = machine.settings(&server);
    settings.signed_plugins = true;
    let _agent = Running::new(settings);
    assert_eq!(order(&server, &machine, &good).await.status, CommandStatus::Success);
    for command in [&unsigned, &foreign] {
        let error = the_error(&order(&server, &machine, command).await);
        assert!(error.contains("no key that is trusted"), "{error}");
    }
    // signed later, it runs
    change(&server, &unsigned, |plugin| vouch(plugin, &machine.key));
    assert_eq!(order(&server, &machine, &unsigned).await.status, CommandStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_too_slow_is_killed_with_its_children() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let body = format!(
        "\n    if os.fork() == 0:\n      while True:\n        open({mark:?}, 'a').write('x'); time.sleep(0.05)\n    time.sleep(600)"
    );
    let command = publish(&server, &body);
    let mut settings = machine.settings(&server);
    settings.module_timeout = Duration::from_secs(3);
    let _agent = Running::new(settings);
    let began = Instant::now();
    let answer = order(&server, &machine, &command).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(answer.status, CommandStatus::Timeout);
    assert!(errors(&answer).first().unwrap().contains("did not end within 3s"), "{answer:?}");
    let size = || fs::metadata(&mark).unwrap().len();
    let before = size();
    // a child that is alive writes twenty times meanwhile
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(size(), before, "a child is still alive");
    until("its directory removed", || (machine.files("tmp") == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_plugin_runs_at_once() {
    let server = Server::start().await;
    let machine = Machine::new();
    let _agent = machine.start(&server);
    server.polls(1).await;
    let id = PluginId(Uuid::now_v7());
    let plugin = document(id, &script("return 'new'"));
    server.state().plugins.insert(id, plugin);
    let answer = order(&server, &machine, &format!("{id}.go")).await;
    assert_eq!(answer.results[0].elements, json!("new"));
}
