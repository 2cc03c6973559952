//! Every hot query goes by index: no search reads all commands, nor all agents where an index is due.

use crate::house::{House, house, start};
use crate::rows::{Api, api};
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use investigation_api::{
    actions_page_as_text, commands_page_as_text, search_as_text, search_behind_as_text,
};
use testkit::{PATIENCE, Scans, until};
use types::messages::action::RunCounters;
use types::messages::command::{DeliveredCommand, IssuedCommand, PlannedCommand, ReturnedCommand};
use types::messages::{
    ActionChanged, CommandDelivered, CommandIssued, CommandPlanned, CommandReturned,
    CommandWithdrawn,
};
use types::{ActionId, AgentId, CommandId, CommandStatus};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// So many rows that reading a table whole is dearer than an index, and an action over the whole fleet (2000).
const FILL: &str = "
    insert into agent (id, uid, name, queueloc, transport, mode, version, pid, status, environment, tags, loader_name,
            started, last_seen, refreshed, revision)
        select n, gen_random_uuid(), 'host-' || n, md5(n::text), 'mig', 'daemon', 'v' || n % 7, 7,
            case when n % 10 = 0 then 'offline' else 'online' end, jsonb_build_object('os', repeat('linux', 50)), '{}', '',
            now(), now() - n * interval '1 s', now(), 1 from generate_series(1000, 11000) n;
    insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status,
            started, updated, threat_family)
        select n, repeat('document', 100), sha256(n::text::bytea), 'action ' || n, 'x', now() - n * interval '1 s', now(),
            1, now(), case when n % 50 = 0 then 'invalid' else 'completed' end, now() - (5000 - n) * interval '1 hour', now(),
            'family ' || n % 30
        from generate_series(1000, 4000) n;
    insert into signature select n, 1 + n % 2, 'x', 0 from generate_series(1000, 4000) n;
    insert into command (id, action_id, agent_id, status, found, results, started)
        select row_number() over (), action.id, 1000 + (n * 7919 + action.id * 31) % 10000,
            case n % 50 when 0 then 'failed' when 1 then 'delivered' else 'success' end,
            case when n % 50 > 1 then array[n % 200 = 2] else '{}' end, json_build_object('text', repeat('result', 20)), started
        from action, generate_series(1, case action.id when 2000 then 10000 else 30 end) n where action.id >= 1000
        on conflict do nothing;
    vacuum analyze;";

async fn filled() -> Api {
    let api = api().await;
    let mut conn = api.database.store().get().await.unwrap();
    let emptied = "truncate command, command_count; delete from signature; delete from action; delete from agent;";
    for part in [emptied, FILL].join("").split(';').filter(|part| !part.trim().is_empty()) {
        conn.batch_execute(part).await.unwrap();
    }
    api
}

