//! Judges a posted action before anything is written.

use crate::error::Error;
use auth::Keyring;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use target::Target;
use time::OffsetDateTime;
use types::action::MAX_DOCUMENT;
use types::go_json::has_nul;
use types::{Action, InvestigatorId};

/// Is an action whose form, target and signatures hold.
pub(crate) struct Order {
    /// What was posted, read.
    pub(crate) action: Action,
    /// Its target, read.
    pub(crate) target: Target,
    /// Who signed it, in the order of the signatures.
    pub(crate) signers: Vec<InvestigatorId>,
    /// What is signed, or what stands for it where a signature is good for several texts.
    pub(crate) text: String,
    /// What each signature is known by, in their order: a signature orders once (proto-docs/decisions/0008).
    pub(crate) marks: Vec<Vec<u8>>,
}

impl Order {
    /// Gives what the order as a whole is known by.
    pub(crate) fn digest(&self) -> Vec<u8> {
        let mut marks = self.marks.clone();
        marks.sort_unstable();
        Sha256::digest(marks.concat()).to_vec()
    }
}

/// Gives what is signed of an action, in the one form that stands for all texts that its signatures may be good for.
pub(crate) fn signed_text(action: &Action) -> String {
    signing::action::one_text(&signing::action::signed_string(action))
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
    without_nul(&action)?;
    let target = fleet::parse_target(&action.target)
        .map_err(|fault| Error::invalid("target-invalid", "/target", format!("target: {fault}")))?;
    well_named_modules(&action)?;
    let signers = keyring.signers_of_action(&action, now).map_err(Error::Signature)?;
    let text = signed_text(&action);
    let marks = signers.iter().map(|signer| signer.mark.to_vec()).collect();
    let signers = signers.into_iter().map(|signer| signer.id).collect();
    Ok(Order { action, target, signers, text, marks })
}

/// Refuses a NUL character in what is shown and searched; the database holds none.
fn without_nul(action: &Action) -> Result<(), Error> {
    let told = |members: &Map<String, Value>| {
        members.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
    };
    let places = [
        ("/name", action.name.contains('\0')),
        ("/description", told(&action.description)),
        ("/threat", told(&action.threat)),
    ];
    match places.into_iter().find(|(_, broken)| *broken) {
        Some((pointer, _)) => {
            let detail = format!("{pointer} has a NUL character, which no text here can have");
            Err(Error::invalid("action-invalid", pointer, detail))
        }
        None => Ok(()),
    }
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
