//! Enrolment by device code (RFC 8628): the agent shows a code, a person approves it, the agent gets its token.

use crate::backoff::{Backoff, Pace, jitter};
use crate::client::{CallError, Client, Server, printable};
use crate::facts;
use crate::state::StateDir;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use types::api::device::DeviceCode;

/// Says how to enrol.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// What kind of program asks.
    pub client_id: String,
    /// Whether to replace a token that is there.
    pub again: bool,
    /// How long to wait for a person.
    pub patience: Duration,
    /// How long to wait after errors.
    pub pace: Pace,
}

/// Says why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is one already.
    #[error("this agent is enrolled already; to enrol it again, say --again")]
    Already,
    /// A person said no.
    #[error("the enrolment was denied")]
    Denied,
    /// Nobody answered.
    #[error("nobody approved this agent in time")]
    Unanswered,
    /// The server does not want this kind of program.
    #[error("the server refuses to enrol this agent: {0}")]
    Refused(String),
    /// Something else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Enrols and keeps the token in `state`; `announce` shows the code to a person, each time there is a new one.
pub async fn enrol(
    server: &Server,
    state: &Path,
    enrolment: &Enrolment,
    announce: &mut (dyn FnMut(&Announcement) + Send),
) -> Result<(), EnrolError> {
    let state = StateDir::open(state)?;
    if state.token()?.is_some() && !enrolment.again {
        return Err(EnrolError::Already);
    }
    let client = Client::new(server, &facts::machine())?;
    let give_up = Instant::now() + enrolment.patience;
    let mut backoff = Backoff::new(enrolment.pace);
    loop {
        let asked = client.device_code(&enrolment.client_id).await;
        let again = match asked {
            Ok(code) => {
                announce(&Announcement::of(&code));
                if let Some(token) = poll(&client, enrolment, &code, give_up).await? {
                    state.keep_token(&token)?;
                    return Ok(());
                }
                // the code is dead; a server that says so at once must not be asked in a tight loop
                backoff.wait(None)
            }
            Err(error) => {
                if let Some(refused) = refusal(&error) {
                    return Err(refused);
                }
                tracing::warn!(error = %chain(&error), "no device code, trying again");
                backoff.wait(error.retry_after())
            }
        };
        wait(again, give_up).await?;
    }
}

/// Is what a person has to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Where to go.
    pub address: String,
    /// What to enter.
    pub user_code: String,
}

impl Announcement {
    fn of(code: &DeviceCode) -> Self {
        Self {
            address: printable(&code.verification_uri, 500),
            user_code: printable(&code.user_code, 100),
        }
    }
}

/// Asks for the token until a person has decided; none when the code is dead.
async fn poll(
    client: &Client,
    enrolment: &Enrolment,
    code: &DeviceCode,
    give_up: Instant,
) -> Result<Option<String>, EnrolError> {
    let dead = Instant::now() + Duration::from_secs(code.expires_in.clamp(1, 86_400));
    let mut interval = Duration::from_secs(code.interval.clamp(1, 300));
    let mut backoff = Backoff::new(enrolment.pace);
    loop {
        let mut pause = interval + jitter(interval) / 10;
        match client.token(&enrolment.client_id, &code.device_code).await {
            Ok(token) if token.access_token.is_empty() => {
                return Err(EnrolError::Refused("it gave an empty token".into()));
            }
            Ok(token) => return Ok(Some(token.access_token)),
            Err(error) => match said(&error) {
                "authorization_pending" => backoff.reset(),
                "slow_down" => {
                    interval += Duration::from_secs(5);
                    pause = interval;
                }
                "expired_token" => return Ok(None),
                _ => {
                    if let Some(refused) = refusal(&error) {
                        return Err(refused);
                    }
                    tracing::warn!(error = %chain(&error), "no token, trying again");
                    pause = pause.max(backoff.wait(error.retry_after()));
                }
            },
        }
        if Instant::now() + pause >= dead {
            return Ok(None);
        }
        wait(pause, give_up).await?;
    }
}

/// Gives the code of the device flow that the server answered.
fn said(error: &CallError) -> &str {
    match error {
        CallError::Status { error: Some(said), .. } => said,
        _ => "",
    }
}

/// Tells which answers are final.
fn refusal(error: &CallError) -> Option<EnrolError> {
    match said(error) {
        "access_denied" => Some(EnrolError::Denied),
        "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_scope" => {
            Some(EnrolError::Refused(error.to_string()))
        }
        _ => None,
    }
}

async fn wait(pause: Duration, give_up: Instant) -> Result<(), EnrolError> {
    let until = Instant::now() + pause;
    if until >= give_up {
        return Err(EnrolError::Unanswered);
    }
    sleep_until(until).await;
    Ok(())
}

/// Prints an error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
