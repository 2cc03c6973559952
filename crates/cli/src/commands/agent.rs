//! `writ agent`, and how agents are found by what people call them.

use super::team::find_team;
use crate::cli::{Agent, Output};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, one};
use crate::output::text;
use types::api::agent::{AgentPatch, AgentView};
use types::{AgentStatus, AgentUid, TeamId};

pub(super) async fn run(context: &Context, args: Agent) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Agent::Join { agent, team, output } => {
            let agent = find_agent(&api, &agent).await?;
            let team = find_team(&api, &team).await?;
            change(context, &api, agent.id, Some(team), output).await?;
        }
        Agent::Leave { agent, output } => {
            let agent = find_agent(&api, &agent).await?;
            change(context, &api, agent.id, None, output).await?;
        }
        Agent::Revoke { agent } => {
            let agent = find_agent(&api, &agent).await?;
            api.send(&Call::delete(&["v1", "agents", &agent.id.to_string()])).await?;
            context.screen.note(&format!("agent {} is revoked", text::escape(&agent.name)));
        }
    }
    Ok(Exit::Ok)
}

async fn change(
    context: &Context,
    api: &Api,
    agent: AgentUid,
    team: Option<TeamId>,
    output: Output,
) -> Result<(), Failure> {
    let patch = AgentPatch { team_id: Some(team), ..AgentPatch::default() };
    let path = ["v1", "agents", &agent.to_string()];
    let agent: Item<AgentView> = api.send(&Call::patch(&path).json(&patch)?).await?.json()?;
    one(&agent, output.output, context.screen)
}

/// Finds an agent by its id, or by its number or name among all that are not revoked. A machine that starts anew can
/// leave offline agents of its name behind: of several, the only one that is not gone is meant.
pub(super) async fn find_agent(api: &Api, text: &str) -> Result<AgentView, Failure> {
    if let Ok(id) = text.parse::<AgentUid>() {
        return api.get(&["v1", "agents", &id.to_string()]).await;
    }
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = api.page::<AgentView>(&["v1", "agents"], &[], cursor.as_deref()).await?;
        let agents = page.items.into_iter().map(|item| item.value);
        found.extend(agents.filter(|agent| {
            agent.revoked.is_none() && (agent.name == text || agent.number.to_string() == text)
        }));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let gone =
        |agent: &AgentView| matches!(agent.status, AgentStatus::Offline | AgentStatus::Destroyed);
    if found.iter().filter(|agent| !gone(agent)).count() == 1 {
        found.retain(|agent| !gone(agent));
    }
    match (found.pop(), found.is_empty()) {
        (Some(agent), true) => Ok(agent),
        (Some(_), false) => Err(Failure::new(format!("more than one agent is called {text}"))
            .next("name it by its id: writ agents")),
        (None, _) => Err(Failure::new(format!("there is no agent {text}")).next("writ agents")),
    }
}
