//! `writ playbook`.

use super::print_list;
use crate::cli::Playbook;
use crate::config::read_text;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::Call;
use crate::output::list::{Item, one};
use serde_json::Value;
use types::api::playbook::{ExecutionView, NewExecution, PlaybookView};

/// Says how large a playbook may be.
const MAX_PLAYBOOK: u64 = 4 << 20;

pub(super) async fn run(context: &Context, args: Playbook) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Playbook::Ls(output) => {
            let path = ["v1", "playbooks"];
            return print_list::<PlaybookView>(context, &api, &path, output.output).await;
        }
        Playbook::Add { file, output } => {
            let playbook = read_text(&file, MAX_PLAYBOOK)?;
            let call = Call::post(&["v1", "playbooks"]).body(playbook.into_bytes());
            let stored: Item<PlaybookView> = api.send(&call).await?.json()?;
            one(&stored, output.output, context.screen)?;
            context.screen.note(&format!("stored playbook {}", stored.value.id));
        }
        Playbook::Run { id, variables, output } => {
            let variables = variables.into_iter().map(|(name, value)| (name, Value::from(value)));
            let new = NewExecution {
                playbook_id: Some(id),
                variables: variables.collect(),
                ..NewExecution::default()
            };
            let call = Call::post(&["v1", "executions"]).json(&new)?;
            let began: Item<ExecutionView> = api.send(&call).await?.json()?;
            one(&began, output.output, context.screen)?;
            let id = began.value.id;
            context
                .screen
                .note(&format!("began execution {id}; `writ playbook status {id}` shows it"));
        }
        Playbook::Status { id, output } => {
            let id = id.to_string();
            let path = ["v1", "executions", id.as_str()];
            let shown: Item<ExecutionView> = api.send(&Call::get(&path)).await?.json()?;
            one(&shown, output.output, context.screen)?;
        }
        Playbook::Cancel { id, output } => {
            let id = id.to_string();
            let path = ["v1", "executions", id.as_str(), "cancel"];
            let ended: Item<ExecutionView> = api.send(&Call::post(&path)).await?.json()?;
            one(&ended, output.output, context.screen)?;
            context.screen.note(&format!("cancelled execution {id}"));
        }
    }
    Ok(Exit::Ok)
}
