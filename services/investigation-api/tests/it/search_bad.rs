//! MIG's searches when the parameters are wrong or hostile: refused in the frame of every answer, and without effect.

use crate::rows::{Api, api};
use diesel_async::RunQueryDsl;

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

const CORPUS: [&str; 16] = [
    "1=1) UNION ALL SELECT 1 --",
    "1=1); UPDATE investigator SET permissions=524287; --",
    "' OR '1'='1",
    "'; DROP TABLE command; --",
    "\\'; DROP TABLE command; --",
    "$1",
    "$1$2#*",
    "%' OR true --",
    "1) OR (1=1",
    "\u{ff07} OR 1=1",
    "pg_sleep(10)",
    "1); RESET ROLE; UPDATE investigator SET permissions = 524287 WHERE id = 2; --",
    "id IN (SELECT id FROM investigator)",
    "name = 'x' UNION SELECT api_key_sha256 FROM investigator",
    "1e308",
    "-Inf",
];
const IDS: [&str; 6] =
    ["actionid", "agentid", "commandid", "investigatorid", "loaderid", "manifestid"];
const OTHERS: [&str; 6] = ["type", "after", "before", "foundanything", "limit", "offset"];
const PATTERNS: [&str; 8] = [
    "actionname",
    "agentname",
    "agentversion",
    "investigatorname",
    "loadername",
    "manifestname",
    "status",
    "threatfamily",
];

/// Tells whether searches of this type look at the pattern.
fn matters(kind: &str, name: &str) -> bool {
    match kind {
        "loader" => matches!(name, "loadername" | "agentname" | "status"),
        "manifest" => matches!(name, "manifestname" | "status"),
        _ => !matches!(name, "loadername" | "manifestname"),
    }
}

#[derive(diesel::QueryableByName)]
struct State {
    #[diesel(sql_type = diesel::sql_types::Text)]
    state: String,
}

/// Gives all that an injected statement would aim at.
async fn state(api: &Api) -> String {
    let mut conn = api.database.store().get().await.unwrap();
    let text = "select concat((select jsonb_agg(i) from investigator i), (select jsonb_agg(c) from command c),
        (select jsonb_agg(a.id) from agent a), (select jsonb_agg(a) from action a), (select jsonb_agg(l) from loader l)) as state";
    let state: State = store::sql(text).get_result(&mut conn).await.unwrap();
    state.state
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_injected_has_an_effect() {
    let api = api().await;
    let before = state(&api).await;
    for kind in ["action", "agent", "command", "investigator", "loader", "manifest"] {
        let all = api.find(&format!("type={kind}")).await;
        for text in CORPUS {
            let ask = async |name: &str| {
                let pairs = [(name, text), ("type", kind)];
                api.find(&serde_urlencoded::to_string(pairs).unwrap()).await
            };
            for name in PATTERNS {
                let wanted = if matters(kind, name) { (404, vec![]) } else { all.clone() };
                assert_eq!(ask(name).await, wanted, "{kind} {name} {text}");
            }
            // read before the type is looked at
            let numbers = IDS.into_iter().chain(OTHERS).filter(|_| kind == "command");
            for name in numbers {
                let (status, found) = ask(name).await;
                // a number is a number, and an id that nobody has finds nothing; every number is one for a limit
                let number = text.parse::<f64>().is_ok();
                let ids = number && (IDS.contains(&name) || name == "limit");
                let expected = if ids { matches!(status, 200 | 400 | 404) } else { status == 400 };
                assert!(expected, "{kind} {name} {text}: {status} {found:?}");
            }
            let (status, found) = ask("target").await;
            let wanted = if kind == "agent" { (400, vec![]) } else { all.clone() };
            assert_eq!((status, found), wanted, "{kind} target {text}");
        }
    }
    assert_eq!(state(&api).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_find_nothing() {
    let api = api().await;
    for name in PATTERNS {
        for kind in ["action", "agent", "command", "investigator", "loader", "manifest"] {
            let (status, found) = api.find(&format!("{name}=%FF%FE%80&type={kind}")).await;
            let wanted = if matters(kind, name) { 404 } else { 200 };
            assert_eq!((status, found.is_empty()), (wanted, wanted == 404), "{kind} {name}");
            assert_eq!(
                api.find(&format!("{name}=a%00b&type={kind}")).await.0,
                400,
                "{kind} {name}"
            );
        }
    }
    for query in
        ["type=agent&target=%FF", "actionid=%FF", "type=%00", "%FF=%00", "limit=%F0%9F", "status=%"]
    {
        assert!(api.find(query).await.0 < 500, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_counts() {
    let api = api().await;
    assert_eq!(api.find("type=agent&agentid=2&type=action&agentid=x").await, (200, vec![2]));
    assert_eq!(api.find("agentid=x&agentid=2&type=agent").await.0, 400);
    assert_eq!(api.find("type=agent&limit=1&limit=-1").await, (200, vec![1]));
}
