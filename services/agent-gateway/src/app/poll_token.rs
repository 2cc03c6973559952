//! A device asks whether its code was approved.

use super::App;
use super::secret::{self, Secret};
use crate::error::Error;
use crate::store::codes::{self, PolledCode};
use crate::store::{agents, tokens};
use store::Conn;
use types::AgentId;
use types::api::device::AccessToken;

/// Ten years; the token itself lives until it is revoked.
const EXPIRES_IN: u64 = 10 * 365 * 86_400;

const EXPIRED: Error = Error::Device {
    error: "expired_token",
    detail: "the device code is unknown or no longer valid; ask for a new one",
};
const DENIED: Error =
    Error::Device { error: "access_denied", detail: "a person refused this device" };
const PENDING: Error = Error::Device {
    error: "authorization_pending",
    detail: "no person has approved this device yet",
};

impl App {
    /// Redeems an approved code for an access token, once; the token is made here and never stored as it is.
    ///
    /// `access` is what it is redeemed for, drawn before the first try: who could not be told whether it was redeemed
    /// asks again with the same, and has it.
    ///
    /// Every dead code, unknown ones too, is `expired_token`: RunbookSolutions agents ask for a new code then and end
    /// at any other answer (specs/runbook/backend.md §3.2).
    pub(crate) async fn poll_token(
        &self,
        client_id: &str,
        device_code: &str,
        access: &Secret,
    ) -> Result<AccessToken, Error> {
        let now = self.clock.now();
        let sha256 = secret::hash(device_code);
        // nearly every poll ends here: nothing is locked as long as nothing changes
        let mut conn = self.store.get().await?;
        let found = codes::code_poll(&mut conn, &sha256, now).await?;
        if is_redeemed_for(&mut conn, found.as_ref(), access).await? {
            return Ok(token(access));
        }
        drop(conn);
        judge(found, client_id)?;
        self.store
            .tx(async |conn| {
                let code = codes::code_hold(conn, &sha256, now).await?;
                // a try that nobody was told of may have ended just now, and not before
                if is_redeemed_for(conn, code.as_ref(), access).await? {
                    return Ok(());
                }
                let agent = judge(code, client_id)?;
                let [agent] = agents::agents_by_number(conn, &[agent])
                    .await?
                    .try_into()
                    .map_err(|_other| EXPIRED)?;
                if agent.revoked_at.is_some() {
                    return Err(DENIED);
                }
                codes::code_redeem(conn, &sha256).await?;
                tokens::token_insert(conn, &access.sha256, agent.number, now).await?;
                Ok(())
            })
            .await?;
        Ok(token(access))
    }
}

/// Tells whether a code was redeemed for this very token.
async fn is_redeemed_for(
    conn: &mut Conn,
    code: Option<&PolledCode>,
    access: &Secret,
) -> Result<bool, Error> {
    let Some(agent) = code.and_then(PolledCode::redeemed) else { return Ok(false) };
    Ok(tokens::token_is_of(conn, &access.sha256, agent).await?)
}

fn token(access: &Secret) -> AccessToken {
    AccessToken {
        access_token: access.text.clone(),
        token_type: "Bearer".into(),
        expires_in: EXPIRES_IN,
        scope: String::new(),
    }
}

/// Decides what a poll is answered; gives the agent when the code was approved.
fn judge(code: Option<PolledCode>, client_id: &str) -> Result<AgentId, Error> {
    let Some(code) = code else { return Err(EXPIRED) };
    let detail = "the code was given to another client_id";
    let known = code.client_id == client_id;
    match (code.state.as_str(), code.agent) {
        ("redeemed", _) => Err(EXPIRED),
        _ if !known => Err(Error::Device { error: "invalid_client", detail }),
        ("pending", _) => Err(PENDING),
        ("denied", _) => Err(DENIED),
        ("approved", Some(agent)) => Ok(AgentId(agent)),
        _ => Err(EXPIRED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_answer() {
        let code = |state: &str, agent| {
            Some(PolledCode { client_id: "c".into(), state: state.into(), agent })
        };
        let answer = |code, client| match judge(code, client) {
            Ok(agent) => agent.to_string(),
            Err(Error::Device { error, .. }) => error.into(),
            Err(error) => error.to_string(),
        };
        for (found, client, want) in [
            (None, "c", "expired_token"),
            (code("pending", None), "c", "authorization_pending"),
            (code("pending", None), "other", "invalid_client"),
            (code("denied", None), "c", "access_denied"),
            (code("approved", Some(7)), "c", "7"),
            (code("approved", Some(7)), "other", "invalid_client"),
            (code("redeemed", Some(7)), "c", "expired_token"),
            (code("redeemed", Some(7)), "other", "expired_token"),
        ] {
            assert_eq!(answer(found, client), want);
        }
    }
}
