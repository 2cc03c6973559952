//! `/v1/steps`: lists, who is asked, comments, answers; and what time and the scheduler do to a step.

use crate::support::{ALICE, BOB, NOBODY, READER, manual, manual_with, success};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{PATIENCE, until};
use types::messages::{ManualAnswered, ManualExpired};

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_listed_by_what_is_wanted_of_them() {
    let manual = manual().await;
    let mut steps = Vec::new();
    for n in 0..5 {
        let mut step = manual.step();
        step.step_id = format!("action--{n}");
        step.assignee = (n == 3).then(|| "alice".into());
        manual.ask(&step).await;
        steps.push(step);
    }
    let answer = json!({"outcome": "failure"});
    let first = format!("/v1/steps/{}/answer", steps[0].step);
    manual.post(&first, ALICE, &answer).await.expect(200);
    let ids = async |query: &str| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/steps?limit=2&{query}{cursor}");
            let page = manual.get(&path, READER).await.expect(200).json();
            for item in page["items"].as_array().unwrap() {
                ids.push(steps.iter().position(|s| item["id"] == json!(s.step)).unwrap());
            }
            let Some(next) = page["next"].as_str() else { return ids };
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!(ids("").await, [4, 3, 2, 1, 0]);
    assert_eq!(ids("state=pending").await, [4, 3, 2, 1]);
    assert_eq!(ids("state=answered").await, [0]);
    assert_eq!(ids("assignee=alice").await, [3]);
    assert_eq!(ids("step_id=action--2").await, [2]);
    assert_eq!(ids(&format!("execution_id={}", steps[1].execution_id)).await, [1]);
    assert_eq!(ids("playbook_id=playbook--none").await, [0_usize; 0]);
    for (query, status) in
        [("limit=0", 422), ("limit=501", 422), ("cursor=x", 400), ("state=odd", 400), ("x=1", 400)]
    {
        manual.get(&format!("/v1/steps?{query}"), READER).await.expect(status);
    }
    manual.get("/v1/steps/nonsense", READER).await.expect(404);
    manual.get("/v1/steps/00000000-0000-0000-0000-000000000001", READER).await.expect(404);
}

