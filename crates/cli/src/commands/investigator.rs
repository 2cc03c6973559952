//! `writ investigator`: through MIG's routes.

use crate::cli::Investigator;
use crate::config::read_text;
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, List, Rows};
use crate::output::text::escape;
use serde::Deserialize;
use types::investigator::Investigator as Document;

/// Says how large an armored public key may be.
const MAX_KEY: u64 = 64 * 1024;
/// Says how many investigators are asked for at a time.
const PAGE: usize = 500;

/// Is an answer of MIG's routes.
#[derive(Deserialize)]
struct Answer {
    collection: Collection,
}

#[derive(Deserialize)]
struct Collection {
    #[serde(default)]
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    name: String,
    value: Box<serde_json::value::RawValue>,
}

pub(super) async fn run(context: &Context, args: Investigator) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Investigator::Add { name, public_key, permissions } => {
            let key = public_key.map(|path| read_text(&path, MAX_KEY)).transpose()?;
            let permissions = json(&permissions)?;
            let mut parts =
                vec![("name", name.as_str(), false), ("permissions", permissions.as_str(), false)];
            parts.extend(key.as_deref().map(|key| ("publickey", key, true)));
            let path = ["api", "v1", "investigator", "create", ""];
            let made = one(&api, &Call::post(&path).parts(&parts)?).await?;
            let id = made.id.map(|id| id.to_string()).unwrap_or_default();
            context.screen.data(&format!("{id}\n"))?;
            context.screen.note(&format!("investigator {id} ({})", escape(&made.name)));
        }
        Investigator::Disable { id } => {
            change(&api, id, ("status", "disabled")).await?;
            context.screen.note(&format!("investigator {id} is disabled"));
        }
        Investigator::Enable { id } => {
            change(&api, id, ("status", "active")).await?;
            context.screen.note(&format!("investigator {id} is active"));
        }
        Investigator::Permit { id, permissions } => {
            change(&api, id, ("permissions", json(&permissions)?.as_str())).await?;
            context.screen.note(&format!("investigator {id} may do this and nothing else"));
        }
        Investigator::Apikey { id, remove: true } => {
            change(&api, id, ("apikey", "disabled")).await?;
            context.screen.note(&format!("investigator {id} has no API key"));
        }
        Investigator::Apikey { id, remove: false } => {
            let changed = change(&api, id, ("apikey", "active")).await?;
            let key = changed.apikey.ok_or_else(|| Failure::new("the server gave no API key"))?;
            context.screen.data(&format!("{key}\n"))?;
        }
        Investigator::Ls(output) => list(context, &api, output.output).await?,
    }
    Ok(Exit::Ok)
}

async fn change(api: &Api, id: i64, field: (&str, &str)) -> Result<Document, Failure> {
    let path = ["api", "v1", "investigator", "update", ""];
    let id = id.to_string();
    one(api, &Call::post(&path).form(&[("id", id.as_str()), field])).await
}

/// Sends a request that is answered with one investigator.
async fn one(api: &Api, call: &Call<'_>) -> Result<Document, Failure> {
    let answer: Answer = api.send(call).await?.json()?;
    let value = answer.collection.items.into_iter().flat_map(|entry| entry.data).next();
    let value = value.ok_or_else(|| Failure::new("the server's answer holds no investigator"))?;
    serde_json::from_str(value.value.get())
        .because(|| "the server's answer is not what this version expects".into())
}

async fn list(context: &Context, api: &Api, format: crate::output::Format) -> Result<(), Failure> {
    let mut list = List::<Document>::new(format, context.screen);
    let mut offset = 0;
    loop {
        let path = ["api", "v1", "search"];
        let call = Call::get(&path)
            .query("type", "investigator")
            .query("limit", PAGE.to_string())
            .query("offset", offset.to_string());
        let answer: Answer = match api.send(&call).await {
            // the page after the last one
            Err(failure) if offset > 0 && failure.what.contains("no results found") => break,
            answer => answer?.json()?,
        };
        let entries = answer.collection.items.into_iter().flat_map(|entry| entry.data);
        let mut count = 0;
        for entry in entries.filter(|data| data.name == "investigator") {
            count += 1;
            let value = serde_json::from_str(entry.value.get())
                .because(|| "the server's answer is not what this version expects".into())?;
            let item = Item { raw: entry.value, value };
            list.push(&item.raw, &item.value)?;
        }
        offset += PAGE;
        if count < PAGE {
            break;
        }
    }
    list.finish()
}

fn json(permissions: &types::Permissions) -> Result<String, Failure> {
    serde_json::to_string(permissions).because(|| "cannot write the request as JSON".into())
}

impl Rows for Document {
    const TABLE: &'static [&'static str] = &["ID", "NAME", "STATUS", "FINGERPRINT", "PERMISSIONS"];
    const CSV: &'static [&'static str] = &["id", "name", "status", "fingerprint", "permissions"];

    fn table(&self) -> Vec<Vec<String>> {
        let escaped = |row: Vec<String>| row.iter().map(|cell| escape(cell).into_owned()).collect();
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        let names = types::Permission::ALL.iter().filter(|p| self.permissions.has(**p));
        vec![vec![
            self.id.map(|id| id.to_string()).unwrap_or_default(),
            self.name.clone(),
            self.status.clone(),
            self.pgpfingerprint.clone(),
            names.map(|permission| permission.name()).collect::<Vec<_>>().join(" "),
        ]]
    }
}
