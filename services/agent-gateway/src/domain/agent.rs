//! Agents, and what may be said of one by people and by itself.

use super::text;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;
use types::api::agent::{AgentPatch, AgentView};
use types::api::device::Approval;
use types::api::problem::Fault;
use types::api::work::AgentReport;
use types::messages::AgentChanged;
use types::{AgentId, AgentStatus, AgentUid, Environment, PluginId, TeamId, Transport};

/// Is the most that a name may have, in bytes.
pub(super) const NAME_BYTES: usize = 1_024;
/// Is the most that a version may have, in bytes.
pub(super) const VERSION_BYTES: usize = 128;
const TAGS: usize = 64;
const TAG_NAME_BYTES: usize = 128;
const TAG_VALUE_BYTES: usize = 1_024;
const PLUGINS: usize = 256;
const LIST_ITEMS: usize = 1_024;
const WORD_BYTES: usize = 1_024;

/// Is an agent with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    /// The number, as MIG's clients know it.
    pub number: AgentId,
    /// The public id.
    pub id: AgentUid,
    /// The name given at approval.
    pub name: String,
    /// The lasting identity of the machine's agent.
    pub queueloc: String,
    /// Which language it speaks.
    pub transport: Transport,
    /// `daemon`, `checkin` or empty.
    pub(crate) mode: String,
    /// The program's version.
    pub version: String,
    /// The process id.
    pub pid: i64,
    /// How alive it is.
    pub status: AgentStatus,
    /// The machine as it reported it: `modules` are the built-in ones.
    pub reported: Environment,
    /// Labels given by people.
    pub tags: BTreeMap<String, String>,
    /// The loader that installed it.
    pub loader_name: String,
    /// Its team.
    pub team: Option<TeamId>,
    /// The plugins assigned to it.
    pub plugins: Vec<PluginId>,
    /// Their command keys.
    pub commands: BTreeSet<String>,
    /// When it was enrolled.
    pub started: OffsetDateTime,
    /// When it was last heard.
    pub last_seen: OffsetDateTime,
    /// When it last described its machine.
    pub refreshed: OffsetDateTime,
    /// When a person revoked it.
    pub revoked_at: Option<OffsetDateTime>,
    /// Grows with each change.
    pub revision: i64,
    /// The address that it is known by, where agents are known by address.
    pub address: Option<String>,
    /// Since when another process of the same queue location is heard beside this one.
    pub conflict_since: Option<OffsetDateTime>,
}

impl Agent {
    /// Begins an agent that a person approved and that was not heard yet.
    pub(crate) fn enrolled(
        id: AgentUid,
        approval: Approval,
        address: Option<String>,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            number: AgentId(0),
            id,
            name: approval.name,
            queueloc: format!("writ.{}", id.0.simple()),
            transport: Transport::Writ,
            mode: String::new(),
            version: String::new(),
            pid: 0,
            status: AgentStatus::Offline,
            reported: Environment::default(),
            tags: approval.tags,
            loader_name: String::new(),
            team: approval.team_id,
            plugins: approval.plugins,
            commands: BTreeSet::new(),
            started: now,
            last_seen: now,
            refreshed: now,
            revoked_at: None,
            revision: 1,
            address,
            conflict_since: None,
        }
    }

    /// Shows it to people.
    pub(crate) fn view(self) -> AgentView {
        AgentView {
            id: self.id,
            number: self.number,
            name: self.name,
            team_id: self.team,
            transport: self.transport,
            status: self.status,
            last_seen: self.last_seen,
            plugins: self.plugins,
            tags: self.tags,
            address: self.address,
            conflict_since: self.conflict_since,
            revoked: self.revoked_at,
        }
    }

    /// Tells the house of it; the modules are what can be run there now.
    pub(crate) fn changed(self) -> AgentChanged {
        AgentChanged {
            number: self.number,
            id: self.id,
            name: self.name,
            queueloc: self.queueloc,
            transport: self.transport,
            mode: self.mode,
            version: self.version,
            pid: self.pid,
            status: self.status,
            environment: effective_environment(self.reported, &self.commands),
            tags: self.tags,
            loader_name: self.loader_name,
            team: self.team,
            plugins: self.plugins,
            started: self.started,
            last_seen: self.last_seen,
            refreshed: self.refreshed,
            conflict_since: self.conflict_since,
            revision: self.revision,
        }
    }
}

/// Checks what a person says when approving a device.
pub(crate) fn check_approval(approval: &Approval) -> Vec<Fault> {
    let mut faults = Vec::new();
    text::check(&mut faults, "/name", &approval.name, 1..=NAME_BYTES);
    check_tags(&mut faults, &approval.tags);
    check_count(&mut faults, "/plugins", approval.plugins.len(), PLUGINS);
    faults
}

