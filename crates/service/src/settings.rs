//! Every setting is a flag and an environment variable: `--database-url` of the scheduler is
//! `WRIT_SCHEDULER_DATABASE_URL`. So one environment serves five processes as well as all five in one.

use crate::Service;
use crate::credentials::{self, secret};
use anyhow::Context;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use types::Clock;
use web::{Cors, Network, Origin, SoarcaAuth, TrustedProxies};

/// Holds the settings that every service has.
#[derive(Clone, Args)]
#[command(next_help_heading = "Common settings")]
pub struct Common {
    /// The service's own database, with user, password and sslmode
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A file that holds the database URL, for secrets mounted as files
    #[arg(long, value_name = "FILE", conflicts_with = "database_url")]
    database_url_file: Option<PathBuf>,
    /// A file with the database's user, in place of the URL's
    #[arg(long, value_name = "FILE")]
    database_user_file: Option<PathBuf>,
    /// A file with the database's password, in place of the URL's
    #[arg(long, value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// The certificate authority of the database
    #[arg(long, value_name = "FILE")]
    database_ca_file: Option<PathBuf>,
    /// How many connections to the database are kept at most
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    database_pool: usize,
    /// After how many seconds the database ends a statement
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    statement_timeout: u64,
    /// Where callers are served; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where /livez, /readyz and /metrics are served; not for the public
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    admin_listen: String,
    /// How many event loops serve callers
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    workers: usize,
    /// How many seconds it goes on serving after the word to stop, no longer ready, so that balancers can turn away
    /// first
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    linger: u64,
    /// How many seconds running requests may take after that
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    drain: u64,
    /// Leave the database as it is; `migrate` was run before
    #[arg(long)]
    no_migrate: bool,
    /// The broker, with user, password and virtual host; amqps for TLS
    #[arg(long, env = "AMQP_URL", value_name = "URL")]
    amqp_url: Option<String>,
    /// A file that holds the broker's URL
    #[arg(long, env = "AMQP_URL_FILE", value_name = "FILE", conflicts_with = "amqp_url")]
    amqp_url_file: Option<PathBuf>,
    /// The service's own account on the broker; stands above the broker that all services share
    #[arg(long, value_name = "URL")]
    broker_url: Option<String>,
    /// A file that holds the URL of the service's own account
    #[arg(long, value_name = "FILE", conflicts_with = "broker_url")]
    broker_url_file: Option<PathBuf>,
    /// A file with the broker's user, in place of the URL's
    #[arg(long, env = "AMQP_USER_FILE", value_name = "FILE")]
    amqp_user_file: Option<PathBuf>,
    /// A file with the broker's password, in place of the URL's
    #[arg(long, env = "AMQP_PASSWORD_FILE", value_name = "FILE")]
    amqp_password_file: Option<PathBuf>,
    /// The certificate authority of the broker
    #[arg(long, env = "AMQP_CA_FILE", value_name = "FILE")]
    amqp_ca_file: Option<PathBuf>,
    /// The origin under which people reach the house; it stands before every link
    #[arg(long, env = "WRIT_PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: String,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks
    #[arg(long, env = "WRIT_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',')]
    trusted_proxies: Vec<Network>,
    /// Origins whose pages may read answers; `*` for any
    #[arg(long, env = "WRIT_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    cors_origins: Vec<String>,
    /// Whether callers of SOARCA's paths must prove who they are; `off` for SOARCA's own tools, on closed networks only
    #[arg(long, env = "WRIT_MANUAL_AUTH", value_name = "ON|OFF", default_value = "on", value_parser = ["on", "off"], ignore_case = true)]
    soarca_auth: String,
    /// How many seconds the start waits for the database and the broker
    #[arg(long, env = "WRIT_START_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    start_timeout: u64,
    #[command(flatten)]
    proof: Proof,
}

/// Holds the settings that say whose word counts.
#[derive(Clone, Args)]
#[command(next_help_heading = "Whose word counts")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
struct Proof {
    /// How far the time of a signed token may be from ours
    #[arg(long, env = "WRIT_TOKEN_TOLERANCE", value_name = "SECONDS", default_value_t = 600)]
    token_tolerance: u32,
    /// Refuse a signed token that was used before; each process remembers those it took
    #[arg(long, env = "WRIT_TOKEN_ONCE")]
    token_once: bool,
    /// Let signatures over SHA-1 count, for old fleets
    #[arg(long, env = "WRIT_PGP_ALLOW_SHA1")]
    pgp_allow_sha1: bool,
    /// Let expired keys count, for old fleets
    #[arg(long, env = "WRIT_PGP_ALLOW_EXPIRED")]
    pgp_allow_expired: bool,
    /// Let revoked keys count; nobody should
    #[arg(long, env = "WRIT_PGP_ALLOW_REVOKED", hide = true)]
    pgp_allow_revoked: bool,
    /// The shortest RSA or DSA key that counts
    #[arg(long, env = "WRIT_PGP_MIN_BITS", value_name = "BITS", default_value_t = 2048)]
    pgp_min_bits: u32,
}

/// Holds all settings of a service's process.
pub struct Settings<S: Service> {
    /// Those that every service has.
    pub common: Common,
    /// Those of this service.
    pub config: S::Config,
    /// The time.
    pub clock: Clock,
}

impl<S: Service> Clone for Settings<S> {
    fn clone(&self) -> Self {
        Self { common: self.common.clone(), config: self.config.clone(), clock: self.clock.clone() }
    }
}

