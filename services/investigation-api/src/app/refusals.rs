//! What was refused here, and what the other services tell the audit.

use super::App;
use crate::domain::audit::{Actor, Entry, Outcome, clean};
use crate::error::Error;
use crate::store::audit::audit_append;
use messaging::inbox;
use time::OffsetDateTime;
use types::Envelope;
use types::messages::AuditNoted;
use types::messages::audit::AuditEntry;
use web::Noted;

/// Says how many characters of a name are kept.
const LONGEST_WORD: usize = 128;

impl App {
    /// Notes a refused login, and a request for which the investigator has no permission. What else is refused or done
    /// is noted where it is.
    pub(crate) fn note_witnessed(&self, noted: Noted) {
        let told = match &noted.outcome {
            web::Outcome::Done(_) => false,
            web::Outcome::Refused { code, .. } => {
                noted.caller.is_none() || *code == web::Problem::PERMISSION_MISSING
            }
        };
        if told {
            self.notes.note(self.clock.now(), noted);
        }
    }

    /// Notes a change that was refused; refusals of one minute are counted together.
    pub(crate) fn note_refusal(&self, actor: &Actor, what: &str, subject: &str, error: &Error) {
        // what was not judged was not refused
        if matches!(error, Error::Store(_) | Error::Busy | Error::NotYet(_)) {
            return;
        }
        self.notes.add(AuditEntry {
            at: self.clock.now(),
            address: actor.address.clone(),
            investigator: actor.id,
            who: actor.who.clone(),
            what: what.into(),
            subject: subject.into(),
            outcome: "refused".into(),
            detail: error.to_string(),
            count: 1,
        });
    }

    /// Writes down what was noted.
    pub(crate) async fn write_notes(&self) -> Result<(), Error> {
        let due = self.notes.take(self.clock.now());
        if due.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = due.iter().map(|noted| entry(noted, "")).collect();
        let written = self
            .store
            .tx(async |conn| -> Result<(), Error> { Ok(audit_append(conn, &entries).await?) })
            .await;
        if written.is_err() {
            self.notes.give_back(due);
        }
        written
    }

    /// Writes down what other services noted, each message once.
    pub(crate) async fn keep_notes(&self, told: Vec<Envelope<AuditNoted>>) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<_> = told.iter().map(|event| event.id).collect();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new = inbox::admit(conn, "investigation-api.audit", &ids, now).await?;
                let fresh = told.iter().filter(|event| new.contains(&event.id));
                let entries: Vec<_> = fresh
                    .flat_map(|event| {
                        let service = event.source.trim_start_matches('/');
                        event.data.entries.iter().map(move |noted| entry(noted, service))
                    })
                    .collect();
                if entries.is_empty() { Ok(()) } else { Ok(audit_append(conn, &entries).await?) }
            })
            .await
    }
}

/// Gives the row of something that was noted, by this service or by another.
fn entry(noted: &AuditEntry, service: &str) -> Entry {
    let word = |text: &str| clean(text).chars().take(LONGEST_WORD).collect::<String>();
    let subject = if service.is_empty() {
        noted.subject.clone()
    } else {
        format!("{service} {}", noted.subject)
    };
    let actor =
        Actor { id: noted.investigator, who: clean(&noted.who), address: word(&noted.address) };
    Entry {
        at: whole(noted.at),
        actor,
        what: word(&noted.what),
        subject: clean(&subject),
        outcome: if noted.outcome == "done" { Outcome::Done } else { Outcome::Refused },
        detail: clean(&noted.detail),
        count: noted.count.max(1),
    }
}

/// Cuts a time to what the table keeps.
fn whole(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.microsecond().saturating_mul(1000)).unwrap_or(at)
}
