//! Targets: whatever reads also writes, and reads back as the same; no text of it gets into SQL.
#![no_main]

use target::{Columns, Field, Row, parse};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-21 20:15 UTC);

struct Nobody;

impl Row for Nobody {
    fn field(&self, _: &str) -> Field<'_> {
        Field::Null
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let target = match parse(text) {
        Ok(target) => target,
        Err(error) => {
            assert!(text.is_char_boundary(error.at), "{error}");
            return;
        }
    };
    let written = target.to_string();
    if written.chars().count() <= target::MAX_CHARS {
        let again = parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(again, target, "{written}");
        assert_eq!(again.to_string(), written);
    }
    let _ = target.eval(&Nobody, NOW);
    for columns in [Columns::agents(), Columns::loaders()] {
        let sql = target.to_sql(&columns, 1);
        assert!(target.check(&columns).is_ok() || sql.text == "(false)");
        assert!(sql.text.is_ascii() && !sql.text.contains([';', '\0']), "{}", sql.text);
        assert!(!sql.text.contains("--") && !sql.text.contains("/*"), "{}", sql.text);
        for number in 1..=sql.binds.len() {
            assert!(sql.text.contains(&format!("${number}::")), "{}", sql.text);
        }
        assert!(!sql.text.contains(&format!("${}::", sql.binds.len() + 1)), "{}", sql.text);
    }
});
