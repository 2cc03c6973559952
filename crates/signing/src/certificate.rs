//! What a key says of itself, as far as its own signatures prove it.
//!
//! All of a key's signatures over itself are checked once, when it is read; [`Certificate::check`] then weighs, for
//! one moment, what the proven statements say. Signatures of others over the key are passed over.

mod statement;

use crate::seconds::{self, moment};
use crate::{Policy, VerifyError};
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType};
use pgp::types::{Fingerprint, KeyDetails, KeyId, SignedUser, Tag};
use statement::{Binding, Statement};
use time::OffsetDateTime;

/// Is a key with what its own signatures prove.
#[derive(Debug)]
pub(crate) struct Certificate {
    primary: PublicKey,
    direct: Vec<Statement>,
    users: Vec<User>,
    subkeys: Vec<Subkey>,
    revoked: bool,
}

/// Names one of a certificate's keys that may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Primary,
    Subkey(usize),
}

#[derive(Debug)]
struct User {
    statements: Vec<Statement>,
    revoked: Option<i64>,
}

#[derive(Debug)]
struct Subkey {
    key: PublicSubkey,
    bindings: Vec<Binding>,
    revoked: bool,
}

/// Is when something was made or signed, and when that is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) signed: i64,
    pub(crate) now: OffsetDateTime,
    pub(crate) policy: &'a Policy,
}

impl Certificate {
    /// Reads a key; `signatures` are all its signature packets, so that a revocation counts wherever it stands.
    pub(crate) fn read(key: &SignedPublicKey, signatures: &[Signature]) -> Self {
        let primary = key.primary_key.clone();
        let own = |signature: &&Signature| names(signature, &primary);
        let direct = signatures.iter().filter(own).filter(|s| s.typ() == Some(SignatureType::Key));
        let direct = direct.filter(|s| s.verify_key(&primary).is_ok());
        let direct = direct.filter_map(Statement::of).collect();
        let revoked = signatures
            .iter()
            .filter(own)
            .filter(|s| s.typ() == Some(SignatureType::KeyRevocation))
            .any(|s| s.verify_key(&primary).is_ok());
        let users = key.details.users.iter().map(|user| User::read(user, &primary)).collect();
        let subkeys = key.public_subkeys.iter().map(|sub| Subkey::read(sub, &primary));
        let subkeys = subkeys.filter(|sub| !sub.bindings.is_empty()).collect();
        Self { primary, direct, users, subkeys, revoked }
    }

    /// Gives the primary key's fingerprint in upper-case hex.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&self.primary)
    }

    /// Gives when the primary key was made.
    pub(crate) fn created(&self) -> OffsetDateTime {
        moment(seconds::of(self.primary.created_at()))
    }

    /// Tells whether the key has said anything of itself that is proven.
    pub(crate) fn is_bound(&self) -> bool {
        !self.direct.is_empty() || self.users.iter().any(|user| !user.statements.is_empty())
    }

    /// Lists the primary key and the subkeys that have ever been bound for signing, newest subkey first.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut subkeys: Vec<_> = self.subkeys.iter().enumerate().collect();
        subkeys.retain(|(_, subkey)| subkey.bindings.iter().any(Binding::is_for_signing));
        subkeys.sort_by_key(|(_, subkey)| std::cmp::Reverse(subkey.key.created_at()));
        let subkeys = subkeys.into_iter().map(|(n, _)| Part::Subkey(n));
        subkeys.chain([Part::Primary]).collect()
    }

    /// Gives key id and fingerprint of `part`.
    pub(crate) fn names_of(&self, part: Part) -> (KeyId, Fingerprint) {
        match self.subkey(part) {
            Some(subkey) => (subkey.key.legacy_key_id(), subkey.key.fingerprint()),
            None => (self.primary.legacy_key_id(), self.primary.fingerprint()),
        }
    }

    /// Checks the arithmetic of `signature` by `part` over `data`.
    pub(crate) fn verify(
        &self,
        part: Part,
        signature: &Signature,
        data: &[u8],
    ) -> pgp::errors::Result<()> {
        match self.subkey(part) {
            Some(subkey) => signature.verify(&subkey.key, data),
            None => signature.verify(&self.primary, data),
        }
    }

    /// Checks that a signature by `part` counts at that moment.
    pub(crate) fn check(&self, part: Part, at: Moment<'_>) -> Result<(), VerifyError> {
        let key = || self.fingerprint();
        if self.revoked && !at.policy.allow_revoked {
            return Err(VerifyError::KeyRevoked { key: key() });
        }
        at.policy.check_size(self.primary.public_params())?;
        let (life, may_sign) =
            self.standing(at).ok_or_else(|| VerifyError::Unbound { key: key() })?;
        check_age(&self.primary, life, at)?;
        match self.subkey(part) {
            Some(subkey) => subkey.check(at),
            None if may_sign => Ok(()),
            None => Err(VerifyError::NotForSigning { key: key() }),
        }
    }

    fn subkey(&self, part: Part) -> Option<&Subkey> {
        match part {
            Part::Primary => None,
            Part::Subkey(n) => self.subkeys.get(n),
        }
    }

    /// Gives the primary key's life in seconds and whether it may sign. As in GnuPG, what it signed directly comes
    /// before what it signed with a user id, and the newest statement before older ones.
    fn standing(&self, at: Moment<'_>) -> Option<(Option<i64>, bool)> {
        let direct = Statement::newest(self.direct.iter(), at);
        let user = self.users.iter().filter_map(|user| user.newest(at)).max_by_key(|s| s.made);
        let said: Vec<_> = direct.into_iter().chain(user).collect();
        if said.is_empty() {
            return None;
        }
        let life = said.iter().find_map(|statement| statement.life);
        let may_sign = said.iter().find_map(|statement| statement.may_sign).unwrap_or(true);
        Some((life, may_sign))
    }
}

