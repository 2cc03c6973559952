//! The parameters of MIG's search: read once, checked, and repeated in every answer (specs/mig/api.md §4).

mod pagination;
mod reader;

use super::pattern;
use reader::Reader;
use serde::{Serialize, Serializer};
use time::{Duration, OffsetDateTime};

/// Says how far the default window reaches to both sides.
const WINDOW: Duration = Duration::hours(39_600);
/// Says how much nearer a bound must be to count as one: clients send the default window as "no limit".
const SLACK: Duration = Duration::hours(1);
/// Says up to where limits count; what is more cannot be there.
const MAX_LIMIT: f64 = 9_007_199_254_740_992.0;
/// Says how many rows may be left out: each of them is read.
const MAX_OFFSET: f64 = 1_000_000.0;

/// Says what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Action,
    Agent,
    Command,
    Investigator,
    Loader,
    Manifest,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "action" => Self::Action,
            "agent" => Self::Agent,
            "command" => Self::Command,
            "investigator" => Self::Investigator,
            "loader" => Self::Loader,
            "manifest" => Self::Manifest,
            _ => return None,
        })
    }
}

/// Is an id as a filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Id {
    /// It does not matter.
    Any,
    /// This one; what is no whole number is nobody's.
    Is(f64),
}

impl Id {
    /// Gives the id that is wanted; an id that nothing can have is -1.
    pub(crate) fn wanted(self) -> Option<i64> {
        match self {
            Self::Any => None,
            Self::Is(number) => Some(whole(number).unwrap_or(-1)),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Any => "∞".into(),
            Self::Is(f64::INFINITY) => "Inf".into(),
            Self::Is(f64::NEG_INFINITY) => "-Inf".into(),
            Self::Is(number) => format!("{number:.0}"),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// Holds the parameters in the order in which answers repeat them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Search {
    pub(crate) actionid: Id,
    pub(crate) actionname: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) after: OffsetDateTime,
    pub(crate) agentid: Id,
    pub(crate) agentname: String,
    pub(crate) agentversion: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) before: OffsetDateTime,
    pub(crate) commandid: Id,
    foundanything: bool,
    pub(crate) investigatorid: Id,
    pub(crate) investigatorname: String,
    limit: f64,
    pub(crate) loaderid: Id,
    pub(crate) loadername: String,
    pub(crate) manifestid: Id,
    pub(crate) manifestname: String,
    offset: f64,
    report: &'static str,
    pub(crate) status: String,
    pub(crate) target: String,
    pub(crate) threatfamily: String,
    #[serde(rename = "type")]
    name: String,
    #[serde(skip)]
    pub(crate) kind: Kind,
    #[serde(skip)]
    pub(crate) found: Option<bool>,
    #[serde(skip)]
    now: OffsetDateTime,
    #[serde(skip)]
    rows: i64,
    #[serde(skip)]
    skipped: i64,
    /// The command behind which the rows are wanted.
    #[serde(skip)]
    pub(crate) behind: Option<i64>,
}

