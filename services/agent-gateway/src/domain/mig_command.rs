//! Commands as MIG agents read them (specs/mig/scheduler-agent.md §2; captures/amqp/scheduler.c2s.txt).

use super::agent::Agent;
use serde::Serialize;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use types::action::ActionError;
use types::{Action, ActionId, CommandId, OperationResult, instant};

/// Is the longest time that RabbitMQ takes, in milliseconds: 2^32 - 1.
const LONGEST: i128 = 4_294_967_295;

/// Is what all commands of an action have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The action, as JSON.
    action: String,
    /// One empty result per operation, as JSON.
    results: String,
    /// The module of each operation.
    pub modules: Vec<String>,
    /// How long a queue may keep a command, in milliseconds.
    pub expiration: String,
}

/// Is an agent as a command tells of it.
#[derive(Serialize)]
#[serde(transparent)]
struct Addressee(types::Agent);

impl Order {
    /// Makes what is common out of an action's document: who signed it is not told, `sent` commands were made at
    /// `started`.
    pub(crate) fn of(
        document: &str,
        id: ActionId,
        started: OffsetDateTime,
        sent: i64,
    ) -> Result<Self, ActionError> {
        let mut action = Action::parse(document.as_bytes())?;
        action.id = id;
        action.status = "preparing".into();
        action.starttime = started;
        action.counters.sent = sent;
        let time = action.expireafter - action.validfrom;
        let expiration = time.whole_milliseconds().clamp(0, LONGEST).to_string();
        let operations = action.operations.iter().flatten();
        let modules: Vec<String> = operations.map(|operation| operation.module.clone()).collect();
        let results = serde_json::to_string(&vec![OperationResult::default(); modules.len()])?;
        Ok(Self { action: serde_json::to_string(&action)?, results, modules, expiration })
    }

    /// Gives a module that an operation needs and an agent with these does not have.
    pub(crate) fn lacking(&self, has: &BTreeSet<String>) -> Option<&str> {
        self.modules.iter().find(|module| !has.contains(*module)).map(String::as_str)
    }

    /// Writes the command for one agent, members in the original's order.
    pub(crate) fn command(
        &self,
        id: CommandId,
        agent: &Agent,
        now: OffsetDateTime,
    ) -> Result<String, serde_json::Error> {
        let times = serde_json::to_string(&Times { starttime: now, finishtime: instant::NONE })?;
        let times = times.strip_prefix('{').unwrap_or(&times);
        Ok(format!(
            "{{\"id\":{id},\"action\":{},\"agent\":{},\"status\":\"sent\",\"results\":{},{times}",
            self.action,
            serde_json::to_string(&Addressee(addressee(agent)))?,
            self.results,
        ))
    }
}

#[derive(Serialize)]
struct Times {
    #[serde(with = "time::serde::rfc3339")]
    starttime: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    finishtime: OffsetDateTime,
}

fn addressee(agent: &Agent) -> types::Agent {
    types::Agent {
        id: agent.number,
        name: agent.name.clone(),
        queueloc: agent.queueloc.clone(),
        mode: agent.mode.clone(),
        version: agent.version.clone(),
        pid: agent.pid,
        loadername: agent.loader_name.clone(),
        starttime: agent.started,
        destructiontime: instant::FAR,
        heartbeatts: agent.last_seen,
        refreshts: agent.refreshed,
        status: agent.status.name().into(),
        environment: agent.reported.clone(),
        tags: agent.tags.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use time::macros::datetime;
    use types::api::device::Approval;
    use types::{AgentUid, Transport};
    use uuid::Uuid;

    const AT: OffsetDateTime = datetime!(2026-11-21 18:30:14.872971 UTC);

    fn document(from: &str, until: &str) -> String {
        json!({"name": "n", "target": "t", "validfrom": from, "expireafter": until, "syntaxversion": 2,
            "operations": [{"module": "file", "parameters": {"a": 1e21}}, {"module": "ping"}],
            "pgpsignatures": ["wsBc=Qixo"], "investigators": [{"id": 1}], "status": "completed"})
        .to_string()
    }

    #[test]
    fn a_command_is_the_originals() {
        let text = document("2026-11-21T18:29:09.457498Z", "2026-11-21T18:35:09.457498Z");
        let order = Order::of(&text, ActionId(7), AT, 3).unwrap();
        assert_eq!(order.expiration, "360000");
        let approval = Approval { name: "a1.example.net".into(), ..Approval::default() };
        let mut agent = Agent::enrolled(AgentUid(Uuid::nil()), approval, None, AT);
        agent.transport = Transport::Mig;
        agent.queueloc = "linux.a".into();
        agent.pid = 16_248;
        agent.number = types::AgentId(9);
        let text = order.command(CommandId(5), &agent, AT).unwrap();
        let order_of = |names: &[&str]| {
            let places: Vec<_> =
                names.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
            assert!(places.is_sorted(), "{text}");
        };
        order_of(&["id", "action", "agent", "results"]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["id"], 5);
        assert_eq!(value["status"], "sent");
        assert_eq!(value["finishtime"], "0001-01-01T00:00:00Z");
        assert_eq!(value["starttime"], "2026-11-21T18:30:14.872971Z");
        let action = &value["action"];
        assert_eq!(
            (action["id"].as_i64(), action["status"].as_str()),
            (Some(7), Some("preparing"))
        );
        assert_eq!(action["counters"], json!({"sent": 3}));
        assert_eq!(action.get("investigators"), None);
        assert_eq!(action["finishtime"], "0001-01-01T00:00:00Z");
        let zero = json!({"foundanything": false, "success": false, "elements": null, "statistics": null, "errors": null});
        assert_eq!(value["results"], json!([zero, zero]));
        assert_eq!(value["agent"]["pid"], 16_248);
        assert_eq!(value["agent"]["destructiontime"], "9998-01-11T11:11:11Z");
        assert_eq!(value["agent"]["environment"]["aws"], json!({}));
    }

    #[test]
    fn a_queue_keeps_no_command_for_ever() {
        for (from, until, want) in [
            ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "4294967295"),
            ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "0"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.0019Z", "1"),
        ] {
            let order = Order::of(&document(from, until), ActionId(7), AT, 1).unwrap();
            assert_eq!(order.expiration, want);
        }
    }
}
