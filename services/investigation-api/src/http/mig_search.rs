//! `/api/v1/search`, as MIG's clients know it (specs/mig/api.md §4).

use super::{mig_actions, mig_agents, mig_commands, mig_investigators, who};
use crate::InvestigationApi;
use crate::app::Found;
use crate::domain::search::Search;
use crate::error::Error;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::stream;
use types::InvestigatorId;
use web::{Collection, Item, Origin, Permitted, Problem, QueryValues};

/// Finds actions, agents, commands, investigators, loaders or manifests.
#[utoipa::path(tag = "mig", params(
        ("type" = Option<String>, Query, description = "action (default), agent, command, investigator, loader, manifest"),
        ("actionid" = Option<f64>, Query), ("agentid" = Option<f64>, Query), ("commandid" = Option<f64>, Query),
        ("investigatorid" = Option<f64>, Query), ("loaderid" = Option<f64>, Query), ("manifestid" = Option<f64>, Query),
        ("actionname" = Option<String>, Query), ("agentname" = Option<String>, Query),
        ("agentversion" = Option<String>, Query), ("investigatorname" = Option<String>, Query),
        ("loadername" = Option<String>, Query), ("manifestname" = Option<String>, Query),
        ("threatfamily" = Option<String>, Query), ("status" = Option<String>, Query),
        ("foundanything" = Option<bool>, Query), ("target" = Option<String>, Query),
        ("after" = Option<String>, Query), ("before" = Option<String>, Query),
        ("limit" = Option<f64>, Query), ("offset" = Option<f64>, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/search")]
pub(super) async fn find(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    _caller: Permitted<who::Search>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let href = origin.href(&request);
    let (search, fault) = Search::read(|name| query.first(name), service.app.clock.now());
    let refuse = |status, message: String| {
        Collection::new(href.as_str())
            .item(parameters(&href, &search))
            .error(message)
            .respond(status)
    };
    if let Some(fault) = fault {
        return refuse(StatusCode::BAD_REQUEST, fault);
    }
    let ids = match service.app.search(&search, 0, None).await {
        Ok(ids) => ids,
        Err(Error::Invalid { pointer, detail, .. }) => {
            return refuse(StatusCode::BAD_REQUEST, format!("{pointer}: {detail}"));
        }
        Err(error) => return Err(error.into()),
    };
    if ids.is_empty() {
        return refuse(StatusCode::NOT_FOUND, "no results found".into());
    }
    let mut answer = Answer { service, origin, href, search, ids, at: 0, written: 0 };
    let first = answer.next().await?;
    if answer.is_over() {
        return Ok(Collection::answer(StatusCode::OK).body(first));
    }
    let first = stream::once(async move { Ok(Bytes::from(first)) });
    let rest = stream::try_unfold(answer, async |mut answer: Answer| {
        if answer.is_over() {
            return Ok(None);
        }
        let piece = answer.next().await?;
        Ok::<_, Problem>(Some((Bytes::from(piece), answer)))
    });
    let pieces = stream::StreamExt::chain(first, rest);
    Ok(Collection::answer(StatusCode::OK).streaming(pieces))
}

/// Is an answer that is written piece by piece, so that its size needs no memory.
struct Answer {
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    href: String,
    search: Search,
    /// What was found, or the part of it that is being written.
    ids: Vec<i64>,
    /// How many of these are written.
    at: usize,
    /// How many are written in all.
    written: i64,
}

impl Answer {
    fn is_over(&self) -> bool {
        self.at >= self.ids.len()
    }

    /// Writes the next rows, with what goes before and after them.
    async fn next(&mut self) -> Result<String, Problem> {
        let app = &self.service.app;
        let ids = self.ids.get(self.at..).unwrap_or_default();
        let (shown, found) = app.show_found(&self.search, ids).await?;
        let mut text = String::new();
        if self.written == 0 {
            text += &Collection::begin(&self.href)?;
        }
        for found in &found {
            // the last item is of another kind, so each of these has one after it
            text += &item(&self.origin, found).encode()?;
            text.push(',');
        }
        self.at += shown;
        self.written += i64::try_from(shown).unwrap_or(i64::MAX);
        if self.is_over() {
            let last = self.ids.last().copied();
            (self.ids, self.at) = (app.search(&self.search, self.written, last).await?, 0);
        }
        if self.is_over() {
            if let Some(pagination) = self.search.pagination(|path| self.origin.link(path)) {
                text += &Item::new(self.href.as_str()).with("pagination", &pagination).encode()?;
                text.push(',');
            }
            text += &parameters(&self.href, &self.search).encode()?;
            text += Collection::END;
        }
        Ok(text)
    }
}

fn parameters(href: &str, search: &Search) -> Item {
    Item::new(href).with("search parameters", search)
}

fn item(origin: &Origin, found: &Found) -> Item {
    match found {
        Found::Action(row) => Item::new(mig_actions::href(origin, row.id)).with("action", row),
        Found::Command(row) => Item::new(mig_commands::href(origin, row.id)).with("command", row),
        Found::Agent(row) => Item::new(mig_agents::href(origin, row.id)).with("agent", row),
        Found::Investigator(row) => {
            let id = row.id.unwrap_or(InvestigatorId(0));
            Item::new(mig_investigators::href(origin, id)).with("investigator", row)
        }
        // the original links a loader to the base of its paths
        Found::Loader(row) => Item::new(origin.link("/api/v1")).with("loader", row),
        Found::Manifest(row) => {
            Item::new(origin.link(&format!("/api/v1/manifest?manifestid={}", row.id)))
                .with("manifest", row)
        }
    }
}
