//! A house that is restored from a backup into an empty broker gives nothing out a second time.

use crate::enrolment::{enrol, restart_agent};
use crate::house::{House, SERVICES, alive, root, send, until};
use crate::investigator::Investigator;
use crate::saved;
use reqwest::Method;
use serde_json::{Value, json};
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_when_it_was_saved_is_not_done_again() {
    let mut house = House::up();
    let investigator = Investigator::of(&house);
    let (module, agent) = enrol(&mut house, &investigator).await;
    let ledger = house.path("ledger");
    let noted = || -> Vec<u32> {
        let text = std::fs::read_to_string(&ledger).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    };
    let order = async |number: u32| {
        let parameters = json!({"path": ledger, "number": number});
        let name = format!("note {number}");
        let action = investigator.sign(&name, "name='house'", &module, &parameters);
        let accepted = investigator.ask(Method::POST, "/v1/actions", Some(&action)).await;
        format!("/v1/actions/{}", accepted["id"])
    };
    let parameters = json!({"path": ledger, "number": 9});
    let saved = saved::open(&mut house, &investigator, (&module, &parameters)).await;
    let completed = |view: &Value| view["status"] == "completed";
    investigator.ask_until(&order(1).await, completed).await;

    // what is open when the house is saved is done a moment later
    send("KILL", agent);
    until("the agent is gone", || !alive(agent));
    let open = order(2).await;
    investigator.ask_until(&open, |view| view["counters"]["targeted"] == 1).await;
    house.script("backup", &[house.path("backup").to_str().unwrap()]);
    no_private_key(&house);
    let agent = restart_agent(&mut house);
    investigator.ask_until(&open, completed).await;
    saved.goes_on(&investigator).await;
    assert_eq!(noted(), [1, 2]);

    send("KILL", agent);
    for service in SERVICES {
        house.end("TERM", service);
    }
    empty_broker(&house);
    house.script("restore", &[house.path("backup").to_str().unwrap()]);
    for service in SERVICES {
        house.start(service);
    }
    restart_agent(&mut house);
    let view = investigator.ask_until(&open, completed).await;
    assert_eq!(view["counters"]["expired"], 1, "{view}");
    assert!(view["reason"].as_str().unwrap().contains("restored"), "{view}");
    // an agent takes what waits for it in the order of its making: had the old order come again, it would be noted
    // before
    let view = investigator.ask_until(&order(3).await, completed).await;
    assert_eq!(view["counters"]["success"], 1, "{view}");
    saved.has_ended(&investigator).await;
    assert_eq!(noted(), [1, 2, 3]);
}

/// Looks through all that was saved for what could sign.
fn no_private_key(house: &House) {
    for service in SERVICES {
        let dump = house.path(&format!("backup/{service}.dump"));
        let out = Command::new("bash")
            .args([
                "-c",
                r#"LIB=$1; . "$LIB/postgres.sh"; "$(postgres_programs)/pg_restore" --file=- "$2""#,
                "dump",
            ])
            .args([root().join("scripts/lib"), dump])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(text.contains("CREATE TABLE"), "{service}");
        assert!(!text.contains("PRIVATE KEY"), "{service} holds a private key");
    }
}

/// Deletes the virtual hosts and sets them up again, as an operator does.
fn empty_broker(house: &House) {
    let script = r#"
        set -eu
        LIB=$1 DIR=$2
        . "$LIB/say.sh"; . "$LIB/databases.sh"; . "$LIB/broker.sh"
        . "$DIR/secrets.sh"; . "$DIR/private/env.sh"
        for vhost in writ mig; do
            curl --silent --show-error --fail --request DELETE "$RABBITMQ_API/vhosts/$vhost"
        done
        place=${AMQP_URL##*@}
        broker_accounts "$RABBITMQ_API" "${place%%/*}" "$3" >"$DIR/accounts.log"
    "#;
    // the services have ended: their programs are where the run scripts say
    let run = std::fs::read_to_string(house.path("run/scheduler.sh")).unwrap();
    let program = run.lines().find_map(|line| line.strip_prefix("exec ")).unwrap();
    let program = std::path::Path::new(program.split(' ').next().unwrap());
    let out = Command::new("bash")
        .args(["-c", script, "empty-broker"])
        .args([root().join("scripts/lib"), house.path(""), program.parent().unwrap().to_owned()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
