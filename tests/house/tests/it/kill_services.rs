//! kill -9 of any service in the middle of 200 actions: every result still arrives, once.

use crate::house::{House, SERVICES};
use crate::investigator::Investigator;
use reqwest::Method;
use serde_json::json;

const ACTIONS: usize = 200;

const PLUGIN: &str = r#"
class Plugin:
    def note(self, path, number):
        with open(path, "a") as ledger:
            ledger.write(f"{number}\n")
        return {"number": number}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_result_arrives_once_whichever_service_is_killed() {
    let mut house = House::up();
    let investigator = Investigator::of(&house);
    let module = enrol(&mut house, &investigator).await;
    let ledger = house.path("ledger");

    let mut ids = Vec::new();
    for number in 0..ACTIONS {
        let parameters = json!({"path": ledger, "number": number});
        let action =
            investigator.sign(&format!("note {number}"), "name='house'", &module, &parameters);
        let accepted = investigator.ask(Method::POST, "/v1/actions", Some(&action)).await;
        ids.push(accepted["id"].as_i64().unwrap());
        if let (10, Some(service)) = (number % 40, SERVICES.get(number / 40)) {
            house.kill_and_restart(service);
        }
    }

    for (number, id) in ids.iter().enumerate() {
        let over = |view: &serde_json::Value| view["status"] == "completed";
        let view = investigator.ask_until(&format!("/v1/actions/{id}"), over).await;
        assert_eq!(view["counters"]["targeted"], 1, "{view}");
        assert_eq!(view["counters"]["success"], 1, "{view}");
        let commands =
            investigator.ask(Method::GET, &format!("/v1/actions/{id}/commands"), None).await;
        assert_eq!(commands["items"].as_array().unwrap().len(), 1, "{commands}");
        assert_eq!(commands["items"][0]["results"][0]["elements"]["number"], number, "{commands}");
    }
    let noted = std::fs::read_to_string(&ledger).unwrap();
    let mut noted: Vec<usize> = noted.lines().map(|line| line.parse().unwrap()).collect();
    noted.sort_unstable();
    assert_eq!(noted, (0..ACTIONS).collect::<Vec<_>>(), "each order ran once");
}

/// Enrols the agent as `house` with one plugin; gives the plugin's command key.
async fn enrol(house: &mut House, investigator: &Investigator) -> String {
    let keys = house.path("keys");
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(keys.join("admin.asc"), investigator.public_key()).unwrap();
    let plugin = json!({"name": "note", "version": "1", "script": PLUGIN, "commands": {"note": {"function": "note"}}});
    let plugin = investigator.ask(Method::POST, "/v1/plugins", Some(&plugin.to_string())).await;
    house.start_agent(&keys);
    let waiting = |codes: &serde_json::Value| {
        codes["items"].as_array().is_some_and(|codes| !codes.is_empty())
    };
    let codes = investigator.ask_until("/v1/device-codes", waiting).await;
    let code = codes["items"][0]["user_code"].as_str().unwrap();
    let approval = json!({"name": "house", "plugins": [plugin["id"]]}).to_string();
    investigator
        .ask(Method::POST, &format!("/v1/device-codes/{code}/approve"), Some(&approval))
        .await;
    let online = |agents: &serde_json::Value| {
        agents["items"]
            .as_array()
            .is_some_and(|agents| agents.iter().any(|agent| agent["status"] == "online"))
    };
    investigator.ask_until("/v1/agents", online).await;
    let key = plugin["commands"].as_object().unwrap().keys().next().unwrap().clone();
    let preview = json!({"target": "name='house' and status='online'"}).to_string();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let reached = investigator.ask(Method::POST, "/v1/actions/preview", Some(&preview)).await;
        if reached["count"] == 1 {
            return key;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the agent is not seen by investigation-api: {reached}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
