//! The columns of each document.

use super::list::Rows;
use super::text::escape;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::api::action::ActionView;
use types::api::agent::AgentView;
use types::api::device::PendingCode;
use types::api::plugin::PluginView;

pub(super) fn when(at: OffsetDateTime) -> String {
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole.format(&Rfc3339).unwrap_or_default()
}

pub(super) fn joined<T: ToString>(parts: impl IntoIterator<Item = T>, by: &str) -> String {
    parts.into_iter().map(|part| part.to_string()).collect::<Vec<_>>().join(by)
}

pub(super) fn escaped(cells: Vec<String>) -> Vec<String> {
    cells.into_iter().map(|cell| escape(&cell).into_owned()).collect()
}

impl Rows for ActionView {
    const TABLE: &'static [&'static str] = &[
        "ID",
        "STATUS",
        "TARGETED",
        "WAITING",
        "DELIVERED",
        "SUCCESS",
        "FAILED",
        "TIMEOUT",
        "EXPIRED",
        "CANCELLED",
        "EXPIRES",
        "NAME",
        "REASON",
    ];
    const CSV: &'static [&'static str] = &[
        "id",
        "status",
        "targeted",
        "waiting",
        "delivered",
        "success",
        "failed",
        "timeout",
        "expired",
        "cancelled",
        "expire_after",
        "name",
        "reason",
    ];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        let counters = self.counters;
        let mut row = vec![self.id.to_string(), self.status.clone()];
        row.extend(
            [
                counters.targeted,
                counters.waiting,
                counters.delivered,
                counters.success,
                counters.failed,
                counters.timeout,
                counters.expired,
                counters.cancelled,
            ]
            .map(|count| count.to_string()),
        );
        row.extend([when(self.expire_after), self.name.clone()]);
        row.push(self.reason.clone().unwrap_or_default());
        vec![row]
    }
}

impl Rows for AgentView {
    const TABLE: &'static [&'static str] =
        &["NUMBER", "NAME", "STATUS", "TRANSPORT", "LAST SEEN", "PLUGINS", "TAGS", "ID"];
    const CSV: &'static [&'static str] =
        &["number", "name", "status", "transport", "last_seen", "plugins", "tags", "id", "team_id"];

    fn table(&self) -> Vec<Vec<String>> {
        let mut row = self.csv().concat();
        row.truncate(Self::TABLE.len());
        if let Some(plugins) = row.get_mut(5) {
            *plugins = self.plugins.len().to_string();
        }
        vec![escaped(row)]
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.number.to_string(),
            self.name.clone(),
            if self.revoked.is_some() { "revoked" } else { self.status.name() }.into(),
            self.transport.name().into(),
            when(self.last_seen),
            joined(&self.plugins, " "),
            joined(self.tags.iter().map(|(name, value)| format!("{name}={value}")), " "),
            self.id.to_string(),
            joined(self.team_id, ""),
        ]]
    }
}

impl Rows for PluginView {
    const TABLE: &'static [&'static str] = &["ID", "NAME", "VERSION", "COMMANDS"];
    const CSV: &'static [&'static str] =
        &["id", "name", "version", "commands", "description", "hash"];

    fn table(&self) -> Vec<Vec<String>> {
        let commands = self.commands.keys().map(|key| escape(key));
        let mut row =
            escaped(vec![self.id.to_string(), self.name.clone(), self.version.to_string()]);
        row.push(joined(commands, "\n"));
        vec![row]
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.id.to_string(),
            self.name.clone(),
            self.version.to_string(),
            joined(self.commands.keys(), " "),
            self.description.clone(),
            self.hash.clone(),
        ]]
    }
}

