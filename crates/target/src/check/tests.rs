use super::*;
use crate::parse;

fn check(text: &str) -> Result<(), TargetError> {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).check(&Columns::agents())
}

#[test]
fn what_fits_passes() {
    for text in [
        "id = 5 AND id = '5' AND id > 1.5 AND id IN (1, '2', 3.0, NULL) AND id BETWEEN '1' AND 2.5",
        "name = 'a' AND 'a' = name AND name > version AND name = NULL AND NULL = NULL AND 'a' < 'b'",
        "tags IS NULL AND environment->'aws' IS NOT NULL AND tags::text LIKE '%a%' AND tags::json->>'a' = 'b'",
        "1 = 1 AND '1' = 1 AND TRUE AND NULL AND (tags->>'a')::boolean AND TRUE = 'yes'",
        "starttime > '2026-11-21' AND starttime < NOW() AND destructiontime IS NULL AND starttime::text LIKE '2026-%'",
        "(tags->>'n')::int > 5 AND (tags->>'n')::numeric::int = 5 AND pid::numeric > 1.5 AND pid::text = '1'",
        "(tags->>'i')::inet = '10.0.0.0/8' AND (tags->>'d')::interval < '1 day' AND '1 day'::interval > '1 hour'",
        "(tags->>'t')::timestamptz > NOW() - INTERVAL '1 day' AND '2026-11-21'::timestamp < NOW() AND TRUE::int = 1",
        "lower(name) = 'a' AND upper(tags->>'a') LIKE 'A%' AND lower('A') = 'a' AND NULL::inet IS NULL",
        "'5' IN (1, 5) AND NULL IN (1, 2) AND 'a' IN ('a', NULL)",
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
}

#[test]
fn what_does_not_fit_is_refused_at_its_place() {
    for (text, column, words) in [
        ("nosuch = 1", 1, "there is no column 'nosuch'; known: id, name, queueloc, mode"),
        ("name = 'a' AND loaders.name = 'a'", 16, "there is no table 'loaders'; known: agents"),
        ("name = 5", 8, "a text cannot be compared with a whole number"),
        ("5 = name", 5, "a whole number cannot be compared with a text"),
        ("tags->>'n' > 5", 14, "a text cannot be compared with a whole number"),
        ("pid = 'abc'", 7, "'abc' is not a whole number"),
        ("pid = '99999999999999999999'", 7, "is not a whole number"),
        ("starttime > 'now'", 13, "'now' is not a time"),
        ("TRUE = 'maybe'", 8, "'maybe' is not true or false"),
        ("starttime = 5", 13, "a time cannot be compared with a whole number"),
        (
            "tags = 'x'",
            1,
            "expected a text (->> and #>> give texts, -> and columns give JSON), found a JSON value",
        ),
        ("environment->'os' = 'linux'", 1, "found a JSON value"),
        ("name->>'x' = 'y'", 1, "expected a JSON column before the arrow, found a text"),
        (
            "pid LIKE '1%'",
            1,
            "expected a text (other values can be cast with ::text), found a whole number",
        ),
        ("tags ~ 'x'", 1, "found a JSON value"),
        ("lower(pid) = '1'", 7, "found a whole number"),
        ("name", 1, "expected a condition, found a text"),
        ("name = 'a' OR 'x'", 15, "expected a condition, found a text"),
        ("'abc'::int = 5", 1, "'abc' is not a whole number"),
        ("'{}'::json IS NULL", 1, "a text cannot be cast to a JSON value"),
        ("name::json IS NULL", 1, "a text cannot be cast to a JSON value"),
        ("starttime::int = 5", 1, "a time cannot be cast to a whole number"),
        ("1.5::text = '1.5'", 1, "a number cannot be cast to a text"),
        ("pid::boolean", 1, "a whole number cannot be cast to true or false"),
        ("(tags->>'d')::interval = NOW()", 26, "an interval cannot be compared with a time"),
        ("pid IN (1, 'x')", 12, "'x' is not a whole number"),
        ("'5' IN (5, 'x')", 12, "cannot be compared"),
        ("pid BETWEEN 1 AND 'x'", 19, "'x' is not a whole number"),
    ] {
        let error = check(text).expect_err(text);
        let message = error.kind.to_string();
        assert_eq!((error.column, message.contains(words)), (column, true), "{text}: {error}");
    }
}

#[test]
fn loaders_know_nothing_of_commands() {
    let found = "id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=5 \
                 and r#>>'{foundanything}' = 'true')";
    let target = parse(found).unwrap();
    assert_eq!(target.check(&Columns::agents()), Ok(()));
    assert!(target.check(&Columns::loaders()).is_err());
}
