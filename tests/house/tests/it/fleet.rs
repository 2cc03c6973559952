//! A simulated fleet of honest, slow, repeating and lying agents takes actions at once and in waves while services are
//! killed: the server shows exactly what the agents did.

use crate::house::House;
use crate::investigator::Investigator;
use reqwest::Method;
use serde_json::{Value, json};

const AGENTS: i64 = 120;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_the_counters_are_what_the_agents_did() {
    let mut house = House::up();
    let investigator = Investigator::of(&house);
    let key = house.path("fleet.apikey");
    std::fs::write(&key, house.var("WRIT_ADMIN_APIKEY")).unwrap();
    let (url, key) = (house.var("WRIT_URL").to_owned(), key.to_str().unwrap().to_owned());
    let fleet = tokio::spawn(async move {
        let agents = AGENTS.to_string();
        let words = ["--server", &url, "--apikey-file", &key, "--agents", &agents, "--every", "1"];
        let natures =
            ["--slow", "0.1", "--duplicate", "0.1", "--lying", "0.1", "--failing", "0.05"];
        let patient = ["--offline", "0", "--crashing", "0", "--actions", "3"];
        agent::simulation::simulate(&[&words[..], &natures[..], &patient[..]].concat()).await
    });
    let preview = json!({"target": "tags->>'fleet'='fleet' AND status='online'"}).to_string();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    while investigator.ask(Method::POST, "/v1/actions/preview", Some(&preview)).await["count"]
        != AGENTS
    {
        assert!(std::time::Instant::now() < deadline && !fleet.is_finished(), "no fleet");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    let post = async |name: &str, dispatch: Value| {
        let parameters = json!({"searches": {"s1": {"paths": ["/etc"], "names": ["^hosts$"]}}});
        let action = investigator.sign(name, "tags->>'fleet'='fleet'", "file", &parameters);
        let mut action: Value = serde_json::from_str(&action).unwrap();
        action["dispatch"] = dispatch;
        let accepted =
            investigator.ask(Method::POST, "/v1/actions", Some(&action.to_string())).await;
        accepted["id"].as_i64().unwrap()
    };
    let at_once = post("at once", Value::Null).await;
    let in_waves = post("in waves", json!({"waves": [5, 40, "all"]})).await;
    house.kill_and_restart("scheduler");
    let at_a_rate = post("at a rate", json!({"rate_per_second": 20})).await;
    let begun = |view: &Value| view["dispatch"]["wave"].as_i64() >= Some(1);
    investigator.ask_until(&format!("/v1/actions/{at_a_rate}"), begun).await;
    house.kill_and_restart("scheduler");
    house.kill_and_restart("agent-gateway");
    house.kill_and_restart("investigation-api");
    for id in [at_once, in_waves, at_a_rate] {
        let over = |view: &Value| view["status"] == "completed";
        let view = investigator.ask_until(&format!("/v1/actions/{id}"), over).await;
        let of = |name: &str| view["counters"][name].as_i64().unwrap();
        assert_eq!(of("targeted"), AGENTS, "{view}");
        assert_eq!(of("success") + of("failed") + of("timeout"), AGENTS, "{view}");
    }
    let (line, sound) = fleet.await.unwrap().unwrap();
    assert!(sound, "{line:#}");
    assert_eq!(line["accepted"], 3 * AGENTS, "{line:#}");
    assert!(
        line["refused"].as_i64() > Some(0) && line["duplicates"].as_i64() > Some(0),
        "{line:#}"
    );
}
