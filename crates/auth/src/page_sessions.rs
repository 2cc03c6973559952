//! Who is signed in at a page for people: in the table `page_session` of the service that has the page; the secret is
//! kept as SHA-256 only.

use crate::{Caller, Replica, api_key_hash};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{Conn, Failure, Store};
use time::OffsetDateTime;
use types::{InvestigatorId, InvestigatorStatus, Permission, Permissions};

/// How long a session lasts.
pub const PAGE_SESSION: Duration = Duration::from_mins(15);

/// Opens and ends the sessions of one page.
#[derive(Debug, Clone, Copy)]
pub struct PageSessions<'a> {
    /// Where they are kept.
    pub store: &'a Store,
    /// The investigators.
    pub replica: &'a Replica,
    /// What a visitor must be allowed to do.
    pub permission: Permission,
}

impl PageSessions<'_> {
    /// Opens a session for who shows the API key of somebody with the permission; gives its secret and whose it is.
    pub async fn open(
        &self,
        api_key: &str,
        now: OffsetDateTime,
    ) -> Result<Option<(String, Caller)>, Failure> {
        let Ok(caller) = self.replica.current().by_api_key(api_key) else { return Ok(None) };
        if !caller.permissions.has(self.permission) {
            return Ok(None);
        }
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).map_err(|error| Failure::Internal(error.into()))?;
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let session = Session { investigator: caller.id, api_key_sha256: api_key_hash(api_key) };
        let mut conn = self.store.get().await?;
        session_insert(&mut conn, &hash(&secret), &session, now, now + PAGE_SESSION).await?;
        tracing::info!(investigator.id = %caller.id, "signed in at a page");
        Ok(Some((secret, caller)))
    }

    /// Gives whose session it is, if they may still come in.
    pub async fn find(&self, secret: &str, now: OffsetDateTime) -> Result<Option<Caller>, Failure> {
        let mut conn = self.store.get().await?;
        let found = session_find(&mut conn, &hash(secret), now).await?;
        let Some(session) = found else { return Ok(None) };
        let keyring = self.replica.current();
        let state = keyring.get(session.investigator).filter(|state| {
            state.status == InvestigatorStatus::Active
                && Permissions(state.permissions).has(self.permission)
                && state.api_key_sha256.as_deref() == Some(session.api_key_sha256.as_str())
        });
        Ok(state.map(|state| Caller {
            id: state.id,
            name: state.name.clone(),
            permissions: Permissions(state.permissions),
            fingerprint: state.fingerprint.clone(),
        }))
    }

    /// Ends a session.
    pub async fn end(&self, secret: &str) -> Result<(), Failure> {
        let mut conn = self.store.get().await?;
        session_end(&mut conn, &hash(secret)).await?;
        Ok(())
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Is who signed in, and with which API key.
#[derive(Debug, Clone)]
struct Session {
    /// The investigator.
    investigator: InvestigatorId,
    /// The hash of the API key; a session ends with it.
    api_key_sha256: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    investigator: i64,
    #[diesel(sql_type = Text)]
    api_key_sha256: String,
}

/// Stores a session and forgets those that are over.
async fn session_insert(
    conn: &mut Conn,
    sha256: &[u8; 32],
    session: &Session,
    now: OffsetDateTime,
    expires: OffsetDateTime,
) -> QueryResult<()> {
    store::sql("delete from page_session where expires <= $1")
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    store::sql(
        "insert into page_session (sha256, investigator, api_key_sha256, expires) values ($1, $2, $3, $4)",
    )
    .bind::<Bytea, _>(sha256.as_slice())
    .bind::<BigInt, _>(session.investigator.0)
    .bind::<Text, _>(&session.api_key_sha256)
    .bind::<Timestamptz, _>(expires)
    .execute(conn)
    .await
    .map(drop)
}

/// Gives a session that is not over.
async fn session_find(
    conn: &mut Conn,
    sha256: &[u8; 32],
    now: OffsetDateTime,
) -> QueryResult<Option<Session>> {
    let query =
        "select investigator, api_key_sha256 from page_session where sha256 = $1 and expires > $2";
    let found: Option<Row> = store::sql(query)
        .bind::<Bytea, _>(sha256.as_slice())
        .bind::<Timestamptz, _>(now)
        .get_result(conn)
        .await
        .optional()?;
    Ok(found.map(|row| Session {
        investigator: InvestigatorId(row.investigator),
        api_key_sha256: row.api_key_sha256,
    }))
}

/// Ends a session.
async fn session_end(conn: &mut Conn, sha256: &[u8; 32]) -> QueryResult<usize> {
    store::sql("delete from page_session where sha256 = $1")
        .bind::<Bytea, _>(sha256.as_slice())
        .execute(conn)
        .await
}
