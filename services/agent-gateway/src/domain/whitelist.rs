//! Which MIG agents are heard (specs/mig/scheduler-agent.md §4.4).

use regex::{Regex, RegexBuilder};
use std::collections::HashSet;

/// How large one pattern may become.
const PATTERN_BYTES: usize = 1 << 20;

/// Lists queue locations, by name and by pattern.
#[derive(Debug, Default)]
pub(crate) struct Whitelist {
    names: HashSet<String>,
    patterns: Vec<Regex>,
}

impl Whitelist {
    /// Reads one entry a line: a queue location, or `re:` and a pattern for the whole of one. Gives the lines that are
    /// wrong beside; they allow nobody.
    pub(crate) fn parse(text: &str) -> (Self, Vec<String>) {
        let (mut list, mut wrong) = (Self::default(), Vec::new());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_prefix("re:") {
                None => drop(list.names.insert(line.to_owned())),
                Some(pattern) => match whole(pattern) {
                    Ok(pattern) => list.patterns.push(pattern),
                    Err(_) => wrong.push(line.to_owned()),
                },
            }
        }
        (list, wrong)
    }

    /// Tells whether an agent is heard.
    pub(crate) fn allows(&self, queueloc: &str) -> bool {
        self.names.contains(queueloc)
            || self.patterns.iter().any(|pattern| pattern.is_match(queueloc))
    }
}

/// Makes a pattern for the whole of a text. It must be one by itself: else it could end the group that holds it, and
/// with it the anchors.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build();
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use super::Whitelist;

    #[test]
    fn names_are_exact_and_patterns_are_anchored() {
        let (list, wrong) = Whitelist::parse("linux.a\n\n  re:linux\\.b[0-9]+ \nre:(\nre:x|y\n");
        assert_eq!(wrong, ["re:("]);
        let (loose, wrong) = Whitelist::parse("re:linux\\.a)|(?:b\nre:(?x)linux # all");
        assert_eq!(wrong, ["re:linux\\.a)|(?:b", "re:(?x)linux # all"]);
        assert!(!loose.allows("linux.a") && !loose.allows("my.b"));
        for (queueloc, want) in [
            ("linux.a", true),
            ("linux.ab", false),
            ("linux.b12", true),
            ("linux.b", false),
            ("my.linux.b1", false),
            ("x", true),
            ("xa", false),
            ("", false),
        ] {
            assert_eq!(list.allows(queueloc), want, "{queueloc}");
        }
        assert!(!Whitelist::parse("").0.allows("linux.a"), "an empty file allows nobody");
    }
}
