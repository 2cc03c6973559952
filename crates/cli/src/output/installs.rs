//! The columns of loaders and manifests.

use super::list::Rows;
use super::views::{escaped, joined, when};
use types::api::loader::LoaderView;
use types::api::manifest::{ManifestView, RolloutItem};

impl Rows for LoaderView {
    const TABLE: &'static [&'static str] =
        &["ID", "NAME", "ENABLED", "AGENT", "QUEUELOC", "MANIFEST", "SEEN", "EXPECTS"];
    const CSV: &'static [&'static str] = &[
        "id",
        "name",
        "enabled",
        "agent_name",
        "queueloc",
        "manifest_id",
        "last_seen",
        "expect_env",
    ];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.id.to_string(),
            self.name.clone(),
            self.enabled.to_string(),
            self.agent_name.clone().unwrap_or_default(),
            self.queueloc.clone().unwrap_or_default(),
            self.manifest_id.map(|id| id.to_string()).unwrap_or_default(),
            when(self.last_seen),
            self.expect_env.clone().unwrap_or_default(),
        ]]
    }
}

impl Rows for ManifestView {
    const TABLE: &'static [&'static str] =
        &["ID", "NAME", "STATUS", "SIGNERS", "FILES", "CREATED", "EXPIRES", "TARGET"];
    const CSV: &'static [&'static str] =
        &["id", "name", "status", "signers", "files", "created", "expires", "target"];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.id.to_string(),
            self.name.clone(),
            self.status.name().to_owned(),
            format!("{}/{}", self.signers, self.signers_required),
            joined(self.files.iter().map(|file| &file.name), " "),
            when(self.created),
            self.expires.map(when).unwrap_or_default(),
            self.target.clone(),
        ]]
    }
}

impl Rows for RolloutItem {
    const TABLE: &'static [&'static str] =
        &["LOADER", "NAME", "AGENT", "STATE", "CURRENT", "SEEN", "OFFERED", "CHANGED"];
    const CSV: &'static [&'static str] =
        &["loader_id", "name", "agent_name", "state", "current", "last_seen", "offered", "changed"];

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.loader_id.to_string(),
            self.name.clone(),
            self.agent_name.clone().unwrap_or_default(),
            self.state.clone(),
            self.current.to_string(),
            when(self.last_seen),
            self.offered.map(when).unwrap_or_default(),
            self.changed.map(when).unwrap_or_default(),
        ]]
    }
}
