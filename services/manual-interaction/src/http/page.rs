//! `/manual/page`: where people see the steps that wait, and answer them. It works without script; a session lasts a
//! quarter of an hour, its cookie is for this page only, and every form carries a word that follows from it.

use super::html;
use super::query::Show;
use super::who::actor;
use crate::ManualInteraction;
use crate::domain::answer::{Answer, Given};
use crate::error::Error;
use crate::store::steps::Wanted;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse, get, post};
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use types::api::step::StepState;
use types::messages::manual::ManualOutcome;
use types::{Permission, StepRunId};
use utoipa::ToSchema;
use web::page::{self, Cookie};
use web::{Entrance, Entry, Form, Origin, PageQuery, Peer, Problem, Query, Values, Visitor};

const COOKIE: Cookie = Cookie { name: "writ-manual", path: "/manual/page" };
/// How many steps a page shows.
const SHOWN: i64 = 100;
const NOT_A_KEY: &str =
    "this is not the API key of an active investigator who may read manual steps (manual_read)";

/// Is what the sign-in form sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name")]
struct SignInForm {
    /// The API key.
    key: String,
    /// The page to go on with.
    next: Option<String>,
}

/// Is what the form of a step sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name")]
struct StepForm {
    /// The word of the session.
    csrf: String,
    /// `success`, `failure`, `claim`, `release`, `assign` or `comment`; values are named `value.` and the variable.
    r#do: String,
    /// The comment.
    text: Option<String>,
    /// Who is asked from now on.
    assignee: Option<String>,
}

/// Tells whether somebody may do more than look.
pub(super) fn may_respond(visitor: &Visitor) -> bool {
    visitor.caller.permissions.has(Permission::ManualRespond)
}

/// Shows the steps that wait, or those that ended.
#[utoipa::path(
    tag = "page",
    security(()),
    params(Show),
    responses((status = 200, description = "A page for people", body = String, content_type = "text/html"))
)]
#[get("/manual/page")]
pub(super) async fn show(
    request: HttpRequest,
    service: Data<ManualInteraction>,
    query: Query<Show>,
) -> Result<HttpResponse, Problem> {
    let Some(visitor) = entrance(&service).visitor(&request).await? else {
        return Ok(html::sign_in(StatusCode::OK, "/manual/page", ""));
    };
    let app = &service.app;
    let now = app.clock.now();
    let Some(state) = query.state.filter(|state| *state != StepState::Pending) else {
        let mut steps = app.list_soonest(SHOWN + 1).await?;
        let more = steps.len() > usize::try_from(SHOWN).unwrap_or(usize::MAX);
        steps.truncate(usize::try_from(SHOWN).unwrap_or(usize::MAX));
        return Ok(html::waiting(&visitor, &steps, more, now));
    };
    let page = PageQuery::new(Some(SHOWN), query.cursor.clone());
    let before = page.after()?.unwrap_or(i64::MAX);
    let wanted = Wanted { state: Some(state), ..Wanted::default() };
    let rows = app.list_brief(&wanted, before, page.rows()?).await?;
    let listed = page.page(rows, |row| row.seq)?;
    Ok(html::ended(&visitor, state, &listed.items, listed.next.as_deref()))
}

/// Signs a person in by API key.
#[utoipa::path(
    tag = "page",
    security(()),
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Signed in"), (status = 403, description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/manual/page/session")]
pub(super) async fn sign_in(
    request: HttpRequest,
    service: Data<ManualInteraction>,
    origin: Data<Origin>,
    peer: Peer,
    form: Form<{ 16 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let next = form.first("next").filter(|next| is_own(next)).unwrap_or("/manual/page");
    let refuse = |fault| Ok(html::sign_in(StatusCode::FORBIDDEN, next, fault));
    match entrance(&service).enter(&request, peer, &origin, &form).await? {
        Entry::In(cookie) => Ok(page::go(next, Some(cookie))),
        Entry::Forged => refuse(page::FORGED),
        Entry::Wrong => refuse(NOT_A_KEY),
        Entry::Shut => {
            let fault = "Too many wrong keys came from your address; try again in five minutes.";
            let mut page = html::sign_in(StatusCode::TOO_MANY_REQUESTS, next, fault);
            page.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("300"));
            Ok(page)
        }
    }
}

/// Signs the visitor out.
#[utoipa::path(
    tag = "page",
    security(()),
    request_body(content = page::SignOutForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Signed out"), (status = 403, description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/manual/page/session/end")]
