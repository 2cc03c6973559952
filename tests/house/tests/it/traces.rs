//! One trace leads from an order to its result, through every service that has a hand in it.

use crate::collector::{Collector, Span};
use crate::enrolment::enrol;
use crate::eyes::every_metric_exists;
use crate::house::{House, alive, send, until};
use crate::investigator::Investigator;
use crate::pending::field;
use crate::playbook::waits;
use crate::rights::{a_role_reaches_its_own_database_alone, a_stolen_account_is_confined};
use reqwest::Method;
use serde_json::{Value, json};

/// Is a trace whose root is the caller's own span.
const ORDER: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
const LOADER: (&str, &str) = ("1af7651916cd43dd8448eb211c80319c", "c7ad6b7169203331");
const QUESTION: (&str, &str) = ("2af7651916cd43dd8448eb211c80319c", "d7ad6b7169203331");
const ANSWER: (&str, &str) = ("3af7651916cd43dd8448eb211c80319c", "e7ad6b7169203331");

/// Lists the spans of a trace as `service: name`, each after its number, with the number of the one that it goes on
/// with.
const OF_AN_ORDER: &[(&str, &str, &str)] = &[
    ("", "investigation-api", "POST /v1/actions"),
    ("POST /v1/actions", "investigation-api", "publish writ:action.accepted.v1"),
    ("publish writ:action.accepted.v1", "scheduler", "process scheduler.actions"),
    ("publish writ:action.accepted.v1", "scheduler", "launch"),
    ("launch", "scheduler", "publish writ:command.issued.v1"),
    ("publish writ:command.issued.v1", "agent-gateway", "process agent-gateway.commands"),
    ("publish writ:command.issued.v1", "investigation-api", "process investigation-api.runs"),
    ("publish writ:command.issued.v1", "agent-gateway", "answer"),
    ("answer", "agent-gateway", "publish writ:command.returned.v1"),
    ("publish writ:command.returned.v1", "scheduler", "process scheduler.commands"),
    ("publish writ:command.returned.v1", "investigation-api", "process investigation-api.runs"),
];

const OF_A_LOADER: &[(&str, &str, &str)] = &[
    ("", "loader-manifest", "POST /v1/loaders"),
    ("POST /v1/loaders", "loader-manifest", "publish writ:loader.changed.v1"),
    ("publish writ:loader.changed.v1", "investigation-api", "process investigation-api.loaders"),
];

const OF_A_QUESTION: &[(&str, &str, &str)] = &[
    ("", "scheduler", "POST /v1/executions"),
    ("POST /v1/executions", "scheduler", "publish writ:manual.requested.v1"),
    ("publish writ:manual.requested.v1", "manual-interaction", "process manual-interaction.steps"),
];

