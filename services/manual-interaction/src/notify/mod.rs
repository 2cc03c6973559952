//! The ways to people outside of the house.

pub(crate) mod mail;
mod smtp;
mod webhook;

use crate::config::{Config, Secret};
use anyhow::{Context, ensure};
use smtp::Smtp;
use std::path::Path;
use webhook::Webhook;

/// Holds the channels that are set up.
pub(crate) struct Channels {
    pub(crate) webhook: Option<Webhook>,
    pub(crate) smtp: Option<Smtp>,
}

impl Channels {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let secret = secret(config.webhook_secret.as_ref(), config.webhook_secret_file.as_deref())?;
        let webhook = match config.webhook_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => {
                let secret = secret.context("a webhook needs --webhook-secret or its file")?;
                ensure!(secret.0.len() >= 16, "the secret of the webhook has less than 16 bytes");
                Some(Webhook::new(url, secret)?)
            }
            None => None,
        };
        let url = self::secret(config.smtp_url.as_ref(), config.smtp_url_file.as_deref())?;
        let smtp = match url.filter(|url| !url.0.is_empty()) {
            Some(url) => Some(Smtp::new(&url, config)?),
            None => None,
        };
        Ok(Self { webhook, smtp })
    }

    /// Names the channels that are set up.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let webhook = self.webhook.is_some().then_some("webhook");
        webhook.into_iter().chain(self.smtp.is_some().then_some("mail"))
    }
}

fn secret(given: Option<&Secret>, file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    let Some(file) = file else { return Ok(given.cloned()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the secret file {} cannot be read", file.display()))?;
    Ok(Some(Secret(text.trim().into())))
}
