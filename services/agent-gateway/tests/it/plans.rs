//! The statements that run with each poll and each answer never read a whole table, with statistics or without.

use crate::support::gateway;
use agent_gateway::HOT_QUERIES;
use diesel::sql_types::{Json, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::Value;
use store::Conn;

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

#[derive(diesel::QueryableByName)]
struct Plan {
    #[diesel(sql_type = Json, column_name = "QUERY PLAN")]
    plan: Value,
}

/// Stands in for what each statement is given, for so many agents; a plan for a known value is the plan that PostgreSQL
/// makes at first.
fn values(name: &str, many: i64) -> Vec<String> {
    let list = |one: &dyn Fn(i64) -> String| {
        let all: Vec<String> = (7..7 + many).map(one).collect();
        format!("array[{}]", all.join(", "))
    };
    let numbers = || list(&|n| format!("{n}::bigint"));
    let hashes = || list(&|n| format!("sha256('{n}')"));
    let ids = || list(&|n| format!("'00000000-0000-0000-0000-{n:012}'::uuid"));
    let queues = |letter: &str| list(&|n| format!("'{letter}{n}'"));
    let (now, later, attempts) =
        (|| "now()".to_owned(), || "now() + '10 minutes'".to_owned(), || "3".to_owned());
    match name {
        "tokens_find" => vec![hashes()],
        "presence_note" => vec![numbers(), list(&|_| now())],
        "tasks_look" | "mailbox_ring" => vec![numbers(), now(), attempts()],
        "mailbox_lease" => vec![numbers(), now(), attempts(), later(), "16".into(), ids()],
        "mailbox_asked" => vec![numbers(), ids(), now(), "16".into()],
        "mailbox_find" | "tasks_find" => vec![ids(), numbers()],
        "mailbox_close" | "mig_mail_hold" => vec![numbers(), now()],
        "mig_mail_claim" => vec![numbers(), later(), later()],
        "mig_mail_note" => vec![numbers(), list(&|_| "null::timestamptz".into()), now()],
        "mailbox_hold" => vec!["7".into(), ids(), now(), later(), now()],
        "mailbox_give_up" => vec![now(), attempts(), "500".into()],
        "loaders_apply" => vec![
            "'[{\"id\":7,\"name\":\"n\",\"queueloc\":\"q7\",\"last_seen\":\"2026-01-01T00:00:00Z\",\"version\":9}]'::jsonb".into(),
        ],
        "agents_rename" => vec![queues("q")],
        "agents_name" | "mig_mail_find" => vec![numbers()],
        "address_find" => vec!["'192.0.2.7'".into()],
        "agent_self" => vec!["7".into()],
        "tasks_offer" => vec![numbers(), now(), attempts(), later(), "64".into()],
        "tasks_silent" => vec![now(), attempts(), "now() - '10 minutes'::interval".into(), "200".into()],
        "tasks_hold" | "runs_hush" => vec![ids()],
        "runs_trim" => vec![ids(), "1000".into(), "67108864".into()],
        "mig_agents_crowd" => vec![queues("m"), "64".into()],
        "mig_agents_find" => vec![queues("m"), list(&|_| "1::bigint".into()), list(&|_| "'\\x00'::bytea".into())],
        "mig_mail_wake" => vec![queues("m"), now()],
        "mig_machines_lock" | "mig_modules" => vec![queues("m")],
        "mailbox_insert" => vec![
            "7".into(),
            list(&|n| format!("{}::bigint", n + 1_000_000)),
            list(&|n| format!("{}::bigint", n + 20_000)),
            list(&|_| "gen_random_uuid()".into()),
            now(),
        ],
        "mig_mail_due" => vec![now(), "500".into(), now()],
        other => panic!("{other} has no values here"),
    }
}

/// Writes a statement out, for so many agents.
fn written(name: &str, text: &str, many: i64) -> String {
    let values = values(name, many);
    let write = |text: String, (place, value): (usize, &String)| {
        text.replace(&format!("${}", place + 1), value)
    };
    values.iter().enumerate().rev().fold(text.to_owned(), write)
}

/// The tables keep what they hold to themselves until `analyze`, as new ones do.
const FILL: &str = "
    do $$ declare t text; begin
        for t in select tablename from pg_tables where schemaname = 'public' loop
            execute format('alter table %I set (autovacuum_enabled = false)', t);
        end loop;
    end $$;
    insert into agent (number, id, name, queueloc, transport, status, started, refreshed)
        select n, gen_random_uuid(), 'a' || n, 'q' || n, 'writ', 'online', now(), now() from generate_series(1, 20000) n;
    insert into presence select n, now() - '1 minute'::interval from generate_series(1, 20000) n;
    insert into agent_token select sha256(n::text::bytea), n, now() from generate_series(1, 20000) n;
    insert into loader select n, 'loader ' || n, 'q' || n, now(), 1 from generate_series(1, 20000) n;
    insert into action_document
        select n, '{}', 1, now() + '1 hour'::interval from generate_series(1, 2000) n;
    insert into mailbox (command, action, agent, run, state, leased_until)
        select n, n % 2000 + 1, n % 20000 + 1, gen_random_uuid(),
            case when n % 50 = 0 then 'waiting' when n % 50 = 1 then 'leased' else 'returned' end,
            now() + '1 minute'::interval
        from generate_series(1, 60000) n;
    update agent set address = 'address ' || number;
    insert into agent (number, id, name, queueloc, transport, status, started, refreshed, pid)
        select n + 20000, gen_random_uuid(), 'm' || n, 'm' || n, 'mig', 'online', now(), now(), 1 from generate_series(1, 20000) n;
    insert into presence select n + 20000, now() from generate_series(1, 20000) n;
    insert into mailbox (command, action, agent, run, state, push_at)
        select n + 60000, n % 2000 + 1, n % 20000 + 20001, gen_random_uuid(),
            case when n % 50 = 0 then 'waiting' else 'returned' end, case when n % 100 = 0 then now() else 'infinity' end
        from generate_series(1, 60000) n;
    insert into withdrawal (command, at) select n + 2000000, now() from generate_series(1, 20000) n;
    insert into plugin values ('00000000-0000-0000-0000-000000000007', 'p', '1', '', 's', repeat('0', 128), '{}', now(), 1);
    insert into agent_plugin select n, '00000000-0000-0000-0000-000000000007', true from generate_series(1, 20000) n;
    insert into task (id, agent, plugin, command, arguments, state, attempts, leased_until, created, ended)
        select gen_random_uuid(), n % 20000 + 1, '00000000-0000-0000-0000-000000000007', 'c', '{}',
            case when n % 50 = 0 then 'waiting' when n % 50 = 1 then 'offered' else 'done' end, 1,
            now() + '1 minute'::interval, now(), case when n % 50 > 1 then now() end
        from generate_series(1, 60000) n;
    insert into task_run (task, at, data, bytes, cut) select id, now(), '1', 1, false from task;";

/// Gives three machines a history of 700 runs.
const HISTORY: &str = "
    insert into agent (number, id, name, queueloc, transport, status, started, refreshed, pid)
        select 100000 + m * 1000 + n, gen_random_uuid(), 'm' || m, 'm' || m, 'mig', 'offline', now(), now(), n
        from generate_series(7, 9) m, generate_series(1, 700) n;
    insert into presence select number, now() from agent where number > 100000;";

/// Gives one machine 5,000 processes, which anybody may: heartbeats carry no proof.
const CROWD: &str = "
    insert into agent (number, id, name, queueloc, transport, status, started, refreshed, pid)
        select 200000 + n, gen_random_uuid(), 'crowd', 'crowd', 'mig', 'online', now(), now(), n from generate_series(1, 5000) n;
    insert into presence select number, now() from agent where queueloc = 'crowd';";

/// Gives how many rows a plan went through.
fn rows(node: &Value) -> f64 {
    let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let passed = [
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Join Filter",
        "Rows Removed by Index Recheck",
    ];
    let own = passed.iter().map(|name| number(name)).sum::<f64>() * number("Actual Loops");
    own + node["Plans"].as_array().into_iter().flatten().map(rows).sum::<f64>()
}

async fn by_index(conn: &mut Conn) {
    for (name, text) in HOT_QUERIES {
        let text = written(name, text, 3);
        let plan: Vec<Line> =
            store::sql(format!("explain {text}")).get_results(conn).await.unwrap();
        let plan = plan.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n");
        assert!(!plan.contains("Seq Scan"), "{name}:\n{plan}");
    }
}

/// Runs each statement for so many agents: what it goes through is a few rows for each, not all rows for each.
async fn in_proportion(conn: &mut Conn, many: i64, most: f64, which: impl Fn(&str) -> bool) {
    for (name, text) in HOT_QUERIES.iter().filter(|(name, _)| which(name)) {
        gone_through(conn, name, &written(name, text, many), most).await;
    }
}

/// Runs a statement, which must not go through more rows than so many.
async fn gone_through(conn: &mut Conn, name: &str, text: &str, most: f64) {
    conn.batch_execute("begin").await.unwrap();
    let explain = format!("explain (analyze, timing off, format json) {text}");
    let plan: Plan = store::sql(explain).get_result(conn).await.unwrap();
    conn.batch_execute("rollback").await.unwrap();
    let rows = rows(&plan.plan[0]["Plan"]);
    assert!(rows < most, "{name}: {rows} rows\n{:#}", plan.plan);
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_go_by_index() {
    let gateway = gateway().await;
    let mut conn = gateway.database.store().get().await.unwrap();
    conn.batch_execute(FILL).await.unwrap();
    for statement in ["", "analyze"] {
        conn.batch_execute(statement).await.unwrap();
        in_proportion(&mut conn, 3, 5_000.0, |_| true).await;
        in_proportion(&mut conn, 400, 400_000.0, |_| true).await;
        let each = |name: &str| name.contains("mail") || name == "presence_note";
        in_proportion(&mut conn, 400, 10_000.0, each).await;
    }
    by_index(&mut conn).await;
    conn.batch_execute(HISTORY).await.unwrap();
    // the mail of a machine may be that of any of its runs; nothing else goes through them
    let alive = ["mig_agents_find", "mig_machines_lock", "mig_modules", "mailbox_insert"];
    for statement in ["", "analyze"] {
        conn.batch_execute(statement).await.unwrap();
        in_proportion(&mut conn, 3, 500.0, |name| alive.contains(&name)).await;
    }
    // a batch of heartbeats of one machine looks at the others once, not once for each
    conn.batch_execute(CROWD).await.unwrap();
    let find = HOT_QUERIES.iter().find(|(name, _)| *name == "mig_agents_find").unwrap().1;
    let pids: Vec<String> = (1..=500).map(|pid| format!("{pid}::bigint")).collect();
    let find = find
        .replace("$1::text[]", "array_fill('crowd'::text, array[500])")
        .replace("$2::bigint[]", &format!("array[{}]", pids.join(", ")))
        .replace("$3::bytea[]", "array_fill('\\x00'::bytea, array[500])");
    for statement in ["", "analyze"] {
        conn.batch_execute(statement).await.unwrap();
        gone_through(&mut conn, "mig_agents_find", &find, 50_000.0).await;
    }
}
