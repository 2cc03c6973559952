//! Reads JSON by hand, so that each fault is told with its place and all of them at once.

use super::MAX_LIST;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::api::problem::Fault;
use types::instant::is_writable;

/// Says how many faults are told.
const MAX_FAULTS: usize = 50;

/// Collects faults.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault { pointer: pointer.into(), detail: detail.into() });
        }
    }
}

/// Finds texts with a NUL character: the database holds none, and neither do those of the other services.
pub(super) fn no_nul(at: &str, value: &Value, faults: &mut Faults) {
    const DETAIL: &str = "has a NUL character, which no text here can have";
    match value {
        Value::String(text) if text.contains('\0') => faults.add(at, DETAIL),
        Value::Array(list) => {
            for (place, value) in list.iter().enumerate() {
                if may_hold_text(value) {
                    no_nul(&join(at, &place.to_string()), value, faults);
                }
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                if key.contains('\0') {
                    faults.add(join(at, key), DETAIL);
                } else if may_hold_text(value) {
                    no_nul(&join(at, key), value, faults);
                }
            }
        }
        _ => {}
    }
}

/// Spares the making of a place for what is usual.
fn may_hold_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(_) | Value::Object(_) => true,
        _ => false,
    }
}

/// Is an object with its place.
#[derive(Debug, Clone)]
pub(super) struct Object<'a> {
    pub(super) at: String,
    pub(super) map: &'a Map<String, Value>,
}

/// Adds a part to a JSON pointer.
pub(super) fn join(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl<'a> Object<'a> {
    /// Takes `value`, which must be an object.
    pub(super) fn of(at: String, value: &'a Value, faults: &mut Faults) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { at, map }),
            other => {
                faults.add(at, format!("must be an object, not {}", kind(other)));
                None
            }
        }
    }

    pub(super) fn place(&self, key: &str) -> String {
        join(&self.at, key)
    }

    /// Gives a member that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        key: &str,
        what: &str,
        faults: &mut Faults,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let read = read(value);
        if read.is_none() {
            faults.add(self.place(key), format!("must be {what}, not {}", kind(value)));
        }
        read
    }

    /// Gives a text that may be missing.
    pub(super) fn text(&self, key: &str, faults: &mut Faults) -> Option<&'a str> {
        self.typed(key, "a string", faults, Value::as_str)
    }

    /// Gives a text that must be there and not be empty.
    pub(super) fn needed(&self, key: &str, faults: &mut Faults) -> &'a str {
        if self.get(key).is_none() {
            faults.add(self.place(key), format!("{key} is missing"));
            return "";
        }
        let text = self.text(key, faults);
        if text == Some("") {
            faults.add(self.place(key), "must not be empty");
        }
        text.unwrap_or_default()
    }

    pub(super) fn flag(&self, key: &str, faults: &mut Faults) -> bool {
        self.typed(key, "a bool", faults, Value::as_bool).unwrap_or_default()
    }

    /// Gives an amount of milliseconds; at most ten years.
    pub(super) fn millis(&self, key: &str, faults: &mut Faults) -> Option<time::Duration> {
        const MOST: u64 = 315_576_000_000;
        let value = self.get(key)?;
        let millis = value.as_u64().filter(|millis| *millis <= MOST);
        if millis.is_none() {
            let detail = format!("must be a whole number of milliseconds from 0 to {MOST}");
            faults.add(self.place(key), detail);
        }
        millis.and_then(|millis| i64::try_from(millis).ok()).map(time::Duration::milliseconds)
    }

    pub(super) fn time(&self, key: &str, faults: &mut Faults) -> Option<OffsetDateTime> {
        let text = self.text(key, faults)?;
        let at = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|at| is_writable(*at));
        if at.is_none() {
            let detail = "must be a time such as 2026-01-31T08:00:00.000Z, in the years 1 to 9999";
            faults.add(self.place(key), detail);
        }
        // PostgreSQL keeps microseconds
        at.map(|at| at.replace_microsecond(at.microsecond()).unwrap_or(at))
    }

    pub(super) fn object(&self, key: &str, faults: &mut Faults) -> Option<Object<'a>> {
        Object::of(self.place(key), self.get(key)?, faults)
    }

    pub(super) fn list(&self, key: &str, faults: &mut Faults) -> Option<&'a [Value]> {
        let list =
            self.typed(key, "a list", faults, |value| value.as_array().map(Vec::as_slice))?;
        self.few(key, list.len(), faults);
        Some(list.get(..MAX_LIST).unwrap_or(list))
    }

    /// Checks that something has no more members than are taken.
    pub(super) fn few(&self, key: &str, count: usize, faults: &mut Faults) -> bool {
        if count > MAX_LIST {
            let detail = format!("has {count} members; at most {MAX_LIST} are taken");
            faults.add(self.place(key), detail);
        }
        count <= MAX_LIST
    }

    /// Gives a list of texts; those that are none are told.
    pub(super) fn texts(&self, key: &str, faults: &mut Faults) -> Vec<String> {
        let list = self.list(key, faults).unwrap_or_default();
        let mut texts = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            if let Some(text) = value.as_str() {
                texts.push(text.to_owned());
            } else {
                let place = join(&self.place(key), &at.to_string());
                faults.add(place, format!("must be a string, not {}", kind(value)));
            }
        }
        texts
    }

    /// Gives the members that are objects themselves.
    pub(super) fn objects(&self, faults: &mut Faults) -> Vec<(&'a str, Object<'a>)> {
        let members = self.map.iter();
        members
            .filter_map(|(key, value)| {
                Some((key.as_str(), Object::of(self.place(key), value, faults)?))
            })
            .collect()
    }
}
