//! Makes targets: some whose types fit, some of which only the form is right, and heaps of words.

use crate::ast::{At, Case, Expr, Key, Op, Shift, Value, ValueKind};
use crate::columns::Type;
use crate::decimal::Decimal;
use crate::interval::Interval;
use crate::like::Like;
use crate::regexp::Regexp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use types::ActionId;

fn value(kind: ValueKind) -> Value {
    Value { at: At::default(), kind }
}

/// Makes texts with everything in them that could end a text too early; never the one that PostgreSQL cannot hold.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.%_-]{0,8}",
        select(vec![
            "'",
            "''",
            "'; drop table agent; --",
            "$1",
            "$$x$$",
            "/* */",
            "\\",
            "\\'",
            "\u{2019}",
            "x\n--",
            "é'"
        ])
        .prop_map(String::from),
        any::<String>().prop_map(|text| text.replace('\0', "")),
    ]
}

fn column(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    (select(names), any::<bool>()).prop_map(|(name, qualified)| {
        let table = qualified.then(|| "agents".into());
        value(ValueKind::Column { table, name: name.into() })
    })
}

fn json() -> BoxedStrategy<Value> {
    let document = column(&["environment", "tags"]).boxed();
    let cast =
        document.clone().prop_map(|inner| value(ValueKind::Cast(Box::new(inner), Type::Json)));
    prop_oneof![document, cast].boxed()
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![texts().prop_map(Key::Name), (-3..3_i32).prop_map(Key::Index)]
}

fn json_text() -> impl Strategy<Value = Value> {
    let arrows = (json(), vec(key(), 1..4))
        .prop_map(|(base, keys)| value(ValueKind::Json { base: Box::new(base), keys, text: true }));
    let path = (json(), vec(texts(), 0..3))
        .prop_map(|(base, path)| value(ValueKind::Path { base: Box::new(base), path }));
    prop_oneof![arrows, path]
}

fn interval() -> impl Strategy<Value = Interval> {
    (-100..100_i64, -1000..1000_i64, -100_000_000_000..100_000_000_000_i64)
        .prop_map(|(months, days, micros)| Interval { months, days, micros })
}

/// Makes a value of a type that is no quoted text.
fn of(kind: Type) -> BoxedStrategy<Value> {
    let cast = |inner: BoxedStrategy<Value>, to: Type| {
        inner.prop_map(move |inner| value(ValueKind::Cast(Box::new(inner), to)))
    };
    match kind {
        Type::Text => {
            let plain = prop_oneof![column(&["name", "queueloc", "status"]), json_text()].boxed();
            let folded = (plain.clone(), any::<bool>()).prop_map(|(inner, lower)| {
                let case = if lower { Case::Lower } else { Case::Upper };
                value(ValueKind::Fold(case, Box::new(inner)))
            });
            let others =
                prop_oneof![column(&["pid", "starttime", "tags"]).boxed(), of(Type::Bool)].boxed();
            prop_oneof![plain, folded, cast(others, Type::Text)].boxed()
        }
        Type::Int => prop_oneof![
            column(&["id", "pid"]),
            any::<i64>().prop_map(|n| value(ValueKind::Int(n))),
            cast(json_text().boxed(), Type::Int),
            cast(cast(json_text().boxed(), Type::Num).boxed(), Type::Int),
        ]
        .boxed(),
        Type::Num => prop_oneof![
            (any::<i32>(), 0..1000_u32).prop_map(|(whole, part)| {
                value(ValueKind::Num(Decimal::parse(&format!("{whole}.{part:03}")).unwrap()))
            }),
            cast(json_text().boxed(), Type::Num),
        ]
        .boxed(),
        Type::Bool => prop_oneof![
            any::<bool>().prop_map(|truth| value(ValueKind::Bool(truth))),
            cast(json_text().boxed(), Type::Bool),
        ]
        .boxed(),
        Type::Time => prop_oneof![
            column(&["starttime", "destructiontime", "heartbeattime"]),
            Just(value(ValueKind::Now(None))),
            (interval(), any::<bool>())
                .prop_map(|(interval, back)| value(ValueKind::Now(Some(Shift { back, interval })))),
            (0..4_000_000_000_i64).prop_map(|seconds| {
                value(ValueKind::Time(time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()))
            }),
            cast(json_text().boxed(), Type::Time),
        ]
        .boxed(),
        Type::Interval | Type::Inet => cast(json_text().boxed(), kind).boxed(),
        Type::Json => json(),
    }
}

/// Makes a quoted text that can become a type.
fn quoted(kind: Type) -> BoxedStrategy<Value> {
    let texts = match kind {
        Type::Text | Type::Json => texts().boxed(),
        Type::Int => any::<i32>().prop_map(|n| n.to_string()).boxed(),
        Type::Num => "[+-]?[0-9]{1,18}[.][0-9]{1,18}".boxed(),
        Type::Bool => select(vec!["t", "FALSE", "yes", "0"]).prop_map(String::from).boxed(),
        Type::Time => "20[0-9]{2}-0[135]-[12][0-9] 1[0-9]:15(Z|[+]02)?".boxed(),
        Type::Interval => interval().prop_map(|interval| interval.to_string()).boxed(),
        Type::Inet => "1?[0-9][.]0[.]0[.]1(/[12][0-9])?".boxed(),
    };
    prop_oneof![9 => texts.prop_map(|text| value(ValueKind::Text(text))), 1 => Just(value(ValueKind::Null))].boxed()
}

