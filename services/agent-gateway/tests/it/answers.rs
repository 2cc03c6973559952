//! What agents may answer, and how large.

use crate::support::{Enrolled, Gateway, gateway, gateway_with, success};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::messages::CommandReturned;
use types::messages::command::ReturnedCommand;

fn answer(run: &Value, elements: &Value) -> Value {
    let result = json!({"foundanything": true, "success": true, "elements": elements, "statistics": {}, "errors": null});
    json!({"run": run, "status": "success", "results": [result]})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_answers_only_what_it_was_asked() {
    let mut gateway = gateway().await;
    let (agent, other) = (gateway.online("one").await, gateway.online("two").await);
    gateway.issue(7, &[(70, agent.number), (71, other.number)]).await;
    let (mine, theirs) = (gateway.work(&agent).await, gateway.work(&other).await);
    let (mine, theirs) = (&mine[0]["run"], &theirs[0]["run"]);
    let with = |field: &str, value: Value| {
        let mut answer = success(mine);
        answer[field] = value;
        answer
    };
    let three = json!([{}, {}, {}]);
    let refused = [
        success(theirs),
        success(&json!("00000000-0000-7000-8000-000000000000")),
        with("status", json!("sent")),
        with("status", json!("expired")),
        with("status", json!("cancelled")),
        with("results", three),
    ];
    assert_eq!(gateway.results(&agent, &refused).await, ["refused"; 6]);
    gateway.tap.none_of("command.returned.v1", Duration::from_millis(700)).await;
    let one = [with("results", json!([])), success(mine), success(theirs)];
    assert_eq!(
        gateway.results(&agent, &one).await,
        ["accepted", "duplicate", "refused"],
        "in their order"
    );
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!((told.len(), told[0].results.len()), (1, 0));
    assert_eq!(gateway.results(&other, &[success(theirs)]).await, ["accepted"]);
    assert_eq!(gateway.results(&agent, &[]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_answer_says_why() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let many = vec![success(&json!("00000000-0000-7000-8000-000000000000")); 51];
    // more results than any action has operations; each of them was to be made smaller once, and became larger
    let results = json!(vec![json!({}); 200_000]);
    let run = "00000000-0000-7000-8000-000000000000";
    let results = json!({"items": [{"run": run, "status": "success", "results": results}]});
    for (body, status) in [
        (json!({"items": many}), 422),
        (json!({"items": [{"run": "x"}]}), 422),
        (json!([]), 422),
        (results, 422),
    ] {
        gateway.post("/agent/v1/results", &agent.token, &body).await.expect(status);
    }
    let broken = gateway
        .client
        .post(gateway.url("/agent/v1/results"))
        .bearer_auth(&agent.token)
        .body("{\"items\":[");
    assert_eq!(broken.send().await.unwrap().status(), 400);
    // told before anything of it is read
    let mut line = TcpStream::connect(gateway.running.address).await.unwrap();
    let head = format!(
        "POST /agent/v1/results HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        agent.token,
        (32 << 20) + 1
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    tokio::time::timeout(testkit::PATIENCE, line.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(status, *b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_cannot_be_kept_are_replaced() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number)]).await;
    let run = gateway.work(&agent).await[0]["run"].clone();
    // half a surrogate, as a broken file name may hold it, and a NUL
    let body = format!(
        r#"{{"items":[{{"run":{run},"status":"success","results":[{{"success":true,"elements":{{"n\u0000":"a\u0000b\ud800"}}}}]}}]}}"#
    );
    let sent =
        gateway.client.post(gateway.url("/agent/v1/results")).bearer_auth(&agent.token).body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let told = gateway.tap.next::<CommandReturned>().await.data.commands;
    assert_eq!(told[0].results[0].elements, json!({"nNULL": "aNULLb\u{fffd}"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_travel_whole_and_larger_ones_are_cut() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    gateway.issue(7, &[(70, agent.number), (71, agent.number), (72, agent.number)]).await;
    let runs: Vec<Value> =
        gateway.work(&agent).await.into_iter().map(|item| item["run"].clone()).collect();
    let noise = noise(9 << 20);
    let whole = json!(noise.get(..(8 << 20) - 1_000).unwrap());
    let answers = [
        answer(&runs[0], &json!("small")),
        answer(&runs[1], &whole),
        answer(&runs[2], &json!(noise)),
    ];
    for answer in &answers {
        assert_eq!(gateway.results(&agent, std::slice::from_ref(answer)).await, ["accepted"]);
    }
    let mut told: Vec<ReturnedCommand> = Vec::new();
    while told.len() < 3 {
        told.extend(gateway.tap.next::<CommandReturned>().await.data.commands);
    }
    told.sort_by_key(|command| command.id);
    assert_eq!(told[0].results[0].elements, json!("small"));
    assert!(told[1].results[0].elements == whole, "8 MiB travel as they are");
    assert_eq!(told[1].results[0].errors, None);
    let size = serde_json::to_vec(&answers[2]["results"][0]).unwrap().len();
    assert_eq!(told[2].results[0].elements, Value::Null);
    assert_eq!(
        told[2].results[0].errors,
        Some(vec![format!("result was {size} bytes; cut at 8 MiB")])
    );
    assert!(told[2].results[0].foundanything);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_answers_are_told_in_messages_of_fifty_and_below_a_megabyte() {
    let mut gateway = gateway_with(&["--max-result", "300000"]).await;
    let agent = gateway.online("one").await;
    let commands: Vec<_> = (0..50).map(|n| (100 + n, agent.number)).collect();
    gateway.issue(7, &commands).await;
    let mut runs = Vec::new();
    while runs.len() < 50 {
        runs.extend(gateway.work(&agent).await.into_iter().map(|item| item["run"].clone()));
    }
    let text = json!(noise(200_000));
    let answers: Vec<Value> = runs.iter().map(|run| answer(run, &text)).collect();
    assert_eq!(gateway.results(&agent, &answers).await, ["accepted"; 50]);
    let mut told = 0;
    while told < 50 {
        let heard = gateway.tap.next_of("command.returned.v1", testkit::PATIENCE).await.unwrap();
        assert!(heard.body.len() < 1 << 20, "{}", heard.body.len());
        let message: types::Envelope<CommandReturned> =
            serde_json::from_slice(&heard.body).unwrap();
        told += message.data.commands.len();
    }
    assert_eq!(told, 50);
}

/// Announces a body of so many bytes and sends none of it.
async fn announce(gateway: &Gateway, agent: &Enrolled, bytes: usize) -> TcpStream {
    let mut line = TcpStream::connect(gateway.running.address).await.unwrap();
    let head = format!(
        "POST /agent/v1/results HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-length: {bytes}\r\n\r\n",
        agent.token,
    );
    line.write_all(head.as_bytes()).await.unwrap();
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_in_at_a_time_is_bounded() {
    let mut gateway = gateway_with(&["--answers-in-flight", "33554432"]).await;
    let (hostile, agent) = (gateway.online("hostile").await, gateway.online("one").await);
    gateway.issue(7, &[(70, agent.number)]).await;
    let run = gateway.work(&agent).await[0]["run"].clone();
    // one takes all the room and sends nothing
    let mut line = announce(&gateway, &hostile, 32 << 20).await;
    let large = json!({"items": [], "rest": noise(2 << 20)});
    let post = || gateway.post("/agent/v1/results", &agent.token, &large);
    let is_full = async || tokio::time::timeout(Duration::from_millis(500), post()).await.is_err();
    testkit::until(testkit::PATIENCE, is_full).await;
    // small ones have room of their own
    assert_eq!(gateway.results(&agent, &[success(&run)]).await, ["accepted"]);
    // it is not waited for longer than ten seconds
    let other = async {
        loop {
            let answer = post().await;
            if answer.status != 503 {
                return answer;
            }
        }
    };
    let (other, status) = tokio::join!(other, status_of(&mut line));
    other.expect(200);
    assert_eq!(status, "HTTP/1.1 408");
}

/// Reads how a request was answered.
async fn status_of(line: &mut TcpStream) -> String {
    let mut status = [0; 12];
    tokio::time::timeout(testkit::PATIENCE, line.read_exact(&mut status)).await.unwrap().unwrap();
    String::from_utf8(status.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_takes_its_own_room_only() {
    let mut gateway = gateway_with(&["--answers-in-flight", "33554432"]).await;
    let (hostile, agent) = (gateway.online("hostile").await, gateway.online("one").await);
    gateway.issue(7, &[(70, hostile.number), (71, agent.number), (72, agent.number)]).await;
    let theirs = gateway.work(&hostile).await[0]["run"].clone();
    let mine = gateway.work(&agent).await;
    let mut lines = Vec::new();
    for _ in 0..40 {
        lines.push(announce(&gateway, &hostile, 1 << 20).await);
    }
    // it is its own answers that wait
    let waits = async || {
        let own = [success(&theirs)];
        let answer = gateway.results(&hostile, &own);
        tokio::time::timeout(Duration::from_millis(500), answer).await.is_err()
    };
    testkit::until(testkit::PATIENCE, waits).await;
    let (small, large) = (json!("small"), json!(noise(700_000)));
    for (item, elements) in mine.iter().zip([&small, &large]) {
        assert_eq!(gateway.results(&agent, &[answer(&item["run"], elements)]).await, ["accepted"]);
    }
    let mut told: Vec<ReturnedCommand> = Vec::new();
    while told.len() < 2 {
        told.extend(gateway.tap.next::<CommandReturned>().await.data.commands);
        told.retain(|command| command.agent == agent.number);
    }
    told.sort_by_key(|command| command.id);
    assert_eq!(told[0].results[0].elements, small);
    assert!(told[1].results[0].elements == large);
}

/// Makes text that does not pack well.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from(state >> 33 & 63).unwrap())
    };
    (0..length).map(|_| next()).map(|c| if matches!(c, '"' | '\\') { 'x' } else { c }).collect()
}