impl User {
    fn read(user: &SignedUser, primary: &PublicKey) -> Self {
        let own: Vec<_> = user
            .signatures
            .iter()
            .filter(|s| names(s, primary))
            .filter(|s| s.verify_certification(primary, Tag::UserId, &user.id).is_ok())
            .collect();
        let (ends, says): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|s| s.typ() == Some(SignatureType::CertRevocation));
        Self {
            statements: says.into_iter().filter_map(Statement::of).collect(),
            revoked: ends.into_iter().filter_map(Signature::created).map(seconds::of).max(),
        }
    }

    /// Gives what holds, unless it was taken back since.
    fn newest(&self, at: Moment<'_>) -> Option<&Statement> {
        Statement::newest(self.statements.iter(), at)
            .filter(|statement| self.revoked.is_none_or(|revoked| revoked < statement.made))
    }
}

impl Subkey {
    fn read(subkey: &SignedPublicSubKey, primary: &PublicKey) -> Self {
        let own: Vec<_> = subkey
            .signatures
            .iter()
            .filter(|s| s.verify_subkey_binding(primary, &subkey.key).is_ok())
            .collect();
        Self {
            key: subkey.key.clone(),
            bindings: own.iter().filter_map(|s| Binding::of(s, primary, &subkey.key)).collect(),
            revoked: own.iter().any(|s| s.typ() == Some(SignatureType::SubkeyRevocation)),
        }
    }

    fn check(&self, at: Moment<'_>) -> Result<(), VerifyError> {
        let key = || hex(&self.key);
        if self.revoked && !at.policy.allow_revoked {
            return Err(VerifyError::KeyRevoked { key: key() });
        }
        at.policy.check_size(self.key.public_params())?;
        let newest = Binding::newest(&self.bindings, at)
            .ok_or_else(|| VerifyError::Unbound { key: key() })?;
        check_age(&self.key, newest.statement.life, at)?;
        match newest.back {
            Some(hash) if newest.is_for_signing() => match at.policy.check_hash(hash) {
                Ok(()) => Ok(()),
                Err(_) => Err(VerifyError::WeakBinding { key: key(), hash: hash.to_string() }),
            },
            _ => Err(VerifyError::NotForSigning { key: key() }),
        }
    }
}

/// Checks that a key was there when it signed, and has not expired since.
fn check_age(key: &impl KeyDetails, life: Option<i64>, at: Moment<'_>) -> Result<(), VerifyError> {
    let made = seconds::of(key.created_at());
    let skew = at.policy.clock_skew.whole_seconds();
    if at.signed.saturating_add(skew) < made {
        return Err(VerifyError::OlderThanKey { made: moment(made) });
    }
    match life.map(|life| made.saturating_add(life)) {
        Some(end) if end <= at.signed.max(at.now.unix_timestamp()) && !at.policy.allow_expired => {
            Err(VerifyError::KeyExpired { key: hex(key), at: moment(end) })
        }
        _ => Ok(()),
    }
}

/// Tells whether `signature` says that `key` made it; one that says nothing might be by anybody.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let ids = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    (ids.is_empty() && fingerprints.is_empty())
        || ids.contains(&&key.legacy_key_id())
        || fingerprints.contains(&&key.fingerprint())
}

fn hex(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.fingerprint().as_bytes())
}
