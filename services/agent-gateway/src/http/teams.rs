//! `/v1/teams`.

use super::who::{Reader, Writer};
use crate::AgentGateway;
use crate::store::teams::Team;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use types::TeamId;
use types::api::team::{NewTeam, TeamView};
use types::api::{Page, problem};
use uuid::Uuid;
use web::{Json, PageQuery, Problem, Query};

fn view(team: Team) -> TeamView {
    TeamView { id: TeamId(team.id), name: team.name }
}

/// Makes a team.
#[utoipa::path(
    tag = "teams",
    request_body = NewTeam,
    responses((status = 201, body = TeamView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/teams")]
pub(super) async fn create(
    _writer: Writer,
    gateway: Data<AgentGateway>,
    team: Json<NewTeam>,
) -> Result<HttpResponse, Problem> {
    let team = gateway.app.create_team(team.into_inner().name).await?;
    Ok(HttpResponse::Created().json(view(team)))
}

/// Lists the teams, oldest first.
#[utoipa::path(
    tag = "teams",
    params(PageQuery),
    responses((status = 200, body = Page<TeamView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/teams")]
pub(super) async fn list(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let after = query.after::<Uuid>()?.unwrap_or_default();
    let rows = gateway.app.list_teams(after, query.rows()?).await?;
    let rows: Vec<TeamView> = rows.into_iter().map(view).collect();
    Ok(HttpResponse::Ok().json(query.page(rows, |row| row.id)?))
}
