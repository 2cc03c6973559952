//! `writ step sign`: the action that a playbook has prepared is read, confirmed, signed, and handed back.

use super::document::{pretty, written};
use super::run::confirm;
use super::step::post;
use crate::cli::SignStep;
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::Api;
use crate::output::list::one;
use crate::output::text::escape;
use signing::action::signed_string;
use types::Action;
use types::api::step::{StepAnswer, StepView};
use types::messages::manual::{ManualOutcome, SIGNATURES};

pub(super) async fn run(context: &Context, api: &Api, args: &SignStep) -> Result<Exit, Failure> {
    let signer = context.needed_signer()?;
    let step: StepView = api.get(&["v1", "steps", &args.id.to_string()]).await?;
    let action = prepared(&step)?;
    let text = pretty(&written(&action))?;
    let lines: Vec<_> = text.split('\n').map(escape).collect();
    context.screen.note(&lines.join("\n"));
    confirm(context, api, &action, args.yes).await?;
    let now = context.clock.now();
    let signature = signer.sign_line(signed_string(&action).as_bytes(), now).await?;
    if args.print {
        context.screen.data(&format!("{signature}\n"))?;
        let id = args.id;
        context.screen.note(&format!("  next: writ step sign {id} --with SIGNATURE, by another"));
        return Ok(Exit::Ok);
    }
    let signatures: Vec<_> = args.with.iter().map(String::as_str).chain([&*signature]).collect();
    let answer = StepAnswer {
        outcome: ManualOutcome::Success,
        variables: [(SIGNATURES.to_owned(), signatures.join(" "))].into(),
    };
    let answered = post(api, args.id, "answer", &answer).await?;
    one(&answered, args.output.output, context.screen)?;
    context.screen.note("signed; the playbook has the action run");
    Ok(Exit::Ok)
}

/// Reads the action of a step that asks for signatures.
fn prepared(step: &StepView) -> Result<Action, Failure> {
    let asks = step.out_args.iter().any(|argument| argument.name == SIGNATURES);
    let command = step.commands.first().filter(|_| asks).ok_or_else(|| {
        Failure::new("the step asks for no signature").next(format!("writ step show {}", step.id))
    })?;
    Action::parse(command.command.as_bytes()).because(|| "the step's action cannot be read".into())
}