/// Checks what a person changes.
pub(crate) fn check_patch(patch: &AgentPatch) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(name) = &patch.name {
        text::check(&mut faults, "/name", name, 1..=NAME_BYTES);
    }
    if let Some(tags) = &patch.tags {
        check_tags(&mut faults, tags);
    }
    faults
}

/// Checks how many plugins a person assigns.
pub(crate) fn check_plugins(count: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_count(&mut faults, "", count, PLUGINS);
    faults
}

/// Checks how an agent describes itself.
pub(crate) fn check_report(report: &AgentReport) -> Vec<Fault> {
    let mut faults = Vec::new();
    text::check(&mut faults, "/version", &report.version, 0..=VERSION_BYTES);
    let environment = &report.environment;
    for (name, word) in [
        ("init", &environment.init),
        ("ident", &environment.ident),
        ("os", &environment.os),
        ("arch", &environment.arch),
        ("proxy", &environment.proxy),
        ("publicip", &environment.publicip),
    ] {
        text::check(&mut faults, &format!("/environment/{name}"), word, 0..=WORD_BYTES);
    }
    for (name, words) in [("addresses", &environment.addresses), ("modules", &environment.modules)]
    {
        check_count(&mut faults, &format!("/environment/{name}"), words.len(), LIST_ITEMS);
        for (at, word) in words.iter().enumerate() {
            let pointer = format!("/environment/{name}/{at}");
            text::check(&mut faults, &pointer, word, 1..=WORD_BYTES);
        }
    }
    check_count(&mut faults, "/environment/aws", environment.aws.len(), LIST_ITEMS);
    for (name, value) in &environment.aws {
        let pointer = format!("/environment/aws/{}", text::step(name));
        text::check(&mut faults, &pointer, name, 1..=WORD_BYTES);
        text::check(&mut faults, &pointer, value, 0..=WORD_BYTES);
    }
    faults
}

/// Gives what can be run on an agent now: its built-in modules and the commands of its plugins.
fn effective_environment(reported: Environment, commands: &BTreeSet<String>) -> Environment {
    let modules: BTreeSet<String> =
        reported.modules.into_iter().chain(commands.iter().cloned()).collect();
    Environment { modules: modules.into_iter().collect(), ..reported }
}

fn check_tags(faults: &mut Vec<Fault>, tags: &BTreeMap<String, String>) {
    check_count(faults, "/tags", tags.len(), TAGS);
    for (name, value) in tags {
        let pointer = format!("/tags/{}", text::step(name));
        text::check(faults, &pointer, name, 1..=TAG_NAME_BYTES);
        text::check(faults, &pointer, value, 0..=TAG_VALUE_BYTES);
    }
}

fn check_count(faults: &mut Vec<Fault>, pointer: &str, count: usize, most: usize) {
    if count > most {
        let detail = format!("holds {count} entries; at most {most} are allowed");
        faults.push(Fault { pointer: pointer.into(), detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(faults: &[Fault]) -> Vec<&str> {
        faults.iter().map(|fault| fault.pointer.as_str()).collect()
    }

    #[test]
    fn every_wrong_member_is_pointed_at() {
        let approval = Approval {
            name: String::new(),
            tags: BTreeMap::from([("a/b".into(), "\0".into()), ("good".into(), String::new())]),
            ..Approval::default()
        };
        assert_eq!(pointers(&check_approval(&approval)), ["/name", "/tags/a~1b"]);
        assert_eq!(check_patch(&AgentPatch::default()), []);
        assert_eq!(pointers(&check_plugins(257)), [""]);
        let many = (0..65).map(|n| (n.to_string(), String::new())).collect();
        let patch = AgentPatch { tags: Some(many), ..AgentPatch::default() };
        assert_eq!(pointers(&check_patch(&patch)), ["/tags"]);
    }

    #[test]
    fn a_report_is_bounded() {
        let environment = Environment {
            os: "\0".into(),
            modules: vec!["file".into(), String::new()],
            aws: BTreeMap::from([("zone".into(), "x".repeat(2_000))]),
            ..Environment::default()
        };
        let report = AgentReport { version: "v".repeat(129), pid: 1, environment };
        assert_eq!(
            pointers(&check_report(&report)),
            ["/version", "/environment/os", "/environment/modules/1", "/environment/aws/zone"]
        );
    }

    #[test]
    fn plugin_commands_join_the_modules_once() {
        let reported =
            Environment { modules: vec!["file".into(), "a.b".into()], ..Environment::default() };
        let commands = BTreeSet::from(["a.b".to_owned(), "c.d".to_owned()]);
        assert_eq!(effective_environment(reported, &commands).modules, ["a.b", "c.d", "file"]);
    }
}
