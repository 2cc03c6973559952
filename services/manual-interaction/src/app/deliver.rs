//! What was put down is told outside: tried again for 24 hours, then kept for somebody to replay.

use super::App;
use crate::error::Error;
use crate::notify::mail;
use crate::store::notifications::{
    Notification, notification_failed, notification_sent_after, notifications_sent,
    notifications_take,
};
use futures_util::future::join_all;
use std::time::Duration as Patience;
use time::{Duration, OffsetDateTime};

/// How long whoever took a notification may hold it.
const LEASE: Duration = Duration::minutes(2);
/// How long one sending may take.
const PATIENCE: Patience = Patience::from_secs(30);
/// How long a notification is tried.
const LIFE: Duration = Duration::hours(24);
/// How many calls are made at a time.
const CALLS: i64 = 16;
/// How many events one mail tells.
const PER_MAIL: i64 = 100;
/// How often mails are sent at most.
const MAIL_EVERY: Duration = Duration::minutes(1);

impl App {
    /// Sends what is due by webhook.
    pub async fn deliver_calls(&self) -> Result<(), Error> {
        let Some(webhook) = &self.channels.webhook else { return Ok(()) };
        loop {
            let now = self.clock.now();
            let mut conn = self.store.get().await?;
            let taken = notifications_take(&mut conn, "webhook", now, LEASE, CALLS).await?;
            drop(conn);
            let calls = taken.iter().map(|told| async {
                let call = webhook.call(told.id, &told.event, &told.body, now);
                let call = tokio::time::timeout(PATIENCE, call);
                call.await.unwrap_or_else(|_late| Err("no answer came in time".into()))
            });
            let results = join_all(calls).await;
            let failed = results.iter().filter(|result| result.is_err()).count();
            for (told, result) in taken.iter().zip(results) {
                self.settle(std::slice::from_ref(told), result.map(|()| None)).await?;
            }
            // a receiver that takes nothing is left alone until the next time
            if taken.is_empty() || failed == taken.len() {
                return Ok(());
            }
        }
    }

    /// Sends what is due by mail, all in one, not more often than once a minute.
    pub async fn deliver_mails(&self) -> Result<(), Error> {
        let Some(smtp) = &self.channels.smtp else { return Ok(()) };
        let now = self.clock.now();
        let mut conn = self.store.get().await?;
        if notification_sent_after(&mut conn, "mail", now - MAIL_EVERY).await? {
            return Ok(());
        }
        let taken = notifications_take(&mut conn, "mail", now, LEASE, PER_MAIL).await?;
        drop(conn);
        if taken.is_empty() {
            return Ok(());
        }
        let bodies: Vec<&str> = taken.iter().map(|told| told.body.as_str()).collect();
        let sending = smtp.send(mail::write(&bodies, now));
        let result = tokio::time::timeout(PATIENCE, sending).await;
        let result = result.unwrap_or_else(|_late| Err(anyhow::anyhow!("no answer came in time")));
        self.settle(&taken, result.map_err(|error| format!("{error:#}"))).await
    }

    /// Notes that something was told, and to whom it could not be; or that it is tried again.
    async fn settle(
        &self,
        told: &[Notification],
        result: Result<Option<String>, String>,
    ) -> Result<(), Error> {
        match result {
            Ok(refused) => self.settle_sent(told, refused.as_deref().map(shown)).await,
            Err(error) => self.settle_failed(told, shown(&error)).await,
        }
    }

    async fn settle_sent(
        &self,
        told: &[Notification],
        refused: Option<String>,
    ) -> Result<(), Error> {
        if let Some(error) = &refused {
            tracing::warn!(error, "not everybody was told");
        }
        let ids: Vec<_> = told.iter().map(|told| told.id).collect();
        let mut conn = self.store.get().await?;
        notifications_sent(&mut conn, &ids, refused.as_deref(), self.clock.now()).await?;
        Ok(())
    }

    async fn settle_failed(&self, told: &[Notification], error: String) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.store.get().await?;
        for told in told {
            let due = next(told.since, told.attempts, now);
            notification_failed(&mut conn, told.id, &error, due).await?;
            if due.is_none() {
                tracing::warn!(notification.id = %told.id, error, "given up; it can be replayed");
            }
        }
        tracing::info!(notifications = told.len(), error, "not told yet");
        Ok(())
    }
}

/// Gives as much of an error as is kept.
fn shown(error: &str) -> String {
    crate::domain::text::cut(&crate::domain::text::clean(error), 500)
}

/// Says when it is tried again: after 2, 4, 8, … seconds, an hour at most; never after a day.
fn next(since: OffsetDateTime, attempts: i32, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let wait = 2_i64.saturating_pow(u32::try_from(attempts).unwrap_or(0).clamp(1, 12)).min(3_600);
    let due = now + Duration::seconds(wait);
    (due - since < LIFE).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn it_is_tried_for_a_day() {
        let since = datetime!(2026-12-01 12:00 UTC);
        let (mut now, mut tries) = (since, 0);
        while let Some(due) = next(since, tries + 1, now) {
            assert!(due > now && due - now <= Duration::hours(1));
            (now, tries) = (due, tries + 1);
        }
        assert!((30..50).contains(&tries) && now - since > Duration::hours(22), "{tries} {now}");
    }
}
