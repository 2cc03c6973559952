//! A process over known rows, and a caller who may do everything.

use diesel_async::SimpleAsyncConnection;
use investigation_api::InvestigationApi;
use reqwest::Client;
use serde_json::Value;
use service::{Running, Settings, Shutdown};
use testkit::{Database, PATIENCE, Vhost};

const KEY: &str = "reader-0123456789abcdef0123456789abcdef";

/// Is a service with a database of known rows.
pub(crate) struct Api {
    pub(crate) running: Running<InvestigationApi>,
    client: Client,
    pub(crate) database: Database,
    _vhost: Vhost,
}

pub(crate) async fn api() -> Api {
    let vhost = testkit::vhost().await;
    let database =
        Database::new("investigation_api", vec![messaging::MIGRATIONS, auth::MIGRATIONS]).await;
    let people = format!(
        "insert into auth.investigator (id, name, fingerprint, status, permissions, api_key_sha256, created, modified, version)
         values (1, 'Bob Investigator', repeat('A', 40), 'active', 524287, '{}', '2026-01-01 00:00Z', '2026-03-01 00:00Z', 1),
            (2, 'Eve', repeat('B', 40), 'disabled', 0, null, '2026-02-01 00:00Z', '2026-02-01 00:00Z', 1);
         insert into auth.digest (confirmed) values ('2100-01-01 00:00Z')",
        auth::api_key_hash(KEY)
    );
    let mut conn = database.store().get().await.unwrap();
    conn.batch_execute(&people).await.unwrap();
    let flags = [
        ["--database-url", database.url()],
        ["--amqp-url", vhost.url()],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
    ];
    let settings = Settings::<InvestigationApi>::parse(flags.iter().flatten()).unwrap();
    let running = service::start(settings, Shutdown::new()).await.unwrap();
    conn.batch_execute(ROWS).await.unwrap();
    let client = Client::builder().timeout(PATIENCE * 3).build().unwrap();
    Api { running, client, database, _vhost: vhost }
}

const ROWS: &str = r#"
    insert into investigator select id, name, fingerprint, public_key, status, permissions, api_key_sha256, created,
        modified, version from auth.investigator;
    insert into agent (id, uid, name, queueloc, transport, mode, version, pid, status, environment, tags, loader_name,
            started, last_seen, refreshed, revision)
        select id, gen_random_uuid(), name, queueloc, 'mig', 'daemon', version, 7, status, '{"os":"linux"}',
            '{"role":"db"}', 'ld', now() - age, now() - age, now(), 1
        from (values (1, 'a1.example', 'q1', '1.0', 'online', interval '1 minute'),
            (2, 'a2.example', 'q2', '2.0', 'idle', interval '1 hour'),
            (3, 'b3.example', 'q3', '1.0', 'offline', interval '3 days'),
            (4, 'a4.example', 'q1', '1.0', 'online', interval '2 minutes')) as a(id, name, queueloc, version, status, age);
    insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status,
            started, updated, targeted, threat_family)
        select id, format('{"name":"%s","target":"x","syntaxversion":2}', name), sha256(name::bytea), name, 'x',
            from_, from_ + interval '1 hour', 1, from_, status, from_, from_, 0, family
        from (values (1, 'Find test', timestamptz '2026-05-01 00:00Z', 'completed', 'compliance'),
            (2, 'other', timestamptz '2026-06-01 00:00Z', 'expired', '')) as a(id, name, from_, status, family);
    insert into signature values (1, 1, 'x', 0), (2, 2, 'x', 0);
    insert into command (id, action_id, agent_id, status, found, results, started) values
        (1, 1, 1, 'success', '{true,false}', null, '2026-05-01 00:00Z'),
        (2, 1, 2, 'failed', '{}', null, '2026-05-01 00:00Z'),
        (3, 2, 3, 'waiting', '{}', null, '2026-06-01 00:00Z');
    insert into loader values (1, 'corbomite', 'host1.example', true, '2026-05-01 00:00Z', 1),
        (2, 'khan', null, false, '2026-06-01 00:00Z', 1);
    insert into manifest values (1, 'test manifest', 'x', 'active', '2026-05-01 00:00Z', 1),
        (2, 'other', 'y', 'staged', '2026-06-01 00:00Z', 1);
    insert into command_count values (1, 'success', 1), (1, 'failed', 1), (2, 'waiting', 1);"#;

impl Api {
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("{}/api/v1/{path}", self.running.url());
        let response = self.client.get(url).header("x-migapikey", KEY).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        // what the caller wrote is repeated; what it was turned into is not
        let message = answer["collection"]["error"]["message"].as_str().unwrap_or_default();
        for sql in ["select agent", "from agent", "at or near", "relation", "pg_catalog"] {
            assert!(!message.contains(sql), "SQL in {path}: {message}");
        }
        (status, answer)
    }

    /// Gives the status and the ids found, and holds the frame of the answer to its form.
    pub(crate) async fn find(&self, query: &str) -> (u16, Vec<i64>) {
        let (status, answer) = self.get(&format!("search?{query}")).await;
        let items = answer["collection"]["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(items.last().unwrap()["data"][0]["name"], "search parameters", "{query}");
        let found = items.iter().map(|item| &item["data"][0]);
        let found = found.filter(|data| {
            !matches!(data["name"].as_str(), Some("pagination" | "search parameters"))
        });
        if status != 200 {
            assert!(answer["collection"]["error"]["message"].is_string(), "{query}: {answer}");
        }
        (status, found.map(|data| data["value"]["id"].as_i64().unwrap()).collect())
    }
}
