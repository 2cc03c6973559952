//! The string that an action's signers sign (specs/mig/data-model.md §3.1).

use crate::Verified;
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

/// Gives what a signature over `signed` is known by, however it is written and whichever of the texts that it is good
/// for it comes with: it orders once (proto-docs/decisions/0008).
///
/// Its bytes will not do: the checksum, the spaces around it and the packet's header and unsigned part can be written
/// in any number of ways, by anyone, and it is valid in all of them.
pub fn mark(signed: &str, by: &Verified) -> [u8; 32] {
    let mut mark = Sha256::new_with_prefix(one_text(signed));
    mark.update(format!("\n{}\n{}", by.fingerprint, by.signed_at.unix_timestamp()));
    mark.finalize().into()
}

/// Gives the one that stands for all texts that a signature in text mode is good for: to it CR LF and LF are the same
/// (RFC 9580 §5.2.1.2), and a lone CR is a character like others.
pub fn one_text(signed: &str) -> String {
    signed.replace("\r\n", "\n")
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
    fn a_mark_is_of_the_text_the_signer_and_the_second() {
        let by =
            |fingerprint: &str, signed_at| Verified { fingerprint: fingerprint.into(), signed_at };
        let at = datetime!(2026-11-21 19:35:44 UTC);
        let known = mark("name=a\nb;", &by("AB", at));
        assert_eq!(
            hex::encode(known),
            "3df0378faa8084d2e5c08fecfa35ff196678c791562e674f0a8d170a23bcafc0",
            "what is kept on disks and in databases is known by it"
        );
        assert_eq!(
            mark("name=a\r\nb;", &by("AB", at)),
            known,
            "text mode does not tell them apart"
        );
        for other in [
            mark("name=a\rb;", &by("AB", at)),
            mark("name=a\r\r\nb;", &by("AB", at)),
            mark("name=ab;", &by("AB", at)),
            mark("name=a\nb;", &by("AC", at)),
            mark("name=a\nb;", &by("AB", datetime!(2026-11-21 19:35:45 UTC))),
        ] {
            assert_ne!(other, known);
        }
    }
}
