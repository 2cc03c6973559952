//! However large what agents brought back is, a page and a piece of an answer have a bounded size.

use crate::house::{ADMIN, House, house};
use crate::rows::api;
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;

/// Writes an action with commands whose results have these sizes; of every other one the size was not kept.
async fn with_results(house: &House, sizes: &[usize]) {
    house
        .execute(
            "insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status,
                 started, updated, targeted)
             values (1, '{\"name\":\"a\",\"target\":\"x\",\"syntaxversion\":2}', '\\x01', 'a', 'x', now(), now(), 1, now(),
                 'completed', now(), now(), 0)",
        )
        .await;
    for (id, size) in (1..).zip(sizes) {
        house
            .execute(&format!(
                "insert into command (id, action_id, agent_id, status, results, started)
                 select {id}, 1, {id}, 'success', json_build_array(json_build_object('success', true,
                     'elements', repeat('x', {size}), 'statistics', '{{\"<\": 1.50}}'::json)), now()"
            ))
            .await;
    }
    let kept = "update command set results_size = octet_length(results::text) where id % 2 = 0";
    house.execute(kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_results_has_fewer_rows() {
    let house = house(&[]).await;
    with_results(&house, &[3 * MIB, 3 * MIB, 3 * MIB, 9 * MIB, 10, 10]).await;
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/actions/1/commands?limit=500{cursor}");
        let page = house.get(&path).await.expect(200).json();
        let rows = page["items"].as_array().unwrap();
        let ids = rows.iter().map(|row| row["id"].as_i64().unwrap());
        pages.push(ids.collect::<Vec<_>>());
        let result = &rows[0]["results"][0];
        assert_eq!((&result["success"], &result["errors"]), (&json!(true), &Value::Null));
        assert_eq!(result["statistics"], json!({"<": 1.5}));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, [vec![1, 2], vec![3], vec![4], vec![5, 6]]);
}

/// Reads an answer with the sizes of the pieces that it came in.
async fn pieces(house: &House, path: &str) -> (Vec<usize>, Value) {
    let host = house.running.url().replace("http://", "");
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-MIGAPIKEY: {ADMIN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let mut rest = &answer[end..];
    if !head.contains("transfer-encoding: chunked") {
        return (vec![rest.len()], serde_json::from_slice(rest).unwrap());
    }
    let (mut sizes, mut body) = (Vec::new(), Vec::new());
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (sizes, serde_json::from_slice(&body).unwrap());
        }
        let from = line + 2;
        body.extend_from_slice(&rest[from..from + size]);
        sizes.push(size);
        rest = &rest[from + size + 2..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_over_large_results_goes_out_in_small_pieces() {
    let house = house(&[]).await;
    with_results(&house, &[3 * MIB, 3 * MIB, 3 * MIB, 3 * MIB, 3 * MIB]).await;
    let (sizes, answer) = pieces(&house, "/api/v1/search?type=command").await;
    assert!(sizes.iter().all(|size| *size < 9 * MIB), "{sizes:?}");
    let items = answer["collection"]["items"].as_array().unwrap();
    let ids: Vec<_> = items.iter().map(|item| &item["data"][0]["value"]["id"]).collect();
    assert_eq!(json!(ids[..5]), json!([5, 4, 3, 2, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_commands_than_are_looked_for_at_once_come_whole_and_in_order() {
    let api = api().await;
    let mut conn = api.database.store().get().await.unwrap();
    // actions 10 and 11 in one moment, and commands over the border of what is looked for at once
    let many = "
        insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status,
                started, updated, targeted)
            select n, '{}', sha256(n::text::bytea), 'many', 'x', now(), now(), 1, now(), 'completed',
                timestamptz '2026-07-01 00:00Z' - greatest(n - 11, 0) * interval '1 day', now(), 0
            from generate_series(10, 12) n;
        insert into command (id, action_id, agent_id, status, started)
            select action.id * 10000 + n, action.id, n, case n % 3 when 0 then 'failed' else 'success' end, started
            from action, generate_series(1, case action.id when 11 then 5020 else 30 end) n where action.id >= 10";
    conn.batch_execute(many).await.unwrap();
    let of = |action: i64, most: i64| (1..=most).rev().map(move |n| action * 10_000 + n);
    let all: Vec<_> = of(11, 5_020).chain(of(10, 30)).chain(of(12, 30)).collect();
    for (query, want) in [
        ("type=command&limit=9e15", [&all[..], &[3, 2, 1]].concat()),
        ("type=command&limit=9e15&actionname=many", all.clone()),
        ("type=command&limit=9e15&actionid=11", all[..5_020].to_vec()),
        ("type=command&limit=5010&offset=15&actionname=many", all[15..5_025].to_vec()),
        (
            "type=command&limit=9e15&status=%25s%25&after=2026-06-15T00:00:00Z",
            all.iter().copied().filter(|id| id % 10_000 % 3 != 0).collect(),
        ),
    ] {
        let (status, found) = api.find(query).await;
        assert_eq!(status, 200, "{query}");
        assert_eq!(found.len(), want.len(), "{query}");
        assert!(found == want, "{query}: another order");
    }
}
