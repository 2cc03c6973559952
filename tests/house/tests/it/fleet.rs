//! Simulated fleets of all three kinds, with honest, slow, repeating and lying agents, some that lack a module,
//! describe their machine anew or come only now and then, take actions at once, in waves and at a rate. There are two
//! schedulers and two gateways, of which each dies while the other goes on, and the servers die around the end of a
//! short action: Writ shows exactly what the agents did.

use crate::house::{House, free_address, send};
use crate::investigator::Investigator;
use crate::pending::{kill_servers, restart_servers};
use crate::rights::accounts_of_migs_agents_are_confined;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;

/// Are fleets at work.
type Fleets = JoinSet<anyhow::Result<(Value, bool)>>;

const AGENTS: i64 = 60;
/// How many actions are posted, on whichever fleet.
const ACTIONS: i64 = 10;
/// How long the action takes at most of which many agents never answer.
const SHORT: Duration = Duration::from_secs(40);
/// How long after its end each of its commands must have ended, whatever died.
const GRACE: time::Duration = time::Duration::seconds(30);
/// How long the one takes around whose end the servers are killed, and how long before it they are.
const SHORTEST: Duration = Duration::from_secs(12);
const BEFORE: Duration = Duration::from_secs(2);
const PLUGIN: &str = "class Plugin:\n    def work(self):\n        return None\n";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_the_counters_are_what_the_agents_did() {
    let mut house = House::up();
    let investigator = Investigator::of(&house);
    accounts_of_migs_agents_are_confined(&house).await;
    // a front of its own would not tell more: agents over AMQP, orders and timers use both of each
    let others = ["scheduler", "agent-gateway"].map(|service| {
        let [address, admin] = [(); 2].map(|()| free_address());
        let flags = ["--listen", &address, "--admin-listen", &admin];
        house.start_another(service, "other", &flags)
    });
    let plugin = json!({"name": "work", "version": "1", "script": PLUGIN, "commands": {"work": {"function": "work"}}});
    let plugin = investigator.ask(Method::POST, "/v1/plugins", Some(&plugin.to_string())).await;
    let plugin = plugin["id"].as_str().unwrap();
    let mut fleets = Fleets::new();
    let broker = ["--amqp-url", house.var("WRIT_MIG_AMQP_URL")];
    let patient = ["--offline", "0", "--crashing", "0"];
    let able = ["--lacking", "0.05", "--describing", "0.1"];
    let shaky = ["--offline", "0.2", "--crashing", "0.2"];
    fleets.spawn(fleet(&house, "writ", "writ", &[&patient, &able]));
    let checkin = ["--checkin", "0.1"];
    fleets.spawn(fleet(&house, "mig", "mig", &[&patient, &able, &checkin, &broker]));
    fleets.spawn(fleet(&house, "runbook", "runbook", &[&patient, &["--plugin", plugin]]));
    fleets.spawn(fleet(&house, "writ", "shaky-writ", &[&shaky]));
    fleets.spawn(fleet(&house, "mig", "shaky-mig", &[&shaky, &broker]));
    let kinds = ["writ", "mig", "runbook"];
    for label in kinds.iter().chain(&["shaky-writ", "shaky-mig"]) {
        online(&investigator, label).await;
    }

    let parameters = json!({"searches": {"s1": {"paths": ["/etc"], "names": ["^hosts$"]}}});
    let command = format!("{plugin}.work");
    let post = async |kind: &str, name: &str, dispatch: Value| {
        let (module, parameters) = match kind {
            "runbook" => (command.as_str(), &json!({})),
            _ => ("file", &parameters),
        };
        let target = format!("tags->>'fleet'='{kind}'");
        let action = investigator.sign(&format!("{kind} {name}"), &target, module, parameters);
        let mut action: Value = serde_json::from_str(&action).unwrap();
        action["dispatch"] = dispatch;
        let accepted =
            investigator.ask(Method::POST, "/v1/actions", Some(&action.to_string())).await;
        accepted["id"].as_i64().unwrap()
    };
    // of the shaky ones some never answer; while their commands are out, everything is killed once
    let mut short = Vec::new();
    for label in ["shaky-writ", "shaky-mig"] {
        let target = format!("tags->>'fleet'='{label}'");
        let action =
            investigator.sign_for(label, &target, "file", &parameters, [Duration::ZERO, SHORT]);
        let accepted = investigator.ask(Method::POST, "/v1/actions", Some(&action)).await;
        short.push(accepted["id"].as_i64().unwrap());
    }
    let mut actions = Vec::new();
    for kind in ["writ", "mig"] {
        actions.push(post(kind, "at once", Value::Null).await);
    }
    actions.push(post("writ", "in waves", json!({"waves": [5, 20, "all"]})).await);
    house.kill_and_restart("scheduler");
    for kind in kinds {
        actions.push(post(kind, "at a rate", json!({"rate_per_second": 15})).await);
    }
    let begun = |view: &Value| {
        let of = |name: &str| view["counters"][name].as_i64().unwrap_or(0);
        of("success") > 0 && of("waiting") > 0 || of("waiting") == 0 && of("targeted") == AGENTS
    };
    // the middle of an action of MIG's agents
    investigator.ask_until(&format!("/v1/actions/{}", actions[4]), begun).await;
    let completed = |view: &Value| view["status"] == "completed";
    for service in ["agent-gateway", "scheduler"] {
        house.end("KILL", service);
    }
    // the others go on alone; agents that come only now and then, and over HTTP, cannot
    let nearly = |view: &Value| answered(view) > AGENTS * 4 / 5;
    investigator.ask_until(&format!("/v1/actions/{}", actions[4]), nearly).await;
    for service in ["agent-gateway", "scheduler"] {
        house.start(service);
    }
    // and now the first ones do
    for pid in others {
        send("KILL", pid);
    }
    house.kill_and_restart("investigation-api");
    for id in &actions {
        let view = investigator.ask_until(&format!("/v1/actions/{id}"), completed).await;
        let of = |name: &str| view["counters"][name].as_i64().unwrap();
        assert_eq!((of("targeted"), answered(&view)), (AGENTS, AGENTS), "{view}");
    }
    cancelled(&investigator, &parameters).await;
    lies_are_counted(&house).await;
    short_ones_end(&investigator, &short, AGENTS).await;
    let target = "tags->>'fleet'='shaky-writ' OR tags->>'fleet'='shaky-mig'";
    let times = [Duration::ZERO, SHORTEST];
    let action = investigator.sign_for("shortest", target, "file", &parameters, times);
    let posted = Instant::now();
    let accepted = investigator.ask(Method::POST, "/v1/actions", Some(&action)).await;
    tokio::time::sleep(SHORTEST.saturating_sub(BEFORE + posted.elapsed())).await;
    kill_servers(&house);
    restart_servers(&house);
    short_ones_end(&investigator, &[accepted["id"].as_i64().unwrap()], 2 * AGENTS).await;
    sound(fleets).await;
}

