//! SOARCA's `/trigger/playbook` and `/playbook` (specs/soarca/soarca-api.md §1, §2).

use super::view::{self, BODY};
use super::who::{Reader, Runner, Writer};
use crate::Scheduler;
use crate::app::{Triggered, Versions, What};
use crate::domain::variable::Given;
use crate::store::playbooks::PlaybookRow;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpResponse, routes};
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use types::api::playbook::PlaybookView;
use types::instant;
use web::{Body, Problem};

/// Says how many playbooks are asked for at a time.
const PIECE: i64 = 20;

fn began(triggered: &Triggered) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "execution_id": triggered.execution,
        "payload": triggered.playbook,
        "playbook_id": triggered.playbook,
    }))
}

/// Begins a run of the playbook in the body.
#[utoipa::path(tag = "soarca", request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[post("/trigger/playbook")]
#[post("/trigger/playbook/")]
pub(super) async fn trigger(
    runner: Runner,
    service: Data<Scheduler>,
    body: Body<BODY>,
) -> Result<HttpResponse, Problem> {
    let (playbook, document) = view::read(body.0).await?;
    let what = What::This(Box::new(playbook), document);
    Ok(began(&service.app.trigger_playbook(what, BTreeMap::new(), runner.id).await?))
}

/// Begins a run of a stored playbook; the body holds values of external variables, or nothing.
#[utoipa::path(tag = "soarca", params(("id" = String, Path, description = "the CACAO id")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[post("/trigger/playbook/{id}")]
#[post("/trigger/playbook/{id}/")]
pub(super) async fn trigger_stored(
    runner: Runner,
    service: Data<Scheduler>,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let given = variables(&body.0)?;
    let what = What::Stored(id.into_inner(), None);
    Ok(began(&service.app.trigger_playbook(what, given, runner.id).await?))
}

fn variables(body: &Bytes) -> Result<BTreeMap<String, Given>, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(BTreeMap::new());
    }
    let read = serde_json::from_slice::<Option<BTreeMap<String, Value>>>(body);
    let read = read.map_err(|error| {
        Problem::malformed(
            "variables-malformed",
            format!("cannot unmarshal provided variables: {error}"),
        )
    })?;
    view::given(&read.unwrap_or_default())
}

/// Lists the newest versions of the stored playbooks, whole.
#[utoipa::path(tag = "soarca", responses((status = 200, body = Vec<Object>), (status = "4XX", body = Object)))]
#[routes]
#[get("/playbook")]
#[get("/playbook/")]
pub(super) async fn list(
    _reader: Reader,
    service: Data<Scheduler>,
) -> Result<HttpResponse, Problem> {
    answer(service, Form::Whole).await
}

/// Lists the newest versions of the stored playbooks, in short.
#[utoipa::path(tag = "soarca", responses((status = 200, body = Vec<Object>), (status = "4XX", body = Object)))]
#[routes]
#[get("/playbook/meta")]
#[get("/playbook/meta/")]
pub(super) async fn list_metas(
    _reader: Reader,
    service: Data<Scheduler>,
) -> Result<HttpResponse, Problem> {
    answer(service, Form::Short).await
}

/// Says how a list shows playbooks.
#[derive(Debug, Clone, Copy)]
enum Form {
    Whole,
    Short,
}

/// Is a list of all playbooks that is written piece by piece, so that its size needs no memory.
struct List {
    service: Data<Scheduler>,
    form: Form,
    /// What was read and is still to be written.
    rows: VecDeque<PlaybookRow>,
    /// The id of the last that was read.
    read: String,
    begun: bool,
    over: bool,
}

