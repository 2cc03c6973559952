//! Laws that hold for all targets, tried on generated ones.

mod arbitrary;

use crate::ast::Expr;
use crate::{Bind, Columns, Field, Row, Target, parse};
use arbitrary::{conditions, soup, typed};
use proptest::prelude::*;
use time::OffsetDateTime;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 20:15 UTC);

struct Nobody;

impl Row for Nobody {
    fn field(&self, _: &str) -> Field<'_> {
        Field::Null
    }
}

/// Does everything that can be done with a text.
fn everything(text: &str) {
    let Ok(target) = parse(text) else { return };
    for columns in [Columns::agents(), Columns::loaders()] {
        let _ = target.check(&columns);
        let _ = target.to_sql(&columns, 1);
    }
    let _ = target.eval(&Nobody, NOW);
    let _ = target.to_string();
}

fn written(expr: &Expr) -> Target {
    Target { expr: expr.clone() }
}

/// Takes the constants of this crate out of SQL.
fn without_constants(sql: &str) -> String {
    use crate::read::{FALSE, INET, INT, INTERVAL, LOCAL, NUM, TRUE, ZONED};
    let mut sql = sql.to_owned();
    for guard in [&INT, &NUM, &TRUE, &FALSE, &LOCAL, &ZONED, &INTERVAL, &INET] {
        sql = sql.replace(&format!("'{}'", guard.text), "");
    }
    for constant in ["'UTC'", "'YYYY-MM-DD HH24:MI:SS.US'", "'0'", "'.'", "'+00'", "\"C\""] {
        sql = sql.replace(constant, "");
    }
    sql
}

const WORDS: &str = "agent loader id name queueloc mode version pid started destroyed last_seen refreshed status environment tags \
    loader_name enabled expect_env and or not true false null in is like ilike lower upper now at time zone make_interval months \
    days secs case when then end round to_char rtrim array collate any found select c from command where agent_id action_id \
    text bigint integer numeric boolean timestamp timestamptz interval inet jsonb double precision";

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        everything(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_heap_of_words_makes_it_panic(text in soup()) {
        everything(&text);
    }

    #[test]
    fn what_is_written_reads_back(expr in conditions()) {
        let text = written(&expr).to_string();
        prop_assume!(text.chars().count() <= crate::MAX_CHARS);
        let target = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(&target.expr, &expr, "{}", text);
        prop_assert_eq!(target.to_string(), text);
    }

    #[test]
    fn sql_is_made_of_known_words_only(expr in typed()) {
        let target = written(&expr);
        let columns = Columns::agents();
        prop_assert_eq!(target.check(&columns), Ok(()), "{}", target);
        let sql = target.to_sql(&columns, 7);
        let known: Vec<&str> = WORDS.split_whitespace().collect();
        let text = without_constants(&sql.text);
        for word in text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))) {
            let placeholder = word.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
            prop_assert!(
                word.is_empty() || known.contains(&word) || placeholder.is_some_and(|n| (7..7 + sql.binds.len()).contains(&n)),
                "{:?} in {}", word, sql.text
            );
        }
        let symbols = " ()[],.$:=<>!~*+-#|_";
        prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || symbols.contains(c)), "{}", sql.text);
        for bind in &sql.binds {
            prop_assert!(!matches!(bind, Bind::Text(text) if text.contains('\0')));
        }
    }

    #[test]
    fn every_placeholder_has_its_bind_and_its_type(expr in typed()) {
        let sql = written(&expr).to_sql(&Columns::agents(), 1);
        for (n, bind) in sql.binds.iter().enumerate() {
            let kind = match bind {
                Bind::Text(_) => "text",
                Bind::Int(_) => "bigint",
                Bind::Float(_) => "double precision",
                Bind::Bool(_) => "boolean",
                Bind::Time(_) => "timestamptz",
            };
            prop_assert!(sql.text.contains(&format!("${}::{kind}", n + 1)), "{}", sql.text);
        }
    }

    #[test]
    fn a_row_of_nothing_is_evaluated(expr in typed()) {
        let _ = written(&expr).eval(&Nobody, NOW);
    }
}
