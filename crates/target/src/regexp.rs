//! Regular expressions that PostgreSQL takes, and that mean the same to the `regex` crate.
//!
//! Only the common part of both dialects is read: no look-around, no back references, no options. What is read
//! is bounded, because PostgreSQL spends seconds on, or refuses, a few that look small, such as `((x?){50}){10}`.

mod bracket;
mod translate;

use regex::{Regex, RegexBuilder};

/// How much memory a compiled expression may take here.
const SIZE: usize = 4 * 1024 * 1024;

/// Is a regular expression that has been found good.
#[derive(Debug, Clone)]
pub(crate) struct Regexp {
    /// The expression as written.
    pub(crate) text: String,
    /// Whether letter case does not matter.
    pub(crate) insensitive: bool,
    compiled: Regex,
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.insensitive) == (&other.text, other.insensitive)
    }
}

impl Regexp {
    /// Reads an expression; the error says why it is none.
    pub(crate) fn parse(text: String, insensitive: bool) -> Result<Self, &'static str> {
        let translated = translate::translate(&text)?;
        let compiled = RegexBuilder::new(&translated)
            .case_insensitive(insensitive)
            .dot_matches_new_line(true)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build();
        let Ok(compiled) = compiled else { return Err("it repeats too much") };
        Ok(Self { text, insensitive, compiled })
    }

    /// Says whether the expression fits anywhere in the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Regexp::parse(pattern.into(), false).unwrap().matches(text)
    }

    #[test]
    fn means_what_postgresql_means() {
        assert!(fits("^db[0-9]+", "db12.example") && !fits("^db[0-9]+", "xdb1"));
        assert!(fits("a.c", "a\nc") && !fits("a$", "a\n"));
        assert!(fits(r"\.scl3\.", "x.scl3.y") && !fits(r"\.scl3\.", "xscl3y"));
        assert!(fits(r"^\d{2,3}$", "123") && !fits(r"^\d{2,3}$", "1234") && !fits(r"\d", "١"));
        assert!(fits(r"\mdb\M", "a db b") && !fits(r"\mdb\M", "a dbx") && fits(r"\ydb\y", "db"));
        assert!(fits(r"\Aa\Z", "a") && !fits(r"\Aa\Z", "ba") && fits(r"a\Yb", "ab"));
        assert!(fits("^(web|db)-(eu|us)$", "db-us") && !fits("^(?:web|db)$", "dbx"));
        assert!(fits("a{2}?b", "aab") && fits("x*?y+?z??", "y") && fits("a{2,}", "aaa"));
        assert!(fits("()|(a|)", "") && fits("a}]b", "a}]b") && fits(r"\(\$\^\{", "($^{"));
        assert!(fits("&&~~--#< >", "&&~~--#< >"));
    }

    #[test]
    fn brackets() {
        assert!(fits("^[]a^-]+$", "]a^-") && fits("[^]a]", "b") && !fits("[^]a]", "]a"));
        assert!(fits(r"^[\]\d\s_&~[-]+$", "]5 _&~[-") && !fits("^[a-c]$", "d"));
        assert!(fits("^[[:alpha:][:digit:]]+$", "aä5") && !fits("[[:punct:]]", "a"));
        assert!(fits("^[+--]+$", "+,-") && fits("[ -~]", "x") && fits(r"^[\w.]+$", "a_1."));
    }

    #[test]
    fn ignores_case_when_told() {
        assert!(Regexp::parse("^DB[a-f]ä".into(), true).unwrap().matches("dbCÄ"));
    }

    #[test]
    fn refuses_what_postgresql_refuses_or_understands_otherwise() {
        for pattern in [
            "*a",
            "a**",
            "a+*",
            "(*a)",
            "a|*b",
            "^*",
            "$+",
            r"\y*",
            "(^a)*",
            "(a",
            "a)",
            "[a",
            "[]",
            "[b-a]",
            "[a-\\d]",
            "[a-c-e]",
            "a{256}",
            "a{2,1}",
            "a{",
            "a{x}",
            "a{,3}",
            "a{1",
            "a\\",
            r"\b",
            r"\1",
            r"\p{L}",
            r"\x41",
            r"\q",
            r"\B",
            "(?i)a",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<n>a)",
            "(?P<n>a)",
            "***=a",
            "[[.a.]]",
            "[[=a=]]",
            "[[:<:]]",
            "[[:foo:]]",
            r"[\D]",
            r"[\b]",
        ] {
            assert!(Regexp::parse(pattern.into(), false).is_err(), "{pattern}");
        }
    }

    #[test]
    fn refuses_what_costs_too_much() {
        for pattern in [
            "((x?){50}){10}",
            "(x{0,255}){0,255}",
            "(x?){129}",
            "(abcde){255}",
            r"\y\y\y\y\y",
            "^^^^^^^^^",
        ] {
            assert!(Regexp::parse(pattern.into(), false).is_err(), "{pattern}");
        }
        let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
        assert!(Regexp::parse(deep, false).is_err());
        assert!(fits(r"^[a-z0-9]{1,63}(\.[a-z0-9]{1,63})*$", "a.b"));
        assert!(fits(r"^\w{1,63}$", "abc") && fits("^a|^b|^c|^d|^e|^f", "f"));
    }
}
