//! `GET /v1/actions/{id}/events`: an action as it goes on, as server-sent events.

use super::who::ReadActions;
use crate::InvestigationApi;
use crate::app::{Event, WatchError, Watched};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use types::ActionId;
use types::api::action::ActionView;
use types::api::problem::Problem as ProblemBody;
use web::{Permitted, Problem};

/// Tells an action's state now and whenever its run changes, until it is over.
///
/// Each event `action` carries the whole action, as `GET /v1/actions/{id}` shows it, and as its id the version of the
/// run; states between two events may be skipped. While answers are on their way that a version speaks of, its state
/// comes without an id. The last event is `end`. A caller that comes again says by `Last-Event-ID` which version it
/// has: it gets what is newer, or 204 when there will be nothing newer. A stream ends after 15 minutes, and within a
/// second when its caller is changed or disabled; the caller comes again.
#[utoipa::path(tag = "actions", params(
    ("id" = i64, Path, description = "the action's number"),
    ("Last-Event-ID" = Option<i64>, Header, description = "the id of the last event the caller has")), responses(
    (status = 200, body = ActionView, content_type = "text/event-stream"), (status = 204, description = "the caller knows the end"),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/actions/{id}/events")]
pub(super) async fn events(
    service: Data<InvestigationApi>,
    caller: Permitted<ReadActions>,
    id: Path<i64>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let after = last_event_id(&request)?;
    let watched = service.app.watch_action(ActionId(*id), caller.0.id, after).await;
    match watched.map_err(problem)? {
        Watched::Over => Ok(HttpResponse::NoContent().finish()),
        Watched::Stream(events) => Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/event-stream"))
            // what stands between must hand on each event as it comes
            .insert_header(("x-accel-buffering", "no"))
            .body(Events { begun: false, events })),
    }
}

fn last_event_id(request: &HttpRequest) -> Result<Option<i64>, Problem> {
    let Some(value) = request.headers().get("last-event-id") else { return Ok(None) };
    match value.to_str().unwrap_or("?").trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_not_a_number| {
            let detail =
                "Last-Event-ID is not the id of an event of this stream: those are whole numbers";
            Problem::malformed("last-event-id-invalid", detail)
        }),
    }
}

fn problem(error: WatchError) -> Problem {
    match error {
        WatchError::Full => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-streams",
            "Too many streams",
            "you, or all callers together, watch as many actions as this service allows; \
             close a stream, or ask for the action now and then",
        )
        .retry_after(std::time::Duration::from_secs(30)),
        WatchError::Gone => Problem::unauthorized("the investigator was changed a moment ago"),
        WatchError::Failed(error) => error.into(),
    }
}

/// Is the body: events as they come.
struct Events {
    begun: bool,
    events: mpsc::Receiver<Event>,
}

impl MessageBody for Events {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let body = self.get_mut();
        if !body.begun {
            body.begun = true;
            // something at once, so that a caller notices when what stands between holds events back
            return Poll::Ready(Some(Ok(Bytes::from_static(b"retry: 1000\n\n"))));
        }
        let event = ready!(body.events.poll_recv(context));
        Poll::Ready(event.map(|event| Ok(Bytes::from(text(&event)))))
    }
}

/// Writes an event. JSON holds no line breaks, so each is one line of data.
fn text(event: &Event) -> String {
    match event {
        Event::State { version, action } => {
            let id = version.map(|version| format!("id: {version}\n")).unwrap_or_default();
            format!("event: action\n{id}data: {}\n\n", json!(action))
        }
        Event::End(status) => format!("event: end\ndata: {}\n\n", json!({"status": status})),
        Event::Beat => ":\n\n".into(),
    }
}
