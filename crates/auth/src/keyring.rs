//! Everyone who may ask, at one moment.

use crate::{AuthError, Caller, Settings, digest};
use sha2::{Digest, Sha256};
use signing::{KeySet, PublicKey, Token};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use types::action::MAX_SIGNATURES;
use types::messages::InvestigatorChanged;
use types::{Action, InvestigatorId, InvestigatorStatus, Permissions};

/// Says how long an API key may be, in bytes.
const LONGEST_API_KEY: usize = 256;

/// Holds all investigators as they stood at one moment; a change makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    members: BTreeMap<InvestigatorId, Arc<Member>>,
    keys: KeySet,
    by_fingerprint: HashMap<String, InvestigatorId>,
    by_api_key: HashMap<[u8; 32], InvestigatorId>,
    settings: Arc<Settings>,
}

/// Is whose one signature of an action is, and what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The investigator.
    pub id: InvestigatorId,
    /// The signature's mark, as [`signing::action::mark`] gives it.
    pub mark: [u8; 32],
}

#[derive(Debug)]
struct Member {
    state: InvestigatorChanged,
    key: Option<PublicKey>,
}

impl Keyring {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Gives the keyring as it is after `changes`; of two states of one investigator the higher version counts.
    #[must_use]
    pub(crate) fn with(&self, changes: impl IntoIterator<Item = InvestigatorChanged>) -> Self {
        let mut members = self.members.clone();
        for state in changes {
            let known = members.get(&state.id).map_or(i64::MIN, |member| member.state.version);
            if state.version > known {
                members.insert(state.id, Arc::new(Member::new(state)));
            }
        }
        let mut ring = Self { members, ..Self::new(Arc::clone(&self.settings)) };
        for member in ring.members.values().filter(|member| member.is_active()) {
            if let Some(key) = &member.key {
                ring.by_fingerprint.insert(key.fingerprint(), member.state.id);
                ring.keys.insert(key.clone());
            }
            if let Some(hash) = member.api_key_hash() {
                ring.by_api_key.insert(hash, member.state.id);
            }
        }
        ring
    }

    /// Finds the caller by a token, whether it was used before or not.
    pub(crate) fn by_token(&self, token: &Token, now: OffsetDateTime) -> Result<Caller, AuthError> {
        let settings = &self.settings;
        let verified = token
            .verify(&self.keys, now, settings.token_tolerance, &settings.policy)
            .map_err(AuthError::Token)?;
        Ok(self.signer(&verified.fingerprint)?.caller())
    }

    /// Finds the caller by an API key.
    pub fn by_api_key(&self, key: &str) -> Result<Caller, AuthError> {
        if key.len() > LONGEST_API_KEY {
            return Err(AuthError::ApiKey);
        }
        let hash: [u8; 32] = Sha256::digest(key).into();
        let id = self.by_api_key.get(&hash);
        let member = id.and_then(|id| self.members.get(id)).ok_or(AuthError::ApiKey)?;
        let known = member.api_key_hash().unwrap_or_default();
        if bool::from(known.ct_eq(&hash)) { Ok(member.caller()) } else { Err(AuthError::ApiKey) }
    }

    /// Verifies every signature of `action` and gives its signers, in the order of their signatures. All must be
    /// active, each counts once, and there must be one at least.
    pub fn verify_action(
        &self,
        action: &Action,
        now: OffsetDateTime,
    ) -> Result<Vec<InvestigatorId>, AuthError> {
        let signers = self.signers_of_action(action, now)?;
        Ok(signers.into_iter().map(|signer| signer.id).collect())
    }

    /// Verifies every signature of `action` as [`Keyring::verify_action`] does, and tells whose each is and what it is
    /// known by.
    pub fn signers_of_action(
        &self,
        action: &Action,
        now: OffsetDateTime,
    ) -> Result<Vec<Signer>, AuthError> {
        let signatures = action.pgpsignatures.as_deref().unwrap_or_default();
        if signatures.is_empty() {
            return Err(AuthError::Unsigned);
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(AuthError::TooMany { count: signatures.len(), most: MAX_SIGNATURES });
        }
        let text = signing::action::signed_string(action);
        let mut signers = Vec::<Signer>::with_capacity(signatures.len());
        for (line, number) in signatures.iter().zip(1..) {
            let verified = self
                .keys
                .verify(line, text.as_bytes(), now, &self.settings.policy)
                .map_err(|reason| AuthError::Signature { number, reason })?;
            let member = self.signer(&verified.fingerprint)?;
            let id = member.state.id;
            if signers.iter().any(|signer| signer.id == id) {
                return Err(AuthError::SameSigner { name: member.state.name.clone() });
            }
            signers.push(Signer { id, mark: signing::action::mark(&text, &verified) });
        }
        Ok(signers)
    }

    /// Finds the active investigator who signed `data`; `signature` is one line of armor.
    pub fn signer_of(
        &self,
        signature: &str,
        data: &[u8],
        now: OffsetDateTime,
    ) -> Result<Caller, AuthError> {
        let verified = self
            .keys
            .verify(signature, data, now, &self.settings.policy)
            .map_err(|reason| AuthError::Signature { number: 1, reason })?;
        Ok(self.signer(&verified.fingerprint)?.caller())
    }

    /// Gives the whole state of an investigator, whether active or not.
    pub fn get(&self, id: InvestigatorId) -> Option<&InvestigatorChanged> {
        self.members.get(&id).map(|member| &member.state)
    }

    /// Goes through all investigators by ascending id, whether active or not.
    pub fn iter(&self) -> impl Iterator<Item = &InvestigatorChanged> {
        self.members.values().map(|member| &member.state)
    }

    /// Gives the keys of all active investigators.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Gives what this keyring was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives the digest to compare with the owner's.
    pub fn digest(&self) -> (i64, String) {
        digest::of(self.iter().map(|state| (state.id, state.version)))
    }

    fn signer(&self, fingerprint: &str) -> Result<&Member, AuthError> {
        let id = self.by_fingerprint.get(fingerprint);
        let member = id.and_then(|id| self.members.get(id)).map(AsRef::as_ref);
        member.ok_or_else(|| AuthError::Nobody(fingerprint.to_lowercase()))
    }
}

impl Member {
    fn new(state: InvestigatorChanged) -> Self {
        let key = state.public_key.as_deref().and_then(|armored| {
            let parsed = PublicKey::parse(armored);
            if let Err(error) = &parsed {
                tracing::warn!(investigator.id = %state.id, %error, "a stored key does not parse");
            }
            parsed.ok()
        });
        Self { state, key }
    }

    fn is_active(&self) -> bool {
        self.state.status == InvestigatorStatus::Active
    }

    fn api_key_hash(&self) -> Option<[u8; 32]> {
        hex::decode(self.state.api_key_sha256.as_deref()?).ok()?.try_into().ok()
    }

    fn caller(&self) -> Caller {
        Caller {
            id: self.state.id,
            name: self.state.name.clone(),
            permissions: Permissions(self.state.permissions),
            fingerprint: self.state.fingerprint.clone(),
        }
    }
}

/// Gives the form in which an API key is kept: the lower-case hex of its SHA-256. API keys are random, so that a slow
/// hash would add nothing but load.
pub fn api_key_hash(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}