/// Counts the commands of an action that ended with an answer.
fn answered(view: &Value) -> i64 {
    ["success", "failed", "timeout"].iter().map(|of| view["counters"][of].as_i64().unwrap()).sum()
}

/// Waits for the fleets' own words: nothing happened that may not happen, and what should did.
async fn sound(mut fleets: Fleets) {
    while let Some(ended) = fleets.join_next().await {
        let (line, sound) = ended.unwrap().unwrap();
        assert!(sound, "{line:#}");
        if line["label"].as_str().unwrap().starts_with("shaky") {
            assert!(line["crashed"].as_i64().unwrap() > 0, "{line:#}");
            continue;
        }
        let of = |name: &str| line[name].as_i64().unwrap();
        // nothing is asked of those that lack the module
        let agents = AGENTS - line["natures"]["lacking"].as_i64().unwrap_or(0);
        let [least, more] = match line["kind"].as_str().unwrap() {
            "writ" => [3 * agents, 0],
            // and some of what was withdrawn
            "mig" => [2 * agents, agents - 1],
            _ => [agents, 0],
        };
        let answered = of("answered");
        assert!((least..=least + more).contains(&answered), "{line:#}");
        if line["kind"] != "runbook" {
            assert!(agents < AGENTS && of("described") > 0, "{line:#}");
        }
        assert!(of("lies") > 0 && of("answers") > answered + of("lies"), "{line:#}");
    }
}

