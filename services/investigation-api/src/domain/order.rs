//! Judges a posted action before anything is written.

use crate::error::Error;
use auth::Keyring;
use sha2::{Digest, Sha256};
use target::Target;
use time::OffsetDateTime;
use types::action::MAX_DOCUMENT;
use types::{Action, InvestigatorId};

/// Is an action whose form, target and signatures hold.
pub(crate) struct Order {
    /// What was posted, read.
    pub(crate) action: Action,
    /// Its target, read.
    pub(crate) target: Target,
    /// Who signed it, in the order of the signatures.
    pub(crate) signers: Vec<InvestigatorId>,
    /// The SHA-256 over what is signed and the signatures: the same for the same order posted again.
    pub(crate) digest: Vec<u8>,
}

/// Judges `document`; the order of the checks is the original's (specs/mig/data-model.md §3.3).
pub(crate) fn judge(
    document: &str,
    keyring: &Keyring,
    now: OffsetDateTime,
) -> Result<Order, Error> {
    if document.len() > MAX_DOCUMENT {
        let detail =
            format!("the action has {} bytes; at most {MAX_DOCUMENT} are taken", document.len());
        return Err(Error::invalid("action-too-large", "", detail));
    }
    let action =
        Action::parse(document.as_bytes()).map_err(|error| {
            match std::error::Error::source(&error) {
                Some(cause) => Error::Malformed(format!("{error}: {cause}")),
                None => Error::Malformed(error.to_string()),
            }
        })?;
    action.check(now).map_err(|fault| Error::invalid("action-invalid", fault.pointer(), fault))?;
    if action.name.contains('\0') {
        let detail = "has a NUL character, which no name can have";
        return Err(Error::invalid("action-invalid", "/name", detail));
    }
    let target = fleet::parse_target(&action.target)
        .map_err(|fault| Error::invalid("target-invalid", "/target", format!("target: {fault}")))?;
    well_named_modules(&action)?;
    let signers = keyring.verify_action(&action, now).map_err(Error::Signature)?;
    let mut digest = Sha256::new_with_prefix(signing::action::signed_string(&action));
    let mut signatures: Vec<_> = action.pgpsignatures.iter().flatten().collect();
    signatures.sort();
    for signature in signatures {
        digest.update(b"\n");
        digest.update(signature);
    }
    Ok(Order { action, target, signers, digest: digest.finalize().to_vec() })
}

/// Refuses a module name that no agent can have.
fn well_named_modules(action: &Action) -> Result<(), Error> {
    for (at, operation) in action.operations.iter().flatten().enumerate() {
        let name = &operation.module;
        let fits = !name.is_empty()
            && name.len() <= 128
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !fits {
            let detail = format!(
                "operation {at} names no module: use letters, digits, '.', '_' and '-', as in `file` or \
                 `<plugin id>.<command>`"
            );
            return Err(Error::invalid(
                "module-invalid",
                &format!("/operations/{at}/module"),
                detail,
            ));
        }
    }
    Ok(())
}