const COMPARABLE: [Type; 7] =
    [Type::Text, Type::Int, Type::Num, Type::Bool, Type::Time, Type::Interval, Type::Inet];

fn op() -> impl Strategy<Value = Op> {
    select(vec![
        Op::Equal,
        Op::NotEqual,
        Op::Less,
        Op::LessOrEqual,
        Op::Greater,
        Op::GreaterOrEqual,
    ])
}

fn like() -> impl Strategy<Value = Like> {
    (texts(), select(vec![None, Some(""), Some("!"), Some("%"), Some("'")]), any::<bool>())
        .prop_filter_map("no pattern", |(pattern, escape, insensitive)| {
            Like::parse(pattern, escape, insensitive).ok()
        })
}

fn regexp() -> impl Strategy<Value = Regexp> {
    (prop_oneof!["[a-z'^.*?()|\\[\\]{}0-9,-]{0,8}", texts()], any::<bool>())
        .prop_filter_map("no expression", |(text, insensitive)| {
            Regexp::parse(text, insensitive).ok()
        })
}

fn leaf(
    left: BoxedStrategy<Value>,
    right: BoxedStrategy<Value>,
    literal: BoxedStrategy<Value>,
) -> BoxedStrategy<Expr> {
    let negated = any::<bool>();
    prop_oneof![
        (left.clone(), op(), right.clone()).prop_map(|(left, op, right)| Expr::Compare {
            left,
            op,
            right
        }),
        (left.clone(), negated, vec(literal, 1..4)).prop_map(|(left, negated, list)| Expr::In {
            left,
            negated,
            list
        }),
        (left.clone(), negated).prop_map(|(value, negated)| Expr::IsNull { value, negated }),
        (left, negated, right.clone(), right)
            .prop_map(|(value, negated, low, high)| Expr::Between { value, negated, low, high }),
    ]
    .boxed()
}

fn textual(left: BoxedStrategy<Value>) -> BoxedStrategy<Expr> {
    let found = (column(&["id"]), any::<bool>(), 0..i64::MAX, any::<bool>()).prop_map(
        |(id, negated, action, found)| Expr::Found { id, negated, action: ActionId(action), found },
    );
    prop_oneof![
        (left.clone(), any::<bool>(), like()).prop_map(|(left, negated, pattern)| Expr::Like {
            left,
            negated,
            pattern
        }),
        (left, any::<bool>(), regexp()).prop_map(|(left, negated, pattern)| Expr::Match {
            left,
            negated,
            pattern
        }),
        found,
    ]
    .boxed()
}

fn combined(leaf: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    leaf.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Expr::Or),
            vec(inner.clone(), 2..4).prop_map(Expr::And),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

/// Makes conditions over agents whose types fit.
pub(super) fn typed() -> BoxedStrategy<Expr> {
    let comparisons = select(&COMPARABLE[..]).prop_flat_map(|kind| {
        let right = prop_oneof![of(kind), quoted(kind)].boxed();
        leaf(of(kind), right, quoted(kind))
    });
    let truths = of(Type::Bool).prop_map(Expr::Truth);
    combined(prop_oneof![8 => comparisons, 3 => textual(of(Type::Text)), 1 => truths].boxed())
}

/// Makes conditions of the right form, whether or not their types fit.
pub(super) fn conditions() -> BoxedStrategy<Expr> {
    let any_type = || {
        let all = [&COMPARABLE[..], &[Type::Json]].concat();
        select(all).prop_flat_map(|kind| prop_oneof![of(kind), quoted(kind)]).boxed()
    };
    let literal = prop_oneof![
        texts().prop_map(|text| value(ValueKind::Text(text))),
        any::<i64>().prop_map(|number| value(ValueKind::Int(number))),
        any::<bool>().prop_map(|truth| value(ValueKind::Bool(truth))),
        Just(value(ValueKind::Null)),
    ];
    let truths = any_type().prop_map(Expr::Truth);
    let leaves = prop_oneof![6 => leaf(any_type(), any_type(), literal.boxed()), 3 => textual(any_type()), 1 => truths];
    combined(leaves.boxed())
}

/// Makes heaps of words of the language.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let words = "and or not ( ) ( ) , = <> < ~ !~* -> ->> #>> :: . + - in like between is null true false now() interval timestamp \
        '1 day' '2026-11-21' 'a' '{a,b}' '' 5 -5 1.5 name pid tags environment agents id select agentid from commands \
        json_array_elements as r where actionid escape lower text int inet timestamptz";
    let words: Vec<&str> = words.split_whitespace().collect();
    vec(select(words), 0..25).prop_map(|words| words.join(" "))
}