impl<S: Service> Settings<S> {
    /// Reads settings from `flags` (without a program's name) and the environment.
    pub fn parse<I, T>(flags: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString>,
    {
        let words = std::iter::once(S::NAME.into()).chain(flags.into_iter().map(Into::into));
        Self::from_matches(&Self::arguments(Command::new(S::NAME)).try_get_matches_from(words)?)
    }

    /// Gives those of the variables `given` that are named like settings of this service and are none: they were
    /// misspelt.
    pub fn unknown(given: impl IntoIterator<Item = OsString>) -> Vec<String> {
        let prefix = prefix(S::NAME);
        let command = Self::arguments(Command::new(S::NAME));
        let known: HashSet<_> = command.get_arguments().filter_map(Arg::get_env).collect();
        let given = given.into_iter().filter(|name| !known.contains(name.as_os_str()));
        let given = given.filter_map(|name| name.into_string().ok());
        given.filter(|name| name.starts_with(&prefix)).collect()
    }

    pub(crate) fn from_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            common: Common::from_arg_matches(matches)?,
            config: S::Config::from_arg_matches(matches)?,
            clock: Clock::system(),
        })
    }

    /// Adds all settings to `command`, each with its environment variable.
    pub(crate) fn arguments(command: Command) -> Command {
        let command =
            S::Config::augment_args(command.next_help_heading("Settings of this service"));
        name_variables(Common::augment_args(command), S::NAME)
    }
}

fn prefix(service: &str) -> String {
    format!("WRIT_{}_", service.replace('-', "_").to_uppercase())
}

/// Gives each flag without a variable one of its own, and shows no value: it may be a secret.
pub(crate) fn name_variables(command: Command, service: &str) -> Command {
    let prefix = prefix(service);
    command.mut_args(|arg| {
        let counted = matches!(arg.get_action(), ArgAction::Help | ArgAction::Version);
        let variable = arg.get_long().filter(|_| !counted).map(|long| match arg.get_env() {
            Some(shared) => shared.to_owned(),
            None => format!("{prefix}{}", long.replace('-', "_").to_uppercase()).into(),
        });
        match variable {
            Some(variable) => arg.env(variable).hide_env_values(true).global(true),
            None => arg,
        }
    })
}

impl Common {
    pub(crate) fn store(&self, service: &str) -> anyhow::Result<store::Settings> {
        let url = secret(self.database_url.as_deref(), self.database_url_file.as_deref())?;
        let url = url.with_context(|| {
            let name = service.replace('-', "_").to_uppercase();
            format!("no database is given: set --database-url or WRIT_{name}_DATABASE_URL")
        })?;
        let (user, password) = (&self.database_user_file, &self.database_password_file);
        let url = credentials::put(url, user.as_ref(), password.as_ref())?;
        Ok(store::Settings {
            max_size: self.database_pool,
            ca_file: self.database_ca_file.clone(),
            statement_timeout: Duration::from_secs(self.statement_timeout),
            application: service.to_owned(),
            ..store::Settings::new(url)
        })
    }

    pub(crate) fn bus(&self) -> anyhow::Result<messaging::Settings> {
        let own = secret(self.broker_url.as_deref(), self.broker_url_file.as_deref())?;
        let url = if let Some(own) = own {
            own
        } else {
            let url = secret(self.amqp_url.as_deref(), self.amqp_url_file.as_deref())?;
            let url = url.context("no broker is given: set --amqp-url or AMQP_URL")?;
            let (user, password) = (&self.amqp_user_file, &self.amqp_password_file);
            credentials::put(url, user.as_ref(), password.as_ref())?
        };
        Ok(messaging::Settings {
            ca_file: self.amqp_ca_file.clone(),
            ..messaging::Settings::new(url)
        })
    }

    pub(crate) fn server(&self) -> web::server::Settings {
        web::server::Settings {
            origin: self.origin(),
            proxies: TrustedProxies(self.trusted_proxies.clone()),
            workers: self.workers.max(1),
            drain: self.drain(),
        }
    }

    pub(crate) fn auth(&self) -> auth::Settings {
        let strict = auth::Settings::default();
        auth::Settings {
            token_tolerance: time::Duration::seconds(self.proof.token_tolerance.into()),
            policy: signing::Policy {
                allow_sha1: self.proof.pgp_allow_sha1,
                allow_expired: self.proof.pgp_allow_expired,
                allow_revoked: self.proof.pgp_allow_revoked,
                min_rsa_bits: self.proof.pgp_min_bits,
                min_dsa_bits: self.proof.pgp_min_bits,
                ..strict.policy
            },
            once: self.proof.token_once,
        }
    }

    pub(crate) fn soarca_auth(&self) -> SoarcaAuth {
        SoarcaAuth { required: !self.soarca_auth.eq_ignore_ascii_case("off") }
    }

    pub(crate) fn cors(&self) -> Cors {
        Cors::new(self.cors_origins.clone(), !self.soarca_auth().required)
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::new(&self.public_url)
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain)
    }

    pub(crate) fn linger(&self) -> Duration {
        Duration::from_secs(self.linger)
    }

    pub(crate) fn start_timeout(&self) -> Duration {
        Duration::from_secs(self.start_timeout)
    }

    pub(crate) fn migrates(&self) -> bool {
        !self.no_migrate
    }

    pub(crate) fn listen(&self) -> &str {
        &self.listen
    }

    pub(crate) fn admin_listen(&self) -> &str {
        &self.admin_listen
    }
}
