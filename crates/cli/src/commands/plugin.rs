//! `writ plugin`.

use super::agent::find_agent;
use super::print_list;
use crate::cli::{Output, Plugin};
use crate::config::read_text;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::{Api, Call};
use crate::output::list::{Item, one};
use sha2::{Digest, Sha512};
use types::api::agent::AgentView;
use types::api::plugin::{NewPlugin, NewPluginCommand, NewPluginSignature, PluginView};
use types::{AgentUid, PluginId};

/// Says how large a plugin's source may be.
const MAX_SCRIPT: u64 = 1024 * 1024;

pub(super) async fn run(context: &Context, args: Plugin) -> Result<Exit, Failure> {
    let api = context.api()?;
    match args {
        Plugin::Ls(output) => {
            return print_list::<PluginView>(context, &api, &["v1", "plugins"], output.output)
                .await;
        }
        Plugin::Add { file, name, plugin_version, description, command, sign, output } => {
            let commands =
                command.into_iter().map(|(name, function)| (name, NewPluginCommand { function }));
            let script = read_text(&file, MAX_SCRIPT)?;
            let mut signatures = Vec::new();
            if sign {
                signatures.push(sign_hash(context, &hash(&script)).await?);
            }
            let plugin = NewPlugin {
                name,
                version: plugin_version.into(),
                description,
                script,
                commands: commands.collect(),
                signatures,
            };
            let call = Call::post(&["v1", "plugins"]).json(&plugin)?;
            let plugin: Item<PluginView> = api.send(&call).await?.json()?;
            one(&plugin, output.output, context.screen)?;
            context.screen.note(&format!("published plugin {}", plugin.value.id));
        }
        Plugin::Sign { id, file, output } => {
            let hash = hash(&read_text(&file, MAX_SCRIPT)?);
            let id = id.to_string();
            let published: PluginView = api.get(&["v1", "plugins", &id]).await?;
            if published.hash != hash {
                return Err(Failure::new(format!("plugin {id} has another source than this file"))
                    .next("sign the source that was published, byte for byte"));
            }
            let signature = NewPluginSignature { signature: sign_hash(context, &hash).await? };
            let path = ["v1", "plugins", &id, "signatures"];
            let call = Call::post(&path).json(&signature)?;
            let plugin: Item<PluginView> = api.send(&call).await?.json()?;
            one(&plugin, output.output, context.screen)?;
        }
        Plugin::Assign { agent, plugins, output } => {
            let agent = find_agent(&api, &agent).await?;
            let mut all = agent.plugins;
            all.extend(plugins.into_iter().collect::<std::collections::BTreeSet<PluginId>>());
            let mut seen = std::collections::BTreeSet::new();
            all.retain(|plugin| seen.insert(*plugin));
            set(context, &api, agent.id, &all, output).await?;
        }
        Plugin::Take { agent, plugins, output } => {
            let agent = find_agent(&api, &agent).await?;
            let mut all = agent.plugins;
            if let Some(other) = plugins.iter().find(|plugin| !all.contains(plugin)) {
                return Err(Failure::new(format!("the agent has no plugin {other}"))
                    .next("see which it has: writ agents -o csv"));
            }
            all.retain(|plugin| !plugins.contains(plugin));
            set(context, &api, agent.id, &all, output).await?;
        }
    }
    Ok(Exit::Ok)
}

/// Says which plugins an agent has.
async fn set(
    context: &Context,
    api: &Api,
    agent: AgentUid,
    plugins: &[PluginId],
    output: Output,
) -> Result<(), Failure> {
    let path = ["v1", "agents", &agent.to_string(), "plugins"];
    let agent: Item<AgentView> = api.send(&Call::put(&path).json(&plugins)?).await?.json()?;
    one(&agent, output.output, context.screen)
}

/// Gives what agents check a source by, and what is signed: the lower-case hex of its SHA-512.
fn hash(script: &str) -> String {
    hex::encode(Sha512::digest(script))
}

async fn sign_hash(context: &Context, hash: &str) -> Result<String, Failure> {
    context.needed_signer()?.sign_line(hash.as_bytes(), context.clock.now()).await
}
