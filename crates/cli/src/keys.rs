//! The key that signs actions and requests: a software key in the configuration directory, or one that gpg holds.

use crate::config::{Config, Dir, KeySource, read_secret, read_text};
use crate::exit::{Because, Failure};
use crate::gpg::Gpg;
use signing::key::SecretKey;
use std::path::Path;
use time::OffsetDateTime;

/// Says how large an armored secret key may be.
const MAX_KEY: u64 = 256 * 1024;

/// Signs.
pub enum Signer {
    /// By a software key.
    Software(Box<SecretKey>),
    /// Through gpg.
    Gpg(Gpg),
}

impl Signer {
    /// Signs `data` detached; gives the signature in MIG's one-line form.
    pub async fn sign_line(&self, data: &[u8], at: OffsetDateTime) -> Result<String, Failure> {
        match self {
            Self::Software(key) => key.sign_line(data, at).because(|| "the key cannot sign".into()),
            Self::Gpg(gpg) => gpg.sign_line(data).await,
        }
    }

    /// Gives the upper-case hex fingerprint of the primary key.
    pub async fn fingerprint(&self) -> Result<String, Failure> {
        match self {
            Self::Software(key) => Ok(key.public().fingerprint()),
            Self::Gpg(gpg) => gpg.fingerprint().await,
        }
    }

    /// Gives the armored public key.
    pub async fn public(&self) -> Result<String, Failure> {
        match self {
            Self::Software(key) => Ok(key.public().armored()),
            Self::Gpg(gpg) => gpg.public().await,
        }
    }
}

/// Opens the configured key; `None` when there is none.
pub fn configured(
    dir: &Dir,
    config: &Config,
    passphrase_file: Option<&Path>,
) -> Result<Option<Signer>, Failure> {
    match &config.key {
        Some(KeySource::Gpg { id, home }) => {
            Gpg::new(id.clone(), home.clone(), passphrase_file).map(Signer::Gpg).map(Some)
        }
        Some(KeySource::File) => {
            let armored = read_text(&dir.key(), MAX_KEY)?;
            let passphrase = passphrase_file.map(read_secret).transpose()?;
            let key = open(&armored, passphrase.as_deref())
                .map_err(|failure| failure.why(format!("read from {}", dir.key().display())))?;
            Ok(Some(Signer::Software(Box::new(key))))
        }
        None => Ok(None),
    }
}

/// Reads an armored secret key.
pub fn open(armored: &str, passphrase: Option<&str>) -> Result<SecretKey, Failure> {
    SecretKey::parse(armored, passphrase)
        .because(|| "this is no usable secret key".into())
        .map_err(|failure| failure.next("for a key with a passphrase give --passphrase-file FILE"))
}

/// Reads the text of an armored secret key from a file or standard input.
pub fn read_armored(path: &Path) -> Result<String, Failure> {
    read_text(path, MAX_KEY)
}

/// Stores an armored secret key as the configured one; one that is there is kept beside it.
pub fn store(dir: &Dir, config: &Config, armored: &str, force: bool) -> Result<(), Failure> {
    let path = dir.key();
    if path.exists() {
        if !force {
            return Err(Failure::new(format!("there is a key already: {}", path.display()))
                .next("writ key show, or --force to replace it (the old one is kept beside it)"));
        }
        keep_old(dir)?;
    }
    dir.write(&path, armored.as_bytes())?;
    dir.save(&Config { key: Some(KeySource::File), ..config.clone() })
}

/// Copies the present key to the first free `key.<n>.asc`: whatever it signed or may still open is not lost.
fn keep_old(dir: &Dir) -> Result<(), Failure> {
    let old = read_text(&dir.key(), MAX_KEY)?;
    let mut names = (1..1_000).map(|n| dir.0.join(format!("key.{n}.asc")));
    let free = names.find(|path| !path.exists()).ok_or_else(|| {
        Failure::new(format!("there are too many old keys in {}", dir.0.display()))
            .next("remove those that nobody needs")
    })?;
    dir.write(&free, old.as_bytes())
}
