//! SOARCA's manual API, row by row of specs/soarca/manual-api.md §5.2 to §5.4.

use crate::support::{ALICE, BOB, PLAYBOOK, READER, STEP, manual, manual_with, success};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::PATIENCE;
use types::messages::ManualAnswered;
use types::messages::manual::ManualOutcome;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_shown_as_documentation_and_code_say_and_both_spellings_answer() {
    let manual = manual().await;
    for path in ["/manual", "/manual/"] {
        assert_eq!(manual.get(path, READER).await.expect(200).text, "[]");
    }
    let step = manual.asked().await;
    let execution = step.execution_id.to_string();
    let simple = execution.replace('-', "");
    let mut objects = Vec::new();
    for path in ["/manual", "/manual/"] {
        let list = manual.get(path, READER).await.expect(200).json();
        assert_eq!(list.as_array().unwrap().len(), 1);
        objects.push(list[0].clone());
    }
    for id in [&execution, &execution.to_uppercase(), &simple, &format!("urn:uuid:{execution}")] {
        for slash in ["", "/"] {
            let one = manual.get(&format!("/manual/{id}/{STEP}{slash}"), READER).await;
            objects.push(one.expect(200).json());
        }
    }
    for object in objects {
        let target = &object["target"];
        assert_eq!(target["name"], "Ops");
        assert_eq!((&target["location"], &target["contact"]), (&json!({}), &json!({})));
        assert_eq!(&object["targets"]["individual--0000003c-0000-4000-8000-00000000003c"], target);
        assert_eq!(object["command_is_base64"], false);
        assert!(object.get("commandb64").is_none(), "absent means false");
        for (key, value) in [
            ("type", json!("manual-step-information")),
            ("execution_id", json!(execution)),
            ("playbook_id", json!(PLAYBOOK)),
            ("step_id", json!(STEP)),
            ("description", json!("cmd descr")),
            ("step_description", json!("step descr")),
            ("step_name", json!("ask the owner")),
            ("command", json!("do X1 <now> & go")),
        ] {
            assert_eq!(object[key], value, "{key}");
        }
        let count = &object["out_args"]["__count__"];
        assert_eq!(
            count,
            &json!({"type": "integer", "name": "__count__", "description": "d", "value": "1", "constant": false, "external": false})
        );
        assert_eq!(object["out_args"]["__note__"]["value"], "");
    }
    for (path, status) in [
        (format!("/manual/{execution}/action--unknown"), 404),
        (format!("/manual/00000000-0000-0000-0000-000000000001/{STEP}"), 404),
        (format!("/manual/zzz/{STEP}"), 400),
        ("/manual/a".into(), 404),
        ("/manual/continue".into(), 404),
    ] {
        let error = manual.get(&path, READER).await.expect(status).json();
        let keys: Vec<_> = error.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "downstream-call", "message", "original-call", "status"]);
        assert_eq!(error["original-call"], format!("GET {path}"));
        assert_eq!(error["status"], status.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_to_the_scheduler_and_is_kept() {
    let mut manual = manual().await;
    let step = manual.asked().await;
    let mut body = success(&step);
    // SOARCA's example has quoted booleans, front ends send whole variables back, one omits the type
    body["response_out_args"]["__fixed__"] = json!({"type": "string", "name": "__fixed__", "value": "stays", "constant": "true", "external": "false", "description": "x"});
    body.as_object_mut().unwrap().remove("type");
    let taken = manual.post("/manual/continue/", ALICE, &body).await.expect(200).json();
    assert_eq!(
        taken,
        json!({"execution_id": step.execution_id, "playbook_id": PLAYBOOK, "payload": PLAYBOOK})
    );
    let told = manual.tap.next::<ManualAnswered>().await.data;
    assert_eq!((told.step, told.execution_id), (step.step, step.execution_id));
    assert_eq!((told.outcome, told.answered_by.as_str()), (ManualOutcome::Success, "alice"));
    let values = [("__count__", "7"), ("__note__", "fine")];
    let values: BTreeMap<_, _> = values.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    assert_eq!(told.variables, values);

    // the same again by the same person is fine and does nothing; anything else comes too late
    manual.post("/manual/continue", ALICE, &body).await.expect(200);
    let mut other = body.clone();
    other["response_out_args"]["__note__"]["value"] = json!("not fine");
    for (key, body) in [(BOB, &body), (ALICE, &other)] {
        let refused = manual.post("/manual/continue", key, body).await.expect(400).json();
        assert_eq!(refused["code"], "already-answered", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains("by alice"));
    }
    manual.tap.none_of("manual.answered.v1", std::time::Duration::from_millis(300)).await;
    let shown = manual.shown(&step).await;
    assert_eq!((&shown["state"], &shown["answered_by"]), (&json!("answered"), &json!("alice")));
    assert_eq!(shown["answer"], json!({"outcome": "success", "variables": values}));
    let event = &shown["events"][1];
    assert_eq!(
        (&event["what"], &event["by"], &event["address"], &event["channel"]),
        (&json!("answered"), &json!("alice"), &json!("127.0.0.1"), &json!("soarca"))
    );
    let path = format!("/manual/{}/{STEP}", step.execution_id);
    manual.get(&path, READER).await.expect(404);
    assert_eq!(manual.get("/manual", READER).await.expect(200).text, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_needs_no_values_and_is_one() {
    let mut manual = manual().await;
    let step = manual.asked().await;
    let mut body = success(&step);
    body["response_status"] = json!("failure");
    body["response_out_args"] = Value::Null;
    manual.post("/manual/continue", ALICE, &body).await.expect(200);
    let told = manual.tap.next::<ManualAnswered>().await.data;
    assert_eq!((told.outcome, told.variables), (ManualOutcome::Failure, BTreeMap::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_answer_is_refused_and_changes_nothing() {
    let mut manual = manual().await;
    let step = manual.asked().await;
    let good = success(&step);
    // row 2: what does not parse
    for (body, word) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "failed to unmarshal JSON"),
        ("null", "failed to unmarshal JSON"),
        ("{\"a\":1}", "unknown field `a`"),
        ("{} trailing", "trailing"),
        (&"[".repeat(500), "recursion"),
    ] {
        let refused = manual.raw(body).await.expect(400).json();
        let message = refused["message"].as_str().unwrap();
        assert!(message.starts_with("failed to parse manual out args payload:"), "{message}");
        assert!(message.contains(word), "{body}: {message}");
        assert_eq!(
            (
                &refused["code"],
                &refused["status"],
                &refused["original-call"],
                &refused["downstream-call"]
            ),
            (&json!("invalid"), &json!("400"), &json!("POST /manual/continue"), &json!(""))
        );
    }
    let at = |path: &[&str], value: Value| {
        let mut body = good.clone();
        let last = path.iter().fold(&mut body, |at, key| &mut at[*key]);
        *last = value;
        body
    };
    let args = "response_out_args";
    for (body, word, code) in [
        (at(&["type"], json!(1)), "invalid type", "invalid"),
        (at(&[args, "__note__", "foo"], json!(1)), "unknown field `foo`", "invalid"),
        (at(&[args, "__note__", "constant"], json!("yes")), "not true or false", "invalid"),
        (at(&[args, "__note__", "constant"], json!(1)), "not true or false", "invalid"),
        (at(&[args, "__note__", "value"], json!(1)), "invalid type: integer", "invalid"),
        (at(&[args], json!([])), "invalid type", "invalid"),
        // row 3
        (at(&[args, "__note__", "name"], json!("__x__")), "variable name mismatch", "invalid"),
        // row 4
        (at(&["execution_id"], json!("zzzz")), "execution_id", "invalid"),
        (at(&["execution_id"], Value::Null), "execution_id is missing", "invalid"),
        (at(&["step_id"], Value::Null), "step_id is missing", "invalid"),
        (at(&["response_status"], Value::Null), "response_status is missing", "invalid"),
        (at(&["response_status"], json!("bogus")), "success or failure", "invalid"),
        (at(&["response_status"], json!("Success")), "success or failure", "invalid"),
        // row 5
        (at(&["step_id"], json!("action--x")), "waits for an answer", "not-pending"),
        (
            at(&["execution_id"], json!("00000000-0000-0000-0000-000000000001")),
            "waits",
            "not-pending",
        ),
        (at(&["playbook_id"], json!("playbook--other")), "belongs to", "invalid"),
        // row 6, and what the documentation asks for beyond it
        (at(&[args, "__other__"], json!({"value": "1"})), "don't match with expected", "invalid"),
        (at(&[args], json!({})), "__count__ is asked for", "invalid"),
        (at(&[args], Value::Null), "__note__ is asked for", "invalid"),
        (at(&[args, "__count__"], json!({"name": "__count__"})), "is missing", "invalid"),
        (at(&[args, "__count__", "value"], json!("abc")), "is no integer", "invalid"),
        (at(&[args, "__count__", "value"], json!("")), "is missing", "invalid"),
        (at(&[args, "__note__", "type"], json!("integer")), "declared type is string", "invalid"),
        (at(&[args, "__fixed__"], json!({"value": "new"})), "constant", "invalid"),
        (at(&[args, "__note__", "value"], json!("a\0b")), "NUL", "invalid"),
        (at(&[args, "__note__", "value"], json!("x".repeat(300_000))), "at most", "invalid"),
    ] {
        let refused = manual.post("/manual/continue", ALICE, &body).await.expect(400).json();
        assert_eq!(refused["code"], code, "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(word), "{word}: {refused}");
    }
    let huge = format!("{{\"type\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(manual.raw(&huge).await.status, 413);
    manual.tap.none_of("manual.answered.v1", std::time::Duration::from_millis(300)).await;
    assert_eq!(manual.events(&step).await, ["requested"]);
    // of a key that is there twice the last one counts, as in the original
    let twice = good.to_string().replacen('{', "{\"response_status\":\"bogus\",", 1);
    assert_eq!(manual.raw(&twice).await.expect(200).json()["payload"], PLAYBOOK);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_at_the_same_instant_one_wins_and_nineteen_are_told_so() {
    let mut manual = manual().await;
    let step = manual.asked().await;
    let bodies: Vec<Value> = (0..20)
        .map(|n| {
            let mut body = success(&step);
            body["response_out_args"]["__note__"]["value"] = json!(n.to_string());
            body
        })
        .collect();
    let posts = bodies.iter().enumerate().map(|(n, body)| {
        manual.post("/manual/continue", if n % 2 == 0 { ALICE } else { BOB }, body)
    });
    let answers = join_all(posts).await;
    let won: Vec<usize> = (0..20).filter(|n| answers[*n].status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for (n, answer) in answers.into_iter().enumerate() {
        if n != won[0] {
            assert_eq!(answer.expect(400).json()["code"], "already-answered");
        }
    }
    let told = manual.tap.next::<ManualAnswered>().await.data;
    assert_eq!(told.variables["__note__"], won[0].to_string());
    manual.tap.none_of("manual.answered.v1", std::time::Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_paths_take_anybody_and_any_origin() {
    let mut manual = manual_with(&["--soarca-auth", "off"]).await;
    let step = manual.asked().await;
    for (origin, method, path, status) in [
        ("https://gui.example", Method::OPTIONS, "/manual/continue", 204),
        ("https://gui.example", Method::GET, "/manual", 200),
    ] {
        let request = manual
            .client
            .request(method, manual.url(path))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .bearer_auth("a token of somebody else's sign-in");
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        if status == 204 {
            let headers = answer.headers()["access-control-allow-headers"].to_str().unwrap();
            assert!(headers.contains("Authorization"), "{headers}");
        }
    }
    manual.get("/v1/steps", "").await.expect(401);
    manual.post("/manual/continue", "", &success(&step)).await.expect(200);
    assert_eq!(manual.tap.next::<ManualAnswered>().await.data.answered_by, "anonymous");
    // who shows a key is known by it
    let step = manual.asked().await;
    manual.post("/manual/continue", BOB, &success(&step)).await.expect(200);
    assert_eq!(manual.tap.next::<ManualAnswered>().await.data.answered_by, "bob00");
}
