//! `writ run`: preview, confirm, sign, send, follow.

use crate::action::{operation, put_dispatch, sign, template, timed};
use crate::cli::Run;
use crate::config::read;
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::follow::{Follower, catch_interrupts};
use crate::http::{Api, Call};
use crate::output::list::{Item, one};
use crate::output::{Format, text};
use std::io::BufRead;
use std::rc::Rc;
use types::action::MAX_DOCUMENT;
use types::api::action::{ActionView, Preview, PreviewRequest};
use types::{Action, Dispatch};

pub(super) async fn run(context: &Context, args: Run) -> Result<Exit, Failure> {
    let signer = context.needed_signer()?;
    let api = context.api()?;
    let action = draft(context, &args)?;
    let dispatch = args.pace.dispatch();
    if let Some(Err(fault)) = dispatch.as_ref().map(Dispatch::check) {
        return Err(Failure::new("the waves, the rate or when to stop cannot be done")
            .why(format!("{}: {fault}", fault.pointer)));
    }
    confirm(context, &api, &action, args.yes).await?;

    let now = context.clock.now();
    let mut document = sign(&timed(action.clone(), now, args.expire), &signer, now).await?;
    if let Some(dispatch) = dispatch {
        put_dispatch(&mut document, &dispatch)?;
    }
    // from here on ctrl-C must not leave anybody without the action's id
    let mut interrupts = catch_interrupts()?;
    let call = Call::post(&["v1", "actions"]).body(document);
    // the same document posted twice is one action, so a lost answer may be asked for again
    let accepted: Item<ActionView> = api.send_patiently(&call).await?.json()?;
    let id = accepted.value.id;
    if args.no_follow {
        context.screen.note(&format!("action {id} is accepted\n  next: writ wait {id}"));
        if args.follow.output.output == Format::Table {
            context.screen.data(&format!("{id}\n"))?;
        } else {
            one(&accepted, args.follow.output.output, context.screen)?;
        }
        return Ok(Exit::Ok);
    }
    context.screen.note(&format!("action {id} is accepted; ctrl-C leaves it running"));
    let modules = action.operations.iter().flatten().map(|operation| operation.module.clone());
    let follower = Follower {
        api: &api,
        screen: context.screen,
        clock: &context.clock,
        options: args.follow,
        modules: modules.collect::<Rc<[String]>>(),
    };
    follower.follow(id, Some(&accepted.value), &mut interrupts).await
}

/// Puts together what was typed and the file to start from.
fn draft(context: &Context, args: &Run) -> Result<Action, Failure> {
    let mut action = match &args.file {
        Some(path) => {
            let document = read(path, u64::try_from(MAX_DOCUMENT).unwrap_or(u64::MAX))?;
            context
                .screen
                .note("times and signatures are made anew; those of the file are not used");
            template(&document)?
        }
        None => Action::default(),
    };
    if let Some(target) = &args.target {
        action.target.clone_from(target);
    }
    if let Some(name) = &args.name {
        action.name.clone_from(name);
    }
    if !args.op.is_empty() {
        let operations: Result<Vec<_>, _> = args.op.iter().map(|text| operation(text)).collect();
        action.operations = Some(operations?);
    }
    for (missing, what) in [
        (action.target.is_empty(), "-t TARGET"),
        (action.name.is_empty(), "--name NAME"),
        (action.operations.as_ref().is_none_or(Vec::is_empty), "--op MODULE=JSON"),
    ] {
        if missing {
            return Err(Failure::new("the action is not complete").next(format!("add {what}")));
        }
    }
    Ok(action)
}

/// Asks the server whom the target reaches, and the user whether that is meant.
pub(super) async fn confirm(
    context: &Context,
    api: &Api,
    action: &Action,
    yes: bool,
) -> Result<(), Failure> {
    let request = PreviewRequest { target: action.target.clone() };
    let call = Call::post(&["v1", "actions", "preview"]).json(&request)?;
    let preview: Preview = api.send_patiently(&call).await?.json()?;
    if preview.count < 1 {
        return Err(Failure::new("the target reaches no agent")
            .why(format!("no agent that is online or idle matches: {}", action.target))
            .next("writ agents"));
    }
    context.screen.note(&describe(&preview));
    if yes || preview.count == 1 && !context.screen.may_ask {
        return Ok(());
    }
    if !context.screen.may_ask {
        return Err(Failure::new(format!("not sent: it reaches {} agents", preview.count))
            .why("without a terminal to ask on, more than one agent needs --yes")
            .next("the same command with --yes"));
    }
    context.screen.note(&format!("Run '{}' there? [y/N]", text::escape(&action.name)));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).because(|| "cannot read the answer".into())?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new("not sent"))
}

fn describe(preview: &Preview) -> String {
    let names: Vec<_> = preview.sample.iter().map(|agent| text::escape(&agent.name)).collect();
    let shown = i64::try_from(names.len()).unwrap_or(i64::MAX);
    let more = if preview.count > shown { ", …" } else { "" };
    let agents = if preview.count == 1 { "agent" } else { "agents" };
    format!("reaches {} {agents}: {}{more}", preview.count, names.join(", "))
}
