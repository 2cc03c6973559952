//! Conditions as real playbooks write them.

use super::*;
use crate::domain::variable::Variable;
use proptest::prelude::*;
use types::cacao::VariableType;

fn scope() -> Variables {
    [
        ("__s__", "string", "a b"),
        ("__empty__", "string", ""),
        ("__n__", "integer", "10"),
        ("__f__", "float", "2.50"),
        ("__flag__", "bool", "true"),
        ("__ip__", "ipv4-addr", "192.0.2.7"),
        ("__six__", "ipv6-addr", "2001:DB8::1"),
        ("__mac__", "mac-addr", "AA-BB-CC-00-11-22"),
        ("__id__", "uuid", "0B1D6A3E-52A4-4D0E-9F0C-1D1F6C1F2A01"),
        ("__d__", "dictionary", "{}"),
    ]
    .into_iter()
    .map(|(name, kind, value)| {
        let kind = VariableType::parse(kind).unwrap();
        (name.to_owned(), Variable { kind, ..Variable::text(value) })
    })
    .collect()
}

#[test]
fn a_failure_tells_only_the_beginning_of_a_value() {
    let long = "secret".repeat(10_000);
    let large = Variable { kind: VariableType::Integer, ..Variable::text(&long) };
    let scope: Variables = [("__n__".to_owned(), large)].into();
    for source in ["__n__:value = 1", "1 > __n__:value", "__n__:value", "NOT __n__:value"] {
        let detail = Condition::parse(source).unwrap().holds(&scope).unwrap_err();
        assert!(detail.len() < 200, "{} bytes", detail.len());
    }
    let address = Variable { kind: VariableType::Ipv4Addr, ..Variable::text(&long) };
    let scope: Variables = [("__ip__".to_owned(), address)].into();
    for source in ["__ip__:value IN '10.0.0.0/8'", "'10.0.0.1' IN __ip__:value"] {
        let detail = Condition::parse(source).unwrap().holds(&scope).unwrap_err();
        assert!(detail.len() < 200, "{} bytes", detail.len());
    }
}

fn holds(source: &str) -> Result<bool, String> {
    Condition::parse(source)?.holds(&scope())
}

#[test]
fn the_forms_of_real_playbooks_are_read() {
    for (source, want) in [
        ("__s__:value = 'a b'", true),
        ("__s__:value == \"a b\"", true),
        ("'__s__:value' = 'a b'", true),
        ("__s__:value='x'", false),
        ("__s__:value = x", false),
        ("__empty__:value = ''", true),
        ("__n__:value > 5", true),
        ("__n__:value > 9", true),
        ("__n__:value <= '10'", true),
        ("5 < __n__:value", true),
        ("__f__:value = 2.5", true),
        ("__flag__:value", true),
        ("NOT __flag__:value", false),
        ("__flag__:value == '1'", true),
        ("__flag__:value AND __n__:value != 10", false),
        ("__n__:value = 1 OR __n__:value = 10 AND __flag__:value", true),
        ("(__n__:value = 10 OR __n__:value = 1) AND NOT (__flag__:value)", false),
        ("[__ip__:value IN '192.0.2.0/24']", true),
        ("__ip__:value IN 198.51.100.0/24", false),
        ("__six__:value = 2001:db8:0::1", true),
        ("__mac__:value = aa:bb:cc:00:11:22", true),
        ("__id__:value = 0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a01", true),
        ("__s__:value IN 'a'", true),
        ("__n__:value IN ('1', 10)", true),
        ("__n__:value NOT IN (1,2)", true),
        ("__n__:value NOT = 10", false),
        ("__n__:value <> 10", false),
    ] {
        assert_eq!(holds(source), Ok(want), "{source}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for source in [
        "", "=", "a =", "a = b c", "a b", "(a = b", "a = b)", "a ! b", "a = 'b", "a LIKE b", "NOT",
        "a NOT", "a IN (b", "a IN ()", "a AND",
    ] {
        assert!(Condition::parse(source).is_err(), "{source}");
    }
    let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
    assert!(Condition::parse(&deep).is_err());
    for source in [
        "__n__:value > x",
        "__d__:value = '{}'",
        "__flag__:value > 0",
        "__s__:value",
        "__ip__:value < 1.2.3.4",
        "__n__:value IN 10",
        "__ip__:value = x",
    ] {
        assert!(holds(source).is_err(), "{source}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_fall_over(source in "[a_:value'\"() ANDORIN=<>!,\\[\\]\\\\]{0,60}") {
        let _ = holds(&source);
    }
}
