//! MIG's searches, the agents and the dashboard (specs/mig/api.md §3.5, §3.9, §4).

use diesel_async::SimpleAsyncConnection;
use investigation_api::InvestigationApi;
use reqwest::Client;
use serde_json::{Value, json};
use service::{Running, Settings, Shutdown};
use testkit::{Database, PATIENCE, Vhost};

const KEY: &str = "reader-0123456789abcdef0123456789abcdef";

/// Is a service with a database of known rows.
pub(crate) struct Api {
    running: Running<InvestigationApi>,
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
    insert into command_count values (1, 'success', 1), (1, 'failed', 1), (2, 'waiting', 1);"#;

impl Api {
    async fn get(&self, path: &str) -> (u16, Value) {
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
    async fn find(&self, query: &str) -> (u16, Vec<i64>) {
        let (status, answer) = self.get(&format!("search?{query}")).await;
        let items = answer["collection"]["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(items.last().unwrap()["data"][0]["name"], "search parameters", "{query}");
        let found = items.iter().map(|item| &item["data"][0]);
        let found = found.filter(|data| {
            !matches!(data["name"].as_str(), Some("pagination" | "search parameters"))
        });
        (status, found.map(|data| data["value"]["id"].as_i64().unwrap()).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_filters_every_type() {
    let api = api().await;
    let cases: &[(&str, &[i64])] = &[
        ("", &[2, 1]),
        ("type=action&actionname=find%25", &[1]),
        ("type=action&status=completed", &[1]),
        ("type=action&status=invalid", &[2]),
        ("type=action&threatfamily=COMP%25", &[1]),
        ("type=action&agentid=3", &[2]),
        ("type=action&agentname=a2%25", &[1]),
        ("type=action&agentversion=1.0", &[2, 1]),
        ("type=action&commandid=3", &[2]),
        ("type=action&investigatorname=%25bob%25", &[1]),
        ("type=action&investigatorid=2", &[2]),
        ("type=action&after=2026-05-15T00:00:00Z", &[2]),
        ("type=action&before=2026-05-15T00:00:00Z", &[1]),
        ("type=action&limit=1", &[2]),
        ("type=action&limit=1.5&offset=1", &[1]),
        ("type=action&actionid=Inf", &[2, 1]),
        ("type=action&type=agent&actionid=1", &[1]),
        ("type=command", &[3, 2, 1]),
        ("type=command&status=sent", &[3]),
        ("type=command&status=%25", &[3, 2, 1]),
        ("type=command&foundanything=TRUE", &[1]),
        ("type=command&foundanything=false", &[1]),
        ("type=command&actionid=1&agentid=2", &[2]),
        ("type=command&actionname=other", &[3]),
        ("type=command&threatfamily=compliance", &[2, 1]),
        ("type=command&agentname=b3.example", &[3]),
        ("type=command&agentversion=2%25", &[2]),
        ("type=command&investigatorname=eve", &[3]),
        ("type=command&before=2026-05-15T00:00:00Z", &[2, 1]),
        ("type=agent", &[1, 4, 2, 3]),
        ("type=agent&status=o%25line", &[1, 4, 3]),
        ("type=agent&agentname=a_.example&agentversion=1.0", &[1, 4]),
        ("type=agent&actionid=1", &[1, 2]),
        ("type=agent&actionname=OTHER", &[3]),
        ("type=agent&commandid=2", &[2]),
        ("type=agent&investigatorid=1&threatfamily=comp%25", &[1, 2]),
        ("type=agent&target=status%3D'online'", &[1]),
        ("type=agent&target=tags-%3E%3E'role'%3D'db'&limit=1&offset=1", &[2]),
        ("type=investigator", &[1, 2]),
        ("type=investigator&status=disabled", &[2]),
        ("type=investigator&after=2026-02-15T00:00:00Z", &[1]),
        ("type=investigator&before=2026-02-15T00:00:00Z", &[2]),
        ("type=investigator&actionname=%25test%25", &[1]),
        ("type=investigator&commandid=3", &[2]),
        ("type=investigator&agentname=a%25", &[1]),
    ];
    for (query, want) in cases {
        assert_eq!(api.find(query).await, (200, want.to_vec()), "{query}");
    }
    for query in [
        "type=manifest",
        "type=loader&loadername=x",
        "actionid=NaN",
        "actionid=1.5",
        "limit=0",
        "type=agent&target=name%3D'zz'",
        "type=agent&target=status%3D'online'&limit=0",
        "type=command&status=prepared",
    ] {
        let (status, answer) = api.get(&format!("search?{query}")).await;
        assert_eq!(
            (status, &answer["collection"]["error"]["message"]),
            (404, &json!("no results found")),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_the_parameters() {
    let api = api().await;
    for query in [
        "type=zebra",
        "loaderid=x",
        "limit=-1",
        "limit=NaN",
        "offset=1e300",
        "after=yesterday",
        "foundanything=maybe",
        "agentname=a%00b",
        "agentname=a%5C",
        "type=agent&target=name+%3D",
        "type=agent&target=nosuch%3D1",
        "type=agent&target=a%00b",
        "type=agent&target=name~'('",
    ] {
        assert_eq!(api.find(query).await, (400, vec![]), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_injected_has_an_effect() {
    let api = api().await;
    let corpus = [
        "1=1) UNION ALL SELECT 1 --",
        "1=1); UPDATE investigator SET permissions=524287; --",
        "' OR '1'='1",
        "'; DROP TABLE command; --",
        "\\'; DROP TABLE command; --",
        "$1",
        "%' OR true --",
        "1) OR (1=1",
        "\u{ff07} OR 1=1",
        "pg_sleep(10)",
    ];
    let names = [
        "type",
        "actionid",
        "actionname",
        "after",
        "before",
        "agentid",
        "agentname",
        "agentversion",
        "commandid",
        "foundanything",
        "investigatorid",
        "investigatorname",
        "limit",
        "offset",
        "loaderid",
        "loadername",
        "manifestid",
        "manifestname",
        "status",
        "target",
        "threatfamily",
    ];
    for kind in ["action", "agent", "command", "investigator"] {
        for name in names {
            for text in corpus.map(|text| {
                let pairs = [(name, text), ("type", kind)];
                serde_urlencoded::to_string(pairs).unwrap()
            }) {
                let (status, found) = api.find(&text).await;
                // these do not matter for some types
                let ignored = matches!(name, "loadername" | "manifestname" | "target");
                let expected = matches!(status, 400 | 404) || (status == 200 && ignored);
                assert!(expected, "{text}: {status} {found:?}");
            }
        }
    }
    let (status, found) = api.find("agentname=%FF%FE&type=agent").await;
    assert_eq!((status, found), (404, vec![]), "not UTF-8");
    assert_eq!(api.find("type=command").await.1, [3, 2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn later_pages_tell_the_next() {
    let api = api().await;
    let (_, answer) = api.get("search?type=command&foundanything=true&limit=1&offset=0").await;
    assert_eq!(answer["collection"]["items"].as_array().unwrap().len(), 2);
    let (_, answer) = api.get("search?type=agent&target=status%3C%3E'x'&limit=1&offset=1").await;
    let items = answer["collection"]["items"].as_array().unwrap();
    let pagination = &items[1]["data"][0];
    assert_eq!(pagination["name"], "pagination");
    let next = pagination["value"]["next"].as_str().unwrap();
    assert!(next.contains("target=status%3C%3E%27x%27") && next.contains("offset=2"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_the_dashboard() {
    let api = api().await;
    let (status, answer) = api.get("agent?agentid=1").await;
    let item = &answer["collection"]["items"][0];
    assert_eq!(status, 200);
    assert_eq!(item["data"][0]["name"], "agent");
    assert_eq!(item["data"][0]["value"]["destructiontime"], "9998-01-11T11:11:11Z");
    for (query, want) in [("agentid=0", 400), ("agentid=99", 404), ("agentid=x", 400), ("", 400)] {
        assert_eq!(api.get(&format!("agent?{query}")).await.0, want, "{query}");
    }
    let service = &api.running.service;
    service.app.count_fleet().await.unwrap();
    let (_, answer) = api.get("dashboard").await;
    let items = answer["collection"]["items"].as_array().unwrap();
    let values: Vec<_> =
        items[0]["data"].as_array().unwrap().iter().map(|data| data["value"].clone()).collect();
    let by = |version: &str, count: i64| json!([{"version": version, "count": count}]);
    assert_eq!(json!(values), json!([2, by("1.0", 2), 1, 1, by("2.0", 1), 1, 2, 1, 1, 1]));
    let shown: Vec<_> = items[1..].iter().map(|item| &item["data"][0]["value"]["id"]).collect();
    assert_eq!(json!(shown), json!([2, 1]));
}
