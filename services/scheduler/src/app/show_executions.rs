//! Shows executions with their steps.

use super::App;
use super::cancel_execution::no_execution;
use crate::domain::execution::StepRun;
use crate::domain::playbook::Playbook;
use crate::error::Error;
use crate::store::executions::{ExecutionRow, execution_get, executions_list, steps_of};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Says how many runs of steps are shown.
const SHOWN: i64 = 10_000;

/// Is an execution as it is shown.
pub(crate) struct Shown {
    pub(crate) row: ExecutionRow,
    pub(crate) steps: Vec<StepRun>,
    pub(crate) playbook: Arc<Playbook>,
}

impl App {
    /// Gives one execution with the runs of its steps.
    pub(crate) async fn show_execution(&self, id: Uuid) -> Result<Shown, Error> {
        let mut conn = self.store.get().await?;
        let row = execution_get(&mut conn, id).await?.ok_or_else(|| no_execution(id))?;
        let steps = steps_of(&mut conn, &[id], SHOWN).await?;
        let playbook = self.playbook(&mut conn, &row.digest).await?;
        Ok(Shown { row, steps, playbook })
    }

    /// Lists executions with the runs of their steps, newest first.
    pub(crate) async fn list_executions(
        &self,
        playbook: Option<&str>,
        state: Option<&str>,
        before: Uuid,
        limit: i64,
    ) -> Result<Vec<Shown>, Error> {
        let mut conn = self.store.get().await?;
        let rows = executions_list(&mut conn, playbook, state, before, limit).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let mut steps: HashMap<Uuid, Vec<StepRun>> = HashMap::new();
        for step in steps_of(&mut conn, &ids, SHOWN).await? {
            steps.entry(step.execution_id).or_default().push(step);
        }
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            let steps = steps.remove(&row.id).unwrap_or_default();
            let playbook = self.playbook(&mut conn, &row.digest).await?;
            shown.push(Shown { row, steps, playbook });
        }
        Ok(shown)
    }
}
