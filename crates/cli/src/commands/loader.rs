//! `writ loader`.

use super::print_list;
use crate::cli::Loader;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::{Api, Call};
use types::LoaderId;
use types::api::loader::{KeyedLoader, LoaderPatch, LoaderView, NewLoader};

pub(super) async fn run(context: &Context, args: Loader) -> Result<Exit, Failure> {
    let api = context.api()?;
    let enabled = |enabled| LoaderPatch { enabled: Some(enabled), ..LoaderPatch::default() };
    match args {
        Loader::Ls(output) => {
            return print_list::<LoaderView>(context, &api, &["v1", "loaders"], output.output)
                .await;
        }
        Loader::New { name, expect } => {
            let new = NewLoader { name, expect_env: expect };
            let made = api.send(&Call::post(&["v1", "loaders"]).json(&new)?).await?.json()?;
            print_key(context, &made)?;
        }
        Loader::Key { id } => {
            let id = id.to_string();
            let made = api.send(&Call::post(&["v1", "loaders", &id, "key"])).await?.json()?;
            print_key(context, &made)?;
        }
        Loader::Enable { id } => change(context, &api, id, &enabled(true)).await?,
        Loader::Disable { id } => change(context, &api, id, &enabled(false)).await?,
        Loader::Expect { id, condition } => {
            let patch = LoaderPatch { expect_env: Some(condition), ..LoaderPatch::default() };
            change(context, &api, id, &patch).await?;
        }
    }
    Ok(Exit::Ok)
}

/// Prints the key alone, so that it can go straight into `mig-loader.key`.
fn print_key(context: &Context, made: &KeyedLoader) -> Result<(), Failure> {
    context.screen.data(&format!("{}\n", made.key))?;
    let loader = &made.loader;
    let state = if loader.enabled { "enabled" } else { "disabled" };
    context
        .screen
        .note(&format!("the key of loader {} ({state}); it is not shown again", loader.id));
    Ok(())
}

async fn change(
    context: &Context,
    api: &Api,
    id: LoaderId,
    patch: &LoaderPatch,
) -> Result<(), Failure> {
    let text = id.to_string();
    let path = ["v1", "loaders", &text];
    let call = Call::patch(&path).json(patch)?;
    let loader: LoaderView = api.send(&call).await?.json()?;
    let state = if loader.enabled { "enabled" } else { "disabled" };
    let expect = loader.expect_env.map(|expect| format!(", expects {expect}")).unwrap_or_default();
    context.screen.note(&format!("loader {id} is {state}{expect}"));
    Ok(())
}
