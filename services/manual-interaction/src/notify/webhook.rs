//! HTTP calls that say what happened, signed: `Writ-Signature: t=<unix time>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.

use crate::config::Secret;
use anyhow::{Context, ensure};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Is the receiver.
pub(crate) struct Webhook {
    client: reqwest::Client,
    url: reqwest::Url,
    secret: Secret,
}

impl Webhook {
    pub(crate) fn new(url: &str, secret: Secret) -> anyhow::Result<Self> {
        let url: reqwest::Url = url.parse().context("the webhook's URL does not parse")?;
        ensure!(matches!(url.scheme(), "http" | "https"), "the webhook's URL is not http(s)");
        // a process that chose its cryptography before keeps it
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("writ/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        // a machine without certificates can still reach a receiver without TLS
        let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        Ok(Self { client: builder.build().context("cannot prepare TLS")?, url, secret })
    }

    /// Tells one event; any answer of 2xx means that it was taken.
    pub(crate) async fn call(
        &self,
        id: Uuid,
        event: &str,
        body: &str,
        now: OffsetDateTime,
    ) -> Result<(), String> {
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("writ-event-id", id.to_string())
            .header("writ-event", event)
            .header("writ-signature", signature(&self.secret, body, now.unix_timestamp()))
            .body(body.to_owned());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answered {}", answer.status())),
            Err(error) => Err(format!("{:#}", anyhow::Error::from(error.without_url()))),
        }
    }
}

fn signature(secret: &Secret, body: &str, at: i64) -> String {
    // an HMAC takes keys of any length
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_an_hmac_over_time_and_body() {
        // python3 -c 'import hmac;print(hmac.new(b"0123456789abcdef",b"1700000000.{}","sha256").hexdigest())'
        assert_eq!(
            signature(&Secret("0123456789abcdef".into()), "{}", 1_700_000_000),
            "t=1700000000,v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
        );
    }
}
