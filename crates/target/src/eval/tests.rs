use super::*;
use crate::parse;
use serde_json::json;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-21 20:15 UTC);

struct Machine {
    environment: Json,
    tags: Json,
}

impl Row for Machine {
    fn field(&self, column: &str) -> Field<'_> {
        match column {
            "name" => Field::Text("db1.example.net"),
            "pid" => Field::Int(4242),
            "enabled" => Field::Bool(true),
            "starttime" => Field::Time(datetime!(2026-11-20 20:15 UTC)),
            "environment" => Field::Json(&self.environment),
            "tags" => Field::Json(&self.tags),
            _ => Field::Null,
        }
    }

    fn found(&self, action: ActionId, found: bool) -> bool {
        action == ActionId(7) && found
    }
}

fn eval(text: &str) -> Option<bool> {
    let machine = Machine {
        environment: json!({"os": "linux", "isproxied": true, "addresses": ["10.0.0.1/8", "::1/128"], "aws": {}}),
        tags: json!({"operator": "IT", "n": "17", "word": "x7", "when": "2026-11-21T20:00:00Z", "ip": "10.0.0.9", "for": "2 hours", "on": "Yes", "half": "2.50"}),
    };
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).eval(&machine, NOW)
}

#[test]
fn three_valued_logic_as_in_sql() {
    let words = [("TRUE", Some(true)), ("FALSE", Some(false)), ("NULL", None)];
    for (a, left) in words {
        for (b, right) in words {
            let and = match (left, right) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (left, right) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
            assert_eq!(
                (eval(&format!("{a} AND {b}")), eval(&format!("{a} OR {b}"))),
                (and, or),
                "{a} {b}"
            );
        }
        assert_eq!(eval(&format!("NOT {a}")), left.map(|truth| !truth));
    }
}

#[test]
fn true_ones() {
    for text in [
        "name = 'db1.example.net' AND name <> 'x' AND name >= 'db' AND 'db2' > name",
        "name LIKE 'db%' AND name NOT LIKE 'DB%' AND name ILIKE 'DB_.%' AND upper(name) LIKE 'DB%'",
        "name ~ '^db[0-9]+' AND name ~* '^DB' AND name !~ '^DB' AND name !~* '^web'",
        "name IN ('a', 'db1.example.net', NULL) AND pid NOT IN (1, '2') AND pid IN (4242.0)",
        "pid BETWEEN 4242 AND '4242' AND pid NOT BETWEEN 1 AND 4241.5 AND pid > 4241.999 AND pid::text = '4242'",
        "environment->>'os' = 'linux' AND environment#>>'{os}' = 'linux' AND environment->>'isproxied' = 'true'",
        "environment->'addresses'->>0 = '10.0.0.1/8' AND environment#>>'{addresses,-1}' = '::1/128'",
        "environment->>'addresses' LIKE '%\"10.0.0.1/8\"%' AND environment->'aws' IS NOT NULL AND environment->>'aws' = '{}'",
        "(tags->>'n')::int > 5 AND (tags->>'half')::numeric::int = 3 AND (tags->>'on')::boolean",
        "(tags->>'when')::timestamptz > NOW() - INTERVAL '1 hour' AND (tags->>'for')::interval < '1 day'",
        "(tags->>'ip')::inet > '10.0.0.1' AND '10.0.0.1'::inet = '10.0.0.1/32'",
        "starttime = NOW() - INTERVAL '1 day' AND starttime < TIMESTAMP '2026-11-20 20:16' AND starttime > '2026-11-20'",
        "starttime::text = '2026-11-20 20:15:00+00' AND environment::text LIKE '{\"os\": %' AND enabled AND enabled::int = 1",
        "id IS NULL AND NOT name IS NULL AND tags->>'nope' IS NULL AND (tags->>'word')::int IS NULL AND NULL IS NULL",
        "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=7 and r->>'foundanything'='true')",
        "id NOT IN (select agentid from commands, json_array_elements(commands.results) r where actionid=7 and r->>'foundanything'='false')",
        "1 = 1 AND '1' = 1 AND 'a' < 'b' AND 2 IN ('1', '2')",
    ] {
        assert_eq!(eval(text), Some(true), "{text}");
        assert_eq!(eval(&format!("NOT ({text})")), Some(false), "{text}");
    }
}

#[test]
fn unknown_ones() {
    for text in [
        "version = 'x'",
        "version NOT LIKE 'x'",
        "version !~ 'x'",
        "name = NULL",
        "name IN ('x', NULL)",
        "name NOT IN ('x', NULL)",
        "id NOT BETWEEN 1 AND 2",
        "pid BETWEEN NULL AND 5000",
        "tags->>'nope' = 'x'",
        "tags->'operator'->>'x' = 'x'",
        "(tags->>'word')::int < 5",
        "(tags->>'word')::boolean",
        "environment->>0 = 'x'",
        "lower(version) = 'x'",
    ] {
        assert_eq!(eval(text), None, "{text}");
        assert_eq!(eval(&format!("NOT ({text})")), None, "{text}");
    }
    assert_eq!(eval("pid BETWEEN NULL AND 1"), Some(false));
    assert_eq!(eval("pid NOT BETWEEN NULL AND 1"), Some(true));
}

#[test]
fn what_does_not_pass_the_check_is_unknown() {
    for text in ["name = 5", "pid LIKE '4%'", "name", "nosuch = 'x'", "tags = 'x'", "pid = 'x'"] {
        assert_eq!(eval(text), None, "{text}");
    }
}
