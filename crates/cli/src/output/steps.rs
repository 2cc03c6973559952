//! The columns of manual steps.

use super::list::Rows;
use super::views::{escaped, joined, when};
use types::api::step::StepView;

impl Rows for StepView {
    const TABLE: &'static [&'static str] =
        &["ID", "STATE", "NAME", "PLAYBOOK", "DEADLINE", "ASSIGNEE", "ASKS FOR", "ANSWERED BY"];
    const CSV: &'static [&'static str] = &[
        "id",
        "state",
        "name",
        "playbook_name",
        "deadline",
        "assignee",
        "out_args",
        "answered_by",
    ];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        let asked = self.out_args.iter().filter(|arg| !arg.constant);
        vec![vec![
            self.id.to_string(),
            self.state.name().to_owned(),
            if self.name.is_empty() { self.step_id.clone() } else { self.name.clone() },
            self.playbook_name.clone(),
            when(self.deadline),
            self.assignee.clone().unwrap_or_default(),
            joined(asked.map(|arg| format!("{}:{}", arg.name, arg.kind)), " "),
            self.answered_by.clone().unwrap_or_default(),
        ]]
    }
}
