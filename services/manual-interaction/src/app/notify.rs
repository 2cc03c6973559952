//! People outside of the house are told of steps: put down with the effect that it tells of.
//!
//! Names and descriptions are told and nothing else of a step's content: commands have variables filled in, which may
//! be secret.

use super::App;
use crate::domain::text::cut;
use crate::error::Error;
use crate::store::notifications::{New, notifications_insert};
use serde_json::json;
use store::Conn;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::api::step::StepView;
use uuid::Uuid;

impl App {
    /// Puts down, in the transaction of the effect, that people are to be told of it on every channel there is.
    pub(super) async fn notify(
        &self,
        conn: &mut Conn,
        event: &str,
        steps: &[&StepView],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let channels: Vec<_> = self.channels.names().collect();
        let mut new = Vec::with_capacity(steps.len() * channels.len());
        for step in steps {
            new.extend(channels.iter().map(|channel| self.notification(event, step, channel, now)));
        }
        Ok(notifications_insert(conn, &new, now).await?)
    }

    fn notification<'a>(
        &self,
        event: &'a str,
        step: &StepView,
        channel: &'a str,
        now: OffsetDateTime,
    ) -> New<'a> {
        let id = Uuid::now_v7();
        let stamp = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let body = json!({
            "id": id,
            "event": event,
            "at": stamp(now),
            "step": {
                "id": step.id,
                "execution_id": step.execution_id,
                "playbook_id": step.playbook_id,
                "playbook_name": cut(&step.playbook_name, 500),
                "step_id": step.step_id,
                "run": step.run,
                "name": cut(&step.name, 500),
                "description": cut(&step.description, 4_000),
                "created": stamp(step.created),
                "deadline": stamp(step.deadline),
                "assignee": step.assignee,
            },
            "link": self.origin.link(&format!("/manual/page/steps/{}", step.id)),
        });
        New { id, step: step.id, event, channel, body: body.to_string() }
    }
}
