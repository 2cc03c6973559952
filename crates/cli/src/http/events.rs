//! Server-sent events, as far as this program needs them: fields `event`, `id` and `data`, line by line.

use super::Api;
use crate::exit::{Failure, Kind};
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Says how long the server may be silent: it sends a beat more often.
const SILENCE: Duration = Duration::from_secs(20);
/// Says how long it may be silent at first: it begins with a line at once.
const FIRST_SILENCE: Duration = Duration::from_secs(5);
/// Says how large an event may be.
const MAX_EVENT: usize = 1024 * 1024;

/// Is one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its kind.
    pub name: String,
    /// By which the server knows it; empty when it gave none.
    pub id: String,
    /// What it says.
    pub data: String,
}

/// Is a stream of events.
#[derive(Debug)]
pub struct Events {
    response: Response,
    unread: Vec<u8>,
    event: Event,
    /// Until when the server may be silent.
    patience: Instant,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        let patience = Instant::now() + FIRST_SILENCE;
        Self { response, unread: Vec::new(), event: Event::default(), patience }
    }

    /// Gives the next event, if there is one within `at_most`.
    pub async fn next(&mut self, api: &Api, at_most: Duration) -> Result<Option<Event>, Failure> {
        let until = Instant::now() + at_most;
        loop {
            if let Some(event) = self.parse()? {
                return Ok(Some(event));
            }
            let left = until.saturating_duration_since(Instant::now());
            match timeout(left, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    self.patience = Instant::now() + SILENCE;
                    self.unread.extend_from_slice(&chunk);
                }
                Ok(Ok(None)) => return Err(broken("the server ended the stream")),
                Ok(Err(error)) => return Err(api.unreachable(&error)),
                Err(_) if Instant::now() > self.patience => {
                    return Err(broken("the server says nothing any more"));
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Takes lines up to the end of an event.
    fn parse(&mut self) -> Result<Option<Event>, Failure> {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<_> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => self.event.name = value.into(),
                "id" => self.event.id = value.into(),
                "data" if self.event.data.is_empty() => self.event.data = value.into(),
                "data" => self.event.data = format!("{}\n{value}", self.event.data),
                _ => {}
            }
        }
        if self.unread.len() + self.event.data.len() > MAX_EVENT {
            return Err(broken("the server sent an event that is too large"));
        }
        Ok(None)
    }
}

fn broken(what: &str) -> Failure {
    Failure::new(what).kind(Kind::Passing)
}
