//! `writ key`.

use crate::cli::Key;
use crate::config::{Config, KeySource};
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::gpg::Gpg;
use crate::keys::{self, Signer};
use signing::key::SecretKey;
use std::path::{Path, PathBuf};
use time::Duration;

pub(super) async fn run(context: &Context, args: Key) -> Result<Exit, Failure> {
    match args {
        Key::New { name, email, force } => {
            let key = make(context, &name, email.as_deref(), force)?;
            context.screen.data(&format!("{}\n", key.public().fingerprint()))?;
        }
        Key::Import { file: Some(file), force } => import(context, &file, force)?,
        Key::Import { file: None, .. } => import_gpg(context).await?,
        Key::Show { public } => {
            let signer = context.needed_signer()?;
            let data = if public {
                format!("{}\n", signer.public().await?.trim_end())
            } else {
                format!("{}\n", signer.fingerprint().await?)
            };
            context.screen.data(&data)?;
            context.screen.note(&where_it_is(context, &signer));
        }
    }
    Ok(Exit::Ok)
}

/// Makes a software key and remembers it.
pub(super) fn make(
    context: &Context,
    name: &str,
    email: Option<&str>,
    force: bool,
) -> Result<SecretKey, Failure> {
    let user_id = match email {
        Some(email) => format!("{name} <{email}>"),
        None => name.into(),
    };
    if user_id.chars().any(char::is_control) {
        return Err(Failure::new("a name or an address holds control characters"));
    }
    // a minute ago: clocks differ, and a signature older than its key is refused
    let created = context.clock.now() - Duration::MINUTE;
    let key = SecretKey::generate(&user_id, created).because(|| "cannot make a key".into())?;
    keys::store(&context.dir, &context.dir.load()?, &key.armored(), force)?;
    context
        .screen
        .note(&format!("made an Ed25519 key for '{user_id}': {}", context.dir.key().display()));
    context
        .screen
        .note("agents and loaders of MIG verify RSA only: for them sign with a key of gpg");
    Ok(key)
}

fn import(context: &Context, file: &Path, force: bool) -> Result<(), Failure> {
    let armored = keys::read_armored(file)?;
    let passphrase =
        context.globals.passphrase_file.as_deref().map(crate::config::read_secret).transpose()?;
    let key = keys::open(&armored, passphrase.as_deref())?;
    // stored as it came: a key under a passphrase stays under it
    keys::store(&context.dir, &context.dir.load()?, &armored, force)?;
    context.screen.data(&format!("{}\n", key.public().fingerprint()))?;
    context.screen.note(&format!("imported into {}", context.dir.key().display()));
    Ok(())
}

async fn import_gpg(context: &Context) -> Result<(), Failure> {
    let Some(id) = &context.globals.gpg else {
        return Err(
            Failure::new("there is nothing to import").next("writ key import FILE, or --gpg KEYID")
        );
    };
    let home = context.globals.gpg_home.as_deref().filter(|home| !home.as_os_str().is_empty());
    let home =
        home.map(std::path::absolute).transpose().because(|| "cannot find GNUPGHOME".into())?;
    let gpg = Gpg::new(id.clone(), home.clone(), context.globals.passphrase_file.as_deref())?;
    let fingerprint = gpg.fingerprint().await?;
    // a key that cannot sign is better found out now
    gpg.sign_line(b"writ").await?;
    let key = Some(KeySource::Gpg { id: fingerprint.clone(), home });
    context.dir.save(&Config { key, ..context.dir.load()? })?;
    context.screen.data(&format!("{fingerprint}\n"))?;
    context.screen.note("signing through gpg from now on");
    Ok(())
}

fn where_it_is(context: &Context, signer: &Signer) -> String {
    match signer {
        Signer::Software(_) => format!("software key {}", context.dir.key().display()),
        Signer::Gpg(Gpg { home, .. }) => {
            let home = home.clone().unwrap_or_else(|| PathBuf::from("gpg's default home"));
            format!("held by gpg in {}", home.display())
        }
    }
}