impl Search {
    /// Reads the parameters; what is wrong keeps its default, and the first fault is told beside them.
    pub(crate) fn read<'a>(
        get: impl Fn(&str) -> Option<&'a str>,
        now: OffsetDateTime,
    ) -> (Self, Option<String>) {
        let mut reader = Reader::new(get);
        let ids = ["actionid", "agentid", "commandid", "investigatorid", "loaderid", "manifestid"];
        let [actionid, agentid, commandid, investigatorid, loaderid, manifestid] =
            ids.map(|name| reader.id(name));
        let limit = reader.bounded("limit", 100.0, MAX_LIMIT);
        let offset = reader.bounded("offset", 0.0, MAX_OFFSET);
        let patterns = ["actionname", "agentname", "agentversion", "investigatorname"];
        let [actionname, agentname, agentversion, investigatorname] =
            patterns.map(|name| reader.pattern(name));
        let patterns = ["loadername", "manifestname", "status", "threatfamily"];
        let [loadername, manifestname, status, threatfamily] =
            patterns.map(|name| reader.pattern(name));
        let after = reader.moment("after", now - WINDOW);
        let before = reader.moment("before", now + WINDOW);
        let found = reader.truth("foundanything");
        let (name, kind) = reader.kind();
        let search = Self {
            actionid,
            actionname,
            after,
            agentid,
            agentname,
            agentversion,
            before,
            commandid,
            foundanything: found.unwrap_or_default(),
            investigatorid,
            investigatorname,
            limit,
            loaderid,
            loadername,
            manifestid,
            manifestname,
            offset,
            report: "",
            status,
            target: reader.text("target").unwrap_or_default().to_owned(),
            threatfamily,
            name,
            kind,
            found,
            now,
            rows: whole(limit.trunc()).unwrap_or_default(),
            skipped: whole(offset.trunc()).unwrap_or_default(),
            behind: None,
        };
        (search, reader.fault())
    }

    /// Gives this search for at most `most` of the commands behind `last`, which is the last of `shown`.
    pub(crate) fn behind(&self, shown: i64, last: Option<i64>, most: i64) -> Self {
        let rows = self.rows.saturating_sub(shown).min(most);
        let skipped = if last.is_some() { 0 } else { self.skipped };
        Self { rows, skipped, behind: last, ..self.clone() }
    }

    /// Tells whether a target says which agents are wanted.
    pub(crate) fn is_aimed(&self) -> bool {
        self.kind == Kind::Agent && !self.target.is_empty()
    }

    /// Gives how many rows are wanted.
    pub(crate) fn limit(&self) -> i64 {
        self.rows
    }

    /// Gives how many rows are left out.
    pub(crate) fn offset(&self) -> i64 {
        self.skipped
    }

    /// Gives the time from which on, where there is a bound.
    pub(crate) fn since(&self) -> Option<OffsetDateTime> {
        (self.after > self.now - WINDOW + SLACK).then_some(self.after)
    }

    /// Gives the time up to which, where there is a bound.
    pub(crate) fn until(&self) -> Option<OffsetDateTime> {
        (self.before < self.now + WINDOW - SLACK).then_some(self.before)
    }

    /// Gives the words of `vocabulary` that the status pattern means; nothing where every status will do.
    pub(crate) fn statuses(&self, vocabulary: &[&'static str]) -> Option<Vec<&'static str>> {
        if self.status == "%" {
            return None;
        }
        Some(vocabulary.iter().copied().filter(|word| pattern::like(&self.status, word)).collect())
    }
}

/// Gives the whole number that `number` is, when an id can have it.
pub(crate) fn whole(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    fits.then(|| format!("{number:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    pub(super) fn read(pairs: &[(&str, &'static str)]) -> (Search, Option<String>) {
        let get = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        Search::read(get, NOW)
    }

    #[test]
    fn nothing_given_means_everything() {
        let (search, fault) = read(&[]);
        assert_eq!(fault, None);
        assert_eq!((search.limit(), search.offset(), search.kind), (100, 0, Kind::Action));
        assert_eq!((search.since(), search.until(), search.actionid.wanted()), (None, None, None));
        let text = serde_json::to_string(&search).unwrap();
        assert!(text.starts_with(r#"{"actionid":"∞","actionname":"%","after":"2022-"#), "{text}");
        assert!(text.ends_with(r#""threatfamily":"%","type":"action"}"#), "{text}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, want) in [
            ("loaderid", "x", "loaderid"),
            ("limit", "-1", "limit"),
            ("limit", "NaN", "limit"),
            ("offset", "Inf", "offset"),
            ("after", "yesterday", "after date not in RFC3339 format"),
            ("foundanything", "maybe", "true or false"),
            ("status", "a\0", "NUL"),
            ("agentname", "a\\", "backslash"),
        ] {
            let fault = read(&[(name, value)]).1;
            assert!(fault.as_deref().is_some_and(|fault| fault.contains(want)), "{fault:?}");
        }
        assert_eq!(read(&[("agentname", "a\\\\"), ("actionid", "Inf")]).1, None);
        for nobody in ["NaN", "Inf", "5.5"] {
            assert_eq!(read(&[("actionid", nobody)]).0.actionid.wanted(), Some(-1), "{nobody}");
        }
        assert_eq!(read(&[("actionid", "∞")]).0.actionid.wanted(), None);
    }

    #[test]
    fn what_is_behind_a_row_has_no_offset_and_the_rest_of_the_limit() {
        let (search, _) = read(&[("type", "command"), ("limit", "9e15"), ("offset", "7")]);
        let first = search.behind(0, None, 10);
        assert_eq!((first.limit(), first.offset(), first.behind), (10, 7, None));
        let (search, _) = read(&[("type", "command"), ("limit", "25"), ("offset", "7")]);
        let last = search.behind(20, Some(3), 10);
        assert_eq!((last.limit(), last.offset(), last.behind), (5, 0, Some(3)));
        assert_eq!(search.behind(25, Some(3), 10).limit(), 0);
    }

    #[test]
    fn a_status_is_a_pattern() {
        let words = &["online", "idle", "offline"][..];
        for (pattern, want) in [
            ("ONLINE", &["online"][..]),
            ("%line", &["online", "offline"]),
            ("_dle", &["idle"]),
            ("o\\%", &[]),
            ("%%", words),
        ] {
            assert_eq!(read(&[("status", pattern)]).0.statuses(words).unwrap(), want, "{pattern}");
        }
        assert_eq!(read(&[("status", "%")]).0.statuses(words), None);
    }
}
