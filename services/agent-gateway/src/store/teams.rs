//! Teams: names that agents are grouped under.

use super::schema::team;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::TeamId;
use uuid::Uuid;

/// Is a team.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery, Insertable)]
#[diesel(table_name = team)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(crate) struct Team {
    /// The id.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// When it was made.
    pub created: OffsetDateTime,
}

/// Stores a team.
pub(crate) async fn team_insert(conn: &mut Conn, team: &Team) -> QueryResult<()> {
    diesel::insert_into(team::table).values(team).execute(conn).await.map(drop)
}

/// Gives the teams behind `after`, oldest first.
pub(crate) async fn teams_page(conn: &mut Conn, after: Uuid, limit: i64) -> QueryResult<Vec<Team>> {
    Team::query().filter(team::id.gt(after)).order(team::id).limit(limit).load(conn).await
}

/// Tells whether there is such a team.
pub(crate) async fn team_exists(conn: &mut Conn, id: TeamId) -> QueryResult<bool> {
    let known = team::table.filter(team::id.eq(id.0));
    diesel::select(diesel::dsl::exists(known)).get_result(conn).await
}
