//! One proven signature of a key over itself, reduced to what is asked of it.

use super::Moment;
use crate::seconds;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType, SubpacketData};

/// Is what a key says of itself or of a subkey.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) made: i64,
    ends: Option<i64>,
    hash: HashAlgorithm,
    /// How long the key lives from its making, in seconds; nothing for ever.
    pub(super) life: Option<i64>,
    /// Whether it may sign, where the statement speaks of uses.
    pub(super) may_sign: Option<bool>,
}

impl Statement {
    /// Reduces a signature whose arithmetic is right; one without a date says nothing.
    pub(super) fn of(signature: &Signature) -> Option<Self> {
        let config = signature.config()?;
        let made = seconds::of(config.created()?);
        let span = |length: Option<pgp::types::Duration>| {
            length.map(|length| i64::from(length.as_secs())).filter(|length| *length > 0)
        };
        Some(Self {
            made,
            ends: span(signature.signature_expiration_time()).map(|length| made + length),
            hash: config.hash_alg,
            life: span(signature.key_expiration_time()),
            may_sign: config.hashed_subpackets().find_map(|part| match &part.data {
                SubpacketData::KeyFlags(flags) => Some(flags.sign()),
                _ => None,
            }),
        })
    }

    /// Gives the newest that holds at that moment: not from the future, not over, not over a hash that anyone forges.
    pub(super) fn newest<'a>(
        all: impl Iterator<Item = &'a Self>,
        at: Moment<'_>,
    ) -> Option<&'a Self> {
        all.filter(|statement| statement.holds(at)).max_by_key(|statement| statement.made)
    }

    fn holds(&self, at: Moment<'_>) -> bool {
        let hash = self.hash == HashAlgorithm::Sha1 || at.policy.check_hash(self.hash).is_ok();
        hash && at.policy.check_times(self.made, self.ends, at.now).is_ok()
    }
}

/// Is what a primary key says of a subkey, and whether the subkey agrees.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) statement: Statement,
    /// The hash of the subkey's signature back over the primary key. Without it anyone could take another's subkey
    /// for his own, and its signatures with it.
    pub(super) back: Option<HashAlgorithm>,
}

impl Binding {
    /// Reduces a subkey's binding whose arithmetic is right.
    pub(super) fn of(
        signature: &Signature,
        primary: &PublicKey,
        subkey: &PublicSubkey,
    ) -> Option<Self> {
        if signature.typ() != Some(SignatureType::SubkeyBinding) {
            return None;
        }
        let back = signature
            .embedded_signature()
            .filter(|back| back.verify_primary_key_binding(subkey, primary).is_ok())
            .and_then(Signature::hash_alg);
        Some(Self { statement: Statement::of(signature)?, back })
    }

    /// Gives the newest that holds at that moment.
    pub(super) fn newest<'a>(all: &'a [Self], at: Moment<'_>) -> Option<&'a Self> {
        all.iter()
            .filter(|binding| binding.statement.holds(at))
            .max_by_key(|binding| binding.statement.made)
    }

    /// Tells whether both keys agree that the subkey signs.
    pub(super) fn is_for_signing(&self) -> bool {
        self.statement.may_sign.unwrap_or(true) && self.back.is_some()
    }
}
