//! The statements that run with each poll and each answer never read a whole table.

use crate::support::gateway;
use agent_gateway::HOT_QUERIES;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// Stands in for what each statement is given; a plan for a known value is the plan that PostgreSQL makes at first.
fn values(name: &str) -> &'static [&'static str] {
    match name {
        "tokens_find" => &["array[sha256('7'), sha256('8'), sha256('9')]"],
        "presence_note" => &["'{7,8,9}'::bigint[]", "array[now(), now(), now()]"],
        "tasks_look" | "mailbox_ring" => &["'{7,8,9}'::bigint[]", "now()", "3"],
        "mailbox_lease" => &["'{7,8,9}'::bigint[]", "now()", "3", "now() + '10 minutes'", "16"],
        "mailbox_find" | "tasks_find" => &[
            "array['00000000-0000-0000-0000-000000000007'::uuid, '00000000-0000-0000-0000-000000000008'::uuid]",
            "'{7,8}'::bigint[]",
        ],
        "mailbox_close" => &["'{7,8,9}'::bigint[]", "now()"],
        "mailbox_hold" => &[
            "7",
            "array['00000000-0000-0000-0000-000000000007'::uuid]",
            "now()",
            "now() + '10 minutes'",
            "now()",
        ],
        "mailbox_give_up" => &["now()", "3", "500"],
        "loaders_apply" => &[
            "'[{\"id\":7,\"name\":\"n\",\"queueloc\":\"q7\",\"last_seen\":\"2026-01-01T00:00:00Z\",\"version\":9}]'::jsonb",
        ],
        "agents_rename" => &["array['q7', 'q8', 'q9']"],
        "agents_name" | "mig_mail_find" => &["'{7,8,9}'::bigint[]"],
        "address_find" => &["'192.0.2.7'"],
        "agent_self" => &["7"],
        "tasks_offer" => &["'{7,8,9}'::bigint[]", "now()", "3", "now() + '10 minutes'", "64"],
        "tasks_silent" => &["now()", "3", "now() - '10 minutes'::interval", "200"],
        "tasks_hold" => &["array['00000000-0000-0000-0000-000000000007'::uuid]"],
        "mig_agents_find" => {
            &["array['m7','m8']", "'{1,1}'::bigint[]", "array['\\x00','\\x01']::bytea[]"]
        }
        "mig_mail_wake" => &["array['m7','m8']", "now()"],
        "mig_mail_due" => &["now()", "500"],
        other => panic!("{other} has no values here"),
    }
}

const FILL: &str = "
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
    insert into plugin values ('00000000-0000-0000-0000-000000000007', 'p', '1', '', 's', repeat('0', 128), '{}', now(), 1);
    insert into agent_plugin select n, '00000000-0000-0000-0000-000000000007' from generate_series(1, 20000) n;
    insert into task (id, agent, plugin, command, arguments, state, attempts, leased_until, created, ended)
        select gen_random_uuid(), n % 20000 + 1, '00000000-0000-0000-0000-000000000007', 'c', '{}',
            case when n % 50 = 0 then 'waiting' when n % 50 = 1 then 'offered' else 'done' end, 1,
            now() + '1 minute'::interval, now(), case when n % 50 > 1 then now() end
        from generate_series(1, 60000) n;
    insert into task_run (task, at, data, bytes, cut) select id, now(), '1', 1, false from task;
    analyze;";

#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_go_by_index() {
    let gateway = gateway().await;
    let mut conn = gateway.database.store().get().await.unwrap();
    conn.batch_execute(FILL).await.unwrap();
    for (name, text) in HOT_QUERIES {
        let mut text = (*text).to_owned();
        for (place, value) in values(name).iter().enumerate().rev() {
            text = text.replace(&format!("${}", place + 1), value);
        }
        let plan: Vec<Line> =
            store::sql(format!("explain {text}")).get_results(&mut conn).await.unwrap();
        let plan = plan.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n");
        assert!(!plan.contains("Seq Scan"), "{name}:\n{plan}");
    }
}
