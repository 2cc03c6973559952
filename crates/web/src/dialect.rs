//! Which manner of speaking a path belongs to (design surface §3).

/// Says how answers under a path look, errors above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Collection+JSON, as MIG's clients read it.
    Mig,
    /// SOARCA's four keys, with a code.
    Soarca,
    /// RFC 6749 and 8628: `error` and `error_description`.
    OAuth,
    /// A plain object; RunbookSolutions agents end at anything that is not JSON.
    Runbook,
    /// RFC 9457 problems.
    Plain,
}

impl Dialect {
    /// Tells the dialect of `path`; doubled slashes count as one.
    pub fn of(path: &str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        match (parts.next(), parts.next()) {
            (Some("api"), Some("v1")) => Self::Mig,
            (Some("api"), Some("agent")) => Self::Runbook,
            (Some("oauth"), _) => Self::OAuth,
            (Some("manual" | "trigger" | "playbook" | "reporter" | "status"), _) => Self::Soarca,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn a_path_has_one_dialect() {
        for (path, dialect) in [
            ("/api/v1/action", Dialect::Mig),
            ("//api//v1", Dialect::Mig),
            ("/api/v10", Dialect::Plain),
            ("/api/agent/tasks", Dialect::Runbook),
            ("/oauth/token", Dialect::OAuth),
            ("/manual", Dialect::Soarca),
            ("/status/ping", Dialect::Soarca),
            ("/manuals", Dialect::Plain),
            ("/agent/v1/work", Dialect::Plain),
            ("/", Dialect::Plain),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
    }
}
