//! `writ status`, `results`, `wait`, `cancel`, `action pause` and `action resume`.

use crate::cli::{Cancel, Results, Status, Steer, Wait};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::follow::{Follower, catch_interrupts};
use crate::http::Call;
use crate::output::list::{Item, List, one};
use crate::output::results::Shown;
use std::rc::Rc;
use types::api::action::{ActionView, CommandView};

pub(super) async fn status(context: &Context, args: &Status) -> Result<Exit, Failure> {
    let api = context.api()?;
    let action: Item<ActionView> = api.get(&["v1", "actions", &args.id.to_string()]).await?;
    one(&action, args.output.output, context.screen)?;
    Ok(Exit::Ok)
}

pub(super) async fn results(context: &Context, args: &Results) -> Result<Exit, Failure> {
    let api = context.api()?;
    let id = args.id.to_string();
    let path = ["v1", "actions", &id, "commands"];
    let query: Vec<(&str, &str)> =
        args.status.iter().map(|status| ("status", status.as_str())).collect();
    let mut list = List::<Shown>::new(args.output.output, context.screen);
    let mut cursor = None;
    loop {
        let page = api.page::<CommandView>(&path, &query, cursor.as_deref()).await?;
        for item in page.items {
            let shown = Shown { command: item.value, show: args.show, modules: Rc::new([]) };
            if shown.is_wanted() {
                list.push(&item.raw, &shown)?;
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            list.finish()?;
            return Ok(Exit::Ok);
        }
    }
}

pub(super) async fn wait(context: &Context, args: &Wait) -> Result<Exit, Failure> {
    let mut interrupts = catch_interrupts()?;
    let api = context.api()?;
    let follower = Follower {
        api: &api,
        screen: context.screen,
        clock: &context.clock,
        options: args.follow,
        modules: Rc::new([]),
    };
    follower.follow(args.id, None, &mut interrupts).await
}

pub(super) async fn cancel(context: &Context, args: &Cancel) -> Result<Exit, Failure> {
    let api = context.api()?;
    let id = args.id.to_string();
    api.send_patiently(&Call::post(&["v1", "actions", &id, "cancel"])).await?;
    context.screen.note(&format!("action {id} is withdrawn\n  next: writ status {id}"));
    Ok(Exit::Ok)
}

/// Pauses an action or lets it go on, whichever `order` is; `done` says what it does then.
pub(super) async fn steer(
    context: &Context,
    args: &Steer,
    order: &str,
    done: &str,
) -> Result<Exit, Failure> {
    let (api, id) = (context.api()?, args.id.to_string());
    api.send_patiently(&Call::post(&["v1", "actions", &id, order])).await?;
    context.screen.note(&format!("action {id} {done}\n  next: writ status {id}"));
    Ok(Exit::Ok)
}
