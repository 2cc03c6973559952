use super::*;
use crate::parse;

fn sql(text: &str) -> (String, Vec<Bind>) {
    let target = parse(text).unwrap();
    target.check(&Columns::agents()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let Sql { text, binds } = target.to_sql(&Columns::agents(), 1);
    (text, binds)
}

fn text(text: &str) -> Bind {
    Bind::Text(text.into())
}

#[test]
fn conditions() {
    for (target, expected, binds) in [
        ("status='online'", "(agent.status = $1::text)", vec![text("online")]),
        (
            "name='a' AND NOT (pid=1 OR mode='b')",
            "((agent.name = $1::text and not ((agent.pid = $2::bigint or agent.mode = $3::text))))",
            vec![text("a"), Bind::Int(1), text("b")],
        ),
        ("name < 'm'", "(agent.name collate \"C\" < $1::text)", vec![text("m")]),
        ("name NOT LIKE 'a!%' ESCAPE '!'", "(agent.name not like $1::text)", vec![text("a\\%")]),
        ("name !~* '^db'", "(agent.name !~* $1::text)", vec![text("^db")]),
        ("loadername IS NOT NULL", "(agent.loader_name is not null)", vec![]),
        ("name IN ('a', NULL)", "(agent.name in ($1::text, null::text))", vec![text("a")]),
        (
            "pid NOT BETWEEN 1 AND '9'",
            "(not (agent.pid >= $1::bigint and agent.pid <= $2::bigint))",
            vec![Bind::Int(1), Bind::Int(9)],
        ),
        ("TRUE", "($1::boolean)", vec![Bind::Bool(true)]),
        (
            "agents.id IN (select agentid from commands, json_array_elements(commands.results) as r where actionid=5 \
             and r#>>'{foundanything}' = 'false')",
            "(agent.id in (select c.agent_id from command c where c.action_id = $1::bigint and $2::boolean = any(c.found)))",
            vec![Bind::Int(5), Bind::Bool(false)],
        ),
    ] {
        assert_eq!(sql(target), (expected.to_owned(), binds), "{target}");
    }
}

#[test]
fn values() {
    let at = time::macros::datetime!(2026-11-21 19:15 UTC);
    let interval = "make_interval(months => $1::bigint::integer, days => $2::bigint::integer, secs => $3::double precision)";
    for (value, other, expected, binds) in [
        (
            "environment->'aws'->>'amiid'",
            "NULL",
            "(agent.environment -> $1::text ->> $2::text) = null::text".to_owned(),
            vec![text("aws"), text("amiid")],
        ),
        (
            "environment->'addresses'->>-1",
            "''",
            "(agent.environment -> $1::text ->> $2::bigint::integer) = $3::text".into(),
            vec![text("addresses"), Bind::Int(-1), text("")],
        ),
        (
            "environment#>>'{os}'",
            "'linux'",
            "(agent.environment #>> array[$1::text]::text[]) = $2::text".into(),
            vec![text("os"), text("linux")],
        ),
        ("id", "'5'", "agent.id = $1::bigint".into(), vec![Bind::Int(5)]),
        ("id", "1.5", "agent.id = $1::text::numeric".into(), vec![text("1.5")]),
        ("starttime", "'2026-11-21 20:15+01'", "agent.started = $1::timestamptz".into(), vec![Bind::Time(at)]),
        (
            "starttime",
            "NOW() - INTERVAL '1 month 90 minutes'",
            format!("agent.started = ((now() at time zone 'UTC' - {interval}) at time zone 'UTC')"),
            vec![Bind::Int(1), Bind::Int(0), Bind::Float(5400.0)],
        ),
        ("lower(name)", "'x'", "lower(agent.name) = $1::text".into(), vec![text("x")]),
        ("pid::text", "'1'", "(agent.pid)::text = $1::text".into(), vec![text("1")]),
        (
            "name::int",
            "5",
            "(case when agent.name ~ '^[+-]?[0-9]{1,18}$' then (agent.name)::bigint end) = $1::bigint".into(),
            vec![Bind::Int(5)],
        ),
        ("'5'::numeric", "5", "$1::text::numeric = $2::bigint".into(), vec![text("5.0"), Bind::Int(5)]),
        ("tags::json->>'a'", "NULL", "(agent.tags ->> $1::text) = null::text".into(), vec![text("a")]),
        ("'10.0.0.1'::inet", "NULL", "$1::text::inet = null::inet".into(), vec![text("10.0.0.1/32")]),
    ] {
        assert_eq!(sql(&format!("{value} = {other}")), (format!("({expected})"), binds), "{value}");
    }
}

#[test]
fn placeholders_begin_where_told_and_now_can_be_given() {
    let target = parse("name='a' AND heartbeattime > NOW()").unwrap();
    let now = time::macros::datetime!(2026-11-21 19:15 UTC);
    let sql = target.to_sql_at(&Columns::agents(), 4, now);
    assert_eq!(sql.text, "((agent.name = $4::text and agent.last_seen > $5::timestamptz))");
    assert_eq!(sql.binds, [text("a"), Bind::Time(now)]);
}

#[test]
fn what_does_not_pass_the_check_matches_nothing() {
    for target in ["nosuch = 1 OR TRUE", "NOT pid LIKE 'a'", "loaders.name = 'a'"] {
        let sql = parse(target).unwrap().to_sql(&Columns::agents(), 1);
        assert_eq!(sql, Sql { text: "(false)".into(), binds: vec![] });
    }
}

#[test]
fn loaders_have_their_own_columns() {
    let target =
        parse("env#>>'{os}'='linux' AND enabled AND loaders.loadername='realhost'").unwrap();
    assert_eq!(target.check(&Columns::loaders()), Ok(()));
    assert_eq!(
        target.to_sql(&Columns::loaders(), 1).text,
        "(((loader.environment #>> array[$1::text]::text[]) = $2::text and loader.enabled and loader.loader_name = $3::text))"
    );
}
