//! `writ team`.

use super::print_list;
use crate::cli::Team;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, one};
use types::TeamId;
use types::api::team::{NewTeam, TeamView};

pub(super) async fn run(context: &Context, args: Team) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Team::New { name, output } => {
            let call = Call::post(&["v1", "teams"]).json(&NewTeam { name })?;
            let team: Item<TeamView> = api.send(&call).await?.json()?;
            one(&team, output.output, context.screen)?;
            Ok(Exit::Ok)
        }
        Team::Ls(output) => {
            print_list::<TeamView>(context, &api, &["v1", "teams"], output.output).await
        }
    }
}

/// Finds a team by its id, or by its name among all.
pub(super) async fn find_team(api: &Api, text: &str) -> Result<TeamId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = api.page::<TeamView>(&["v1", "teams"], &[], cursor.as_deref()).await?;
        let teams = page.items.into_iter().map(|item| item.value);
        found.extend(teams.filter(|team| team.name == text).map(|team| team.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(id), true) => Ok(id),
        (Some(_), false) => Err(Failure::new(format!("more than one team is called {text}"))
            .next("name it by its id: writ team ls")),
        (None, _) => Err(Failure::new(format!("there is no team {text}")).next("writ team ls")),
    }
}
