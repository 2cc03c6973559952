//! Statements as text with their values in place, for tests that look at plans and choose their own values.

use crate::domain::search::Search;
use crate::store::command_rows::CommandPage;
use crate::store::{actions, find};
use ::store::Value;
use types::Clock;

/// Writes the search that a query string asks for; empty where its target does not parse.
#[doc(hidden)]
pub fn search_as_text(query: &str) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let now = Clock::system().now();
    let (search, _) = Search::read(get, now);
    if !search.is_aimed() {
        return filled(find::search(&search));
    }
    let target = fleet::parse_target(&search.target).map(|target| fleet::aim(&target, now));
    target.map(|aim| filled(find::reached(aim, &search))).unwrap_or_default()
}

/// Writes the search for the commands that a query string asks for behind one of them.
#[doc(hidden)]
pub fn search_behind_as_text(query: &str, last: i64) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let (search, _) = Search::read(get, Clock::system().now());
    filled(find::search(&search.behind(1, Some(last), 1_000)))
}

/// Writes what `/v1/actions/{id}/commands` asks for.
#[doc(hidden)]
pub fn commands_page_as_text(action: i64, status: Option<&str>, above: Option<i64>) -> String {
    filled(CommandPage { action, status, above, limit: 101 }.write())
}

/// Writes what `/v1/actions` asks for.
#[doc(hidden)]
pub fn actions_page_as_text(before: Option<i64>) -> String {
    filled(actions::page(before, 101))
}

fn filled((text, binds): (String, Vec<Value>)) -> String {
    let places = binds.into_iter().enumerate().rev();
    places.fold(text, |text, (at, value)| text.replace(&format!("${}", at + 1), &literal(&value)))
}

fn literal(value: &Value) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match value {
        Value::Text(text) => quoted(text),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Time(at) => quoted(&at.to_string()),
        _ => "null".into(),
    }
}
