//! Reads how the commands of a posted action are to be given out: the member `dispatch` beside those of the document.
//!
//! It is part of the request and not of what is signed (proto-docs/decisions/0006).

use crate::error::Error;
use serde_json::{Map, Value};
use types::go_json;
use types::{Dispatch, StopWhen, Wave};

const CODE: &str = "dispatch-invalid";
const AT: &str = "/dispatch";

/// Reads the dispatch of a posted document; nothing when it has none. A document that cannot be read at all is refused
/// elsewhere.
pub(crate) fn read(document: &str) -> Result<Option<Dispatch>, Error> {
    // most documents have none, and reading one twice is not free
    if !document.to_ascii_lowercase().contains("dispatch") {
        return Ok(None);
    }
    let Ok(Value::Object(members)) = go_json::parse(document.as_bytes()) else { return Ok(None) };
    match go_json::fold_names(members).remove("dispatch") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => parse(&members).map(Some),
        Some(_) => Err(wrong("", "is not an object")),
    }
}

fn parse(members: &Map<String, Value>) -> Result<Dispatch, Error> {
    known(members, "", &["rate_per_second", "waves", "stop_when"])?;
    let rate_per_second = number(members, "", "rate_per_second")?;
    let waves = match members.get("waves") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(waves)) => waves
            .iter()
            .enumerate()
            .map(|(at, wave)| read_wave(at, wave))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong("/waves", "is not a list such as [1, 10, \"all\"]")),
    };
    let stop_when = match members.get("stop_when") {
        None | Some(Value::Null) => None,
        Some(Value::Object(stop)) => {
            known(stop, "/stop_when", &["failed_ratio", "timeouts"])?;
            let failed_ratio = number(stop, "/stop_when", "failed_ratio")?;
            let timeouts = match stop.get("timeouts") {
                None | Some(Value::Null) => None,
                Some(count) => Some(
                    count
                        .as_i64()
                        .ok_or_else(|| wrong("/stop_when/timeouts", "is not a whole number"))?,
                ),
            };
            Some(StopWhen { failed_ratio, timeouts })
        }
        Some(_) => return Err(wrong("/stop_when", "is not an object")),
    };
    let dispatch = Dispatch { rate_per_second, waves, stop_when };
    dispatch.check().map_err(|fault| wrong(&fault.pointer, &fault))?;
    Ok(dispatch)
}

fn read_wave(at: usize, wave: &Value) -> Result<Wave, Error> {
    serde_json::from_value(wave.clone())
        .map_err(|_cause| wrong(&format!("/waves/{at}"), "is neither a whole number nor \"all\""))
}

fn number(members: &Map<String, Value>, under: &str, name: &str) -> Result<Option<f64>, Error> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(number) => match number.as_f64() {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(&format!("{under}/{name}"), "is not a number")),
        },
    }
}

fn known(members: &Map<String, Value>, under: &str, names: &[&str]) -> Result<(), Error> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let pointer = unknown.replace('~', "~0").replace('/', "~1");
            let detail = format!("is not known; use one of {}", names.join(", "));
            Err(wrong(&format!("{under}/{pointer}"), detail))
        }
    }
}

fn wrong(under: &str, detail: impl std::fmt::Display) -> Error {
    let pointer = format!("{AT}{under}");
    let detail = format!("{pointer} {detail}");
    Error::invalid(CODE, &pointer, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointer(dispatch: &Value) -> String {
        match read(&json!({"name": "n", "dispatch": dispatch}).to_string()) {
            Err(Error::Invalid { pointer, detail, .. }) => {
                assert!(detail.starts_with(&pointer), "{detail}");
                pointer
            }
            other => panic!("{dispatch}: {other:?}"),
        }
    }

    #[test]
    fn a_dispatch_is_read() {
        let text = r#"{"Dispatch":{"rate_per_second":5,"waves":[1,"all"],"stop_when":{"timeouts":2,"failed_ratio":null}}}"#;
        let dispatch = read(text).unwrap().unwrap();
        assert_eq!(dispatch.rate_per_second, Some(5.0));
        assert_eq!(dispatch.waves, [Wave::Of(1), Wave::All]);
        assert_eq!(dispatch.stop_when, Some(StopWhen { failed_ratio: None, timeouts: Some(2) }));
        assert_eq!(read(r#"{"dispatch":{}}"#).unwrap(), Some(Dispatch::default()));
        for none in [r#"{"dispatch":null}"#, r#"{"name":"dispatch"}"#, "{}", "no json: dispatch"] {
            assert_eq!(read(none).unwrap(), None, "{none}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (dispatch, at) in [
            (json!([]), "/dispatch"),
            (json!({"speed": 1}), "/dispatch/speed"),
            (json!({"a/b~c": 1}), "/dispatch/a~1b~0c"),
            (json!({"rate_per_second": "5"}), "/dispatch/rate_per_second"),
            (json!({"rate_per_second": 0}), "/dispatch/rate_per_second"),
            (json!({"waves": 1}), "/dispatch/waves"),
            (json!({"waves": [1, "some"]}), "/dispatch/waves/1"),
            (json!({"waves": [1.5]}), "/dispatch/waves/0"),
            (json!({"waves": [true]}), "/dispatch/waves/0"),
            (json!({"waves": ["all", 5]}), "/dispatch/waves/0"),
            (json!({"stop_when": 1}), "/dispatch/stop_when"),
            (json!({"stop_when": {"failed_ratio": 2}}), "/dispatch/stop_when/failed_ratio"),
            (json!({"stop_when": {"timeouts": 1.5}}), "/dispatch/stop_when/timeouts"),
            (json!({"stop_when": {"expired": 1}}), "/dispatch/stop_when/expired"),
        ] {
            assert_eq!(pointer(&dispatch), at, "{dispatch}");
        }
    }
}
