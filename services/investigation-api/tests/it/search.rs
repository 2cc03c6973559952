//! MIG's searches: every parameter for every type, pages, and the form of the rows (specs/mig/api.md §4).

use crate::rows::api;
use diesel_async::SimpleAsyncConnection;
use serde_json::json;

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
        ("type=action&actionid=%E2%88%9E", &[2, 1]),
        ("type=action&type=agent&actionid=1", &[1]),
        ("type=command", &[3, 2, 1]),
        ("type=command&status=sent", &[3]),
        ("type=command&status=%25", &[3, 2, 1]),
        ("type=command&status=%25e%25", &[3, 2, 1]),
        ("type=command&status=%25e%25&actionid=1", &[2, 1]),
        ("type=command&status=%25ed&actionname=find%25", &[2]),
        ("type=command&status=s%25&limit=1&offset=1", &[1]),
        ("type=command&foundanything=true&status=success", &[1]),
        ("type=command&foundanything=true&actionid=1", &[1]),
        ("type=command&actionname=%25t%25&limit=2&offset=1", &[2, 1]),
        ("type=command&actionname=%25t%25&after=2026-05-15T00:00:00Z", &[3]),
        ("type=command&actionname=%25t%25&agentid=1", &[1]),
        ("type=command&investigatorid=1&actionid=1&commandid=2", &[2]),
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
        ("type=investigator&investigatorname=%25", &[1, 2]),
        ("type=investigator&actionid=2", &[2]),
        ("type=loader", &[1, 2]),
        ("type=loader&loadername=K%25", &[2]),
        ("type=loader&agentname=host%25", &[1]),
        ("type=loader&loaderid=2", &[2]),
        ("type=loader&status=enabled", &[1]),
        ("type=loader&status=d%25", &[2]),
        ("type=loader&after=2026-05-15T00:00:00Z&limit=1", &[2]),
        ("type=loader&before=2026-05-15T00:00:00Z", &[1]),
        ("type=manifest", &[2, 1]),
        ("type=manifest&manifestname=TEST%25", &[1]),
        ("type=manifest&manifestid=2", &[2]),
        ("type=manifest&status=staged", &[2]),
        ("type=manifest&before=2026-05-15T00:00:00Z", &[1]),
    ];
    for (query, want) in cases {
        assert_eq!(api.find(query).await, (200, want.to_vec()), "{query}");
    }
    for query in [
        "type=manifest&manifestname=x",
        "type=loader&loadername=x",
        "type=command&foundanything=true&status=failed",
        "actionid=NaN",
        "actionid=Inf",
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
async fn actions_over_many_agents_lead_to_the_same_agents() {
    let api = api().await;
    let asked = [
        ("type=agent&actionname=OTHER", vec![3]),
        ("type=agent&actionname=%25t%25", vec![1, 2, 3]),
        ("type=agent&actionname=%25t%25&status=online", vec![1]),
        ("type=agent&investigatorid=1&threatfamily=comp%25", vec![1, 2]),
        ("type=agent&investigatorid=1&actionid=1", vec![1, 2]),
        ("type=agent&actionname=other&commandid=3", vec![3]),
    ];
    let mut conn = api.database.store().get().await.unwrap();
    for targeted in [0, 30_000] {
        conn.batch_execute(&format!("update action set targeted = {targeted}")).await.unwrap();
        for (query, want) in asked.clone() {
            assert_eq!(api.find(query).await, (200, want), "{query}");
        }
        let none = "type=agent&actionname=other&commandid=1";
        assert_eq!(api.find(none).await, (404, vec![]), "the command is another action's");
    }
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
