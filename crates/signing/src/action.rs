//! The string that an action's signers sign (specs/mig/data-model.md §3.1).

use crate::go_json::{write, write_list, write_string};
use sha2::{Digest, Sha256};
use types::{Action, Operation};

/// Gives the signed string of `action`, exact to the byte; it ends in `;`, without a newline.
///
/// Name and target stand in it as they are. `%!s(int64=…)` is a slip of formatting in the original that every client
/// and agent has agreed on since. Id, description, threat and syntax version are not covered.
pub fn signed_string(action: &Action) -> String {
    let mut operations = String::new();
    match &action.operations {
        None => operations.push_str("null"),
        Some(list) => write_list(&mut operations, '[', ']', list, write_operation),
    }
    format!(
        "name={};target={};validfrom={};expireafter=%!s(int64={});operations={operations};",
        action.name,
        action.target,
        action.validfrom.unix_timestamp(),
        action.expireafter.unix_timestamp(),
    )
}

/// Gives the SHA-256 of the signed string: two documents with the same digest are the same order.
pub fn digest(action: &Action) -> [u8; 32] {
    Sha256::digest(signed_string(action)).into()
}

fn write_operation(out: &mut String, operation: &Operation) {
    out.push_str("{\"module\":");
    write_string(out, &operation.module);
    out.push_str(",\"parameters\":");
    write(out, &operation.parameters);
    if operation.is_compressed {
        out.push_str(",\"is_compressed\":true");
    }
    if operation.want_compressed {
        out.push_str(",\"want_compressed\":true");
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn seconds_are_cut_and_times_are_utc() {
        let action = Action {
            name: "a;b\n".into(),
            target: "t".into(),
            validfrom: datetime!(2026-11-21 19:35:44.999 +01:00),
            expireafter: datetime!(1969-12-31 23:59:58.5 UTC),
            ..Action::default()
        };
        assert_eq!(
            signed_string(&action),
            "name=a;b\n;target=t;validfrom=1795286144;expireafter=%!s(int64=-2);operations=null;"
        );
    }

    #[test]
    fn the_digest_is_that_of_the_signed_string() {
        let action = Action::default();
        let other = Action { syntaxversion: 2, ..Action::default() };
        assert_eq!(digest(&action), digest(&other), "the version is not signed");
        let named = Action { name: "x".into(), ..Action::default() };
        assert_ne!(digest(&action), digest(&named));
        assert_eq!(digest(&named).as_slice(), Sha256::digest(signed_string(&named)).as_slice());
    }
}
