use super::*;
use crate::ast::{Case, Key, Shift, ValueKind};
use crate::columns::Type;
use crate::interval::Interval;
use crate::{MAX_DEPTH, parse};
use types::ActionId;

fn tree(text: &str) -> Expr {
    target(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn value(kind: ValueKind) -> Value {
    Value { at: crate::ast::At::default(), kind }
}

fn column(name: &str) -> Value {
    value(ValueKind::Column { table: None, name: name.into() })
}

fn quoted(text: &str) -> Value {
    value(ValueKind::Text(text.into()))
}

fn equal(left: Value, right: Value) -> Expr {
    Expr::Compare { left, op: Op::Equal, right }
}

/// Gives the position and the words of an error.
fn fault(text: &str) -> (usize, String) {
    let error = parse(text).expect_err(text);
    (error.column, error.kind.to_string())
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    let [a, b, c] = ["a", "b", "c"].map(|name| equal(column(name), value(ValueKind::Int(1))));
    let and = Expr::And(vec![Expr::Not(Box::new(b.clone())), c.clone()]);
    assert_eq!(tree("a=1 OR NOT b=1 aNd c=1"), Expr::Or(vec![a.clone(), and]));
    let or = Expr::Or(vec![a.clone(), b.clone()]);
    assert_eq!(tree("(a=1 or b=1) and c=1"), Expr::And(vec![or, c.clone()]));
    assert_eq!(tree("((a=1))"), a);
    assert_eq!(tree("a=1 and b=1 and c=1"), Expr::And(vec![a, b, c]));
}

#[test]
fn comparisons() {
    for (text, op) in [
        ("=", Op::Equal),
        ("<>", Op::NotEqual),
        ("!=", Op::NotEqual),
        ("<", Op::Less),
        ("<=", Op::LessOrEqual),
        (">", Op::Greater),
        (">=", Op::GreaterOrEqual),
    ] {
        let right = value(ValueKind::Int(-5));
        assert_eq!(tree(&format!("pid{text}-5")), Expr::Compare { left: column("pid"), op, right });
    }
    assert_eq!(tree("'it''s' = NAME"), equal(quoted("it's"), column("name")));
    assert_eq!(tree("TRUE"), Expr::Truth(value(ValueKind::Bool(true))));
    assert_eq!(tree("(a) = (((b)))"), equal(column("a"), column("b")));
}

#[test]
fn every_other_construct() {
    let like = |pattern: &str, escape, insensitive| {
        Like::parse(pattern.into(), escape, insensitive).unwrap()
    };
    let left = column("name");
    for (text, expr) in [
        (
            "name like 'a%'",
            Expr::Like { left: left.clone(), negated: false, pattern: like("a%", None, false) },
        ),
        (
            "name NOT ILIKE 'a!%' ESCAPE '!'",
            Expr::Like { left: left.clone(), negated: true, pattern: like("a!%", Some("!"), true) },
        ),
        (
            "name !~* '^db[0-9]+'",
            Expr::Match {
                left: left.clone(),
                negated: true,
                pattern: Regexp::parse("^db[0-9]+".into(), true).unwrap(),
            },
        ),
        ("name is not null", Expr::IsNull { value: left.clone(), negated: true }),
        (
            "name in ('a',NULL,-1)",
            Expr::In {
                left: left.clone(),
                negated: false,
                list: vec![quoted("a"), value(ValueKind::Null), value(ValueKind::Int(-1))],
            },
        ),
        (
            "name not between 'a' and 'b'",
            Expr::Between { value: left, negated: true, low: quoted("a"), high: quoted("b") },
        ),
    ] {
        assert_eq!(tree(text), expr, "{text}");
    }
}

#[test]
fn values() {
    let tags = || Box::new(column("tags"));
    let name = |name: &str| Key::Name(name.into());
    let day = Interval::parse("1 day").unwrap();
    for (text, kind) in [
        (
            "agents.queueloc",
            ValueKind::Column { table: Some("agents".into()), name: "queueloc".into() },
        ),
        ("tags->>'a'", ValueKind::Json { base: tags(), keys: vec![name("a")], text: true }),
        (
            "tags->'a'->-1->>0",
            ValueKind::Json {
                base: tags(),
                keys: vec![name("a"), Key::Index(-1), Key::Index(0)],
                text: true,
            },
        ),
        (
            "(tags->'a')->>'b'",
            ValueKind::Json { base: tags(), keys: vec![name("a"), name("b")], text: true },
        ),
        (
            "tags #>> '{a, \"b c\", 0}'",
            ValueKind::Path { base: tags(), path: vec!["a".into(), "b c".into(), "0".into()] },
        ),
        ("tags::text", ValueKind::Cast(tags(), Type::Text)),
        ("lower(name)", ValueKind::Fold(Case::Lower, Box::new(column("name")))),
        ("now()", ValueKind::Now(None)),
        (
            "CURRENT_TIMESTAMP + INTERVAL '1 day'",
            ValueKind::Now(Some(Shift { back: false, interval: day })),
        ),
        ("NOW() - '1 day'::interval", ValueKind::Now(Some(Shift { back: true, interval: day }))),
        ("TIMESTAMP '2026-11-21'", ValueKind::Time(time::macros::datetime!(2026-11-21 0:00 UTC))),
        (
            "timestamp with time zone '2026-11-21 01:00+01'",
            ValueKind::Time(time::macros::datetime!(2026-11-21 0:00 UTC)),
        ),
        ("+1.50", ValueKind::Num(crate::decimal::Decimal::parse("1.5").unwrap())),
    ] {
        let right = value(ValueKind::Null);
        assert_eq!(tree(&format!("{text} = null")), equal(value(kind), right), "{text}");
    }
    let inner = value(ValueKind::Json { base: tags(), keys: vec![name("n")], text: true });
    assert_eq!(
        tree("(tags->>'n')::int > 5"),
        Expr::Compare {
            left: value(ValueKind::Cast(Box::new(inner), Type::Int)),
            op: Op::Greater,
            right: value(ValueKind::Int(5))
        }
    );
    assert_eq!(
        tree("a::timestamp with time zone = a::timestamptz"),
        tree("a::timestamptz = a::timestamp")
    );
}

#[test]
fn the_sub_select_of_clients() {
    let id = |table: Option<&str>| {
        value(ValueKind::Column { table: table.map(Into::into), name: "id".into() })
    };
    let found = Expr::Found { id: id(None), negated: false, action: ActionId(12345), found: true };
    let made = "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=12345 \
                and r#>>'{foundanything}' = 'true')";
    assert_eq!(tree(made), found);
    let documented = "id IN (SELECT agentid FROM commands, json_array_elements(commands.results) AS r \
                      WHERE commands.actionid = 12345 AND r#>>'{foundanything}' = 'true')";
    assert_eq!(tree(documented), found);
    let other = "agents.id not in(select agentid from commands,json_array_elements(commands.results)x \
                 where actionid=7 and x->>'foundanything'='false')";
    let expected =
        Expr::Found { id: id(Some("agents")), negated: true, action: ActionId(7), found: false };
    assert_eq!(tree(other), expected);
    let prefixed = tree(&format!("{made} AND status='online' OR status='idle'"));
    assert!(matches!(prefixed, Expr::Or(parts) if parts.len() == 2));
    for (from, to) in [
        ("id IN", "pid IN"),
        ("agentid", "id"),
        ("commands,", "investigators,"),
        ("json_array_elements", "pg_sleep"),
        ("as r ", ""),
        ("12345", "'12345'"),
        ("12345", "-1"),
        ("12345", "99999999999999999999"),
        (" and r", " or r"),
        ("r#>>", "q#>>"),
        ("{foundanything}", "{success}"),
        ("'true'", "true"),
        ("'true'", "'yes'"),
        ("'true')", "'true' union select 1)"),
    ] {
        let changed = made.replacen(from, to, 1);
        assert!(parse(&changed).is_err(), "{changed}");
    }
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    for (text, column, words) in [
        ("", 1, "the target is empty"),
        (" \n ", 4, "the target is empty"),
        ("name =", 7, "expected a value, found the end"),
        ("name", 0, ""),
        ("name 'x'", 6, "expected a comparison such as =, LIKE or IN, found the text 'x'"),
        ("(name = 'x'", 12, "expected ), found the end"),
        ("name = 'x')", 11, "expected AND, OR or the end, found ')'"),
        ("name = 'x' name", 12, "expected AND, OR or the end, found 'name'"),
        ("name NOT 'x'", 10, "expected IN, LIKE, ILIKE or BETWEEN"),
        ("name LIKE version", 11, "expected a quoted pattern, found 'version'"),
        ("name LIKE 'a\\'", 11, "it ends with its escape character"),
        ("name ~ version", 8, "expected a quoted regular expression"),
        ("name ~ 'a('", 8, "'a(' is not a valid regular expression: a '(' has no ')'"),
        ("name IN ()", 10, "expected a quoted text, a number"),
        ("name IN (version)", 10, "expected a quoted text, a number"),
        ("name IN (select 1)", 10, "a sub-select may only follow id IN"),
        ("pg_sleep(10) = 1", 1, "there is no function 'pg_sleep'; known: now, lower, upper"),
        ("a = 'x'::regclass", 10, "there is no type 'regclass'"),
        ("tags->>'n'::int = 1", 11, "expected parentheses around what is cast"),
        ("tags->>'n'->>'m' = 'x'", 11, "write -> before the last step"),
        ("tags->name = 'x'", 7, "expected a quoted name or the index"),
        ("tags#>>'a' = 'x'", 8, "'a' is not a valid path"),
        ("a > NOW() - 5", 13, "expected INTERVAL"),
        ("a > NOW() - INTERVAL '30'", 22, "a unit such as 'days' or 'hours' is missing"),
        ("a > TIMESTAMP 'yesterday'", 15, "'yesterday' is not a time"),
        ("pid = 99999999999999999999", 7, "'99999999999999999999' is not a number"),
        ("a = (b = c)", 5, "expected a value, found a condition in parentheses"),
        ("a = b = c", 7, "expected AND, OR or the end, found '='"),
        ("a IS TRUE", 6, "expected null, found 'true'"),
        ("'ä' = name ; x", 12, "unexpected character ';'"),
        ("and", 1, "expected a value, found 'and'"),
        ("a SIMILAR TO 'b'", 3, "expected a comparison"),
    ] {
        if words.is_empty() {
            assert!(parse(text).is_ok(), "{text}");
            continue;
        }
        let (at, message) = fault(text);
        assert_eq!((at, message.contains(words)), (column, true), "{text}: {at} {message}");
    }
    assert_eq!(
        parse("a =").unwrap_err().to_string(),
        "position 4: expected a value, found the end"
    );
}

#[test]
fn nesting_is_limited_before_the_stack_is() {
    let parens = |n: usize| format!("{}a=1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&parens(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&parens(MAX_DEPTH + 1)).unwrap_err().kind, TargetErrorKind::TooDeep);
    assert_eq!(parse(&parens(1000)).unwrap_err().column, MAX_DEPTH + 2);
    let nots = |n: usize| format!("{}a=1", "NOT ".repeat(n));
    assert!(parse(&nots(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&nots(500)).unwrap_err().kind, TargetErrorKind::TooDeep);
    let folds = format!("{}a{} = 'a'", "lower(".repeat(100), ")".repeat(100));
    assert_eq!(parse(&folds).unwrap_err().kind, TargetErrorKind::TooDeep);
    let right = format!("a = {}b{}", "(".repeat(100), ")".repeat(100));
    assert_eq!(parse(&right).unwrap_err().kind, TargetErrorKind::TooDeep);
    assert!(parse("a::text::text::text = 'a'").is_ok());
    assert_eq!(fault("a::text::text::text::text = 'a'").0, 20);
    assert!(parse(&format!("tags{} = 'a'", "->'a'".repeat(300))).is_ok());
    assert_eq!(fault(&format!("a ~ 'b'{}", " or a ~ 'b'".repeat(16))).0, 181);
}
