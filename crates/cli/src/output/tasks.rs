//! The columns of teams and tasks.

use super::list::Rows;
use super::views::{escaped, when};
use types::api::task::TaskView;
use types::api::team::TeamView;

impl Rows for TeamView {
    const TABLE: &'static [&'static str] = &["ID", "NAME"];
    const CSV: &'static [&'static str] = &["id", "name"];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![self.id.to_string(), self.name.clone()]]
    }
}

impl Rows for TaskView {
    const TABLE: &'static [&'static str] =
        &["ID", "STATE", "MISSING", "CRON", "LAST RUN", "CREATED", "COMMAND"];
    const CSV: &'static [&'static str] = &[
        "id",
        "state",
        "missing",
        "cron",
        "last_run",
        "created",
        "command",
        "agent_id",
        "arguments",
    ];

    fn table(&self) -> Vec<Vec<String>> {
        let mut row = self.csv().concat();
        row.truncate(Self::TABLE.len());
        vec![escaped(row)]
    }

    fn csv(&self) -> Vec<Vec<String>> {
        let missing = match self.missing {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        vec![vec![
            self.id.to_string(),
            self.state.name().into(),
            missing.into(),
            self.cron.clone().unwrap_or_default(),
            self.last_run.map(when).unwrap_or_default(),
            when(self.created),
            self.command.clone(),
            self.agent_id.to_string(),
            serde_json::to_string(&self.arguments).unwrap_or_default(),
        ]]
    }
}

#[cfg(test)]
mod tests {
    use super::super::views::tests::{render_csv, render_table};
    use super::*;
    use serde_json::json;

    #[test]
    fn tasks_and_teams() {
        let id = "0190a1b2-0000-7000-8000-000000000001";
        let task = json!({
            "id": id, "agent_id": id, "command": format!("{id}.greet"), "cron": "*/5 * * * *",
            "arguments": {"n": 1}, "state": "offered", "attempts": 1, "created": "2026-11-21T12:00:00Z",
            "offered": null, "last_run": "2026-11-21T12:05:00.5Z", "missing": null, "due": null,
            "ended": null, "command_id": null,
        });
        let task: TaskView = serde_json::from_str(&task.to_string()).unwrap();
        insta::assert_snapshot!(render_table(std::slice::from_ref(&task)), @r"
        ID                                    STATE    MISSING  CRON         LAST RUN              CREATED               COMMAND
        0190a1b2-0000-7000-8000-000000000001  offered  unknown  */5 * * * *  2026-11-21T12:05:00Z  2026-11-21T12:00:00Z  0190a1b2-0000-7000-8000-000000000001.greet
        ");
        insta::assert_snapshot!(render_csv(&[task]), @r#"
        id,state,missing,cron,last_run,created,command,agent_id,arguments
        0190a1b2-0000-7000-8000-000000000001,offered,unknown,*/5 * * * *,2026-11-21T12:05:00Z,2026-11-21T12:00:00Z,0190a1b2-0000-7000-8000-000000000001.greet,0190a1b2-0000-7000-8000-000000000001,"{""n"":1}"
        "#);
        let team: TeamView =
            serde_json::from_value(json!({"id": id, "name": "bl\u{1b}ue"})).unwrap();
        insta::assert_snapshot!(render_table(&[team]), @r"
        ID                                    NAME
        0190a1b2-0000-7000-8000-000000000001  bl\u{1b}ue
        ");
    }
}
