//! kill -9 of any service in the middle of 200 actions: every result still arrives, once.

use crate::enrolment::enrol;
use crate::house::{House, SERVICES};
use crate::investigator::Investigator;
use reqwest::Method;
use serde_json::json;

const ACTIONS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn every_result_arrives_once_whichever_service_is_killed() {
    let mut house = House::up();
    let investigator = Investigator::of(&house);
    let (module, _) = enrol(&mut house, &investigator).await;
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
