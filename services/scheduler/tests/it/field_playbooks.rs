//! The playbooks of the field run as their names promise.

use crate::counting::Counting;
use crate::playbook_house::{House, field};
use serde_json::json;
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::ManualExpired;
use types::messages::manual::ManualOutcome;

#[tokio::test(flavor = "multi_thread")]
async fn one_question() {
    let mut house = House::new(&[]).await;
    let playbook = field("one-question");
    let id = house.trigger(&playbook).await;
    let asked = house.asked().await;
    assert_eq!((asked.execution_id.to_string(), asked.run), (id.clone(), 1));
    assert_eq!(asked.step_id, "action--5d3c2b1a-1111-4aaa-8bbb-000000000002");
    assert_eq!((asked.name.as_str(), asked.playbook_name.as_str()), ("Ask", "One question"));
    assert_eq!(asked.deadline - asked.created, Duration::minutes(1));
    let [command] = asked.commands.as_slice() else { panic!("{asked:?}") };
    assert_eq!((command.kind.as_str(), command.command.as_str()), ("manual", "Is the lamp green?"));
    assert_eq!(
        command.target.as_ref().unwrap()["id"],
        "individual--5d3c2b1a-1111-4aaa-8bbb-000000000005"
    );
    assert_eq!(
        (asked.out_args[0].name.as_str(), asked.out_args[0].kind.as_str()),
        ("__answer__", "string")
    );

    let now = house.until(&id, "waiting").await;
    let step =
        now["steps"].as_array().unwrap().iter().find(|step| step["type"] == "action").unwrap();
    assert_eq!(
        (step["id"].as_str().unwrap(), step["state"].as_str()),
        (asked.step.to_string().as_str(), Some("waiting"))
    );
    let report = house.get(&format!("/reporter/{id}")).await;
    assert_eq!(report["status"], "ongoing");
    let result = &report["step_results"][&asked.step_id];
    assert_eq!(
        (&result["status"], &result["automated_execution"]),
        (&json!("await_user_input"), &json!(false))
    );
    assert_eq!(report["ended"], "0001-01-01T00:00:00Z");

    house.done(&asked, &[("__answer__", "yes")]).await;
    let ended = house.until(&id, "succeeded").await;
    assert_eq!(ended["variables"]["__answer__"]["value"], "yes");
    let report = house.get(&format!("/reporter/{id}/")).await;
    assert_eq!(report["status"], "successfully_executed");
    assert_eq!(report["status_text"], "playbook execution completed successfully");
    assert_eq!(report["step_results"][&asked.step_id]["variables"]["__answer__"]["value"], "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_isolation_of_a_workstation() {
    let mut house = House::new(&[]).await;
    for (decision, next) in [
        ("approve", "Disable the switch port of ws-0042. Reason on file: \"seen\""),
        ("deny", "UmVjb3JkIHRoZSByZWZ1c2FsIGluIHRoZSB0aWNrZXQu"),
    ] {
        let id = house.trigger(&field("approval-gate")).await;
        let asked = house.asked().await;
        assert!(asked.commands[0].command.contains("May host ws-0042 be cut off"), "{asked:?}");
        house.done(&asked, &[("__decision__", decision), ("__reason__", "\"seen\"")]).await;
        let asked = house.asked().await;
        assert_eq!(asked.commands[0].command, next);
        assert_eq!(asked.commands[0].base64, decision == "deny");
        house.done(&asked, &[]).await;
        house.until(&id, "succeeded").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_the_sweep_until_nothing_is_left() {
    let mut house = House::new(&[]).await;
    let id = house.trigger(&field("sweep-until-clean")).await;
    for (run, left) in [(1, "12"), (2, "3"), (3, "0")] {
        let asked = house.asked().await;
        assert_eq!(asked.run, run);
        assert!(asked.commands[0].command.contains("<20250601.1@mail.example>"));
        house.done(&asked, &[("__remaining__", left)]).await;
    }
    let ended = house.until(&id, "succeeded").await;
    let sweeps = ended["steps"].as_array().unwrap().iter().filter(|step| step["type"] == "action");
    assert_eq!(sweeps.map(|step| step["run"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_teams_in_parallel_then_route_by_severity() {
    let mut house = House::new(&[]).await;
    for (severity, last) in
        [("high", "Phone the CISO about 192.0.2.7: odd flows"), ("low", "Close the ticket")]
    {
        let id = house.trigger(&field("parallel-switch-exception")).await;
        let network = house.asked().await;
        assert_eq!(network.name, "Network findings");
        house.process.wait(Duration::milliseconds(50));
        let vote = house.asked().await;
        assert_eq!(vote.commands[0].command, "Rate the case (low / high)");
        house.done(&vote, &[("__severity__", severity)]).await;
        house.done(&network, &[("__net_notes__", "odd flows")]).await;
        let asked = house.asked().await;
        assert_eq!(asked.commands[0].command, last);
        house.done(&asked, &[]).await;
        house.until(&id, "succeeded").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_a_deadline_lead_to_the_failure_branch() {
    let mut house = House::new(&[]).await;
    for expires in [false, true] {
        let id = house.trigger(&field("parallel-switch-exception")).await;
        let network = house.asked().await;
        house.process.wait(Duration::milliseconds(50));
        let vote = house.asked().await;
        if expires {
            let at = house.process.clock.now();
            house
                .process
                .publish(ManualExpired { step: vote.step, execution_id: vote.execution_id, at })
                .await;
        } else {
            house.answer(&vote, ManualOutcome::Failure, &[]).await;
        }
        house.done(&network, &[("__net_notes__", "")]).await;
        let asked = house.asked().await;
        assert_eq!(asked.name, "Something broke");
        let report = house.get(&format!("/reporter/{id}")).await;
        let status = if expires { "timeout_error" } else { "server_side_error" };
        assert_eq!(report["step_results"][&vote.step_id]["status"], status, "{report:#}");
        house.done(&asked, &[]).await;
        house.until(&id, "succeeded").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn example_manual_and_its_exception() {
    let mut house = House::new(&[]).await;
    let id = house.trigger(&field("manual-playbook")).await;
    let asked = house.asked().await;
    assert_eq!(asked.commands[0].command, "prepare Falcon for hyperspeed jump");
    house.done(&asked, &[("__hyperspeed_ready__", "true")]).await;
    let ended = house.until(&id, "succeeded").await;
    assert_eq!(ended["steps"][1]["variables"]["__hyperspeed_ready__"], "true");
    assert_eq!(
        ended["variables"].get("__hyperspeed_ready__"),
        None,
        "a variable of the step stays in it"
    );
    let id = house.trigger(&field("manual-playbook")).await;
    let asked = house.asked().await;
    house.answer(&asked, ManualOutcome::Failure, &[]).await;
    let ended = house.until(&id, "failed").await;
    assert_eq!(ended["handled"], true, "its workflow_exception is the end");
    assert!(ended["reason"].as_str().unwrap().contains("bob answered with failure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn example_http() {
    let server = Counting::new().await;
    let house = House::new(&["--http-allow", "127.0.0.1"]).await;
    let mut playbook = field("http-playbook");
    let target =
        &mut playbook["target_definitions"]["http-api--1c3900b4-f86b-430d-b415-12312b9e31f4"];
    target["address"] = json!({"url": [server.url()]});
    let id = house.trigger(&playbook).await;
    let ended = house.until(&id, "succeeded").await;
    assert_eq!(
        server.asked().iter().map(|asked| asked.line.as_str()).collect::<Vec<_>>(),
        ["GET /get"]
    );
    assert_eq!(ended["variables"]["__soarca_http_api_result__"]["value"], "answer to /get");
    // as it is, it goes where nobody allowed it to
    let id = house.trigger(&field("http-playbook")).await;
    let ended = house.until(&id, "failed").await;
    assert_eq!(ended["handled"], true);
    assert!(ended["reason"].as_str().unwrap().contains("httpbin.org"), "{ended:#}");
    let report = house.get("/reporter").await;
    until(PATIENCE, async || report.as_array().unwrap().len() == 2).await;
}
