//! Finds what a search asks for; every value is a bind.

use super::search::CommandRow;
use crate::domain::search::Search;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use fleet::AgentRow;
use store::{Conn, Value};

const ACTION_STATES: &[&str] =
    &["pending", "scheduled", "preparing", "inflight", "completed", "invalid"];
const COMMAND_STATES: &[&str] = &["sent", "success", "cancelled", "expired", "failed", "timeout"];
const AGENT_STATES: &[&str] = &["online", "idle", "offline", "destroyed"];
const INVESTIGATOR_STATES: &[&str] = &["active", "disabled"];

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Is a statement that grows clause by clause.
#[derive(Default)]
struct Statement {
    clauses: Vec<String>,
    binds: Vec<Value>,
}

impl Statement {
    /// Adds a clause in which `#` stands for `value`.
    fn want(&mut self, clause: &str, value: Value) {
        self.binds.push(value);
        self.clauses.push(clause.replace('#', &format!("${}", self.binds.len())));
    }

    fn id(&mut self, column: &str, id: Option<i64>) {
        if let Some(id) = id {
            self.want(&format!("{column} = #"), Value::Int(id));
        }
    }

    fn like(&mut self, column: &str, pattern: &str) {
        if pattern != "%" {
            self.want(&format!("{column} ilike #"), Value::Text(pattern.into()));
        }
    }

    fn words(&mut self, column: &str, words: Option<Vec<&'static str>>) {
        if let Some(words) = words {
            let words = words.into_iter().map(Into::into).collect();
            self.want(&format!("{column} = any(#::text[])"), Value::Texts(words));
        }
    }

    fn window(&mut self, search: &Search, since: &str, until: &str) {
        if let Some(at) = search.since() {
            self.want(&format!("{since} >= #"), Value::Time(at));
        }
        if let Some(at) = search.until() {
            self.want(&format!("{until} <= #"), Value::Time(at));
        }
    }

    /// Adds what must hold of something related; `around` has `*` where these conditions go.
    fn related(&mut self, around: &str, add: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.clauses);
        add(self);
        let inner = std::mem::replace(&mut self.clauses, before);
        if !inner.is_empty() {
            self.clauses.push(around.replace('*', &inner.join(" and ")));
        }
    }

    fn action(&mut self, alias: &str, search: &Search) {
        self.id(&format!("{alias}.id"), search.actionid.wanted());
        self.like(&format!("{alias}.name"), &search.actionname);
        self.like(&format!("{alias}.threat_family"), &search.threatfamily);
    }

    fn agent(&mut self, alias: &str, search: &Search) {
        self.id(&format!("{alias}.id"), search.agentid.wanted());
        self.like(&format!("{alias}.name"), &search.agentname);
        self.like(&format!("{alias}.version"), &search.agentversion);
    }

    fn signers(&mut self, action: &str, search: &Search) {
        let around = format!(
            "{action} in (select s.action_id from signature s join investigator i on i.id = s.investigator_id where *)"
        );
        self.related(&around, |inner| {
            inner.id("i.id", search.investigatorid.wanted());
            inner.like("i.name", &search.investigatorname);
        });
    }

    /// Gives the text with its page, and the binds.
    fn page(mut self, select: &str, order: &str, search: &Search) -> (String, Vec<Value>) {
        let clauses =
            if self.clauses.is_empty() { "true".into() } else { self.clauses.join(" and ") };
        self.binds.push(Value::Int(search.limit()));
        self.binds.push(Value::Int(search.offset()));
        let (limit, offset) = (self.binds.len() - 1, self.binds.len());
        let text =
            format!("{select} where {clauses} order by {order} limit ${limit} offset ${offset}");
        (text, self.binds)
    }
}

/// Writes the search for actions.
pub(crate) fn actions(search: &Search) -> (String, Vec<Value>) {
    let mut all = Statement::default();
    all.action("a", search);
    all.window(search, "a.valid_from", "a.expire_after");
    all.words(
        "case a.status when 'cancelled' then 'completed' when 'expired' then 'invalid' else a.status end",
        search.statuses(ACTION_STATES),
    );
    all.signers("a.id", search);
    all.related("a.id in (select c.action_id from command c where *)", |of| {
        of.id("c.id", search.commandid.wanted());
        of.id("c.agent_id", search.agentid.wanted());
        of.related("c.agent_id in (select agent.id from agent where *)", |of| {
            of.like("agent.name", &search.agentname);
            of.like("agent.version", &search.agentversion);
        });
    });
    all.page("select a.id from action a", "a.valid_from desc, a.id desc", search)
}

/// Writes the search for commands.
pub(crate) fn commands(search: &Search) -> (String, Vec<Value>) {
    let mut all = Statement::default();
    all.id("c.id", search.commandid.wanted());
    all.id("c.action_id", search.actionid.wanted());
    all.id("c.agent_id", search.agentid.wanted());
    all.window(search, "c.started", "c.started");
    if let Some(words) = search.statuses(COMMAND_STATES) {
        let open = words.contains(&"sent").then_some(["waiting", "delivered"]);
        let closed = words.into_iter().filter(|word| *word != "sent");
        all.words("c.status", Some(closed.chain(open.into_iter().flatten()).collect()));
    }
    if let Some(found) = search.found {
        // the words themselves, so that the index over them serves
        let word = if found { "true" } else { "false" };
        all.clauses.push(format!("c.status = 'success' and {word} = any(c.found)"));
    }
    all.related("c.action_id in (select a.id from action a where *)", |of| {
        of.like("a.name", &search.actionname);
        of.like("a.threat_family", &search.threatfamily);
    });
    all.related("c.agent_id in (select agent.id from agent where *)", |of| {
        of.like("agent.name", &search.agentname);
        of.like("agent.version", &search.agentversion);
    });
    all.signers("c.action_id", search);
    let select = "select c.id, c.action_id, c.agent_id, c.status, c.results, c.started, c.finished from command c";
    all.page(select, "c.started desc, c.id desc", search)
}

