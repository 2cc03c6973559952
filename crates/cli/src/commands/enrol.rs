//! `writ enrol`.

use super::print_list;
use super::team::find_team;
use crate::cli::Enrol;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::Call;
use crate::output::list::{Item, one};
use crate::output::text;
use types::api::agent::AgentView;
use types::api::device::{Approval, PendingCode};

pub(super) async fn run(context: &Context, args: Enrol) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Enrol::Pending(output) => {
            print_list::<PendingCode>(context, &api, &["v1", "device-codes"], output.output).await
        }
        Enrol::Approve { code, name, team, plugin, tag, output } => {
            let team_id = match team {
                Some(team) => Some(find_team(&api, &team).await?),
                None => None,
            };
            let approval =
                Approval { name, team_id, plugins: plugin, tags: tag.into_iter().collect() };
            let path = ["v1", "device-codes", &code, "approve"];
            let agent: Item<AgentView> =
                api.send(&Call::post(&path).json(&approval)?).await?.json()?;
            one(&agent, output.output, context.screen)?;
            context.screen.note(&format!("agent {} is in", text::escape(&agent.value.name)));
            Ok(Exit::Ok)
        }
        Enrol::Deny { code } => {
            api.send(&Call::post(&["v1", "device-codes", &code, "deny"])).await?;
            context.screen.note("turned away");
            Ok(Exit::Ok)
        }
    }
}
