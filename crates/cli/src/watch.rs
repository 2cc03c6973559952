//! Learns how an action goes on: from the server's events, and where there are none by asking again and again.

use crate::exit::{Because, Failure};
use crate::http::{Api, Events};
use std::time::Duration;
use types::ActionId;
use types::api::action::ActionView;

/// The first pause between two questions; each is a third longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two questions, and the longest wait for an event.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Learns of one action.
pub struct Watch<'a> {
    api: &'a Api,
    id: String,
    source: Source,
    /// The id of the last event.
    last: String,
    /// Whether the stream brought an event; one that did not may be held back on its way.
    fruitful: bool,
    /// How long to wait before the next request.
    pause: Option<Duration>,
}

enum Source {
    /// The server's events, while the stream stands.
    Events(Option<Box<Events>>),
    /// Questions: the server has no events, or no more.
    Questions,
}

impl<'a> Watch<'a> {
    /// Prepares to learn of `id`.
    pub fn new(api: &'a Api, id: ActionId) -> Self {
        let source = Source::Events(None);
        Self { api, id: id.to_string(), source, last: String::new(), fruitful: false, pause: None }
    }

    /// Gives how the action is once there is something new, or nothing after a second; asked again after a failure, it
    /// tries again.
    pub async fn next(&mut self) -> Result<Option<ActionView>, Failure> {
        let stream = match &mut self.source {
            Source::Questions => return self.ask().await.map(Some),
            Source::Events(stream) => stream.take(),
        };
        let mut stream = if let Some(stream) = stream {
            stream
        } else if let Some(stream) = self.open().await? {
            self.fruitful = false;
            Box::new(stream)
        } else {
            self.source = Source::Questions;
            return Ok(None);
        };
        // whoever serves us may end the stream at any time; the next one goes on where this one ended
        let Ok(event) = stream.next(self.api, LONGEST_PAUSE).await else {
            if !self.fruitful {
                self.source = Source::Questions;
            }
            return Ok(None);
        };
        let Some(event) = event else {
            self.source = Source::Events(Some(stream));
            return Ok(None);
        };
        self.fruitful = true;
        if event.name == "end" {
            self.source = Source::Questions;
            return Ok(None);
        }
        self.source = Source::Events(Some(stream));
        self.pause = Some(FIRST_PAUSE);
        if !event.id.is_empty() {
            self.last = event.id;
        }
        let action = serde_json::from_str(&event.data)
            .because(|| "the server's answer is not what this version expects".into())?;
        Ok(Some(action))
    }

    /// Opens a stream; gives nothing when the server has none for us: a question will tell why.
    async fn open(&mut self) -> Result<Option<Events>, Failure> {
        self.pause().await;
        let path = ["v1", "actions", &self.id, "events"];
        self.api.events(&path, &self.last).await
    }

    async fn ask(&mut self) -> Result<ActionView, Failure> {
        self.pause().await;
        self.api.get(&["v1", "actions", &self.id]).await
    }

    /// Waits between two requests, a little longer each time.
    async fn pause(&mut self) {
        if let Some(pause) = self.pause {
            tokio::time::sleep(pause).await;
        }
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| pause * 4 / 3);
        self.pause = Some(pause.min(LONGEST_PAUSE));
    }
}
