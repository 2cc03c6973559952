//! `writ agents`.

use super::{print_list, search};
use crate::cli::Agents;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::found;
use types::api::agent::AgentView;

pub(super) async fn run(context: &Context, args: Agents) -> Result<Exit, Failure> {
    if let Some(target) = args.target {
        let query = [("target", target)];
        return search::all::<found::Agents>(context, &query, args.output.output).await;
    }
    let api = context.api()?;
    print_list::<AgentView>(context, &api, &["v1", "agents"], args.output.output).await
}
