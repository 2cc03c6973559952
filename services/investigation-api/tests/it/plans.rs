//! The searches never read all commands.

use crate::rows::api;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

const FILL: &str = "
    insert into agent (id, uid, name, queueloc, transport, mode, version, pid, status, environment, tags, loader_name,
            started, last_seen, refreshed, revision)
        select n, gen_random_uuid(), 'h' || n, 'x' || n, 'mig', 'daemon', 'v' || n % 7, 7, 'online', '{}', '{}', '',
            now(), now() - n * interval '1 s', now(), 1 from generate_series(1000, 6000) n;
    insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status,
            updated)
        select n, '{}', sha256(n::text::bytea), 'action ' || n, 'x', now() - n * interval '1 s', now(), 1, now(),
            'completed', now() from generate_series(1000, 2000) n;
    insert into signature select n, 1, 'x', 0 from generate_series(1000, 2000) n;
    insert into command (id, action_id, agent_id, status, found, started)
        select n, 1000 + n % 1000, 1000 + n % 4999, case n % 50 when 0 then 'failed' else 'success' end,
            array[n % 20 = 0], now() - n * interval '1 s' from generate_series(1000, 60000) n;
    analyze;";

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_found_by_index() {
    let api = api().await;
    let mut conn = api.database.store().get().await.unwrap();
    conn.batch_execute(FILL).await.unwrap();
    for query in [
        "type=command",
        "type=command&actionid=1500",
        "type=command&agentid=1500",
        "type=command&commandid=1500",
        "type=command&status=failed",
        "type=command&foundanything=true",
        "type=command&actionid=1500&foundanything=true&limit=37&offset=37",
        "type=command&agentname=h1500",
        "type=command&actionname=action%201500",
        "type=command&after=2026-01-01T00:00:00Z",
        "type=action",
        "type=action&agentid=1500",
        "type=action&agentname=h1500",
        "type=action&commandid=1500",
        "type=agent&actionid=1500",
        "type=agent&commandid=1500",
        "type=investigator&commandid=1500",
    ] {
        let text = investigation_api::search_as_text(query);
        let plan: Vec<Line> =
            store::sql(format!("explain {text}")).get_results(&mut conn).await.unwrap();
        let plan = plan.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n");
        assert!(!plan.contains("Seq Scan on command"), "{query}:\n{plan}");
    }
}
