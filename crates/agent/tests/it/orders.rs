//! Which orders run, and what comes back.

use crate::support::{
    Machine, Server, draft, errors, new_key, new_run, now, publish, sign, writes_to,
};
use serde_json::{Value, json};
use std::fs;
use time::Duration;
use time::format_description::well_known::Rfc3339;
use types::CommandStatus;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_order_is_carried_out_and_answered() {
    let server = Server::start().await;
    let machine = Machine::new();
    let tree = machine.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("hello.txt"), "hello\n").unwrap();
    let command = publish(&server, "print('working'); return {'sum': given['a'] + given['b']}");
    let agent = machine.start(&server);
    let run = new_run();
    server.order(
        run,
        &machine.order(&json!([
            {"module": command, "parameters": {"a": 1, "b": 2}},
            {"module": "file", "parameters": {"searches": {"s1": {"paths": [tree], "names": ["^hello"], "contents": ["^hello$"]}}}},
        ])),
    );
    let answer = server.answer(run).await;
    assert_eq!(answer.status, CommandStatus::Success, "{answer:?}");
    assert_eq!(answer.results[0].elements, json!({"sum": 3}));
    assert!(answer.results[0].foundanything && answer.results[0].success);
    assert_eq!(answer.results[0].statistics["output"], "working\n");
    let found = &answer.results[1].elements["s1"][0];
    assert_eq!(found["file"], json!(tree.join("hello.txt")));
    let report = server.until("a report", |state| state.reports.first().cloned()).await;
    assert_eq!(report.environment.modules, ["file"]);
    crate::support::until("an empty spool", || (machine.files("spool") == 0).then_some(())).await;
    assert_eq!(agent.stop().await, agent::Ending::Stopped);
    assert_eq!(server.answers(run), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_operation_does_not_keep_the_others() {
    let server = Server::start().await;
    let machine = Machine::new();
    let command = publish(&server, "raise ValueError('boom')");
    let _agent = machine.start(&server);
    let run = new_run();
    let file = json!({"module": "file", "parameters": {"searches": {"s": {"paths": ["/etc/hosts"], "names": ["."]}}}});
    server.order(
        run,
        &machine.order(&json!([{"module": "nosuch", "parameters": {}}, {"module": command}, file])),
    );
    let answer = server.answer(run).await;
    assert_eq!(answer.status, CommandStatus::Failed);
    let error = |number: usize| answer.results[number].errors.clone().unwrap_or_default().join("");
    assert_eq!(error(0), "module 'nosuch' is not available");
    assert_eq!(error(1), "ValueError: boom (plugin line 4)");
    assert!(answer.results[1].statistics["output"].as_str().unwrap().contains("Traceback"));
    assert!(answer.results[2].success);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_not_right_do_not_run() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    let _agent = machine.start(&server);
    let operations = || json!([{"module": command, "parameters": {}}, {"module": command}]);
    let at = |minutes| json!((now() + Duration::minutes(minutes)).format(&Rfc3339).unwrap());
    let with = |name: &str, value: Value| {
        let mut draft = draft(&operations());
        draft[name] = value;
        sign(&[&machine.key], draft)
    };
    let tampered =
        machine.order(&operations()).replace("\"parameters\":{}", "\"parameters\":{\"a\":1}");
    let stranger = new_key("eve");
    let cases = [
        (tampered, "signature 1 does not count"),
        (draft(&operations()).to_string(), "pgpsignatures is empty"),
        (sign(&[&stranger], draft(&operations())), "signature 1 does not count"),
        (sign(&[&machine.key, &stranger], draft(&operations())), "signature 2 does not count"),
        (with("expireafter", at(-1)), "expire"),
        (
            with("validfrom", at(9)).replace("\"syntaxversion\":2", "\"syntaxversion\":1"),
            "syntax version",
        ),
        (
            sign(&[&machine.key], {
                let mut late = draft(&operations());
                late["validfrom"] = at(30);
                late["expireafter"] = at(60);
                late
            }),
            "not valid before",
        ),
        ("{".into(), "not valid JSON"),
        (String::new(), "not valid JSON"),
    ];
    for (document, want) in cases {
        let run = new_run();
        server.order(run, &document);
        let answer = server.answer(run).await;
        assert_eq!(answer.status, CommandStatus::Failed);
        let errors = errors(&answer);
        assert!(errors.len() == 1 && errors.first().unwrap().contains(want), "{want}: {errors:?}");
        let operations = if document.len() < 2 { 1 } else { 2 };
        assert_eq!(answer.results.len(), operations, "one result per operation");
    }
    assert!(!mark.exists(), "something ran");
    assert_eq!(machine.files("ledger"), 0, "what is refused is not remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_orders_at_a_time_while_polling_goes_on() {
    let server = Server::start().await;
    let machine = Machine::new();
    let (started, release) = (machine.path("started"), machine.path("release"));
    fs::create_dir(&started).unwrap();
    let body = format!(
        "\n    open(os.path.join({started:?}, str(given['n'])), 'w')\n    while not os.path.exists({release:?}): time.sleep(0.02)\n    return given['n']"
    );
    let command = publish(&server, &body);
    let mut settings = machine.settings(&server);
    settings.concurrency = 2;
    settings.wait = std::time::Duration::from_secs(1);
    let _agent = crate::support::Running::new(settings);
    let runs: Vec<_> = (0..5).map(|_| new_run()).collect();
    for (number, run) in runs.iter().enumerate() {
        server.order(
            *run,
            &machine.order(&json!([{"module": command, "parameters": {"n": number}}])),
        );
    }
    let count = || fs::read_dir(&started).unwrap().count();
    crate::support::until("two started", || (count() == 2).then_some(())).await;
    server.polls(3).await;
    assert_eq!(count(), 2, "no more than two at a time");
    let all = runs.iter().copied().collect();
    server.until("all are held", |state| (state.holds == all).then_some(())).await;
    fs::write(&release, "").unwrap();
    for run in runs {
        assert_eq!(server.answer(run).await.status, CommandStatus::Success);
    }
}