pub(super) async fn sign_out(
    request: HttpRequest,
    service: Data<ManualInteraction>,
    form: Form<{ 16 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let left = entrance(&service).leave(&request, &form).await?;
    Ok(left.map_or_else(
        || html::message(StatusCode::FORBIDDEN, page::FORGED),
        |cookie| page::go("/manual/page", Some(cookie)),
    ))
}

/// Shows one step, its form and its history.
#[utoipa::path(
    tag = "page",
    security(()),
    params(("id" = StepRunId, Path)),
    responses((status = 200, description = "A page for people", body = String, content_type = "text/html"), (status = "4XX", description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[get("/manual/page/steps/{id}")]
pub(super) async fn step(
    request: HttpRequest,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
) -> Result<HttpResponse, Problem> {
    match entrance(&service).visitor(&request).await? {
        None => Ok(html::sign_in(StatusCode::OK, &format!("/manual/page/steps/{id}"), "")),
        Some(visitor) => {
            show_step(&service, &visitor, *id, (StatusCode::OK, ""), &Values::default()).await
        }
    }
}

/// Answers a step, or does what else its page offers.
#[utoipa::path(
    tag = "page",
    security(()),
    params(("id" = StepRunId, Path)),
    request_body(content = StepForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Done; the step's page shows it"), (status = "4XX", description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/manual/page/steps/{id}")]
pub(super) async fn act(
    request: HttpRequest,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    let id = *id;
    let Some((visitor, form)) = sent.0 else {
        return Ok(html::message(StatusCode::FORBIDDEN, page::FORGED));
    };
    if !may_respond(&visitor) {
        let fault =
            "you may only read manual steps (manual_respond is missing); ask an administrator";
        return show_step(&service, &visitor, id, (StatusCode::FORBIDDEN, fault), &form).await;
    }
    if !service.app.may_change() {
        let fault = "the investigators' keys may be out of date here, so nothing is changed; try again later";
        let status = (StatusCode::SERVICE_UNAVAILABLE, fault);
        return show_step(&service, &visitor, id, status, &form).await;
    }
    let done = perform(&service, &visitor, &request, id, &form).await;
    let (status, fault) = match done {
        Ok(()) => return Ok(page::go(&format!("/manual/page/steps/{id}"), None)),
        Err(error @ (Error::Store(_) | Error::Internal(_))) => return Err(error.into()),
        Err(Error::NotFound(_)) => {
            return Ok(html::message(StatusCode::NOT_FOUND, "there is no such step"));
        }
        Err(Error::Invalid(faults)) => {
            let told: Vec<String> = faults
                .into_iter()
                .map(|fault| {
                    let place = fault.pointer.rsplit('/').next().unwrap_or_default().to_owned();
                    if fault.detail.starts_with(&place) {
                        fault.detail
                    } else {
                        format!("{place}: {}", fault.detail)
                    }
                })
                .collect();
            (StatusCode::UNPROCESSABLE_ENTITY, told.join("; "))
        }
        Err(error) => (StatusCode::CONFLICT, error.to_string()),
    };
    show_step(&service, &visitor, id, (status, &fault), &form).await
}

async fn perform(
    service: &ManualInteraction,
    visitor: &Visitor,
    request: &HttpRequest,
    id: StepRunId,
    form: &Values,
) -> Result<(), Error> {
    let app = &service.app;
    let actor = actor(Some(&visitor.caller), request, "page");
    match form.first("do").unwrap_or_default() {
        "claim" => app.claim_step(id, &actor).await?,
        "release" => app.release_step(id, &actor).await?,
        "assign" => {
            app.assign_step(id, form.first("assignee").unwrap_or_default().trim(), &actor).await?
        }
        "comment" => app.comment_step(id, form.first("text").unwrap_or_default(), &actor).await?,
        word => {
            let outcome = ManualOutcome::parse(word);
            let outcome = outcome.ok_or_else(|| {
                let detail = "the form says neither done nor failed";
                Error::Invalid(vec![crate::domain::answer::fault("/do", detail)])
            })?;
            let variables =
                if outcome == ManualOutcome::Success { given(form) } else { BTreeMap::new() };
            app.answer_step(id, &Answer { outcome, variables, place: "/variables" }, &actor).await?
        }
    };
    Ok(())
}

/// Reads the values of a form; browsers end lines with CR and LF.
fn given(form: &Values) -> BTreeMap<String, Given> {
    form.iter()
        .filter_map(|(field, values)| Some((field.strip_prefix("value.")?, values.first()?)))
        .map(|(name, value)| {
            (name.to_owned(), Given { kind: None, value: Some(value.replace("\r\n", "\n")) })
        })
        .collect()
}

async fn show_step(
    service: &ManualInteraction,
    visitor: &Visitor,
    id: StepRunId,
    (status, fault): (StatusCode, &str),
    typed: &Values,
) -> Result<HttpResponse, Problem> {
    match service.app.show_step(id).await {
        Ok(detail) => {
            let now = service.app.clock.now();
            Ok(html::step(status, visitor, &detail, fault, typed, now))
        }
        Err(Error::NotFound(_)) => {
            Ok(html::message(StatusCode::NOT_FOUND, "there is no such step"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Is the form of a step, with who sent it; nothing of it is read when they are not signed in.
pub(super) struct Sent(Option<(Visitor, Form<{ 2 << 20 }>)>);

impl FromRequest for Sent {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let service = request.app_data::<Data<ManualInteraction>>().ok_or_else(|| {
                Problem::internal(anyhow::anyhow!("the server was set up without its service"))
            })?;
            Ok(Self(entrance(service).receive(&request, &mut payload).await?))
        })
    }
}

/// Tells whether an address leads to this page; a foreign one is not gone to.
fn is_own(next: &str) -> bool {
    let rest = next.strip_prefix("/manual/page");
    rest.is_some_and(|rest| {
        rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-'))
    })
}

fn entrance(service: &ManualInteraction) -> Entrance<'_> {
    let ManualInteraction { app, guesses } = service;
    Entrance { cookie: COOKIE, sessions: app.sessions(), guesses, now: app.clock.now() }
}
