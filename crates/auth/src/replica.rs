//! The copy of all investigators: in memory for every request, in the database for the next start.

use crate::spent::{Refusal, Spent};
use crate::{AuthError, Caller, Keyring, Settings, rows};
use arc_swap::{ArcSwap, ArcSwapOption};
use diesel::result::QueryResult;
use messaging::Bus;
use signing::Token;
use std::sync::Arc;
use store::{Conn, Failure, Store};
use time::{Duration, OffsetDateTime};
use types::messages::{InvestigatorChanged, InvestigatorDigest, ReplicaRequested};

/// Says how long a copy counts as fresh after it was last known to equal the original.
pub const FRESH_FOR: Duration = Duration::minutes(5);

/// Holds the investigators of this process; clones share them.
#[derive(Debug, Clone)]
pub struct Replica {
    keyring: Arc<ArcSwap<Keyring>>,
    confirmed: Arc<ArcSwapOption<OffsetDateTime>>,
    spent: Arc<Spent>,
}

impl Replica {
    /// Makes a copy that holds `states` and was never confirmed.
    pub fn new(settings: Settings, states: impl IntoIterator<Item = InvestigatorChanged>) -> Self {
        let keyring = Keyring::new(Arc::new(settings)).with(states);
        Self {
            keyring: Arc::new(ArcSwap::from_pointee(keyring)),
            confirmed: Arc::new(ArcSwapOption::empty()),
            spent: Arc::default(),
        }
    }

    /// Reads what the service knew when it last ran.
    pub async fn load(store: &Store, settings: Settings) -> Result<Self, Failure> {
        let mut conn = store.get().await?;
        let replica = Self::new(settings, rows::investigators_all(&mut conn).await?);
        if let Some(at) = rows::digest_confirmed(&mut conn).await? {
            replica.confirm(at);
        }
        Ok(replica)
    }

    /// Gives the investigators as they stand now.
    pub fn current(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }

    /// Finds the caller by the value of `X-PGPAUTHORIZATION`; where tokens count once, one that was used is refused.
    pub fn by_token(&self, header: &str, now: OffsetDateTime) -> Result<Caller, AuthError> {
        let token = Token::parse(header).map_err(AuthError::Token)?;
        let keyring = self.current();
        let caller = keyring.by_token(&token, now)?;
        let settings = keyring.settings();
        if settings.once {
            let maker = caller.fingerprint.as_deref().unwrap_or_default();
            // one from the future counts until twice the tolerance from now
            let life = settings.token_tolerance.saturating_mul(2);
            self.spent.spend(maker, &token.signed_bytes(), now, life).map_err(|refusal| {
                match refusal {
                    Refusal::Used => AuthError::TokenUsed,
                    Refusal::Full => AuthError::TokensFull,
                }
            })?;
        }
        Ok(caller)
    }

    /// Tells whether the copy was known to equal the original within the last five minutes. Nothing may be changed on
    /// the word of one that was not.
    pub fn is_fresh(&self, now: OffsetDateTime) -> bool {
        self.age(now).is_some_and(|age| age < FRESH_FOR)
    }

    /// Tells how long ago the copy was known to equal the original.
    pub fn age(&self, now: OffsetDateTime) -> Option<Duration> {
        let at = self.confirmed.load();
        at.as_deref().map(|at| (now - *at).max(Duration::ZERO))
    }

    /// Writes a state to the database in the caller's transaction, unless a higher version is there. Once that is
    /// committed, [`Self::learn`] tells the memory: what is rolled back must not be known.
    pub async fn apply(&self, conn: &mut Conn, state: &InvestigatorChanged) -> QueryResult<()> {
        self.apply_all(conn, std::slice::from_ref(state)).await
    }

    /// Does as [`Self::apply`] for any number of states, several of one investigator among them.
    pub async fn apply_all(
        &self,
        conn: &mut Conn,
        states: &[InvestigatorChanged],
    ) -> QueryResult<()> {
        rows::investigators_write(conn, states).await
    }

    /// Takes committed states into memory; for every request from now on. Where none is newer than what is known, the
    /// keyring stays the one it is: by that others know that nothing has changed.
    pub fn learn(&self, states: &[InvestigatorChanged]) {
        let keyring = self.current();
        let known = |state: &InvestigatorChanged| {
            keyring.get(state.id).is_some_and(|known| known.version >= state.version)
        };
        let news: Vec<_> = states.iter().filter(|state| !known(state)).collect();
        if !news.is_empty() {
            self.keyring.rcu(|keyring| keyring.with(news.iter().copied().cloned()));
        }
    }

    /// Compares the copy with the owner's digest: notes that they are equal, or asks for everything. The caller wakes
    /// `bus` after its transaction. Tells whether they are equal.
    pub async fn hear_digest(
        &self,
        conn: &mut Conn,
        bus: &Bus,
        digest: &InvestigatorDigest,
        now: OffsetDateTime,
    ) -> QueryResult<bool> {
        let (count, hash) = self.current().digest();
        if count == digest.count && hash == digest.hash {
            let at = digest.at.min(now);
            rows::digest_confirm(conn, at).await?;
            self.confirm(at);
            return Ok(true);
        }
        tracing::warn!(
            known = count,
            told = digest.count,
            "the investigators' copy differs from its owner; asking for everything"
        );
        self.ask(conn, bus, now).await?;
        Ok(false)
    }

    /// Asks the owner for everything.
    pub async fn ask(&self, conn: &mut Conn, bus: &Bus, now: OffsetDateTime) -> QueryResult<()> {
        let request = ReplicaRequested { of: "investigator".into(), by: bus.service().into() };
        bus.put(conn, now, &request).await
    }

    /// Reads the table again where it *is* the original, in investigation-api: another process may have changed it. The
    /// copy in memory counts as confirmed, and the digest is the one to tell the other services.
    pub async fn refresh(
        &self,
        store: &Store,
        now: OffsetDateTime,
    ) -> Result<InvestigatorDigest, Failure> {
        let mut conn = store.get().await?;
        let states = rows::investigators_all(&mut conn).await?;
        self.learn(&states);
        self.confirm(now);
        let (count, hash) = self.current().digest();
        Ok(InvestigatorDigest { count, hash, at: now })
    }

    fn confirm(&self, at: OffsetDateTime) {
        self.confirmed.rcu(|known| {
            Some(known.as_deref().map_or_else(|| Arc::new(at), |known| Arc::new(at.max(*known))))
        });
    }
}