async fn explain(api: &Api, text: &str) -> String {
    let mut conn = api.database.store().get().await.unwrap();
    let plan: Vec<Line> =
        store::sql(format!("explain {text}")).get_results(&mut conn).await.unwrap();
    plan.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_search_reads_a_table_whole() {
    let api = filled().await;
    for query in [
        "type=command",
        "type=command&offset=1000",
        "type=command&actionid=2000",
        "type=command&actionid=1500",
        "type=command&agentid=1500",
        "type=command&commandid=1500",
        "type=command&status=failed",
        "type=command&status=%25e%25",
        "type=command&status=sent",
        "type=command&status=cancelled",
        "type=command&foundanything=true",
        "type=command&foundanything=false",
        "type=command&actionid=2000&foundanything=true&limit=37&offset=37",
        "type=command&actionid=2000&status=failed&limit=37&offset=74",
        "type=command&actionid=2000&status=%25ed&limit=37",
        "type=command&agentname=host-1500",
        "type=command&agentversion=v3",
        "type=command&actionname=action%201500",
        "type=command&actionname=%25150%25",
        "type=command&actionname=%25nothing%25",
        "type=command&threatfamily=family%203&foundanything=true",
        "type=command&investigatorid=1",
        "type=command&investigatorname=%25bob%25&status=failed",
        "type=command&after=2026-01-01T00:00:00Z",
        "type=action",
        "type=action&agentid=1500",
        "type=action&agentname=host-1500",
        "type=action&commandid=1500",
        "type=agent&actionid=2000",
        "type=agent&actionid=1500",
        "type=agent&commandid=1500",
        "type=agent&actionname=action%201500",
        "type=investigator&commandid=1500",
        "type=investigator&agentid=1500",
        "type=agent",
        "type=agent&offset=5000",
        "type=agent&agentid=1500",
        "type=agent&agentname=%25150%25",
        "type=agent&status=online",
        "type=agent&status=offline",
        "type=agent&agentversion=v3",
        "type=agent&target=name='host-1500'",
        "type=agent&target=status='online'",
        "type=agent&target=queueloc='x'",
        "type=action&actionname=action%201500",
        "type=action&threatfamily=family%203",
        "type=action&status=completed",
        "type=action&status=pending",
        "type=action&actionid=1500",
        "type=action&after=2026-01-01T00:00:00Z",
    ] {
        let text = search_as_text(query);
        assert!(!text.is_empty(), "{query}");
        let plan = explain(&api, &text).await;
        for table in ["command", "agent", "agent_heard", "action"] {
            let whole = plan
                .lines()
                .any(|line| line.contains("Seq Scan") && line.contains(&format!(" on {table} ")));
            assert!(!whole, "{query} reads {table} whole:\n{text}\n{plan}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_begin_where_the_one_before_ended() {
    let api = filled().await;
    for (text, index) in [
        (commands_page_as_text(2000, None, None), "command_action_status_idx"),
        (commands_page_as_text(2000, None, Some(30_000)), "command_action_status_idx"),
        (commands_page_as_text(2000, Some("failed"), Some(30_000)), "command_action_status_idx"),
        (commands_page_as_text(1500, Some("success"), None), "command_action_status_idx"),
        (actions_page_as_text(None), "action_pkey"),
        (actions_page_as_text(Some(1500)), "action_pkey"),
    ] {
        let plan = explain(&api, &text).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{text}\n{plan}");
        assert!(
            !plan.contains("Sort  (") || text.contains("1500"),
            "everything is read and sorted: {text}\n{plan}"
        );
    }
    // what is read ends with the page; it may be sorted then
    for (text, index) in [
        (search_behind_as_text("type=command", 30_000), "command_status_idx"),
        (search_behind_as_text("type=command&status=failed", 30_000), "command_status_idx"),
        (search_behind_as_text("type=command&actionid=2000", 30_000), "command_action_status_idx"),
        (
            search_behind_as_text("type=command&actionid=2000&status=failed", 30_000),
            "command_action_status_idx",
        ),
    ] {
        let plan = explain(&api, &text).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{text}\n{plan}");
    }
}

/// Actions that are kept, with a command each.
const KEPT: [&str; 2] = [
    "insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status,
            updated)
        select n, repeat('document', 100), sha256(n::text::bytea), 'kept', 'x', now(), now() + interval '1 day', 1,
            now(), 'inflight', now() from generate_series(1, 5000) n",
    "insert into command (id, action_id, agent_id, status, started)
        select n, n, n, 'success', now() from generate_series(1, 4999) n",
];

/// Tells of a run from its plan to its end, each message in a batch of its own.
async fn tell_a_run(house: &House) {
    let (action, at) = (ActionId(5000), house.clock.now());
    let (ids, agent) = ([10_001, 10_002, 10_003].map(CommandId), AgentId(1));
    let taken = async |number| {
        let inbox = "messaging.inbox where consumer = 'investigation-api.runs'";
        until(PATIENCE, async || house.count(inbox).await == number).await;
    };
    let planned = ids.map(|id| PlannedCommand { id, agent }).to_vec();
    house.vhost.publish("scheduler", at, CommandPlanned { action, at, commands: planned }).await;
    taken(1).await;
    let [first, second, third] = ids;
    let commands = [first, second].map(|id| IssuedCommand { id, agent, failed: None }).to_vec();
    let issued = CommandIssued { action, document: "{}".into(), at, expire_after: at, commands };
    house.vhost.publish("scheduler", at, issued).await;
    taken(2).await;
    for (number, (id, told)) in [(first, None), (second, Some(action))].into_iter().enumerate() {
        let commands = vec![DeliveredCommand { id, action: told, at }];
        house.vhost.publish("agent-gateway", at, CommandDelivered { commands }).await;
        taken(3 + i64::try_from(number).unwrap()).await;
    }
    let (status, results) = (CommandStatus::Success, vec![]);
    let answer = ReturnedCommand { id: first, action, agent, status, results, at, given_up: false };
    house.vhost.publish("agent-gateway", at, CommandReturned { commands: vec![answer] }).await;
    taken(5).await;
    let (status, commands) = (CommandStatus::Expired, vec![second, third]);
    let withdrawn = CommandWithdrawn { action, status, at, commands };
    house.vhost.publish("scheduler", at, withdrawn).await;
    taken(6).await;
    let changed = ActionChanged {
        id: action,
        status: "completed".into(),
        reason: None,
        counters: RunCounters::default(),
        started: Some(at),
        finished: Some(at),
        at,
        version: 9,
        wave: 0,
        held: 0,
    };
    house.vhost.publish("scheduler", at, changed).await;
    let done = "action where id = 5000 and run_version = 9";
    until(PATIENCE, async || house.count(done).await == 1).await;
    assert_eq!(house.count("command where action_id = 5000 and status = 'expired'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_a_run_reads_no_other_action() {
    for analysed in [false, true] {
        let mut house = house(&[]).await;
        for rows in KEPT {
            House::execute(&house, rows).await;
        }
        if analysed {
            House::execute(&house, "analyze").await;
        }
        let scans = Scans::plain(&house.database);
        house.running.stop().await.unwrap();
        let before = scans.rows("action").await;
        house.running = start(house.database.url(), &house.vhost, &house.clock, &[]).await;
        tell_a_run(&house).await;
        house.running.stop().await.unwrap();
        let read = scans.rows("action").await - before;
        assert!(read < 1_000, "{read} rows were read; the tables were analysed: {analysed}");
    }
}
