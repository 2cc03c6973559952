//! `writ config`.

use crate::cli::{ConfigCommand, Setting};
use crate::config::Config;
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http;
use std::path::PathBuf;

pub(super) fn run(context: &Context, args: ConfigCommand) -> Result<Exit, Failure> {
    // what is remembered, without what flags and variables say now
    let mut config = context.dir.load()?;
    match args {
        ConfigCommand::Set { setting, value } => {
            set(&mut config, setting, Some(value))?;
            context.dir.save(&config)?;
        }
        ConfigCommand::Unset { setting } => {
            set(&mut config, setting, None)?;
            context.dir.save(&config)?;
        }
        ConfigCommand::Show => {
            let text = serde_json::to_string_pretty(&config)
                .because(|| "cannot write the configuration as JSON".into())?;
            context.screen.data(&format!("{text}\n"))?;
            context.screen.note(&format!("remembered in {}", context.dir.config().display()));
        }
    }
    Ok(Exit::Ok)
}

fn set(config: &mut Config, setting: Setting, value: Option<String>) -> Result<(), Failure> {
    match setting {
        Setting::Url => {
            config.url = value.map(|url| http::parse_url(&url).map(|_| url)).transpose()?;
        }
        Setting::ApikeyFile => config.apikey_file = value.as_deref().map(absolute).transpose()?,
        Setting::CaFile => config.ca_file = value.as_deref().map(absolute).transpose()?,
    }
    Ok(())
}

/// Makes a path mean the same file wherever the tool is called, and sees that it is there.
fn absolute(path: &str) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path).because(|| format!("cannot find {path}"))
}