/// Steps of nearly a mebibyte each: as many as a page may have would be the end of us.
#[tokio::test(flavor = "multi_thread")]
async fn large_steps_are_listed_few_at_a_time_and_all_in_order() {
    const COUNT: usize = 9;
    let manual = manual().await;
    let mut steps = Vec::new();
    for n in 0..COUNT {
        let mut step = manual.step();
        // the last is small
        let large = if n + 1 < COUNT { 900_000 } else { 1 };
        step.commands[0].command = n.to_string() + &"x".repeat(large);
        manual.ask(&step).await;
        steps.push(step);
    }
    // as those have it that were there before sizes were kept
    let mut conn = manual.running.parts.store.get().await.unwrap();
    conn.batch_execute("update step set size = null where seq % 2 = 0").await.unwrap();
    let place = |item: &Value| {
        steps.iter().position(|step| item["id"] == json!(step.step)).expect("one of ours")
    };
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/v1/steps?limit=500{cursor}");
        let page = manual.get(&path, READER).await.expect(200);
        assert!(page.text.len() < 3 << 20, "{} bytes", page.text.len());
        let page = page.json();
        for item in page["items"].as_array().unwrap() {
            let n = place(item);
            let command = item["commands"][0]["command"].as_str().unwrap();
            assert_eq!(command, steps[n].commands[0].command);
            seen.push(n);
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, (0..COUNT).rev().collect::<Vec<_>>());
    assert!(pages >= 4, "{pages} pages");
    // SOARCA's list has no pages: it comes whole, oldest first
    let all = manual.get("/manual", READER).await.expect(200).json();
    let ids: Vec<_> =
        all.as_array().unwrap().iter().map(|item| item["step_run_id"].clone()).collect();
    assert_eq!(ids, steps.iter().map(|step| json!(step.step)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_one_step_are_found_by_an_index() {
    let manual = manual().await;
    let mut conn = manual.running.parts.store.get().await.unwrap();
    conn.batch_execute(
        "insert into step (id, execution_id, step_id, state, created, deadline, ended)
             select gen_random_uuid(), gen_random_uuid(), 'action--' || n, 'cancelled', now(), now(), now()
             from generate_series(1, 20000) n;
         analyze step",
    )
    .await
    .unwrap();
    let path = "/v1/steps?limit=1&step_id=action--7";
    let page = manual.get(path, READER).await.expect(200).json();
    assert_eq!(page["items"][0]["step_id"], "action--7");
    let used = "pg_stat_user_indexes where indexrelname = 'step_step_id_idx' and idx_scan > 0";
    until(PATIENCE, async || manual.count(used).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_take_a_step_give_it_back_pass_it_on_and_speak_of_it() {
    let mut manual = manual().await;
    let step = manual.asked().await;
    let path = |what: &str| format!("/v1/steps/{}/{what}", step.step);
    let none = json!({});
    let post =
        async |what: &str, key: &str, body: &Value| manual.post(&path(what), key, body).await;
    assert_eq!(post("claim", ALICE, &none).await.expect(200).json()["assignee"], "alice");
    post("claim", ALICE, &none).await.expect(200);
    for what in ["claim", "release"] {
        assert_eq!(post(what, BOB, &none).await.expect(409).json()["code"], "taken");
    }
    assert_eq!(post("release", ALICE, &none).await.expect(200).json()["assignee"], Value::Null);
    let to = |name: &str| json!({"assignee": name});
    assert_eq!(post("assign", ALICE, &to("bob00")).await.expect(200).json()["assignee"], "bob00");
    for name in ["reads", "nobod", "mallory", ""] {
        let refused = post("assign", ALICE, &to(name)).await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "/assignee");
    }
    post("comments", BOB, &json!({"text": "  I am on the phone  "})).await.expect(200);
    for text in ["", " ", "a\0b", &"x".repeat(4001)] {
        post("comments", BOB, &json!({"text": text})).await.expect(422);
    }
    // who is asked is told, and does not keep others out
    for (body, pointer) in [
        (
            json!({"outcome": "success", "variables": {"__count__": "x", "__note__": ""}}),
            "/variables/__count__",
        ),
        (json!({"outcome": "success"}), "/variables/__count__"),
        (json!({"outcome": "odd"}), "/outcome"),
        (json!({"outcome": "failure", "more": 1}), ""),
    ] {
        let refused = post("answer", ALICE, &body).await.expect(422).json();
        assert!(
            refused["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer),
            "{refused}"
        );
    }
    let good = json!({"outcome": "success", "variables": {"__count__": "-3", "__note__": ""}});
    let answered = post("answer", ALICE, &good).await.expect(200).json();
    assert_eq!((&answered["state"], &answered["answer"]), (&json!("answered"), &good));
    assert_eq!(post("answer", BOB, &good).await.expect(409).json()["code"], "already-answered");
    assert_eq!(post("claim", BOB, &none).await.expect(409).json()["code"], "not-pending");
    post("comments", BOB, &json!({"text": "thanks"})).await.expect(200);
    assert_eq!(
        manual.events(&step).await,
        [
            "requested",
            "claimed",
            "claimed",
            "released",
            "assigned",
            "commented",
            "answered",
            "commented"
        ]
    );
    for (key, status) in [("", 401), (NOBODY, 403), (READER, 403)] {
        for what in ["claim", "release", "assign", "comments", "answer"] {
            manual.post(&path(what), key, &none).await.expect(status);
        }
    }
    assert_eq!(manual.tap.next::<ManualAnswered>().await.data.variables["__count__"], "-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_expires_once_and_for_all() {
    let mut manual = manual().await;
    let (step, other) = (manual.asked().await, manual.asked().await);
    manual.clock.advance(time::Duration::minutes(59));
    manual.running.service.app.expire_steps().await.unwrap();
    manual.post("/manual/continue", ALICE, &success(&other)).await.expect(200);
    manual.clock.advance(time::Duration::minutes(1));
    // an answer at the deadline is too late, whether the timer was there before it or not
    let refused = manual.post("/manual/continue", ALICE, &success(&step)).await.expect(400).json();
    assert_eq!(refused["code"], "not-pending");
    assert_eq!(manual.get("/manual", READER).await.expect(200).text, "[]");
    let told = manual.tap.next::<ManualExpired>().await.data;
    assert_eq!((told.step, told.execution_id), (step.step, step.execution_id));
    manual.running.service.app.expire_steps().await.unwrap();
    manual.tap.none_of("manual.expired.v1", Duration::from_millis(300)).await;
    assert_eq!(manual.shown(&step).await["state"], "expired");
    let refused = manual.post("/manual/continue", ALICE, &success(&step)).await.expect(400).json();
    assert_eq!(refused["code"], "not-pending");
    // one that comes when it is too late already is told of at once
    let mut late = manual.step();
    late.deadline = late.created - Duration::from_secs(1);
    manual.ask(&late).await;
    assert_eq!(manual.tap.next::<ManualExpired>().await.data.step, late.step);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_and_withdrawal_come_in_any_order_and_any_number() {
    let mut manual = manual().await;
    let (before, after, answered) = (manual.step(), manual.asked().await, manual.asked().await);
    manual.withdraw(&before).await;
    until(PATIENCE, async || manual.count("step where state = 'cancelled'").await == 1).await;
    let listed = manual.get("/v1/steps?state=cancelled", READER).await.expect(200).json();
    assert_eq!(listed["items"], json!([]), "nothing is known of it yet");
    manual.ask(&before).await;
    manual.ask(&before).await;
    manual.post("/manual/continue", ALICE, &success(&answered)).await.expect(200);
    manual.withdraw(&answered).await;
    manual.withdraw(&after).await;
    until(PATIENCE, async || manual.shown(&after).await["state"] == "cancelled").await;
    manual.ask(&after).await;
    manual.withdraw(&after).await;
    for step in [&before, &after] {
        let shown = manual.shown(step).await;
        assert_eq!(
            (&shown["state"], &shown["name"]),
            (&json!("cancelled"), &json!("ask the owner"))
        );
        let refused = manual.post("/manual/continue", ALICE, &success(step)).await.expect(400);
        assert_eq!(refused.json()["code"], "not-pending");
    }
    assert_eq!(manual.shown(&answered).await["state"], "answered");
    assert_eq!(manual.get("/manual", READER).await.expect(200).text, "[]");
    assert_eq!(manual.tap.next::<ManualAnswered>().await.data.step, answered.step);
    // in a loop the run that waits is the one that is meant
    let mut next = answered.clone();
    (next.step, next.run) = (manual.step().step, 2);
    manual.ask(&next).await;
    manual.post("/manual/continue", BOB, &success(&next)).await.expect(200);
    assert_eq!(manual.tap.next::<ManualAnswered>().await.data.step, next.step);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_due_goes_to_the_next_one_up() {
    let manual = manual_with(&["--due-percent", "50", "--escalate-to", "bob00"]).await;
    let mut step = manual.step();
    step.assignee = Some("alice".into());
    manual.ask(&step).await;
    manual.clock.advance(time::Duration::minutes(29));
    manual.running.service.app.remind().await.unwrap();
    assert_eq!(manual.shown(&step).await["assignee"], "alice");
    manual.clock.advance(time::Duration::minutes(2));
    until(PATIENCE, async || manual.shown(&step).await["assignee"] == "bob00").await;
    manual.running.service.app.remind().await.unwrap();
    assert_eq!(manual.events(&step).await, ["requested", "escalated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_measured_and_what_ended_long_ago_is_forgotten() {
    let manual = manual_with(&["--retention-steps", "30"]).await;
    let (answered, _waits) = (manual.asked().await, manual.asked().await);
    manual.post("/manual/continue", ALICE, &success(&answered)).await.expect(200);
    let app = &manual.running.service.app;
    app.purge().await.unwrap();
    assert_eq!(manual.count("step").await, 2);
    manual.clock.advance(time::Duration::days(31));
    app.expire_steps().await.unwrap();
    app.purge().await.unwrap();
    assert_eq!((manual.count("step").await, manual.count("step_event").await), (1, 2));
    app.measure().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_kept_unless_it_is_said_for_how_long() {
    for (flags, kept) in
        [(&[][..], 1), (&["--retention-steps", "0"], 1), (&["--keep-days", "30"], 0)]
    {
        let manual = manual_with(flags).await;
        let step = manual.asked().await;
        manual.post("/manual/continue", ALICE, &success(&step)).await.expect(200);
        manual.clock.advance(time::Duration::days(20_000));
        manual.running.service.app.purge().await.unwrap();
        assert_eq!(manual.count("step").await, kept, "{flags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_one_name_are_two() {
    let manual = manual().await;
    let parts = &manual.running.parts;
    let mut conn = parts.store.get().await.unwrap();
    let same = "update auth.investigator set name = 'alice', version = version + 1 where id = 2";
    conn.batch_execute(same).await.unwrap();
    parts.replica.refresh(&parts.store, manual.clock.now()).await.unwrap();
    let step = manual.asked().await;
    let path = |what: &str| format!("/v1/steps/{}/{what}", step.step);
    manual.post(&path("claim"), ALICE, &json!({})).await.expect(200);
    for what in ["claim", "release"] {
        let refused = manual.post(&path(what), BOB, &json!({})).await.expect(409).json();
        assert_eq!(refused["code"], "taken");
    }
    let refused =
        manual.post(&path("assign"), BOB, &json!({"assignee": "alice"})).await.expect(422);
    assert!(refused.text.contains("several"), "{refused:?}");
    manual.post("/manual/continue", ALICE, &success(&step)).await.expect(200);
    manual.post("/manual/continue", ALICE, &success(&step)).await.expect(200);
    manual.post("/manual/continue", BOB, &success(&step)).await.expect(400);
}
