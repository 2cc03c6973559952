//! Searches: first the numbers of all that is found, then the rows behind them, some at a time.

use super::App;
use super::show_commands::KeptResult;
use crate::domain::search::{Kind, Search};
use crate::error::Error;
use crate::store::command_rows::{actions_sizes, commands_find, commands_sizes};
use crate::store::find;
use crate::store::investigators::investigators_find;
use crate::store::loaders::{loaders_find, manifests_find};
use diesel::result::DatabaseErrorKind;
use fleet::AgentRow;
use std::collections::HashMap;
use store::portion::{MOST_BYTES, MOST_ROWS, fitting};
use store::{Conn, Failure};
use types::command::Command;
use types::investigator::Investigator;
use types::loader::{LoaderEntry, ManifestRecord};
use types::{Action, Agent, instant};

/// Says how many commands are looked for at once.
const COMMANDS: i64 = 5_000;

/// Is one thing that a search found.
#[derive(Debug)]
pub(crate) enum Found {
    /// An action.
    Action(Action),
    /// A command.
    Command(Box<Command<KeptResult>>),
    /// An agent.
    Agent(Agent),
    /// An investigator.
    Investigator(Investigator),
    /// A loader.
    Loader(LoaderEntry),
    /// A manifest.
    Manifest(ManifestRecord),
}

impl App {
    /// Finds the numbers of what a search asks for, in the order in which they are shown: all of them, but of commands,
    /// of which there may be any number, some; those behind the `last` of `shown` come with the next call.
    pub(crate) async fn search(
        &self,
        search: &Search,
        shown: i64,
        last: Option<i64>,
    ) -> Result<Vec<i64>, Error> {
        let commands = search.kind == Kind::Command;
        if search.limit() <= shown || (last.is_some() && !commands) {
            return Ok(Vec::new());
        }
        if search.is_aimed() {
            return self.search_target(search).await;
        }
        let mut conn = self.store.get().await?;
        let wanted = if commands {
            find::search(&search.behind(shown, last, COMMANDS))
        } else {
            find::search(search)
        };
        Ok(find::ids_find(&mut conn, wanted).await?)
    }

    async fn search_target(&self, search: &Search) -> Result<Vec<i64>, Error> {
        let invalid = |detail: String| Error::invalid("target-invalid", "target", detail);
        let target =
            fleet::parse_target(&search.target).map_err(|fault| invalid(fault.to_string()))?;
        let aim = fleet::aim(&target, self.clock.now());
        let mut conn = self.store.get().await?;
        find::ids_find(&mut conn, find::reached(aim, search)).await.map_err(|error| {
            let data = matches!(
                error,
                diesel::result::Error::DatabaseError(DatabaseErrorKind::Unknown, _)
            );
            match Failure::from(error) {
                // what is text in one agent's facts need not be a number in another's
                Failure::Internal(_) if data => invalid(
                    "it cannot be evaluated: a value of an agent has not the type that it is compared in".into(),
                ),
                failure => failure.into(),
            }
        })
    }

    /// Shows the first of what a search found, as much as is read at once, and tells how many of the numbers that were;
    /// what is gone since then is left out.
    pub(crate) async fn show_found(
        &self,
        search: &Search,
        ids: &[i64],
    ) -> Result<(usize, Vec<Found>), Error> {
        let mut conn = self.store.get().await?;
        let conn = &mut conn;
        let ids = ids.get(..MOST_ROWS).unwrap_or(ids);
        let sizes = match search.kind {
            Kind::Action => actions_sizes(conn, ids).await?,
            Kind::Command => commands_sizes(conn, ids).await?,
            _ => HashMap::new(),
        };
        let sizes = ids.iter().map(|id| sizes.get(id).copied().unwrap_or_default());
        let fit = fitting(MOST_BYTES, sizes);
        let ids = ids.get(..fit).unwrap_or(ids);
        let found = match search.kind {
            Kind::Action => {
                let rows = self.actions_in_order(conn, ids).await?;
                rows.into_iter().map(Found::Action).collect()
            }
            Kind::Command => {
                let rows = commands_find(conn, ids).await?;
                let rows = in_order(ids, rows, |row| row.id);
                let rows = self.mig_found_commands(conn, rows).await?;
                rows.into_iter().map(|row| Found::Command(Box::new(row))).collect()
            }
            Kind::Agent => {
                let rows = in_order(ids, fleet::find(conn, ids).await?, |row| row.id);
                let shown = if search.is_aimed() { Agent::from } else { found_agent };
                rows.into_iter().map(|row| Found::Agent(shown(row))).collect()
            }
            Kind::Investigator => {
                let rows = in_order(ids, investigators_find(conn, ids).await?, |row| row.id.0);
                let shown = super::show_actions::shown_investigator;
                rows.iter().map(|row| Found::Investigator(shown(row))).collect()
            }
            Kind::Loader => {
                let rows = in_order(ids, loaders_find(conn, ids).await?, |row| row.id.0);
                rows.into_iter().map(Found::Loader).collect()
            }
            Kind::Manifest => {
                let rows = in_order(ids, manifests_find(conn, ids).await?, |row| row.id.0);
                rows.into_iter().map(Found::Manifest).collect()
            }
        };
        Ok((ids.len(), found))
    }

    /// Shows one agent as MIG's clients read it; where it came from is not told (specs/mig/api.md §3.9).
    pub(crate) async fn mig_agent(&self, id: i64) -> Result<Option<Agent>, Error> {
        let mut conn = self.store.get().await?;
        let row = fleet::find(&mut conn, &[id]).await?.pop();
        Ok(row.map(|row| Agent { loadername: String::new(), ..row.into() }))
    }

    pub(super) async fn actions_in_order(
        &self,
        conn: &mut Conn,
        ids: &[i64],
    ) -> Result<Vec<Action>, Error> {
        let mut actions = self.mig_actions(conn, ids).await?;
        Ok(ids.iter().filter_map(|id| actions.remove(id)).collect())
    }
}

fn in_order<T>(ids: &[i64], rows: Vec<T>, id: impl Fn(&T) -> i64) -> Vec<T> {
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (id(&row), row)).collect();
    ids.iter().filter_map(|id| rows.remove(id)).collect()
}

/// Leaves of an agent what a search by parameters shows.
fn found_agent(row: AgentRow) -> Agent {
    Agent { refreshts: instant::NONE, loadername: String::new(), ..row.into() }
}