async fn answer(service: Data<Scheduler>, form: Form) -> Result<HttpResponse, Problem> {
    let (rows, read) = (VecDeque::new(), String::new());
    let mut all = List { service, form, rows, read, begun: false, over: false };
    // with the first piece what is wrong can still be said
    let first = all.next().await?;
    let first = stream::once(async move { Ok(first) });
    let rest = stream::try_unfold(all, async |mut all: List| {
        if all.over {
            return Ok(None);
        }
        let piece = all.next().await?;
        Ok::<_, Problem>(Some((piece, all)))
    });
    let pieces = stream::StreamExt::chain(first, rest);
    Ok(HttpResponse::Ok().content_type("application/json").streaming(pieces))
}

impl List {
    /// Writes the next playbook with what is before it, or the end.
    async fn next(&mut self) -> Result<Bytes, Problem> {
        if self.rows.is_empty() {
            self.rows = self.service.app.list_newest(&self.read, PIECE).await?.into();
            if let Some(last) = self.rows.back() {
                self.read.clone_from(&last.playbook_id);
            }
        }
        let mut piece = String::from(if self.begun { "," } else { "[" });
        self.begun = true;
        match (self.rows.pop_front(), self.form) {
            // as it is stored
            (Some(row), Form::Whole) => piece += &self.service.app.show_document(&row).await?,
            (Some(row), Form::Short) => piece += &meta(row).to_string(),
            (None, _) => {
                self.over = true;
                piece = if piece == "[" { "[]".into() } else { "]".into() };
            }
        }
        Ok(piece.into())
    }
}

fn meta(row: PlaybookRow) -> Value {
    let PlaybookView { id, name, description, labels, valid_from, valid_until, created, .. } =
        view::playbook(row, None);
    let written = |at| super::reporter::written(instant::or_none(at));
    json!({
        "id": id, "name": name, "description": description, "labels": labels, "created": super::reporter::written(created),
        "valid_from": written(valid_from), "valid_until": written(valid_until),
    })
}

/// Stores a playbook that is not there yet.
#[utoipa::path(tag = "soarca", request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[post("/playbook")]
#[post("/playbook/")]
pub(super) async fn create(
    writer: Writer,
    service: Data<Scheduler>,
    body: Body<BODY>,
) -> Result<HttpResponse, Problem> {
    let (playbook, document) = view::read(body.0).await?;
    service.app.keep_playbook(&playbook, &document, Versions::None, writer.0).await?;
    Ok(HttpResponse::Created().content_type("application/json").body(document))
}

/// Gives a playbook byte for byte as it came.
#[utoipa::path(tag = "soarca", params(("id" = String, Path, description = "the CACAO id")),
    responses((status = 200, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[get("/playbook/{id}")]
#[get("/playbook/{id}/")]
pub(super) async fn show(
    _reader: Reader,
    service: Data<Scheduler>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let (_, document) = service.app.show_playbook(&id, None).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(document))
}

/// Replaces a playbook; its id must be the one of the path.
#[utoipa::path(tag = "soarca", params(("id" = String, Path, description = "the CACAO id")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[put("/playbook/{id}")]
#[put("/playbook/{id}/")]
pub(super) async fn replace(
    writer: Writer,
    service: Data<Scheduler>,
    id: Path<String>,
    body: Body<BODY>,
) -> Result<HttpResponse, Problem> {
    let (playbook, document) = view::read(body.0).await?;
    if playbook.id != *id {
        let detail = format!("the playbook's id is {}, the path says {id}", playbook.id);
        return Err(Problem::invalid("id-differs", detail.as_str()).fault("/id", detail));
    }
    service.app.keep_playbook(&playbook, &document, Versions::Replace, writer.0).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(document))
}

/// Deletes a playbook; executions go on with theirs.
#[utoipa::path(tag = "soarca", params(("id" = String, Path, description = "the CACAO id")),
    responses((status = 200, description = "Deleted"), (status = "4XX", body = Object)))]
#[routes]
#[delete("/playbook/{id}")]
#[delete("/playbook/{id}/")]
pub(super) async fn delete(
    _writer: Writer,
    service: Data<Scheduler>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    service.app.delete_playbook(&id, None).await?;
    Ok(HttpResponse::Ok().finish())
}
