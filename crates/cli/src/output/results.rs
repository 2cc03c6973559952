//! What came back, in columns.

use super::elements;
use super::list::Rows;
use super::text::escape;
use super::views::{escaped, joined, when};
use crate::cli::Show;
use types::OperationResult;
use types::api::action::CommandView;

/// Is a command with what of it is to be shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The command.
    pub command: CommandView,
    /// Which of its results.
    pub show: Show,
    /// The modules of the operations, where they are known.
    pub modules: std::rc::Rc<[String]>,
}

impl Shown {
    /// Tells whether anything of the command is to be shown.
    pub fn is_wanted(&self) -> bool {
        self.show == Show::All
            || self.command.status != "success"
            || self.command.results.iter().any(|result| result.foundanything)
    }

    /// Gives the results that are to be shown, with their number from 1.
    fn results(&self) -> impl Iterator<Item = (usize, &OperationResult)> {
        let all = self.show == Show::All || self.command.status != "success";
        let numbered = self.command.results.iter().enumerate().map(|(at, result)| (at + 1, result));
        numbered.filter(move |(_, result)| all || result.foundanything)
    }

    fn operation(&self, number: usize) -> String {
        match self.modules.get(number - 1) {
            Some(module) => format!("{number} {}", escape(module)),
            None => number.to_string(),
        }
    }
}

fn errors(result: &OperationResult) -> impl Iterator<Item = &str> {
    result.errors.iter().flatten().map(String::as_str)
}

impl Rows for Shown {
    const TABLE: &'static [&'static str] = &["AGENT", "STATUS", "OPERATION", "FOUND", "RESULT"];
    const CSV: &'static [&'static str] = &[
        "command_id",
        "agent_id",
        "agent_name",
        "status",
        "finished",
        "operation",
        "found",
        "success",
        "elements",
        "errors",
    ];

    fn table(&self) -> Vec<Vec<String>> {
        let start = escaped(vec![self.command.agent_name.clone(), self.command.status.clone()]);
        let mut rows: Vec<Vec<String>> = self
            .results()
            .map(|(number, result)| {
                let found = if result.foundanything { "yes" } else { "no" };
                let mut lines = vec![elements::describe(&result.elements)];
                lines.extend(errors(result).map(|error| format!("error: {}", escape(error))));
                lines.retain(|line| !line.is_empty());
                let end = [self.operation(number), found.into(), lines.join("\n")];
                start.iter().cloned().chain(end).collect()
            })
            .collect();
        if rows.is_empty() {
            rows.push(start.into_iter().chain(std::iter::repeat_n(String::new(), 3)).collect());
        }
        rows
    }

    fn csv(&self) -> Vec<Vec<String>> {
        let command = &self.command;
        let start = vec![
            command.id.to_string(),
            command.agent_id.to_string(),
            command.agent_name.clone(),
            command.status.clone(),
            command.finished.map(when).unwrap_or_default(),
        ];
        let mut rows: Vec<Vec<String>> = self
            .results()
            .map(|(number, result)| {
                let end = [
                    number.to_string(),
                    result.foundanything.to_string(),
                    result.success.to_string(),
                    result.elements.to_string(),
                    joined(errors(result), "; "),
                ];
                start.iter().cloned().chain(end).collect()
            })
            .collect();
        if rows.is_empty() {
            rows.push(start.into_iter().chain(std::iter::repeat_n(String::new(), 5)).collect());
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::views::tests::{render_csv, render_table};
    use serde_json::json;
    use time::macros::datetime;
    use types::{AgentId, CommandId};

    fn command(id: i64, name: &str, status: &str, results: Vec<OperationResult>) -> CommandView {
        CommandView {
            id: CommandId(id),
            agent_id: AgentId(id * 10),
            agent_uid: None,
            agent_name: name.into(),
            status: status.into(),
            started: datetime!(2026-11-21 12:00:01 UTC),
            finished: Some(datetime!(2026-11-21 12:00:02.5 UTC)),
            results,
        }
    }

    fn result(found: bool, elements: serde_json::Value, errors: &[&str]) -> OperationResult {
        let errors = errors.iter().map(|error| (*error).to_owned()).collect();
        OperationResult {
            foundanything: found,
            success: true,
            elements,
            statistics: json!({}),
            errors: Some(errors),
        }
    }

    fn commands(show: Show) -> Vec<Shown> {
        let file = json!({"s1": [{"file": "/etc/passwd", "fileinfo": {"size": 12}}]});
        [
            command(
                1,
                "web-1",
                "success",
                vec![result(true, file, &[]), result(false, json!(null), &[])],
            ),
            command(2, "web-2", "success", vec![result(false, json!({}), &[])]),
            command(
                3,
                "=cmd|'/C calc'!A0",
                "failed",
                vec![result(
                    false,
                    json!("\u{1b}]0;owned\u{7}"),
                    &["no such module", "line\nbreak"],
                )],
            ),
            command(4, "db-1", "expired", vec![]),
        ]
        .into_iter()
        .map(|command| Shown {
            command,
            show,
            modules: std::rc::Rc::new(["file".into(), "ping".into()]),
        })
        .filter(Shown::is_wanted)
        .collect()
    }

    #[test]
    fn what_found_something_and_what_did_not_end_well() {
        insta::assert_snapshot!(render_table(&commands(Show::Found)), @r"
        AGENT              STATUS   OPERATION  FOUND  RESULT
        web-1              success  1 file     yes    /etc/passwd [size:12] in search s1
        =cmd|'/C calc'!A0  failed   1 file     no     \u{1b}]0;owned\u{7}
                                                      error: no such module
                                                      error: line\nbreak
        db-1               expired
        ");
    }

    #[test]
    fn everything() {
        insta::assert_snapshot!(render_table(&commands(Show::All)), @r"
        AGENT              STATUS   OPERATION  FOUND  RESULT
        web-1              success  1 file     yes    /etc/passwd [size:12] in search s1
        web-1              success  2 ping     no
        web-2              success  1 file     no     {}
        =cmd|'/C calc'!A0  failed   1 file     no     \u{1b}]0;owned\u{7}
                                                      error: no such module
                                                      error: line\nbreak
        db-1               expired
        ");
    }

    #[test]
    fn everything_as_csv() {
        insta::assert_snapshot!(render_csv(&commands(Show::All)), @r#"
        command_id,agent_id,agent_name,status,finished,operation,found,success,elements,errors
        1,10,web-1,success,2026-11-21T12:00:02Z,1,true,true,"{""s1"":[{""file"":""/etc/passwd"",""fileinfo"":{""size"":12}}]}",
        1,10,web-1,success,2026-11-21T12:00:02Z,2,false,true,null,
        2,20,web-2,success,2026-11-21T12:00:02Z,1,false,true,{},
        3,30,'=cmd|'/C calc'!A0,failed,2026-11-21T12:00:02Z,1,false,true,"""\u001b]0;owned\u0007""","no such module; line
        break"
        4,40,db-1,expired,2026-11-21T12:00:02Z,,,,,
        "#);
    }
}
