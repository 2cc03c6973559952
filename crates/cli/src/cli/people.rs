//! What can be typed about investigators and the audit.

use super::Output;
use clap::Subcommand;
use std::path::PathBuf;
use types::{Permission, Permissions};

/// Lists what can be done with investigators.
#[derive(Debug, Subcommand)]
pub enum Investigator {
    /// List them.
    Ls(Output),
    /// Change who they are and what they may do.
    #[command(flatten)]
    Change(Change),
}

/// Lists what can be changed of investigators.
#[derive(Debug, Subcommand)]
pub enum Change {
    /// Create one; without a public key they work by API key alone.
    Add {
        /// Their name.
        #[arg(long)]
        name: String,
        /// Their armored public key; '-' is standard input.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// What they may do: names as for `permit`, joined by commas.
        #[arg(long, value_name = "NAMES", default_value = "default", value_parser = permissions)]
        permissions: Permissions,
    },
    /// Keep one out, everywhere and at once; signatures made before no longer count.
    Disable {
        /// Their number.
        id: i64,
    },
    /// Let one in again.
    Enable {
        /// Their number.
        id: i64,
    },
    /// Say what one may do; what is not named they may do no longer.
    Permit {
        /// Their number.
        id: i64,
        /// Permissions by name, or the sets default, loader-set, manifest-set, admin, all; joined by commas.
        #[arg(long, value_name = "NAMES", value_parser = permissions)]
        permissions: Permissions,
    },
    /// Make a new API key and print it, this once; the one before no longer counts.
    Apikey {
        /// Their number.
        id: i64,
        /// Take the key away instead.
        #[arg(long)]
        remove: bool,
    },
}

/// Lists what can be done with the audit.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check, where the database is, that no row was changed or taken out; prints the last row as ID:HASH.
    Verify {
        /// A last row as an earlier run printed it; it must still be there.
        #[arg(long, value_name = "ID:HASH")]
        noted: Option<String>,
    },
}

/// Reads names of permissions and of sets of them (specs/mig/auth.md §4).
fn permissions(text: &str) -> Result<Permissions, String> {
    let mut mask = 0;
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        mask |= match name {
            "default" => 63,
            "loader-set" => 1984,
            "manifest-set" => 63488,
            "admin" => 458_752,
            "all" => Permissions::all().0,
            _ => {
                let found = Permission::ALL.iter().find(|permission| permission.name() == name);
                found.map(|permission| permission.mask()).ok_or_else(|| unknown(name))?
            }
        };
    }
    Ok(Permissions(mask))
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = Permission::ALL.iter().map(|permission| permission.name()).collect();
    format!(
        "there is no permission '{name}'; there are default, loader-set, manifest-set, admin, all, {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_names_add_up() {
        assert_eq!(permissions("default, gateway_read").unwrap().0, 63 | (1 << 20));
        assert_eq!(permissions("default,loader-set,manifest-set,admin").unwrap().0, 524_287);
        assert_eq!(permissions("loader").unwrap().0, 64);
        assert_eq!(permissions("").unwrap().0, 0);
        assert!(permissions("serach").unwrap_err().contains("search"));
    }
}
