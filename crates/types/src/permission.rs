//! What an investigator may do: MIG's nineteen permissions and Writ's own from bit 20 on.
//!
//! Sources: specs/mig/auth.md §4 for names, bits and the order on the wire; design surface §4 for the newer ones.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use std::collections::BTreeMap;

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $bit:literal, $name:literal;)*) => {
        /// Names one right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Permission { $($(#[$doc])* $variant,)* }

        impl Permission {
            /// Lists every permission in the order in which MIG writes them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Gives the name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Gives the value in the mask.
            pub fn mask(self) -> i64 {
                match self { $(Self::$variant => 1 << $bit,)* }
            }
        }
    };
}

permissions! {
    /// `GET /search`.
    Search = 0, "search";
    /// `GET /action`, and reading `/v1/actions`.
    Action = 1, "action";
    /// `POST /action/create/`, `POST /v1/actions`, cancelling.
    ActionCreate = 2, "action_create";
    /// `GET /command`.
    Command = 3, "command";
    /// `GET /agent`, and the preview of a target.
    Agent = 4, "agent";
    /// `GET /dashboard`.
    Dashboard = 5, "dashboard";
    /// `GET /loader`.
    Loader = 6, "loader";
    /// `POST /loader/status/`.
    LoaderStatus = 7, "loader_status";
    /// `POST /loader/expect/`.
    LoaderExpect = 8, "loader_expect";
    /// `POST /loader/key/`.
    LoaderKey = 9, "loader_key";
    /// `POST /loader/new/`.
    LoaderNew = 10, "loader_new";
    /// `GET /manifest`.
    Manifest = 11, "manifest";
    /// `POST /manifest/sign/`.
    ManifestSign = 12, "manifest_sign";
    /// `POST /manifest/status/`.
    ManifestStatus = 14, "manifest_status";
    /// `POST /manifest/new/`.
    ManifestNew = 13, "manifest_new";
    /// `GET /manifest/loaders/`.
    ManifestLoaders = 15, "manifest_loaders";
    /// `GET /investigator`.
    Investigator = 16, "investigator";
    /// `POST /investigator/create/`.
    InvestigatorCreate = 17, "investigator_create";
    /// `POST /investigator/update/`.
    InvestigatorUpdate = 18, "investigator_update";
    /// Reading `/v1` of agent-gateway.
    GatewayRead = 20, "gateway_read";
    /// Changing anything under `/v1` of agent-gateway, approving devices included.
    GatewayWrite = 21, "gateway_write";
    /// Reading `/manual` and `/v1/steps`.
    ManualRead = 22, "manual_read";
    /// Answering, claiming and commenting on manual steps.
    ManualRespond = 23, "manual_respond";
    /// Reading playbooks, executions and reports.
    PlaybookRead = 24, "playbook_read";
    /// Storing playbooks.
    PlaybookWrite = 25, "playbook_write";
    /// Triggering and cancelling executions.
    PlaybookRun = 26, "playbook_run";
}

/// Holds a set of permissions as MIG's bit mask; on the wire an object of booleans, all names always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(
    /// The mask as the database keeps it.
    pub i64,
);

impl Permissions {
    /// Gives the set of all permissions.
    pub fn all() -> Self {
        Self(Permission::ALL.iter().fold(0, |mask, permission| mask | permission.mask()))
    }

    /// Tells whether `permission` is in the set.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & permission.mask() != 0
    }

    /// Tells whether the set makes an administrator: one who can read and update investigators.
    pub fn administers(self) -> bool {
        self.has(Permission::Investigator) && self.has(Permission::InvestigatorUpdate)
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Permission::ALL.len()))?;
        for permission in Permission::ALL {
            map.serialize_entry(permission.name(), &self.has(*permission))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = BTreeMap::<String, bool>::deserialize(deserializer)?;
        let set = Permission::ALL.iter().filter(|p| given.get(p.name()).copied().unwrap_or(false));
        Ok(Self(set.fold(0, |mask, permission| mask | permission.mask())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_nineteen_make_migs_full_mask() {
        let mig = Permission::ALL.iter().filter(|p| p.mask() < 1 << 19);
        assert_eq!(mig.fold(0, |mask, p| mask | p.mask()), 524_287);
    }

    #[test]
    fn the_wire_form_comes_back_as_the_same_mask() {
        for mask in [0, 63, 1 << 14, Permissions::all().0] {
            let text = serde_json::to_string(&Permissions(mask)).unwrap();
            assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap().0, mask, "{text}");
        }
    }
}
