//! Where the rows after a page are (specs/mig/api.md §4): the same search, further on.

use super::{Id, Search};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Tells clients where the next rows are.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pagination {
    limit: f64,
    offset: f64,
    next: String,
}

impl Search {
    /// Tells where the next rows are; said only on later pages, as the original does.
    pub(crate) fn pagination(&self, link: impl Fn(&str) -> String) -> Option<Pagination> {
        if self.offset() == 0 {
            return None;
        }
        let next = self.offset().saturating_add(self.limit());
        let time = |at: OffsetDateTime, bound: Option<OffsetDateTime>| {
            // a window that is no bound needs no fraction
            let at = bound.or_else(|| at.replace_nanosecond(0).ok()).unwrap_or(at);
            at.format(&Rfc3339).unwrap_or_default()
        };
        let limit = self.limit().to_string();
        let offset = next.to_string();
        let (after, before) = (time(self.after, self.since()), time(self.before, self.until()));
        let found = self.found.map(|found| found.to_string()).unwrap_or_default();
        let ids = [
            self.actionid,
            self.agentid,
            self.commandid,
            self.investigatorid,
            self.loaderid,
            self.manifestid,
        ];
        let [action, agent, command, investigator, loader, manifest] =
            ids.map(|id| if id == Id::Any { String::new() } else { id.text() });
        let pairs = [
            ("type", self.name.as_str()),
            ("after", &after),
            ("before", &before),
            ("actionid", &action),
            ("actionname", given(&self.actionname)),
            ("agentid", &agent),
            ("agentname", given(&self.agentname)),
            ("agentversion", given(&self.agentversion)),
            ("commandid", &command),
            ("foundanything", &found),
            ("investigatorid", &investigator),
            ("investigatorname", given(&self.investigatorname)),
            ("loaderid", &loader),
            ("loadername", given(&self.loadername)),
            ("manifestname", given(&self.manifestname)),
            ("manifestid", &manifest),
            ("limit", &limit),
            ("offset", &offset),
            ("status", given(&self.status)),
            ("target", &self.target),
            ("threatfamily", given(&self.threatfamily)),
        ];
        let query: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        let next = link(&format!("/api/v1/search?{query}"));
        Some(Pagination { limit: self.limit, offset: self.offset, next })
    }
}

/// Gives a pattern unless it is the default.
fn given(pattern: &str) -> &str {
    if pattern == "%" { "" } else { pattern }
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;

    #[test]
    fn the_next_page_keeps_everything() {
        let given = [
            ("type", "command"),
            ("target", "name='a&b'"),
            ("foundanything", "TRUE"),
            ("agentname", "a+%"),
            ("limit", "37"),
            ("offset", "37"),
        ];
        let next = read(&given).0.pagination(str::to_owned).unwrap().next;
        for part in [
            "type=command&",
            "target=name%3D%27a%26b%27",
            "foundanything=true",
            "agentname=a%2B%25",
            "limit=37&offset=74",
        ] {
            assert!(next.contains(part), "{next}");
        }
        assert!(read(&[]).0.pagination(str::to_owned).is_none());
    }
}
