//! Shows executions with their steps.

use super::App;
use super::cancel_execution::no_execution;
use crate::domain::execution::StepRun;
use crate::domain::playbook::Playbook;
use crate::error::Error;
use crate::store::executions::{
    ExecutionRow, Extent, execution_get, executions_list, steps_last, steps_of,
};
use std::collections::HashMap;
use std::sync::Arc;
use store::Conn;
use uuid::Uuid;

/// Is what is shown of one execution.
const ONE: Extent = Extent { runs: 10_000, results: i32::MAX };
/// Is what is shown of each execution in a list.
const EACH: Extent = Extent { runs: 100, results: 4 << 10 };
/// Is what is reported of each execution in a list.
const LISTED: Extent = Extent { runs: 2_000, results: 4 << 10 };
/// Is what is reported of one execution: each step once, and a playbook has no more.
const REPORTED: Extent = Extent { runs: 2_000, results: i32::MAX };

/// Is an execution as it is shown.
pub(crate) struct Shown {
    pub(crate) row: ExecutionRow,
    pub(crate) steps: Vec<StepRun>,
}

/// Is an execution as it is reported: the last run of each step, beside what the playbook says of it.
pub(crate) struct Reported {
    pub(crate) row: ExecutionRow,
    pub(crate) steps: Vec<StepRun>,
    /// Nothing when it is not valid by the rules of today.
    pub(crate) playbook: Option<Arc<Playbook>>,
}

impl App {
    /// Gives one execution with the runs of its steps.
    pub(crate) async fn show_execution(&self, id: Uuid) -> Result<Shown, Error> {
        let mut conn = self.store.get().await?;
        let row = execution_get(&mut conn, id).await?.ok_or_else(|| no_execution(id))?;
        let steps = steps_of(&mut conn, &[id], ONE).await?;
        Ok(Shown { row, steps })
    }

    /// Lists executions with the first runs of their steps, newest first.
    pub(crate) async fn list_executions(
        &self,
        playbook: Option<&str>,
        state: Option<&str>,
        before: Uuid,
        limit: i64,
    ) -> Result<Vec<Shown>, Error> {
        let mut conn = self.store.get().await?;
        let rows = executions_list(&mut conn, playbook, state, before, limit).await?;
        let steps = steps_of(&mut conn, &ids(&rows), EACH).await?;
        Ok(joined(rows, steps).map(|(row, steps)| Shown { row, steps }).collect())
    }

    /// Reports one execution.
    pub(crate) async fn report_execution(&self, id: Uuid) -> Result<Reported, Error> {
        let mut conn = self.store.get().await?;
        let row = execution_get(&mut conn, id).await?.ok_or_else(|| no_execution(id))?;
        let steps = steps_last(&mut conn, &[id], REPORTED).await?;
        let playbook = self.known(&mut conn, &row.digest).await?;
        Ok(Reported { row, steps, playbook })
    }

    /// Reports the newest executions, newest first.
    pub(crate) async fn report_executions(&self, limit: i64) -> Result<Vec<Reported>, Error> {
        let mut conn = self.store.get().await?;
        let rows = executions_list(&mut conn, None, None, Uuid::max(), limit).await?;
        let steps = steps_last(&mut conn, &ids(&rows), LISTED).await?;
        let mut reported = Vec::with_capacity(rows.len());
        for (row, steps) in joined(rows, steps) {
            let playbook = self.known(&mut conn, &row.digest).await?;
            reported.push(Reported { row, steps, playbook });
        }
        Ok(reported)
    }

    async fn known(&self, conn: &mut Conn, digest: &[u8]) -> Result<Option<Arc<Playbook>>, Error> {
        match self.playbook(conn, digest).await {
            Err(Error::Invalid { .. } | Error::Malformed(_)) => Ok(None),
            playbook => playbook.map(Some),
        }
    }
}

fn ids(rows: &[ExecutionRow]) -> Vec<Uuid> {
    rows.iter().map(|row| row.id).collect()
}

/// Puts the runs of steps to their executions, whose order stays.
fn joined(
    rows: Vec<ExecutionRow>,
    steps: Vec<StepRun>,
) -> impl Iterator<Item = (ExecutionRow, Vec<StepRun>)> {
    let mut of: HashMap<Uuid, Vec<StepRun>> = HashMap::new();
    for step in steps {
        of.entry(step.execution_id).or_default().push(step);
    }
    rows.into_iter().map(move |row| {
        let steps = of.remove(&row.id).unwrap_or_default();
        (row, steps)
    })
}
