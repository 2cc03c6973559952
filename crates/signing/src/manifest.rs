//! What a manifest's signers sign, and what a manifest holds (specs/mig/loader.md §1, §2).

mod archive;
mod build;
mod tar;

pub use archive::{ArchiveError, Entry, Limits, read};
pub use build::{BuildError, Builder};

use crate::go_json::{write_list, write_string};
use sha2::{Digest, Sha256};

/// Lists the names of files that `mig-loader` knows where to put; it ignores others.
pub const KNOWN: [&str; 7] =
    ["mig-agent", "mig-loader", "configuration", "agentcert", "agentkey", "cacert", "loaderconfig"];

/// Names the file that makes a manifest an order to go back: its content is the hex digest of the manifest to go back
/// to ([`digest`]). The name and the content are signed as those of every file are.
pub const ROLLBACK: &str = "writ-rollback";

/// Gives the signed string: JSON as Go writes it, without a newline. Each file is a name and the lower-case hex SHA-256
/// of its content, in the order of the archive.
pub fn signed_string<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let files: Vec<_> = files.into_iter().collect();
    let mut entries = String::new();
    if files.is_empty() {
        entries.push_str("null");
    } else {
        write_list(&mut entries, '[', ']', &files, |out, (name, sha256)| {
            out.push_str("{\"name\":");
            write_string(out, name);
            out.push_str(",\"sha256\":");
            write_string(out, sha256);
            out.push('}');
        });
    }
    format!("{{\"loader_name\":\"\",\"entries\":{entries},\"signatures\":[]}}")
}

/// Gives the lower-case hex SHA-256 of a signed string: manifests with the same digest install the same.
pub fn digest(signed_string: &str) -> String {
    hex::encode(Sha256::digest(signed_string))
}

#[cfg(test)]
mod tests;
