//! What a manifest's signers sign, and what a manifest holds (specs/mig/loader.md §1, §2).

mod archive;
mod build;
mod tar;

pub use archive::{ArchiveError, Entry, Limits, read};
pub use build::{BuildError, Builder};

use crate::go_json::{write_list, write_string};
use sha2::{Digest, Sha256};

/// Lists the names of files that `mig-loader` knows where to put; it ignores others.
pub const KNOWN: [&str; 7] = [
    "mig-agent",
    "mig-loader",
    "configuration",
    "agentcert",
    "agentkey",
    "cacert",
    "loaderconfig",
];

/// Names the file that makes a manifest an order to go back: its content is the hex digest of the manifest to go back to
/// ([`digest`]). The name and the content are signed as those of every file are.
pub const ROLLBACK: &str = "writ-rollback";

/// Gives the signed string: JSON as Go writes it, without a newline. Each file is a name and the lower-case hex SHA-256 of its
/// content, in the order of the archive.
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
mod tests {
    use super::*;

    #[test]
    fn the_signed_string_is_that_of_the_original() {
        let files = [
            ("configuration", "2fd7d6dfbd4a9aee7cb847917f9dcdf6d68d8248d561810312000d32d6a56ab8"),
            ("mig-agent", "860a0d0c6f1170179eb069ebc5725783d1b56eea844015468262bffe487424e5"),
            ("agentcert", "489d969a85a540712e95e8b4fb52ccca764773b02083b8779088bbb66087f98c"),
        ];
        assert_eq!(
            signed_string(files),
            concat!(
                r#"{"loader_name":"","entries":[{"name":"configuration","sha256":"2fd7d6dfbd4a9aee7cb847917f9dcdf6d68d8248d561810312000d32d6a56ab8"},"#,
                r#"{"name":"mig-agent","sha256":"860a0d0c6f1170179eb069ebc5725783d1b56eea844015468262bffe487424e5"},"#,
                r#"{"name":"agentcert","sha256":"489d969a85a540712e95e8b4fb52ccca764773b02083b8779088bbb66087f98c"}],"signatures":[]}"#
            )
        );
        assert_eq!(signed_string([]), r#"{"loader_name":"","entries":null,"signatures":[]}"#);
        assert!(signed_string([("a<b>&\u{2028}\"", "00")]).contains(r#""a\u003cb\u003e\u0026\u2028\"""#));
    }
}