/// Waits for the end of the short actions: some agents never answered, and nothing is open for longer than it may be.
async fn short_ones_end(investigator: &Investigator, short: &[i64], agents: i64) {
    for id in short {
        let over = |view: &Value| view["status"] == "completed" || view["status"] == "expired";
        let view = investigator.ask_until(&format!("/v1/actions/{id}"), over).await;
        let of = |name: &str| view["counters"][name].as_i64().unwrap();
        assert_eq!((of("waiting"), of("delivered")), (0, 0), "{view}");
        assert_eq!(of("targeted"), agents, "{view}");
        assert!(of("expired") > 0 && of("success") > 0, "{view}");
        let at =
            |name: &str| OffsetDateTime::parse(view[name].as_str().unwrap(), &Rfc3339).unwrap();
        assert!(at("finished") <= at("expire_after") + GRACE, "{view}");
    }
}

/// Looks for the count of refused answers, which an alert asks for.
async fn lies_are_counted(house: &House) {
    let url = format!("{}/metrics", house.service_var("agent-gateway", "ADMIN_URL"));
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    let of = |line: &str| line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
    let counts = metrics.lines().filter(|line| line.starts_with("writ_results_refused_total{"));
    assert!(counts.filter_map(of).sum::<f64>() > 0.0, "{metrics}");
}

/// Withdraws an action in the middle: what was not given out never is, and the counters say so.
async fn cancelled(investigator: &Investigator, parameters: &Value) {
    let action = investigator.sign("withdrawn", "tags->>'fleet'='mig'", "file", parameters);
    let mut action: Value = serde_json::from_str(&action).unwrap();
    action["dispatch"] = json!({"rate_per_second": 2});
    let accepted = investigator.ask(Method::POST, "/v1/actions", Some(&action.to_string())).await;
    let path = format!("/v1/actions/{}", accepted["id"]);
    investigator.ask_until(&path, |view| view["counters"]["success"].as_i64() > Some(2)).await;
    investigator.ask(Method::POST, &format!("{path}/cancel"), None).await;
    let over = |view: &Value| {
        let of = |name: &str| view["counters"][name].as_i64().unwrap();
        view["status"] == "cancelled" && of("waiting") + of("delivered") == 0
    };
    let view = investigator.ask_until(&path, over).await;
    let of = |name: &str| view["counters"][name].as_i64().unwrap();
    assert!(of("cancelled") > 0 && of("success") > 2, "{view}");
    assert_eq!(of("targeted"), AGENTS, "{view}");
}

/// Lets a fleet work until all actions are over.
fn fleet(
    house: &House,
    kind: &str,
    label: &str,
    more: &[&[&str]],
) -> impl Future<Output = anyhow::Result<(Value, bool)>> + use<> {
    let key = house.path(&format!("{label}.apikey"));
    std::fs::write(&key, house.var("WRIT_ADMIN_APIKEY")).unwrap();
    let (agents, actions) = (AGENTS.to_string(), ACTIONS.to_string());
    let words = ["--kind", kind, "--label", label, "--server", house.var("WRIT_URL")];
    let key = ["--apikey-file", key.to_str().unwrap()];
    let natures = ["--slow", "0.1", "--duplicate", "0.1", "--lying", "0.1", "--failing", "0.05"];
    let end = ["--every", "1", "--kills", "--agents", &agents, "--actions", &actions];
    let more = more.iter().copied().flatten();
    let words = words.iter().chain(&key).chain(more).chain(&natures).chain(&end);
    let words: Vec<String> = words.map(|word| (*word).to_owned()).collect();
    async move {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        agent::simulation::simulate(&words).await
    }
}

async fn online(investigator: &Investigator, kind: &str) {
    let target = format!("tags->>'fleet'='{kind}' AND status='online'");
    let preview = json!({ "target": target }).to_string();
    let deadline = Instant::now() + Duration::from_secs(90);
    while investigator.ask(Method::POST, "/v1/actions/preview", Some(&preview)).await["count"]
        != AGENTS
    {
        assert!(Instant::now() < deadline, "no fleet of {kind}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
