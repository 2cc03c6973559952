//! Results as agents send them: no more of them are taken apart than there may be, and none that would not be kept.

use super::answer::in_words;
use super::tree::{DEEPEST, TREE_BYTES, Tree};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use types::OperationResult;
use types::action::MAX_OPERATIONS;

/// Is a list of at most `MOST`; a longer one is refused where it becomes too long.
#[derive(Debug)]
pub(crate) struct Few<T, const MOST: usize>(pub(crate) Vec<T>);

/// Are the results of one answer as they came.
pub(crate) type Results<'a> = Few<&'a RawValue, MAX_OPERATIONS>;

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = Few<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MOST {
                    let Some(item) = seq.next_element()? else { return Ok(Few(items)) };
                    items.push(item);
                }
                match seq.next_element::<IgnoredAny>()? {
                    Some(_) => {
                        Err(A::Error::custom(format!("a list has more than {MOST} entries")))
                    }
                    None => Ok(Few(items)),
                }
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// Are some members of an object, as they came.
pub(crate) type Members<'a> = BTreeMap<&'static str, &'a RawValue>;

/// Finds the members of these names in an object, whatever their case; the last of several counts. Nothing else of it
/// is kept.
pub(crate) fn members<'a>(
    json: &'a str,
    wanted: &'static [&'static str],
) -> Result<Members<'a>, serde_json::Error> {
    struct Wanted(&'static [&'static str]);

    impl<'de> DeserializeSeed<'de> for Wanted {
        type Value = Members<'de>;

        fn deserialize<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    impl<'de> Visitor<'de> for Wanted {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Members::new();
            while let Some(name) = map.next_key::<String>()? {
                let name = name.to_lowercase();
                if let Some(wanted) = self.0.iter().find(|wanted| **wanted == name) {
                    found.insert(*wanted, map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(json);
    let found = Wanted(wanted).deserialize(&mut reader)?;
    reader.end()?;
    Ok(found)
}

/// Reads a member that must be there.
pub(crate) fn member<T: DeserializeOwned>(
    members: &Members<'_>,
    name: &'static str,
) -> Result<T, serde_json::Error> {
    match members.get(name) {
        Some(member) => serde_json::from_str(member.get()),
        None => Err(serde_json::Error::missing_field(name)),
    }
}

/// Reads a member that may be missing or null.
pub(crate) fn member_or_default<T: DeserializeOwned + Default>(
    members: &Members<'_>,
    name: &str,
) -> Result<T, serde_json::Error> {
    match members.get(name) {
        Some(member) => Ok(serde_json::from_str::<Option<T>>(member.get())?.unwrap_or_default()),
        None => Ok(T::default()),
    }
}

/// Takes the results of one body apart, as long as there is memory for them.
#[derive(Debug)]
pub(crate) struct Reader {
    left: usize,
}

impl Reader {
    /// Begins with a body.
    pub(crate) fn new() -> Self {
        Self { left: TREE_BYTES }
    }

    /// Reads results. What one found is cut, and says so, when it would take more memory than is left, or has too many
    /// levels to travel.
    pub(crate) fn read(
        &mut self,
        results: &Results<'_>,
    ) -> Result<Vec<OperationResult>, serde_json::Error> {
        results.0.iter().map(|result| self.read_one(result.get())).collect()
    }

    fn read_one(&mut self, json: &str) -> Result<OperationResult, serde_json::Error> {
        const KNOWN: &[&str] = &["foundanything", "success", "elements", "statistics", "errors"];
        if json == "null" {
            return Ok(OperationResult::default());
        }
        let members = members(json, KNOWN)?;
        let (foundanything, success) = (
            member_or_default(&members, "foundanything")?,
            member_or_default(&members, "success")?,
        );
        let tree = Tree::of(json.as_bytes());
        let why = match self.left.checked_sub(tree.bytes) {
            None => format!("takes more than {} when it is read", in_words(TREE_BYTES)),
            Some(_) if tree.depth > DEEPEST => format!("has more than {DEEPEST} levels"),
            Some(left) => {
                self.left = left;
                return Ok(OperationResult {
                    foundanything,
                    success,
                    elements: member_or_default(&members, "elements")?,
                    statistics: member_or_default(&members, "statistics")?,
                    errors: member_or_default(&members, "errors")?,
                });
            }
        };
        Ok(OperationResult {
            foundanything,
            success,
            elements: Value::Null,
            statistics: Value::Null,
            errors: Some(vec![format!("result was {} bytes and {why}; cut", json.len())]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: &str) -> Result<Vec<OperationResult>, serde_json::Error> {
        Reader::new().read(&serde_json::from_str(json)?)
    }

    #[test]
    fn results_are_read_whatever_the_case_of_their_names() {
        let text = r#"[{"FoundAnything": true, "success": false, "SUCCESS": true, "elements": {"A": [1]}, "more": [[]],
            "statistics": null, "errors": ["x"]}, null, {}]"#;
        let first = OperationResult {
            foundanything: true,
            success: true,
            elements: json!({"A": [1]}),
            statistics: Value::Null,
            errors: Some(vec!["x".into()]),
        };
        let none = OperationResult::default;
        assert_eq!(read(text).unwrap(), [first, none(), none()]);
        for wrong in [
            "[1]",
            "[[]]",
            "[\"x\"]",
            "{}",
            "[{\"errors\": [1]}]",
            "[{\"success\": 1}]",
            "[{\"elements\": 1e999}]",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_results_than_any_action_asks_for_are_refused_where_they_become_too_many() {
        let many = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(read(&many(MAX_OPERATIONS)).unwrap().len(), MAX_OPERATIONS);
        for count in [MAX_OPERATIONS + 1, 200_000] {
            let error = read(&many(count)).unwrap_err().to_string();
            assert!(error.starts_with("a list has more than 256 entries"), "{error}");
        }
        // what follows is not even looked at
        let error = read(&format!("{}!", many(300).trim_end_matches(']'))).unwrap_err();
        assert!(error.to_string().contains("256"), "{error}");
    }

    #[test]
    fn what_would_take_too_much_memory_or_is_too_deep_is_cut_and_says_so() {
        let bomb = format!("[{}0]", "{\"\":0},".repeat(400_000));
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let result = |elements: &str| format!("{{\"foundanything\":true,\"elements\":{elements}}}");
        let whole = result(&bomb).len();
        let text = format!(
            "[{},{},{},{}]",
            result(&bomb),
            result(&deep(DEEPEST)),
            result("[1]"),
            result(&deep(DEEPEST - 1))
        );
        let results = read(&text).unwrap();
        assert!(results.iter().all(|result| result.foundanything));
        let told = |place: usize| results[place].errors.clone().unwrap_or_default().join("");
        assert_eq!(
            told(0),
            format!("result was {whole} bytes and takes more than 256 MiB when it is read; cut")
        );
        assert!(told(1).ends_with("has more than 110 levels; cut"), "{}", told(1));
        assert_eq!((told(2), &results[2].elements), (String::new(), &json!([1])));
        assert_eq!(told(3), "");
    }
}
