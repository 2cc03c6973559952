//! `writ investigator`: through MIG's routes.

use super::search;
use crate::cli::{Change, Investigator};
use crate::config::read_text;
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::{Api, Call};
use crate::output::found::Investigators;
use crate::output::text::escape;
use types::investigator::Investigator as Document;

/// Says how large an armored public key may be.
const MAX_KEY: u64 = 64 * 1024;

pub(super) async fn run(context: &Context, args: Investigator) -> Result<Exit, Failure> {
    let args = match args {
        Investigator::Ls(output) => {
            return search::all::<Investigators>(context, &[], output.output).await;
        }
        Investigator::Change(args) => args,
    };
    let api = context.api()?;
    match args {
        Change::Add { name, public_key, permissions } => {
            let key = public_key.map(|path| read_text(&path, MAX_KEY)).transpose()?;
            let permissions = json(permissions)?;
            let mut parts =
                vec![("name", name.as_str(), false), ("permissions", permissions.as_str(), false)];
            parts.extend(key.as_deref().map(|key| ("publickey", key, true)));
            let path = ["api", "v1", "investigator", "create", ""];
            let made: Document = api.mig_one(&Call::post(&path).parts(&parts)?).await?;
            let id = made.id.map(|id| id.to_string()).unwrap_or_default();
            context.screen.data(&format!("{id}\n"))?;
            context.screen.note(&format!("investigator {id} ({})", escape(&made.name)));
        }
        Change::Disable { id } => {
            change(&api, id, ("status", "disabled")).await?;
            context.screen.note(&format!("investigator {id} is disabled"));
        }
        Change::Enable { id } => {
            change(&api, id, ("status", "active")).await?;
            context.screen.note(&format!("investigator {id} is active"));
        }
        Change::Permit { id, permissions } => {
            change(&api, id, ("permissions", json(permissions)?.as_str())).await?;
            context.screen.note(&format!("investigator {id} may do this and nothing else"));
        }
        Change::Apikey { id, remove: true } => {
            change(&api, id, ("apikey", "disabled")).await?;
            context.screen.note(&format!("investigator {id} has no API key"));
        }
        Change::Apikey { id, remove: false } => {
            let changed = change(&api, id, ("apikey", "active")).await?;
            let key = changed.apikey.ok_or_else(|| Failure::new("the server gave no API key"))?;
            context.screen.data(&format!("{key}\n"))?;
        }
    }
    Ok(Exit::Ok)
}

async fn change(api: &Api, id: i64, field: (&str, &str)) -> Result<Document, Failure> {
    let path = ["api", "v1", "investigator", "update", ""];
    let id = id.to_string();
    api.mig_one(&Call::post(&path).form(&[("id", id.as_str()), field])).await
}

fn json(permissions: types::Permissions) -> Result<String, Failure> {
    serde_json::to_string(&permissions).because(|| "cannot write the request as JSON".into())
}