impl Rows for PendingCode {
    const TABLE: &'static [&'static str] =
        &["CODE", "CLIENT", "ADDRESS", "USER AGENT", "CREATED", "EXPIRES"];
    const CSV: &'static [&'static str] =
        &["user_code", "client_id", "address", "user_agent", "created", "expires"];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.user_code.clone(),
            self.client_id.clone(),
            self.address.clone(),
            self.user_agent.clone(),
            when(self.created),
            when(self.expires),
        ]]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::outcome::tests::{action, counters};
    use crate::output::{csv, table};
    use serde_json::json;

    pub(crate) fn render_table<T: Rows>(items: &[T]) -> String {
        table::render(T::TABLE, items.iter().flat_map(Rows::table).collect(), false)
    }

    pub(crate) fn render_csv<T: Rows>(items: &[T]) -> String {
        let rows = items.iter().flat_map(Rows::csv);
        csv::row(T::CSV) + &rows.map(|row| csv::row(&row)).collect::<String>()
    }

    #[test]
    fn an_action() {
        let mut action = action("completed", counters([2, 1, 0, 0, 0]));
        action.name = "find\u{1b}it".into();
        insta::assert_snapshot!(render_table(&[action.clone()]), @r"
        ID  STATUS     TARGETED  WAITING  DELIVERED  SUCCESS  FAILED  TIMEOUT  EXPIRED  CANCELLED  EXPIRES               NAME          REASON
        7   completed  3         0        0          2        1       0        0        0          2026-11-21T12:05:00Z  find\u{1b}it
        ");
        action.name = "=find, it".into();
        insta::assert_snapshot!(render_csv(&[action]), @r#"
        id,status,targeted,waiting,delivered,success,failed,timeout,expired,cancelled,expire_after,name,reason
        7,completed,3,0,0,2,1,0,0,0,2026-11-21T12:05:00Z,"'=find, it",
        "#);
    }

    #[test]
    fn agents_plugins_and_codes() {
        let agent: AgentView = serde_json::from_value(json!({
            "id": "0190a1b2-0000-7000-8000-000000000001", "number": 3, "name": "web-1", "team_id": null,
            "transport": "writ", "status": "online", "last_seen": "2026-11-21T12:00:00.25Z",
            "plugins": ["0190a1b2-0000-7000-8000-000000000002"], "tags": {"role": "demo", "env": "prod"},
        }))
        .unwrap();
        insta::assert_snapshot!(render_table(std::slice::from_ref(&agent)), @r"
        NUMBER  NAME   STATUS  TRANSPORT  LAST SEEN             PLUGINS  TAGS                ID
        3       web-1  online  writ       2026-11-21T12:00:00Z  1        env=prod role=demo  0190a1b2-0000-7000-8000-000000000001
        ");
        insta::assert_snapshot!(render_csv(&[agent]), @r"
        number,name,status,transport,last_seen,plugins,tags,id,team_id
        3,web-1,online,writ,2026-11-21T12:00:00Z,0190a1b2-0000-7000-8000-000000000002,env=prod role=demo,0190a1b2-0000-7000-8000-000000000001,
        ");
        let plugin: PluginView = serde_json::from_value(json!({
            "id": "0190a1b2-0000-7000-8000-000000000002", "name": "greeter", "version": "1",
            "description": "", "hash": "ab", "commands": {
                "0190a1b2-0000-7000-8000-000000000002.bye": {"id": "x", "name": "bye", "function": "bye"},
                "0190a1b2-0000-7000-8000-000000000002.hi": {"id": "x", "name": "hi", "function": "hi"},
            },
        }))
        .unwrap();
        insta::assert_snapshot!(render_table(std::slice::from_ref(&plugin)), @r"
        ID                                    NAME     VERSION  COMMANDS
        0190a1b2-0000-7000-8000-000000000002  greeter  1        0190a1b2-0000-7000-8000-000000000002.bye
                                                                0190a1b2-0000-7000-8000-000000000002.hi
        ");
        insta::assert_snapshot!(render_csv(&[plugin]), @r"
        id,name,version,commands,description,hash
        0190a1b2-0000-7000-8000-000000000002,greeter,1,0190a1b2-0000-7000-8000-000000000002.bye 0190a1b2-0000-7000-8000-000000000002.hi,,ab
        ");
        let code: PendingCode = serde_json::from_value(json!({
            "user_code": "ABCD-EFGH", "client_id": "agent", "address": "10.0.0.1", "user_agent": "x/1",
            "created": "2026-11-21T12:00:00Z", "expires": "2026-11-21T12:10:00Z",
        }))
        .unwrap();
        insta::assert_snapshot!(render_table(std::slice::from_ref(&code)), @r"
        CODE       CLIENT  ADDRESS   USER AGENT  CREATED               EXPIRES
        ABCD-EFGH  agent   10.0.0.1  x/1         2026-11-21T12:00:00Z  2026-11-21T12:10:00Z
        ");
        insta::assert_snapshot!(render_csv(&[code]), @r"
        user_code,client_id,address,user_agent,created,expires
        ABCD-EFGH,agent,10.0.0.1,x/1,2026-11-21T12:00:00Z,2026-11-21T12:10:00Z
        ");
    }
}
