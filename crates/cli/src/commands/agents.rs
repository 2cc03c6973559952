//! `writ agents`.

use super::print_list;
use crate::cli::Output;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use types::api::agent::AgentView;

pub(super) async fn run(context: &Context, output: Output) -> Result<Exit, Failure> {
    let api = context.api()?;
    print_list::<AgentView>(context, &api, &["v1", "agents"], output.output).await
}
