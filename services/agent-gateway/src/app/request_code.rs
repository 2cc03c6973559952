//! A device asks for a code.

use super::App;
use super::secret::{self, Secret};
use crate::error::Error;
use crate::store::codes::{self, NewCode};
use std::net::IpAddr;
use types::api::device::DeviceCode;

const CLIENT_ID_CHARACTERS: usize = 128;
const USER_AGENT_CHARACTERS: usize = 256;
/// A second draw is needed about once in a million codes.
const DRAWS: usize = 5;

/// Is what a device says when it asks for a code.
#[derive(Debug, Clone)]
pub(crate) struct CodeRequest {
    /// What it calls itself; shared by all installations of one configuration.
    pub client_id: String,
    /// Where it asks from.
    pub address: IpAddr,
    /// Its User-Agent header.
    pub user_agent: String,
    /// Where the person goes, without the code.
    pub verification_uri: String,
}

impl App {
    /// Refuses a client id that may not enrol.
    pub(super) fn check_client(&self, client_id: &str) -> Result<(), Error> {
        let length = client_id.chars().count();
        let mut listed = self.config.client_ids.iter().filter(|id| !id.is_empty()).peekable();
        let known = listed.peek().is_none() || listed.any(|id| id == client_id);
        if (1..=CLIENT_ID_CHARACTERS).contains(&length) && known && !client_id.contains('\0') {
            return Ok(());
        }
        Err(Error::Device {
            error: "invalid_client",
            detail: "this client_id may not enrol devices here",
        })
    }

    /// Makes a code for a device. How many wait for a person is bounded, so that nobody fills the list for others;
    /// beyond that the newest others of the same asker give way, or else of the one who has the most: a flood churns in
    /// itself, and what waited before it can still be approved. A refusal would end the agent (specs/runbook/backend.md
    /// §3.1), one whose code is gone asks anew.
    pub(crate) async fn request_code(&self, request: CodeRequest) -> Result<DeviceCode, Error> {
        self.check_client(&request.client_id)?;
        let now = self.clock.now();
        let origin = web::asker(request.address).to_string();
        let mut conn = self.store.get().await?;
        // room is made before the code, so that it is never the one that gives way
        let (mine, all) = codes::codes_count(&mut conn, &origin, now).await?;
        let too_many = |have: i64, may: u32| (have + 1).saturating_sub(may.max(1).into());
        let over = too_many(mine, self.config.device_codes_per_address);
        if over > 0 {
            codes::codes_give_way(&mut conn, &origin, now, over).await?;
        }
        let over = too_many(all - over.max(0), self.config.device_codes);
        if over > 0 {
            codes::codes_give_way_most(&mut conn, now, over).await?;
        }
        let device_code = Secret::draw()?;
        for _ in 0..DRAWS {
            let user_code = secret::user_code()?;
            let new = NewCode {
                sha256: device_code.sha256.to_vec(),
                user_code: user_code.letters().to_owned(),
                client_id: request.client_id.clone(),
                address: request.address.to_string(),
                origin: origin.clone(),
                user_agent: printable(&request.user_agent),
                created: now,
                expires: now + self.config.device_code_ttl,
                state: NewCode::STATE,
            };
            if codes::code_insert(&mut conn, &new).await? {
                let verification_uri_complete =
                    format!("{}?code={user_code}", request.verification_uri);
                return Ok(DeviceCode {
                    device_code: device_code.text,
                    user_code: user_code.to_string(),
                    verification_uri: request.verification_uri,
                    verification_uri_complete,
                    expires_in: self.config.device_code_ttl.as_secs(),
                    interval: 5,
                });
            }
        }
        Err(Error::Internal(anyhow::anyhow!("no free user code was drawn in {DRAWS} draws")))
    }
}

/// Cuts a header that people will read to something that cannot play with their terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARACTERS).collect()
}
