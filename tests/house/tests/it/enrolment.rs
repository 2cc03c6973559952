//! The reference agent becomes a member of the house.

use crate::house::House;
use crate::investigator::Investigator;
use reqwest::Method;
use serde_json::json;

const PLUGIN: &str = r#"
class Plugin:
    def note(self, path, number):
        with open(path, "a") as ledger:
            ledger.write(f"{number}\n")
        return {"number": number}
"#;

/// Enrols the agent as `house` with one plugin; gives the plugin's command key
/// and the agent's process.
pub(crate) async fn enrol(house: &mut House, investigator: &Investigator) -> (String, u32) {
    let keys = house.path("keys");
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(keys.join("admin.asc"), investigator.public_key()).unwrap();
    let plugin = json!({"name": "note", "version": "1", "script": PLUGIN, "commands": {"note": {"function": "note"}}});
    let plugin = investigator.ask(Method::POST, "/v1/plugins", Some(&plugin.to_string())).await;
    let agent = house.start_agent(&keys);
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
            return (key, agent);
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the agent is not seen by investigation-api: {reached}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Starts the agent again, which is enrolled already.
pub(crate) fn restart_agent(house: &mut House) -> u32 {
    let keys = house.path("keys");
    house.start_agent(&keys)
}