const OF_AN_ANSWER: &[(&str, &str, &str)] = &[
    ("", "manual-interaction", "POST /v1/steps/{id}/answer"),
    ("POST /v1/steps/{id}/answer", "manual-interaction", "publish writ:manual.answered.v1"),
    ("publish writ:manual.answered.v1", "scheduler", "process scheduler.manual"),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_followed_to_its_result() {
    let collector = Collector::start();
    let variables: Vec<_> =
        collector.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut house = House::up_with(&variables);
    let mut investigator = Investigator::of(&house);
    let (module, _) = enrol(&mut house, &investigator).await;

    let parameters = json!({"path": house.path("ledger"), "number": 1});
    let action = investigator.sign("traced", "name='house'", &module, &parameters);
    investigator.trace = Some(header(ORDER));
    let accepted = investigator.ask(Method::POST, "/v1/actions", Some(&action)).await;
    investigator.trace = Some(header(LOADER));
    let loader = json!({"name": "traced"}).to_string();
    investigator.ask(Method::POST, "/v1/loaders", Some(&loader)).await;
    investigator.trace = None;
    let over = |view: &Value| view["status"] == "completed";
    let view = investigator.ask_until(&format!("/v1/actions/{}", accepted["id"]), over).await;
    assert_eq!(view["counters"]["success"], 1, "{view}");

    follow(&collector, ORDER, OF_AN_ORDER);
    follow(&collector, LOADER, OF_A_LOADER);
    investigator.trace = Some(header(QUESTION));
    let question = json!({"playbook": field("one-question")}).to_string();
    investigator.ask(Method::POST, "/v1/executions", Some(&question)).await;
    investigator.trace = Some(header(ANSWER));
    let asked = waits(&investigator, "Ask").await;
    let path = format!("/v1/steps/{}/answer", asked["id"].as_str().unwrap());
    let answer = json!({"outcome": "success", "variables": {"__answer__": "yes"}}).to_string();
    investigator.ask(Method::POST, &path, Some(&answer)).await;
    investigator.trace = None;
    follow(&collector, QUESTION, OF_A_QUESTION);
    follow(&collector, ANSWER, OF_AN_ANSWER);
    spans_speak_as_the_conventions_do(&collector.trace(ORDER.0));
    whoever_is_told_to_be_silent_is(&mut house, &collector);
    let log = std::fs::read_to_string(house.path("log/scheduler.log")).unwrap();
    let line = log.lines().find(|line| line.contains("\"message\":\"launched\"")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["trace_id"], ORDER.0, "{line}");
    assert_eq!(line["service.name"], "scheduler", "{line}");

    // a house costs seconds to bring up: what else is to be seen of one that works is looked at here
    let stranger = format!("{}/v1/agents", house.var("WRIT_URL"));
    let http = reqwest::Client::builder().build().unwrap();
    let refused = http.get(stranger).bearer_auth("nobody's").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    every_metric_exists(&house).await;
    a_stolen_account_is_confined(&house).await;
    a_role_reaches_its_own_database_alone(&house);
}

/// Checks names and values of attributes; an empty value is any.
fn spans_speak_as_the_conventions_do(spans: &[Span]) {
    for (name, attributes) in [
        (
            "POST /v1/actions",
            &[
                ("http.request.method", "POST"),
                ("http.route", "/v1/actions"),
                ("http.response.status_code", "202"),
                ("url.path", "/v1/actions"),
                ("url.scheme", "http"),
                ("server.address", "127.0.0.1"),
                ("network.protocol.version", ""),
                ("client.address", "127.0.0.1"),
            ][..],
        ),
        (
            "process scheduler.actions",
            &[
                ("messaging.system", "rabbitmq"),
                ("messaging.operation.name", "process"),
                ("messaging.operation.type", "process"),
                ("messaging.destination.name", "scheduler.actions"),
                ("messaging.message.id", ""),
            ],
        ),
        (
            "publish writ:command.issued.v1",
            &[
                ("messaging.system", "rabbitmq"),
                ("messaging.operation.name", "publish"),
                ("messaging.operation.type", "send"),
                ("messaging.destination.name", "writ:command.issued.v1"),
                ("messaging.rabbitmq.destination.routing_key", "command.issued.v1"),
                ("messaging.message.id", ""),
                ("messaging.message.body.size", ""),
            ],
        ),
    ] {
        let span = spans.iter().find(|span| span.name == name).unwrap();
        for (attribute, wanted) in attributes {
            let found = span.attributes.get(*attribute);
            let right = found.is_some_and(|value| wanted.is_empty() || value == wanted);
            assert!(right, "{attribute} is not {wanted}: {span:?}");
        }
    }
}

/// Starts two more processes of a service, under names of their own: one sends, one is told not to.
fn whoever_is_told_to_be_silent_is(house: &mut House, collector: &Collector) {
    let anywhere = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let pids = [("speaks", "false"), ("silent", "true")].map(|(name, disabled)| {
        let variables = [("OTEL_SERVICE_NAME", name), ("OTEL_SDK_DISABLED", disabled)];
        house.start_another_with("loader-manifest", name, &anywhere, &variables)
    });
    let log = |name: &str| {
        let file = house.path(&format!("loader-manifest.{name}.log"));
        std::fs::read_to_string(file).unwrap_or_default()
    };
    until("both serve", || {
        ["speaks", "silent"].iter().all(|name| log(name).contains("\"message\":\"serving\""))
    });
    for pid in pids {
        send("TERM", pid);
        until("it has ended, and sent what it had", || !alive(pid));
    }
    assert!(collector.heard_of("speaks"), "{}", log("speaks"));
    assert!(!collector.heard_of("silent"));
    assert!(log("silent").contains("OTEL_SDK_DISABLED"), "{}", log("silent"));
}

fn header((trace, span): (&str, &str)) -> String {
    format!("00-{trace}-{span}-01")
}

/// Waits until every span of the chain is there and goes on with the one it should.
fn follow(collector: &Collector, (trace, root): (&str, &str), chain: &[(&str, &str, &str)]) {
    let missing = || {
        let spans = collector.trace(trace);
        chain.iter().copied().find(|(before, service, name)| {
            let is_before = |id: &String| match *before {
                "" => id == root,
                before => spans.iter().any(|span| span.id == *id && span.name == before),
            };
            let is_it = |span: &&Span| {
                span.service == *service
                    && span.name == *name
                    && span.began > 0
                    && span.before.iter().any(is_before)
            };
            !spans.iter().any(|span| is_it(&span))
        })
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while let Some(missing) = missing() {
        assert!(
            std::time::Instant::now() < deadline,
            "no span {missing:?} in {:#?}",
            collector.trace(trace)
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
