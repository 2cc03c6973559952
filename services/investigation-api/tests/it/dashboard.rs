//! Single agents and the dashboard (specs/mig/api.md §3.5, §3.9; specs/mig/scheduler-agent.md §7).

use crate::rows::api;
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_shown() {
    let api = api().await;
    let (status, answer) = api.get("agent?agentid=1").await;
    let item = &answer["collection"]["items"][0];
    assert_eq!(status, 200);
    assert_eq!(item["data"][0]["name"], "agent");
    let agent = item["data"][0]["value"].as_object().unwrap();
    let names: Vec<_> = agent.keys().map(String::as_str).collect();
    let mut want = vec![
        "id",
        "name",
        "queueloc",
        "mode",
        "version",
        "pid",
        "starttime",
        "destructiontime",
        "heartbeatts",
        "refreshts",
        "status",
        "environment",
        "tags",
    ];
    want.sort_unstable();
    assert_eq!(
        {
            let mut names = names;
            names.sort_unstable();
            names
        },
        want
    );
    assert_eq!(agent["destructiontime"], "9998-01-11T11:11:11Z");
    for (query, want) in [("agentid=0", 400), ("agentid=99", 404), ("agentid=x", 400), ("", 400)] {
        assert_eq!(api.get(&format!("agent?{query}")).await.0, want, "{query}");
    }
}

/// Counts again although that was done a moment ago.
async fn count(api: &crate::rows::Api) -> Vec<Value> {
    let mut conn = api.database.store().get().await.unwrap();
    conn.batch_execute("update agent_stats set counted = '-infinity'").await.unwrap();
    api.running.service.app.count_fleet().await.unwrap();
    let (status, answer) = api.get("dashboard").await;
    assert_eq!(status, 200);
    answer["collection"]["items"].as_array().unwrap().clone()
}

fn values(item: &Value) -> Value {
    item["data"].as_array().unwrap().iter().map(|data| data["value"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_counts_by_the_formulas() {
    let api = api().await;
    let items = count(&api).await;
    let by = |version: &str, count: i64| json!([{"version": version, "count": count}]);
    assert_eq!(values(&items[0]), json!([2, by("1.0", 2), 1, 1, by("2.0", 1), 1, 2, 1, 1, 1]));
    let names: Value =
        items[0]["data"].as_array().unwrap().iter().map(|data| data["name"].clone()).collect();
    assert_eq!(
        names,
        json!([
            "online agents",
            "online agents by version",
            "online endpoints",
            "idle agents",
            "idle agents by version",
            "idle endpoints",
            "new endpoints",
            "endpoints running 2 or more agents",
            "disappeared endpoints",
            "flapping endpoints"
        ])
    );
    let shown: Vec<_> = items[1..].iter().map(|item| &item["data"][0]["value"]["id"]).collect();
    assert_eq!(json!(shown), json!([2, 1]));

    let mut conn = api.database.store().get().await.unwrap();
    // an idle agent beside an online one counts as flapping, not as idle; one that is long gone counts nowhere
    conn.batch_execute("update agent set status = 'idle' where id = 4; update agent set last_seen = now() - interval '8 days',
        started = now() - interval '9 days' where id = 3").await.unwrap();
    let items = count(&api).await;
    assert_eq!(values(&items[0]), json!([1, by("1.0", 1), 1, 1, by("2.0", 1), 1, 2, 0, 0, 1]));
    conn.batch_execute("delete from agent").await.unwrap();
    let items = count(&api).await;
    assert_eq!(values(&items[0]), json!([0, null, 0, 0, null, 0, 0, 0, 0, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_count_serves_all_processes() {
    let api = api().await;
    let online = |items: &[Value]| items[0]["data"][0]["value"].clone();
    assert_eq!(online(&count(&api).await), 2);
    let mut conn = api.database.store().get().await.unwrap();
    conn.batch_execute("update agent set status = 'offline'; update agent_stats set counted = now() + interval '1 hour'").await.unwrap();
    api.running.service.app.count_fleet().await.unwrap();
    let (_, answer) = api.get("dashboard").await;
    assert_eq!(
        online(answer["collection"]["items"].as_array().unwrap()),
        2,
        "it was counted a moment ago"
    );
    assert_eq!(online(&count(&api).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_to_count_is_counted_less_often() {
    let api = api().await;
    let online = |items: &[Value]| items[0]["data"][0]["value"].clone();
    assert_eq!(online(&count(&api).await), 2);
    let mut conn = api.database.store().get().await.unwrap();
    let offline = "update agent set status = 'offline';";
    for (took, shown) in [("5", 2), ("0.01", 0)] {
        let before = format!(
            "{offline} update agent_stats set counted = now() - interval '1 minute', took = {took}"
        );
        conn.batch_execute(&before).await.unwrap();
        api.running.service.app.count_fleet().await.unwrap();
        let (_, answer) = api.get("dashboard").await;
        let items = answer["collection"]["items"].as_array().unwrap();
        assert_eq!(online(items), shown, "the last count took {took} s");
    }
}
