//! What `writ` remembers: `config.json` in its own directory, readable by its owner only.

use crate::exit::{Because, Failure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Holds the remembered settings; a flag or a variable goes before each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The server's origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Which key signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeySource>,
    /// The file that holds the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apikey_file: Option<PathBuf>,
    /// The certificates that the server's certificate must lead to, instead of the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Says which key signs actions and requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum KeySource {
    /// The software key in the configuration directory.
    File,
    /// A key that `gpg` holds: in its key ring, on a card.
    Gpg {
        /// Which one: a fingerprint, a key id or an address.
        id: String,
        /// `GNUPGHOME`, where it is not gpg's own default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        home: Option<PathBuf>,
    },
}

/// Is the directory where configuration and software key live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir(pub PathBuf);

impl Dir {
    /// Names the file of the settings.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// Names the file of the software key.
    pub fn key(&self) -> PathBuf {
        self.0.join("key.asc")
    }

    /// Reads the settings; none there means none set.
    pub fn load(&self) -> Result<Config, Failure> {
        let path = self.config();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .because(|| format!("{} is not a configuration of this version", path.display()))
                .map_err(|failure| failure.next("correct or remove that file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(error).because(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the settings.
    pub fn save(&self, config: &Config) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(config)
            .because(|| "cannot write the configuration as JSON".into())?;
        text.push('\n');
        self.write(&self.config(), text.as_bytes())
    }

    /// Writes a file as a whole or not at all, readable by its owner only.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            let mut file = tempfile::Builder::new()
                .prefix(".writ-")
                .permissions(fs::Permissions::from_mode(0o600))
                .tempfile_in(&self.0)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().because(|| format!("cannot write {}", path.display()))
    }
}

/// Reads a file, or standard input for `-`, up to `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let what = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).because(what)?;
    } else {
        let file = fs::File::open(path).because(what)?;
        file.take(limit + 1).read_to_end(&mut bytes).because(what)?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(Failure::new(what()).why(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads a text as [`read`] does.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    String::from_utf8(read(path, limit)?).because(|| format!("{} is not UTF-8", path.display()))
}

/// Reads a secret from a file or standard input; the line end after it does not belong to it.
pub fn read_secret(path: &Path) -> Result<String, Failure> {
    let text = read_text(path, 4_096)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::new(format!("{} is empty", path.display())));
    }
    Ok(secret.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back_and_only_its_owner_reads_it() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir(temporary.path().join("a/writ"));
        assert_eq!(dir.load().unwrap(), Config::default());
        let config = Config {
            url: Some("https://writ.example".into()),
            key: Some(KeySource::Gpg { id: "AB12".into(), home: Some("/k".into()) }),
            ..Config::default()
        };
        dir.save(&config).unwrap();
        assert_eq!(dir.load().unwrap(), config);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.config()), mode(&dir.0)), (0o600, 0o700));
    }

    #[test]
    fn a_file_of_another_make_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir(temporary.path().into());
        fs::write(dir.config(), r#"{"uri":"x"}"#).unwrap();
        let failure = dir.load().unwrap_err();
        assert!(failure.what.contains("config.json"), "{}", failure.what);
        assert!(failure.why[0].contains("uri"), "{:?}", failure.why);
    }

    #[test]
    fn reading_has_a_limit() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("f");
        fs::write(&path, "secret\r\n").unwrap();
        assert_eq!(read_secret(&path).unwrap(), "secret");
        assert_eq!(read(&path, 8).unwrap().len(), 8);
        assert!(read(&path, 7).is_err());
    }
}
