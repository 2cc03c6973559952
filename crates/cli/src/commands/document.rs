//! `writ action copy` and `writ action show`: the order itself.

use super::action;
use crate::action::template;
use crate::cli::{ActionCommand, Copy, ShowAction};
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, List, Rows, json as json_of};
use crate::output::results::Shown;
use crate::output::text::escape;
use crate::output::{Format, Screen};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::rc::Rc;
use types::api::action::{ActionView, CommandView};
use types::{Action, ActionId};

pub(super) async fn run(context: &Context, command: &ActionCommand) -> Result<Exit, Failure> {
    match command {
        ActionCommand::Copy(args) => copy(context, args).await,
        ActionCommand::Show(args) => show(context, args).await,
        ActionCommand::Pause(args) => action::steer(context, args, "pause", "pauses").await,
        ActionCommand::Resume(args) => action::steer(context, args, "resume", "goes on").await,
    }
}

/// Prints what people wrote of an action; whoever signs it anew gives it an end and a signature of their own.
async fn copy(context: &Context, args: &Copy) -> Result<Exit, Failure> {
    let api = context.api()?;
    let posted = document(&api, args.id).await?;
    let text = pretty(&written(&template(posted.get().as_bytes())?))?;
    context.screen.data(&shown(&format!("{text}\n"), context.screen))?;
    context.screen.note("  next: change what is to be different, then writ run --file FILE");
    Ok(Exit::Ok)
}

async fn show(context: &Context, args: &ShowAction) -> Result<Exit, Failure> {
    let api = context.api()?;
    let id = args.id.to_string();
    let view: Item<ActionView> = api.get(&["v1", "actions", &id]).await?;
    let posted = document(&api, args.id).await?;
    if args.output.output == Format::Csv {
        return Err(Failure::new("an action with everything of it is no table of one kind")
            .next(format!("writ status {id} -o csv, writ results {id} -o csv")));
    }
    let commands = commands(&api, &id).await?;
    if args.output.output != Format::Table {
        let commands: Vec<_> =
            commands.iter().map(|item| json_of(&item.raw, context.screen)).collect();
        let text = format!(
            "{{\"action\":{},\n\"document\":{},\n\"commands\":[{}]}}\n",
            json_of(&view.raw, context.screen),
            json_of(&posted, context.screen),
            commands.join(",\n")
        );
        let one_line = args.output.output == Format::Jsonl;
        let text = if one_line { text.replace(",\n", ",") } else { text };
        context.screen.data(&text)?;
        return Ok(Exit::Ok);
    }
    let action: Action = serde_json::from_str(posted.get())
        .because(|| "the server's answer is not what this version expects".into())?;
    let mut list = List::new(Format::Table, context.screen);
    list.push(&view.raw, &view.value)?;
    list.finish()?;
    let signers = action.investigators.iter().map(|signer| {
        format!("signed by {} {}\n", escape(&signer.name), escape(&signer.pgpfingerprint))
    });
    let text = format!("\n{}\n{}\n\n", signers.collect::<String>(), pretty(&written(&action))?);
    context.screen.data(&shown(&text, context.screen))?;
    let operations = action.operations.iter().flatten();
    let modules: Rc<[String]> = operations.map(|operation| operation.module.clone()).collect();
    let results = commands.into_iter().map(|item| {
        let modules = Rc::clone(&modules);
        (item.raw, Shown { command: item.value, show: args.show, modules })
    });
    print(context, results.filter(|(_, shown)| shown.is_wanted()))?;
    Ok(Exit::Ok)
}

fn print<T: Rows>(
    context: &Context,
    rows: impl Iterator<Item = (Box<RawValue>, T)>,
) -> Result<(), Failure> {
    let mut list = List::new(Format::Table, context.screen);
    for (raw, value) in rows {
        list.push(&raw, &value)?;
    }
    list.finish()
}

/// Asks for the action as it was posted and how it went, as MIG's clients see it.
async fn document(api: &Api, id: ActionId) -> Result<Box<RawValue>, Failure> {
    let path = ["api", "v1", "action"];
    api.mig_one(&Call::get(&path).query("actionid", id.to_string())).await
}

async fn commands(api: &Api, id: &str) -> Result<Vec<Item<CommandView>>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let path = ["v1", "actions", id, "commands"];
        let page = api.page::<CommandView>(&path, &[], cursor.as_deref()).await?;
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// Gives what people write of an action, in the order in which they do.
pub(super) fn written(action: &Action) -> Value {
    let mut value = json!({"name": action.name, "target": action.target});
    if let Value::Object(members) = &mut value {
        for (name, words) in [("description", &action.description), ("threat", &action.threat)] {
            if !words.is_empty() {
                members.insert(name.into(), json!(words));
            }
        }
        members.insert("operations".into(), json!(action.operations));
        members.insert("syntaxversion".into(), json!(2));
    }
    value
}

pub(super) fn pretty(value: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).because(|| "cannot write JSON".into())
}

/// Escapes each line for a terminal.
fn shown(text: &str, screen: Screen) -> String {
    if !screen.data_is_shown {
        return text.into();
    }
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}
