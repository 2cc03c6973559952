//! The module's parameters, as MIG's clients write them, and what they mean.

use super::checks::{Check, CheckError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use time::OffsetDateTime;

/// Is the whole of the parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    #[serde(default, deserialize_with = "null_as_default")]
    searches: BTreeMap<String, Search>,
}

/// Is one search; results repeat it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Search {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub(super) description: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) paths: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) contents: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) sizes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) modes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) mtimes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) md5: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) sha1: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) sha2: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub(super) sha3: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) options: Options,
}

/// Is how a search goes about it.
#[expect(clippy::struct_excessive_bools, reason = "the form is MIG's")]
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    #[serde(deserialize_with = "count")]
    pub(super) maxdepth: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) remotefs: bool,
    pub(super) matchall: bool,
    pub(super) macroal: bool,
    pub(super) mismatch: Option<Vec<String>>,
    #[serde(deserialize_with = "count")]
    pub(super) matchlimit: u64,
    #[serde(deserialize_with = "some_count")]
    pub(super) maxerrors: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) debug: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) returnsha256: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) decompress: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            maxdepth: 0,
            remotefs: false,
            matchall: true,
            macroal: false,
            mismatch: None,
            matchlimit: 0,
            maxerrors: None,
            debug: String::new(),
            returnsha256: false,
            decompress: false,
        }
    }
}

/// Is a search that can be run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) label: String,
    pub(super) search: Search,
    pub(super) roots: Vec<PathBuf>,
    pub(super) checks: Vec<Check>,
    pub(super) max_depth: u64,
    pub(super) match_limit: u64,
}

/// Says why the parameters cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParameterError {
    /// They have the wrong form.
    #[error("the file module's parameters are not understood: {0}")]
    Form(#[from] serde_json::Error),
    /// There is nothing to do.
    #[error("the file module needs at least one search")]
    NoSearch,
    /// There is too much to do.
    #[error("more than {MAX_SEARCHES} searches")]
    ManySearches,
    /// One search is wrong.
    #[error("search '{label}': {fault}")]
    Search {
        /// The search.
        label: String,
        /// What is wrong.
        fault: SearchFault,
    },
}

/// Says what is wrong with one search.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchFault {
    /// The label is empty or too long.
    #[error("a label has 1 to 64 characters")]
    Label,
    /// It says nowhere to look.
    #[error("it needs at least one path")]
    NoPath,
    /// A path does not start at the root.
    #[error("the path '{0}' is not absolute")]
    Relative(String),
    /// It has too many checks or paths.
    #[error("it has more than {MAX_CHECKS} checks or paths")]
    ManyChecks,
    /// A check is wrong.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A mismatch names no kind of check.
    #[error("mismatch '{0}' is none of name, size, mode, mtime, content, md5, sha1, sha2, sha3")]
    Mismatch(String),
}

const MAX_SEARCHES: usize = 100;
const MAX_CHECKS: usize = 1_000;
const DEFAULT_DEPTH: u64 = 1_000;
const DEFAULT_MATCHES: u64 = 1_000;
const DEFAULT_ERRORS: u64 = 30;
const MOST_ERRORS: u64 = 1_000;

/// Turns parameters into searches that can be run, and the number of errors to bring back.
pub(super) fn plan(
    parameters: &Value,
    now: OffsetDateTime,
) -> Result<(Vec<Plan>, u64), ParameterError> {
    let parameters = Parameters::deserialize(parameters)?;
    match parameters.searches.len() {
        0 => return Err(ParameterError::NoSearch),
        many if many > MAX_SEARCHES => return Err(ParameterError::ManySearches),
        _ => {}
    }
    let mut plans = Vec::new();
    let mut errors = 0;
    for (label, search) in parameters.searches {
        errors = errors.max(search.options.maxerrors.unwrap_or(DEFAULT_ERRORS));
        match plan_search(&label, search, now) {
            Ok(plan) => plans.push(plan),
            Err(fault) => return Err(ParameterError::Search { label, fault }),
        }
    }
    Ok((plans, errors.min(MOST_ERRORS)))
}

fn plan_search(label: &str, search: Search, now: OffsetDateTime) -> Result<Plan, SearchFault> {
    if !(1..=64).contains(&label.chars().count()) {
        return Err(SearchFault::Label);
    }
    let checks = Check::all_of(&search, now)?;
    if checks.len() > MAX_CHECKS || search.paths.len() > MAX_CHECKS {
        return Err(SearchFault::ManyChecks);
    }
    if search.paths.is_empty() {
        return Err(SearchFault::NoPath);
    }
    let mut roots = Vec::new();
    for path in &search.paths {
        let root = clean(path).ok_or_else(|| SearchFault::Relative(path.clone()))?;
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots.sort();
    let or = |given, default| if given == 0 { default } else { given };
    Ok(Plan {
        label: label.to_owned(),
        roots,
        checks,
        max_depth: or(search.options.maxdepth, DEFAULT_DEPTH),
        match_limit: or(search.options.matchlimit, DEFAULT_MATCHES),
        search,
    })
}

/// Resolves `.` and `..` in the text of an absolute path, as Go's `filepath.Clean` does.
fn clean(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return None;
    }
    let mut cleaned = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::Normal(name) => cleaned.push(name),
            _ => {}
        }
    }
    Some(cleaned)
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a count, which MIG's clients hold in a float64.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(some_count(deserializer)?.unwrap_or_default())
}

fn some_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let whole = number.as_u64().or_else(|| format!("{:.0}", number.as_f64()?).parse().ok());
    let wrong = || serde::de::Error::custom(format!("{number} is not a count"));
    whole.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    fn fault(parameters: &Value) -> String {
        plan(parameters, NOW).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_migs_clients_write() {
        let (plans, errors) = plan(
            &json!({"searches": {"s1": {"paths": ["/etc/./x/../", "/etc", "/"], "names": ["^hosts$", "!x"], "contents": null,
                "options": {"macroal": false, "matchall": true, "matchlimit": 1000, "maxdepth": 1e3, "maxerrors": 30, "mismatch": null}}}}),
            NOW,
        )
        .unwrap();
        assert_eq!(errors, 30);
        assert_eq!(plans[0].roots, [Path::new("/"), Path::new("/etc")]);
        assert_eq!(
            (plans[0].checks.len(), plans[0].max_depth, plans[0].match_limit),
            (2, 1000, 1000)
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let search = |search: Value| json!({ "searches": { "s": search } });
        assert!(fault(&json!({})).contains("at least one search"));
        assert!(fault(&json!([1])).contains("not understood"));
        assert!(fault(&search(json!({}))).contains("at least one path"));
        assert!(fault(&search(json!({"paths": ["etc"]}))).contains("not absolute"));
        assert!(
            fault(&search(json!({"paths": ["/"], "name": ["x"]}))).contains("unknown field `name`")
        );
        assert!(
            fault(&search(json!({"paths": ["/"], "names": ["("]}))).contains("regular expression")
        );
        assert!(
            fault(&search(json!({"paths": ["/"], "options": {"maxdepth": -1}}))).contains("-1")
        );
        assert!(
            fault(&search(json!({"paths": ["/"], "options": {"mismatch": ["names"]}})))
                .contains("'names'")
        );
        assert!(fault(&json!({"searches": {"": {"paths": ["/"]}}})).contains("label"));
    }
}
