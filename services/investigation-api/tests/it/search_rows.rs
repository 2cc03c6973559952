//! The rows of MIG's searches, member for member, and answers that go out in pieces.

use crate::rows::{Api, api};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

/// Gives the first item that a search finds, and its value.
async fn first(api: &Api, query: &str) -> (String, Value) {
    let (status, answer) = api.get(&format!("search?{query}")).await;
    assert_eq!(status, 200, "{query}: {answer}");
    let item = &answer["collection"]["items"][0];
    (item["href"].as_str().unwrap().into(), item["data"][0]["value"].clone())
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_shows_the_order_and_where_it_went() {
    let api = api().await;
    let (href, command) = first(&api, "type=command&commandid=1").await;
    assert!(href.ends_with("/api/v1/command?commandid=1"), "{href}");
    let none = "0001-01-01T00:00:00Z";
    let action = &command["action"];
    assert_eq!(action["counters"], json!({"sent": 2, "done": 2, "success": 1, "failed": 1}));
    assert_eq!(action["investigators"][0]["name"], "Bob Investigator");
    assert_eq!((&action["starttime"], &action["finishtime"]), (&json!(none), &json!(none)));
    assert_eq!((&action["lastupdatetime"], action.get("status")), (&json!(none), None));
    let agent = &command["agent"];
    assert_eq!((&agent["queueloc"], &agent["mode"]), (&json!(""), &json!("")));
    assert_eq!((&agent["name"], &agent["tags"]), (&json!("a1.example"), &json!({"role": "db"})));
    assert_eq!((&agent["environment"]["os"], agent.get("status")), (&json!("linux"), None));
    assert_eq!((&command["status"], &command["results"]), (&json!("success"), &Value::Null));

    let (_, answer) = api.get("command?commandid=1").await;
    let single = &answer["collection"]["items"][0]["data"][0]["value"];
    assert_eq!(single["action"]["counters"], json!({}));
    assert_eq!(
        (single["action"].get("investigators"), single["action"].get("status")),
        (None, None)
    );
    assert_eq!(single["agent"]["queueloc"], "q1");
    assert_eq!(single["agent"]["environment"], json!({"isproxied": false, "aws": {}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_rows_have_what_the_original_shows() {
    let api = api().await;
    let (href, agent) = first(&api, "type=agent&agentid=1").await;
    assert!(href.ends_with("/api/v1/agent?agentid=1"), "{href}");
    assert_eq!(
        (&agent["refreshts"], agent.get("loadername"), &agent["destructiontime"]),
        (&json!("0001-01-01T00:00:00Z"), None, &json!("9998-01-11T11:11:11Z"))
    );
    let (_, aimed) = first(&api, "type=agent&target=queueloc%3D'q1'").await;
    assert_eq!((&aimed["id"], &aimed["loadername"]), (&json!(1), &json!("ld")));
    assert_ne!(aimed["refreshts"], agent["refreshts"]);

    let (href, investigator) = first(&api, "type=investigator&investigatorid=1").await;
    assert!(href.ends_with("/api/v1/investigator?investigatorid=1"), "{href}");
    let mut shown = names(&investigator);
    shown.sort_unstable();
    let members =
        ["createdat", "id", "lastmodified", "name", "permissions", "pgpfingerprint", "status"];
    assert_eq!(shown, members);

    let (href, loader) = first(&api, "type=loader&loaderid=2").await;
    assert!(href.ends_with("/api/v1"), "{href}");
    let want = json!({"id": 2, "name": "khan", "prefix": "", "key": "", "agentname": "unset",
        "lastseen": "2026-06-01T00:00:00Z", "enabled": false, "expectenv": ""});
    assert_eq!(loader, want);

    let (href, manifest) = first(&api, "type=manifest&manifestid=1").await;
    assert!(href.ends_with("/api/v1/manifest?manifestid=1"), "{href}");
    let want = json!({"id": 1, "name": "test manifest", "timestamp": "2026-05-01T00:00:00Z", "status": "active",
        "target": "x", "signatures": null});
    assert_eq!(manifest, want);

    let (_, action) = first(&api, "type=action&actionid=2").await;
    assert_eq!(
        (&action["status"], &action["counters"]),
        (&json!("invalid"), &json!({"sent": 1, "inflight": 1}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_goes_out_in_pieces_and_is_whole() {
    let api = api().await;
    let many = "insert into agent select n, gen_random_uuid(), 'm' || n, 'm' || lpad(n::text, 5, '0'), 'mig', '', 'v', 1,
        'online', '{}', '{}', '', now(), null, now() - n * interval '1 second', now(), 1 from generate_series(1001, 2001) n";
    let mut conn = api.database.store().get().await.unwrap();
    conn.batch_execute(many).await.unwrap();
    for query in
        ["type=agent&agentname=m%25&limit=1000000", "type=agent&limit=1000000&target=version%3D'v'"]
    {
        let (status, found) = api.find(query).await;
        assert_eq!((status, found), (200, (1001..=2001).collect()), "{query}");
    }
    let (status, found) = api.find("type=agent&agentname=m%25&limit=600&offset=300").await;
    assert_eq!((status, found), (200, (1301..=1900).collect()));
}