/// Writes the search for agents by parameters.
pub(crate) fn agents(search: &Search) -> (String, Vec<Value>) {
    let mut all = Statement::default();
    all.agent("agent", search);
    all.window(search, "agent.last_seen", "agent.last_seen");
    all.words("agent.status", search.statuses(AGENT_STATES));
    all.related("agent.id in (select c.agent_id from command c where *)", |of| {
        of.id("c.id", search.commandid.wanted());
        of.id("c.action_id", search.actionid.wanted());
        of.related("c.action_id in (select a.id from action a where *)", |of| {
            of.like("a.name", &search.actionname);
            of.like("a.threat_family", &search.threatfamily);
        });
        of.signers("c.action_id", search);
    });
    all.page("select agent.* from agent", "agent.last_seen desc, agent.id desc", search)
}

/// Writes the search for investigators; the time between creation and last change counts.
pub(crate) fn investigators(search: &Search) -> (String, Vec<Value>) {
    let mut all = Statement::default();
    all.id("i.id", search.investigatorid.wanted());
    all.like("i.name", &search.investigatorname);
    all.window(search, "greatest(i.created, i.modified)", "i.modified");
    all.words("i.status", search.statuses(INVESTIGATOR_STATES));
    all.related("i.id in (select s.investigator_id from signature s where *)", |of| {
        of.related("s.action_id in (select a.id from action a where *)", |of| {
            of.action("a", search);
        });
        of.related("s.action_id in (select c.action_id from command c where *)", |of| {
            of.id("c.id", search.commandid.wanted());
            of.id("c.agent_id", search.agentid.wanted());
            of.related("c.agent_id in (select agent.id from agent where *)", |of| {
                of.like("agent.name", &search.agentname);
                of.like("agent.version", &search.agentversion);
            });
        });
    });
    all.page("select i.id from investigator i", "i.id", search)
}

/// Runs a search that gives ids.
pub(crate) async fn ids_find(
    conn: &mut Conn,
    (text, binds): (String, Vec<Value>),
) -> QueryResult<Vec<i64>> {
    let rows: Vec<Number> = store::bind(text, binds).get_results(conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Runs a search that gives commands.
pub(crate) async fn commands_search(
    conn: &mut Conn,
    (text, binds): (String, Vec<Value>),
) -> QueryResult<Vec<CommandRow>> {
    store::bind(text, binds).get_results(conn).await
}

/// Runs a search that gives agents.
pub(crate) async fn agents_search(
    conn: &mut Conn,
    (text, binds): (String, Vec<Value>),
) -> QueryResult<Vec<AgentRow>> {
    store::bind(text, binds).get_results(conn).await
}

/// Gives the newest started actions.
pub(crate) async fn actions_newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<i64>> {
    let text =
        "select id from action order by started desc nulls last, id desc limit $1".to_owned();
    ids_find(conn, (text, vec![Value::Int(limit)])).await
}

/// Counts the fleet by the original's formulas (specs/mig/scheduler-agent.md §7) and keeps the outcome.
pub(crate) async fn stats_count(conn: &mut Conn, now: time::OffsetDateTime) -> QueryResult<usize> {
    store::sql(STATS).bind::<diesel::sql_types::Timestamptz, _>(now).execute(conn).await
}

/// Gives the counts, as a JSON text, once there are some.
pub(crate) async fn stats_find(conn: &mut Conn) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = Text)]
        stats: String,
    }
    let kept: Vec<Kept> =
        store::sql("select stats::text as stats from agent_stats").get_results(conn).await?;
    Ok(kept.into_iter().next().map(|kept| kept.stats))
}

const STATS: &str = "
    with endpoint as (select queueloc, count(*) filter (where status = 'online') as online,
            count(*) filter (where status = 'idle') as idle, max(started) as last,
            bool_or(last_seen > $1 - interval '7 days' and last_seen < $1 - interval '24 hours') as before,
            bool_or(last_seen > $1 - interval '7 days') as lately
        from agent group by queueloc),
    online as (select version, count(*) as count from agent where status = 'online' group by version),
    idle as (select version, count(*) as count from agent join endpoint using (queueloc)
        where agent.status = 'idle' and endpoint.online = 0 group by version)
    insert into agent_stats (counted, stats) select $1, jsonb_build_object(
        'online_agents', (select coalesce(sum(count), 0) from online),
        'online_by_version', (select jsonb_agg(jsonb_build_object('version', version, 'count', count)
            order by version) from online),
        'online_endpoints', count(*) filter (where online > 0),
        'idle_agents', (select coalesce(sum(count), 0) from idle),
        'idle_by_version', (select jsonb_agg(jsonb_build_object('version', version, 'count', count)
            order by version) from idle),
        'idle_endpoints', count(*) filter (where idle > 0 and online = 0),
        'new_endpoints', count(*) filter (where last > $1 - interval '24 hours' and not before),
        'multi_agents', count(*) filter (where online > 1),
        'disappeared', count(*) filter (where lately and online = 0 and idle = 0),
        'flapping', count(*) filter (where online + idle > 1)) from endpoint
    on conflict (one) do update set counted = excluded.counted, stats = excluded.stats";
