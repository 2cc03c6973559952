//! Does what investigators want of runs, one word after another, and no word waits for another run's sake.

use super::App;
use super::pass_over::Turn;
use crate::domain::word::{Wish, Word};
use crate::error::Error;
use crate::store::words::{word_keep, word_take, words_kept, words_wait};
use messaging::inbox;
use store::Conn;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const CONSUMER: &str = "scheduler.actions";

/// Says who waits while a word is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// The words and the actions behind it.
    Others,
    /// Nobody: it was kept.
    Nobody,
}

impl Hearing {
    /// Gives how long a run is waited for that somebody else holds.
    pub(super) fn patience(self) -> Duration {
        match self {
            // what others do with a run mostly takes a few milliseconds
            Self::Others => Duration::milliseconds(250),
            // it comes again
            Self::Nobody => Duration::milliseconds(10),
        }
    }
}

/// Says what came of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was done, or there was nothing to do.
    Done,
    /// The action has not arrived.
    Unknown,
    /// Doing it takes so long that others must not wait for it.
    Long,
}

impl App {
    /// Does what `message` wants, once. What has to wait for the run, as for its launch, is kept and done as soon as the
    /// run is free, and so is what takes long itself: nobody else's word, and no other action, waits for it.
    pub(super) async fn hear(&self, message: Uuid, word: &Word) -> Result<(), Error> {
        let now = self.clock.now();
        let heard = self
            .store
            .tx(async |conn| -> Result<Heard, Error> {
                if inbox::admit(conn, CONSUMER, &[message], now).await?.is_empty() {
                    return Ok(Heard::Done);
                }
                // behind another one that waits for the same run it need not be tried
                let heard = if words_wait(conn, word.action).await? {
                    Heard::Long
                } else {
                    self.obey(conn, word, Hearing::Others, now).await?
                };
                match heard {
                    Heard::Done => {}
                    Heard::Unknown => {
                        return Err(Error::NotYet("the steered action has not arrived"));
                    }
                    Heard::Long => {
                        word_keep(conn, word, now).await?;
                    }
                }
                Ok(heard)
            })
            .await;
        match heard {
            Ok(Heard::Long) => self.words.notify_one(),
            Err(error) if error.is_held_up() => self.keep(message, word, now).await?,
            heard => {
                heard?;
                self.steered();
            }
        }
        Ok(())
    }

    /// Keeps a word until its run is free.
    async fn keep(&self, message: Uuid, word: &Word, now: OffsetDateTime) -> Result<(), Error> {
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if !inbox::admit(conn, CONSUMER, &[message], now).await?.is_empty() {
                    word_keep(conn, word, now).await?;
                }
                Ok(())
            })
            .await?;
        self.words.notify_one();
        tracing::info!(action.id = %word.action, ?word.wish, "is done when the run is free");
        Ok(())
    }

    /// Does the words that were kept and whose runs are free by now.
    pub(crate) async fn follow_words(&self) -> Result<(), Error> {
        let mut failed = None;
        let kept = {
            let mut conn = self.store.get().await?;
            words_kept(&mut conn, self.clock.now()).await?
        };
        for row in kept {
            if !self.goes_on() {
                break;
            }
            let word = row.word();
            let followed = match self.follow(row.number, &word).await {
                Err(error) if error.is_held_up() => continue,
                followed => followed.map(|()| Turn::Done),
            };
            let turn = self.or_pass_over(followed, Some(word.action.0), "steered").await?;
            turn.goes_on(&mut failed);
        }
        failed.map_or(Ok(()), Err)
    }

    async fn follow(&self, number: i64, word: &Word) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if word_take(conn, number).await? {
                    self.obey(conn, word, Hearing::Nobody, now).await?;
                }
                Ok(())
            })
            .await?;
        self.steered();
        Ok(())
    }

    async fn obey(
        &self,
        conn: &mut Conn,
        word: &Word,
        hearing: Hearing,
        now: OffsetDateTime,
    ) -> Result<Heard, Error> {
        match word.wish {
            Wish::Cancel => self.cancel(conn, word, hearing, now).await,
            Wish::Steer { paused, at } => self.steer(conn, word, (paused, at), hearing, now).await,
        }
    }

    /// Has everybody look who may have something to do now.
    fn steered(&self) {
        self.bus.wake();
        self.due.notify_one();
        self.held.notify_one();
    }
}
