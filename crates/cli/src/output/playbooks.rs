//! The columns of playbooks and their runs.

use super::list::Rows;
use super::views::{escaped, when};
use types::api::playbook::{ExecutionView, PlaybookView};

impl Rows for PlaybookView {
    const TABLE: &'static [&'static str] = &["ID", "MODIFIED", "REVOKED", "NAME"];
    const CSV: &'static [&'static str] = &["id", "modified", "revoked", "name"];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        let revoked = self.revoked.to_string();
        vec![vec![self.id.clone(), when(self.modified), revoked, self.name.clone()]]
    }
}

impl Rows for ExecutionView {
    const TABLE: &'static [&'static str] = &["STEP", "RUN", "STATE", "STARTED", "ENDED", "DETAIL"];
    const CSV: &'static [&'static str] =
        &["execution", "step", "run", "state", "started", "ended", "detail"];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(|row| escaped(row.into_iter().skip(1).collect())).collect()
    }

    /// Gives the execution itself first, then the runs of its steps.
    fn csv(&self) -> Vec<Vec<String>> {
        let id = self.id.to_string();
        let ended = |at: Option<_>| at.map(when).unwrap_or_default();
        let mut rows = vec![vec![
            id.clone(),
            self.name.clone(),
            String::new(),
            self.state.clone(),
            when(self.started),
            ended(self.ended),
            self.reason.clone().unwrap_or_default(),
        ]];
        rows.extend(self.steps.iter().map(|step| {
            let name = if step.name.is_empty() { &step.step_id } else { &step.name };
            vec![
                id.clone(),
                name.clone(),
                step.run.to_string(),
                step.state.clone(),
                when(step.started),
                ended(step.ended),
                step.detail.clone().unwrap_or_default(),
            ]
        }));
        rows
    }
}
