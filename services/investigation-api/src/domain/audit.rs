//! What is written down of a change or a refusal, and how the rows hang together.

use sha2::{Digest, Sha256};
use std::net::IpAddr;
use time::OffsetDateTime;
use types::InvestigatorId;

/// Names the entry that tells which rows were removed from the beginning; its subject is `ID:HASH` of the last of them.
pub(crate) const CUT: &str = "audit.cut";
/// Says how many characters of an explanation are kept.
const LONGEST_DETAIL: usize = 1000;

/// Is who did something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The investigator; absent when nobody was recognised, or at the database itself.
    pub(crate) id: Option<InvestigatorId>,
    /// Their name.
    pub(crate) who: String,
    /// The caller's address, or `local`.
    pub(crate) address: String,
}

impl Actor {
    /// Is an investigator who called from `address`.
    pub(crate) fn caller(caller: &auth::Caller, address: IpAddr) -> Self {
        Self { id: Some(caller.id), who: caller.name.clone(), address: address.to_string() }
    }

    /// Is someone at the database.
    pub(crate) fn local() -> Self {
        Self { id: None, who: String::new(), address: "local".into() }
    }
}

/// Says what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// Gives the word in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// Is one thing to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: OffsetDateTime,
    pub(crate) actor: Actor,
    /// For example `investigator.changed`.
    pub(crate) what: String,
    /// For example `investigator 5`.
    pub(crate) subject: String,
    pub(crate) outcome: Outcome,
    pub(crate) detail: String,
    /// How often it happened; refusals of one minute are counted together.
    pub(crate) count: i64,
}

impl Entry {
    /// Is a change that is done.
    pub(crate) fn done(
        at: OffsetDateTime,
        actor: &Actor,
        what: &str,
        subject: String,
        detail: &str,
    ) -> Self {
        let (what, detail) = (what.into(), clean(detail));
        Self { at, actor: actor.clone(), what, subject, outcome: Outcome::Done, detail, count: 1 }
    }
}

/// Cuts a text and takes control characters out: it may come from anyone.
pub(crate) fn clean(text: &str) -> String {
    text.chars().take(LONGEST_DETAIL).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Gives the hash of a row from the hash of the one before and what it says. Each field stands after its length, so
/// that no two rows read the same.
pub(crate) fn hash(previous: &[u8], id: i64, entry: &Entry) -> Vec<u8> {
    let micros = entry.at.unix_timestamp_nanos() / 1000;
    let investigator = entry.actor.id.map(|id| id.to_string()).unwrap_or_default();
    let mut hash = Sha256::new_with_prefix(previous);
    for field in [
        id.to_string().as_str(),
        &micros.to_string(),
        &investigator,
        &entry.actor.who,
        &entry.what,
        &entry.subject,
        &entry.actor.address,
        entry.outcome.name(),
        &entry.detail,
        &entry.count.to_string(),
    ] {
        hash.update(format!("{}:", field.len()));
        hash.update(field);
    }
    hash.finalize().to_vec()
}
