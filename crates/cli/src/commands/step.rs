//! `writ step`.

use super::{print_some, sign_step};
use crate::cli::{Step, StepFilter};
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, one};
use crate::output::text;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::io::Read;
use types::StepRunId;
use types::api::step::{StepAnswer, StepAssignment, StepComment, StepView};
use types::messages::manual::ManualOutcome;

pub(super) async fn run(context: &Context, args: Step) -> Result<Exit, Failure> {
    let api = context.api()?;
    let nothing = json!({});
    match args {
        Step::Ls(filter) => return list(context, &api, &filter).await,
        Step::Show { id } => {
            let id = id.to_string();
            let shown: Box<RawValue> = api.get(&["v1", "steps", &id]).await?;
            context
                .screen
                .data(&format!("{}\n", crate::output::list::json(&shown, context.screen)))?;
        }
        Step::Claim { id } => {
            post(&api, id, "claim", &nothing).await?;
            context.screen.note("the step is yours");
        }
        Step::Release { id } => {
            post(&api, id, "release", &nothing).await?;
            context.screen.note("the step is nobody's");
        }
        Step::Assign { id, to } => {
            post(&api, id, "assign", &StepAssignment { assignee: to.clone() }).await?;
            context.screen.note(&format!("{} is asked now", text::escape(&to)));
        }
        Step::Comment { id, text } => {
            post(&api, id, "comments", &StepComment { text }).await?;
            context.screen.note("added");
        }
        Step::Sign(args) => return sign_step::run(context, &api, &args).await,
        Step::Answer { id, value, failure, output } => {
            let outcome = if failure { ManualOutcome::Failure } else { ManualOutcome::Success };
            let variables = value
                .into_iter()
                .map(|(name, value)| Ok((name, read(value)?)))
                .collect::<Result<_, Failure>>()?;
            let step = post(&api, id, "answer", &StepAnswer { outcome, variables }).await?;
            one(&step, output.output, context.screen)?;
            context.screen.note(&format!("answered: {}", outcome.name()));
        }
    }
    Ok(Exit::Ok)
}

pub(super) async fn post(
    api: &Api,
    id: StepRunId,
    what: &str,
    body: &impl Serialize,
) -> Result<Item<StepView>, Failure> {
    let id = id.to_string();
    let path = ["v1", "steps", &id, what];
    api.send(&Call::post(&path).json(body)?).await?.json()
}

/// Takes a value as it is typed, or from the file that it names.
fn read(value: String) -> Result<String, Failure> {
    let Some(file) = value.strip_prefix('@') else { return Ok(value) };
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.because(|| format!("cannot read the value from {file}"))
}

async fn list(context: &Context, api: &Api, filter: &StepFilter) -> Result<Exit, Failure> {
    let execution = filter.execution.map(|id| id.to_string());
    let mut query = Vec::new();
    if filter.state != "all" {
        query.push(("state", filter.state.as_str()));
    }
    if let Some(execution) = &execution {
        query.push(("execution_id", execution.as_str()));
    }
    if let Some(assignee) = &filter.assignee {
        query.push(("assignee", assignee.as_str()));
    }
    print_some::<StepView>(context, api, &["v1", "steps"], &query, filter.output.output).await
}
