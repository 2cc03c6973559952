//! Finds what a search asks for, as numbers in the order in which they are shown. Every value is a bind; the few words
//! in the text are those of our own vocabularies.

mod actions;
mod agents;
mod commands;
mod investigators;
mod loaders;

pub(super) use self::commands::every_state;
use crate::domain::search::{Kind, Search};
use diesel::sql_types::{Array, BigInt};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use fleet::Aim;
use store::{Conn, Value};

/// Is a statement with the values of its placeholders.
pub(crate) type Bound = (String, Vec<Value>);

/// Writes a search by parameters.
pub(crate) fn search(search: &Search) -> Bound {
    match search.kind {
        Kind::Action => actions::write(search),
        Kind::Agent => agents::write(search),
        Kind::Command => commands::write(search),
        Kind::Investigator => investigators::write(search),
        Kind::Loader => loaders::loaders(search),
        Kind::Manifest => loaders::manifests(search),
    }
}

/// Writes the search for the agents that a target reaches, one for each queue location.
pub(crate) fn reached(mut aim: Aim, search: &Search) -> Bound {
    let limit = aim.bind(Value::Int(search.limit()));
    let offset = aim.bind(Value::Int(search.offset()));
    (format!("{} limit {limit} offset {offset}", aim.reached_in_order()), aim.binds)
}

/// Runs a statement that gives numbers; they come as one value, since a row for each takes twenty times as much memory.
pub(crate) async fn ids_find(conn: &mut Conn, (text, binds): Bound) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Numbers {
        #[diesel(sql_type = Array<BigInt>)]
        ids: Vec<i64>,
    }
    let text = format!("select array(select id from ({text}) found) as ids");
    let found: Numbers = store::bind(text, binds).get_result(conn).await?;
    Ok(found.ids)
}

/// Gives the newest started actions.
pub(crate) async fn actions_newest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<i64>> {
    let text = "select id from action order by started desc nulls last, id desc limit $1";
    ids_find(conn, (text.into(), vec![Value::Int(limit)])).await
}

/// Is a statement that grows clause by clause.
#[derive(Default)]
struct Statement {
    clauses: Vec<String>,
    binds: Vec<Value>,
}

impl Statement {
    /// Binds a value and gives its placeholder.
    fn bind(&mut self, value: Value) -> String {
        self.binds.push(value);
        format!("${}", self.binds.len())
    }

    /// Adds a clause in which `#` stands for `value`.
    fn want(&mut self, clause: &str, value: Value) {
        let place = self.bind(value);
        self.clauses.push(clause.replace('#', &place));
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

    /// Wants one of these words of ours; they stand in the text, so that the planner knows how rare each is.
    fn words(&mut self, column: &str, words: &[&str]) {
        let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        self.clauses.push(match words.as_slice() {
            [] => "false".into(),
            words => format!("{column} in ({})", words.join(", ")),
        });
    }

    fn window(&mut self, since: &str, until: &str, search: &Search) {
        if let Some(at) = search.since() {
            self.want(&format!("{since} >= #"), Value::Time(at));
        }
        if let Some(at) = search.until() {
            self.want(&format!("{until} <= #"), Value::Time(at));
        }
    }

    /// Adds what must hold of something related; `around` has `*` where these conditions go.
    fn related(&mut self, around: &str, add: impl FnOnce(&mut Self)) {
        let inner = self.apart(add);
        if !inner.is_empty() {
            self.clauses.push(around.replace('*', &inner.join(" and ")));
        }
    }

    /// Gives the clauses that `add` adds, instead of keeping them.
    fn apart(&mut self, add: impl FnOnce(&mut Self)) -> Vec<String> {
        let before = std::mem::take(&mut self.clauses);
        add(self);
        std::mem::replace(&mut self.clauses, before)
    }

    /// Wants an action by its names.
    fn action_names(&mut self, alias: &str, search: &Search) {
        self.like(&format!("{alias}.name"), &search.actionname);
        self.like(&format!("{alias}.threat_family"), &search.threatfamily);
    }

    /// Wants agents by name or version.
    fn agent_names(&mut self, column: &str, search: &Search) {
        self.related(&format!("{column} in (select agent.id from agent where *)"), |of| {
            of.like("agent.name", &search.agentname);
            of.like("agent.version", &search.agentversion);
        });
    }

    /// Wants an action that someone signed.
    fn signers(&mut self, action: &str, search: &Search) {
        let around = format!(
            "{action} in (select s.action_id from signature s join investigator i on i.id = s.investigator_id where *)"
        );
        self.related(&around, |inner| {
            inner.id("i.id", search.investigatorid.wanted());
            inner.like("i.name", &search.investigatorname);
        });
    }

    /// Gives the clauses as one, and `true` where there are none.
    fn clauses(&self) -> String {
        all_of(&self.clauses)
    }

    /// Gives the text with its page, and the binds.
    fn page(mut self, select: &str, order: &str, search: &Search) -> Bound {
        let clauses = self.clauses();
        let (limit, offset) = self.page_binds(search);
        let text =
            format!("{select} where {clauses} order by {order} limit {limit} offset {offset}");
        (text, self.binds)
    }

    fn page_binds(&mut self, search: &Search) -> (String, String) {
        (self.bind(Value::Int(search.limit())), self.bind(Value::Int(search.offset())))
    }
}

fn all_of(clauses: &[String]) -> String {
    if clauses.is_empty() { "true".into() } else { clauses.join(" and ") }
}

/// Writes the first rows of each branch, each by its index, as one select; the branches differ in a condition that an
/// index keeps its order within. Without branches there are no rows.
pub(super) fn union(
    from: &str,
    clauses: &[String],
    branches: &[String],
    order: &str,
    whole: &str,
) -> String {
    let clauses = all_of(clauses);
    let select = |branch: &str| {
        format!("({from} where {clauses} and {branch} order by {order} limit {whole})")
    };
    match branches {
        [] => select("false"),
        [branch] => select(branch),
        branches => {
            let branches: Vec<_> = branches.iter().map(|branch| select(branch)).collect();
            let all = branches.join(" union all ");
            format!("select * from ({all}) branch order by {order} limit {whole}")
        }
    }
}
