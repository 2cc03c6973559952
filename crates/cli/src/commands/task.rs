//! `writ task`.

use super::agent::find_agent;
use super::print_some;
use crate::cli::Task;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::Call;
use crate::output::list::{Item, json, one};
use serde_json::value::RawValue;
use types::api::task::{NewTask, TaskView};

pub(super) async fn run(context: &Context, args: Task) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Task::Ls(filter) => {
            let agent = match filter.agent {
                Some(agent) => Some(find_agent(&api, &agent).await?.id.to_string()),
                None => None,
            };
            let agent = agent.as_deref().map(|id| ("agent_id", id));
            let state = filter.state.as_deref().map(|state| ("state", state));
            let query: Vec<_> = agent.into_iter().chain(state).collect();
            let format = filter.output.output;
            return print_some::<TaskView>(context, &api, &["v1", "tasks"], &query, format).await;
        }
        Task::Show { id } => {
            let shown: Box<RawValue> = api.get(&["v1", "tasks", &id.to_string()]).await?;
            context.screen.data(&format!("{}\n", json(&shown, context.screen)))?;
        }
        Task::New { agent, command, cron, arguments, output } => {
            let arguments = serde_json::from_str(&arguments).map_err(|error| {
                Failure::new(format!("the arguments are no JSON object: {error}"))
                    .next("--arguments '{\"name\": \"value\"}'")
            })?;
            let agent_id = find_agent(&api, &agent).await?.id;
            let new = NewTask { agent_id, command, cron, arguments };
            let task: Item<TaskView> =
                api.send(&Call::post(&["v1", "tasks"]).json(&new)?).await?.json()?;
            one(&task, output.output, context.screen)?;
        }
        Task::Withdraw { id } => {
            api.send(&Call::delete(&["v1", "tasks", &id.to_string()])).await?;
            context.screen.note("withdrawn");
        }
    }
    Ok(Exit::Ok)
}
