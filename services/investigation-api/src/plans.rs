//! Searches as text, for those who look at plans.

use crate::domain::search::Search;
use crate::store::command_rows::CommandPage;
use crate::store::find;
use ::store::Value;

/// Writes the search that a query string asks for, with its values in their places; for tests of plans only, which
/// choose their own values.
#[doc(hidden)]
pub fn search_as_text(query: &str) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let now = types::Clock::system().now();
    let (search, _) = Search::read(get, now);
    if !search.is_aimed() {
        return filled(find::search(&search));
    }
    let target = fleet::parse_target(&search.target).map(|target| fleet::aim(&target, now));
    target.map(|aim| filled(find::reached(aim, &search))).unwrap_or_default()
}

/// Writes the statement behind `/v1/actions/{id}/commands`, in the same way.
#[doc(hidden)]
pub fn commands_page_as_text(action: i64, status: Option<&str>) -> String {
    filled(CommandPage { action, status, above: None, limit: 101 }.write())
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
        Value::Texts(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
            format!("array[{}]", texts.join(","))
        }
        Value::Time(at) => quoted(&at.to_string()),
        _ => "null".into(),
    }
}
