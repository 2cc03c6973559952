//! What every command has at hand: settings in their order of precedence, the streams, the time.

use crate::cli::Globals;
use crate::config::{Config, Dir, KeySource, read, read_secret};
use crate::exit::{Because, Failure};
use crate::http::{self, Api, Credentials};
use crate::keys::{self, Signer};
use crate::output::Screen;
use reqwest::header::HeaderValue;
use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;
use types::Clock;

/// Says how large a file of certificates may be.
const MAX_CA: u64 = 1024 * 1024;

/// Holds what every command needs.
pub struct Context {
    /// What was typed or set in variables.
    pub globals: Globals,
    /// Where configuration and software key are.
    pub dir: Dir,
    /// What is remembered.
    pub config: Config,
    /// The streams.
    pub screen: Screen,
    /// The time.
    pub clock: Clock,
    /// The key, once it is opened: its passphrase may come from standard input, which is read once.
    signer: OnceCell<Rc<Signer>>,
}

impl Context {
    /// Reads the configuration; flags and variables go before it.
    pub fn new(globals: Globals) -> Result<Self, Failure> {
        let screen = Screen::detect(globals.no_color.as_deref());
        let dir = Dir(directory(&globals)?);
        let mut config = dir.load()?;
        set(&mut config.url, globals.url.as_ref());
        set(&mut config.apikey_file, globals.apikey_file.as_ref());
        set(&mut config.ca_file, globals.ca_file.as_ref());
        if let Some(id) = &globals.gpg {
            config.key = Some(KeySource::Gpg { id: id.clone(), home: None });
        }
        if let Some(KeySource::Gpg { home, .. }) = &mut config.key {
            set(home, globals.gpg_home.as_ref());
        }
        Ok(Self { globals, dir, config, screen, clock: Clock::system(), signer: OnceCell::new() })
    }

    /// Opens the key that signs; `None` when there is none.
    pub fn signer(&self) -> Result<Option<Rc<Signer>>, Failure> {
        if let Some(signer) = self.signer.get() {
            return Ok(Some(Rc::clone(signer)));
        }
        let passphrase = self.globals.passphrase_file.as_deref();
        let signer = keys::configured(&self.dir, &self.config, passphrase)?;
        Ok(signer.map(|signer| Rc::clone(self.signer.get_or_init(|| Rc::new(signer)))))
    }

    /// Opens the key that signs.
    pub fn needed_signer(&self) -> Result<Rc<Signer>, Failure> {
        self.signer()?.ok_or_else(|| {
            Failure::new("there is no key to sign with")
                .next("writ key new, writ key import FILE, or --gpg KEYID")
        })
    }

    /// Prepares to speak with the server.
    pub fn api(&self) -> Result<Api, Failure> {
        let url = self.config.url.as_deref().ok_or_else(|| {
            Failure::new("the server's address is not known")
                .next("writ config set url URL, --url URL or the variable WRIT_URL")
        })?;
        let ca = self.config.ca_file.as_deref().map(|path| read(path, MAX_CA)).transpose()?;
        let credentials = self.credentials()?;
        if http::is_open(&http::parse_url(url)?) {
            self.screen.note(
                "warning: without https everyone on the way can read and change what is sent",
            );
        }
        Api::new(url, ca.as_deref(), credentials, self.clock.clone())
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        if let Some(path) = &self.config.apikey_file {
            let mut key = HeaderValue::from_str(&read_secret(path)?)
                .because(|| format!("{} holds no API key", path.display()))?;
            key.set_sensitive(true);
            return Ok(Credentials::ApiKey(key));
        }
        let signer = self.signer()?.ok_or_else(|| {
            Failure::new("there is nothing to authenticate by")
                .next("writ key new, writ key import FILE, --gpg KEYID or --apikey-file FILE")
        })?;
        Ok(Credentials::Key(signer))
    }
}

/// Takes `given` unless it is absent or empty: an empty variable is as good as none.
fn set<T: Clone + AsRef<std::ffi::OsStr>>(setting: &mut Option<T>, given: Option<&T>) {
    if let Some(given) = given.filter(|given| !given.as_ref().is_empty()) {
        *setting = Some(given.clone());
    }
}

fn directory(globals: &Globals) -> Result<PathBuf, Failure> {
    let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
    if let Some(dir) = given(&globals.config_dir) {
        return Ok(dir);
    }
    let base = given(&globals.xdg_config_home);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    base.map(|base| base.join("writ")).ok_or_else(|| {
        Failure::new("there is no home directory")
            .next("--config-dir DIR, or the variable WRIT_CONFIG")
    })
}
