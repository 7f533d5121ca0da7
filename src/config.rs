//! Every setting: its variable, its default, and why.
//!
//! Settings are environment variables; each can also be given as an option. An empty variable counts as unset. An invalid
//! one stops the start with one line that names it and says what is allowed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use self::values::{host, rate_limit, seconds, socket_address, whole_number};
use crate::store::{PostgresUrl, Target};

mod origins;
mod read;
mod stripe;
mod values;

pub use origins::AllowedOrigins;
pub use read::{Unread, requested_log_format};
pub use stripe::StripeSettings;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "orders-inventory", version, about, long_about = None, max_term_width = 120)]
pub struct Cli {
    /// The command; `serve` where there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// The commands of the binary.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM, SIGINT or SIGHUP (the default)
    Serve,
    /// Print the signature header of a webhook body, with the webhook secret and the current time
    Sign {
        /// File with the body; none or - for standard input
        file: Option<PathBuf>,
        /// Print the three headers of Standard Webhooks; the id is the event's, or a new one
        #[arg(long)]
        standard: bool,
        /// Print the header of Stripe, with STRIPE_WEBHOOK_SECRET
        #[arg(long, conflicts_with = "standard")]
        stripe: bool,
    },
    /// Check every invariant of the database, also while the service runs; exit status 1 where one is broken
    ///
    /// The rows of a PostgreSQL database are read into a temporary SQLite database first, which takes about as much of the disk
    /// as they would in an SQLite file, in the folder that SQLITE_TMPDIR or TMPDIR names; else in /var/tmp or /tmp.
    Audit,
    /// Write a copy of the database, also while the service runs
    Backup {
        /// File for the copy; it must not exist
        file: PathBuf,
    },
    /// Replace the database by a backup, while no service runs; the old database is set aside
    Restore {
        /// File with the backup
        file: PathBuf,
    },
    /// Copy all of a database to another backend: SQLite to PostgreSQL, or back
    ///
    /// The copy is made from one snapshot, checked by an audit on both sides, and kept as a whole or not at all. An SQLite
    /// database must not be in service; what a service writes to a PostgreSQL database after the beginning is not in the copy,
    /// so stop it first if nothing may be missing. Programs on this machine can see the arguments of a command, and a password
    /// in them.
    Copy {
        /// Database to copy, as sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
        #[arg(value_name = "FROM_URL")]
        from: DatabaseUrl,
        /// Database for the copy, which must be empty or not there
        #[arg(value_name = "TO_URL")]
        to: DatabaseUrl,
    },
    /// Create and change products by the lines of a CSV file: all of them, or none where a line is wrong
    ///
    /// The first line names the columns, in any order: sku, and of name, price and stock those that are to be set. A product
    /// whose SKU is new is created, and its line must have them all; another is changed where its line differs. An empty cell
    /// leaves what is there. An SQLite database must not be in service; a PostgreSQL database may be.
    Import {
        /// File to import, in UTF-8; - for standard input
        file: PathBuf,
        /// Print what would be created and changed, and change nothing; also while the service runs
        #[arg(long)]
        dry_run: bool,
    },
    /// Write all products as a CSV file that can be imported, also while the service runs
    Export {
        /// File to write; it must not exist; none or - for standard output
        file: Option<PathBuf>,
    },
    /// Print the contract, openapi.yaml
    Openapi,
}

/// The settings of the service.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Address to listen on, or localhost; 0.0.0.0 or :: for every interface
    #[arg(long, env, global = true, default_value = "127.0.0.1", value_parser = host)]
    pub host: IpAddr,

    /// Port to listen on; 0 for any free port
    #[arg(long, env, global = true, default_value_t = 8080, value_parser = whole_number::<u16>(0..=65_535))]
    pub port: u16,

    /// Database: a file, as sqlite://PATH, whose folder is created; or postgres://USER:PASSWORD@HOST/NAME for several instances
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "sqlite://data/orders-inventory.db"
    )]
    pub database_url: DatabaseUrl,

    /// File with the certificates, in PEM, of the authorities that may sign PostgreSQL's; unset for the system's
    #[arg(long, env, global = true)]
    pub database_ca_file: Option<PathBuf>,

    /// Serve a PostgreSQL server that can lose what it acknowledged: fsync or synchronous_commit off, or replicas none of which
    /// is synchronous
    #[arg(long, env, global = true, default_value_t = false, action = ArgAction::Set)]
    pub allow_async_replication: bool,

    /// API keys, comma-separated; without any, every operation is open to everyone
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub api_keys: SecretText,

    /// Origins whose web pages may call the service, comma-separated, each as SCHEME://HOST or SCHEME://HOST:PORT; * for any
    /// page, without API keys; unset for none
    #[arg(long, env, global = true, default_value = "", hide_default_value = true)]
    pub cors_allowed_origins: AllowedOrigins,

    /// Secret that payment webhooks are signed with; without it they are refused
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub webhook_secret: SecretText,

    /// Previous webhook secret, accepted as well during a rotation
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub webhook_secret_previous: SecretText,

    /// The settings of Stripe's webhook.
    #[command(flatten)]
    pub stripe: StripeSettings,

    /// How far a webhook signature's time may be from now, either way
    #[arg(long, env, global = true, default_value_t = 300, value_parser = seconds())]
    pub webhook_tolerance_seconds: u64,

    /// Time after which an unpaid order is canceled; 0 for never
    #[arg(long, env, global = true, default_value_t = 86_400, value_parser = whole_number::<u64>(0..=315_360_000))]
    pub order_ttl_seconds: u64,

    /// How long a request's head may take to arrive
    #[arg(long, env, global = true, default_value_t = 10, value_parser = seconds())]
    pub header_timeout_seconds: u64,

    /// How long a connection may stay open without a request
    // Longer than proxies keep theirs, commonly a minute. If the service closed first, a proxy's next request could
    // fail.
    #[arg(long, env, global = true, default_value_t = 120, value_parser = seconds())]
    pub idle_timeout_seconds: u64,

    /// How long a request's body may take to arrive, or the rest of a refused one, and how long a request may wait before
    /// its work begins
    #[arg(long, env, global = true, default_value_t = 10, value_parser = seconds())]
    pub request_timeout_seconds: u64,

    /// How long requests in progress may take to finish after SIGTERM
    #[arg(long, env, global = true, default_value_t = 20, value_parser = seconds())]
    pub drain_seconds: u64,

    /// Size at which the database's write-ahead log is checkpointed, in bytes
    #[arg(long, env, global = true, default_value_t = 67_108_864, value_parser = whole_number::<u64>(1_048_576..=1_073_741_824))]
    pub wal_bytes: u64,

    /// Largest body of a request, in bytes
    #[arg(long, env, global = true, default_value_t = 65_536, value_parser = whole_number::<u64>(1_024..=16_777_216))]
    pub body_bytes_max: u64,

    /// Most open connections; further ones are answered with 503 and closed
    #[arg(long, env, global = true, default_value_t = 10_000, value_parser = whole_number::<u64>(1..=1_000_000))]
    pub connections_max: u64,

    /// Most writes in the queue; further ones are answered with 503
    #[arg(long, env, global = true, default_value_t = 1_024, value_parser = whole_number::<u64>(1..=65_536))]
    pub requests_max: u64,

    /// Most requests a minute of one API key, or of one client address without a key; unset for no limit
    #[arg(long, env, global = true, value_parser = rate_limit)]
    pub rate_limit_per_minute: Option<NonZeroU32>,

    /// Number of trusted proxies in front, each of which appends its client's address to X-Forwarded-For
    #[arg(long, env, global = true, default_value_t = 0, value_parser = whole_number::<u8>(0..=16))]
    pub trusted_proxies: u8,

    /// Address to serve metrics on, such as 127.0.0.1:9464; unset for no metrics
    #[arg(long, env, global = true, value_parser = socket_address)]
    pub metrics_addr: Option<SocketAddr>,

    /// Format of log lines
    #[arg(long, env, global = true, default_value = "pretty")]
    pub log_format: LogFormat,

    /// Set to true by Render.com; the service then requires API_KEYS and WEBHOOK_SECRET
    #[arg(long, env, global = true, hide = true, default_value = "")]
    pub render: String,

    /// Which log lines are written, as filter directives of the tracing crate
    #[arg(long, env = "RUST_LOG", global = true, default_value = "info")]
    pub log: LogFilter,
}

impl Settings {
    /// Where the PostgreSQL database of this URL is, and how it may be used.
    pub fn target(&self, url: &PostgresUrl) -> Target {
        Target {
            url: url.clone(),
            ca_file: self.database_ca_file.clone(),
            allow_async_replication: self.allow_async_replication,
        }
    }

    /// Refuses settings that are invalid together.
    ///
    /// # Errors
    /// [`BadSetting`] for an API key that cannot be sent in a header, for Stripe's settings, and on Render where `API_KEYS` or
    /// `WEBHOOK_SECRET` is not set.
    pub fn check(&self) -> Result<(), BadSetting> {
        if let Some(number) = self.api_keys.first_invalid_key() {
            // The line gives the key's number and does not show the key.
            return Err(BadSetting(format!(
                "API_KEYS: key {number} has characters other than visible ASCII, so it cannot be sent in a header"
            )));
        }
        self.stripe.check()?;
        let needed = [("API_KEYS", &self.api_keys), ("WEBHOOK_SECRET", &self.webhook_secret)];
        match needed.into_iter().find(|(_, value)| value.as_str().trim().is_empty()) {
            Some((variable, _)) if self.is_on_render() => Err(BadSetting(format!(
                "{variable}: must be set on Render, where the service is on the public internet"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the service runs on Render.com, which terminates TLS in front of it.
    pub fn is_on_render(&self) -> bool {
        self.render == "true"
    }
}

/// The text of a setting that is secret; `Debug` does not show it.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// The text; empty where it is not set.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, from 1, of the first key of the list that is not visible ASCII.
    fn first_invalid_key(&self) -> Option<usize> {
        let mut keys = self.0.split(',').map(str::trim);
        let first = keys.position(|key| !key.bytes().all(|byte| byte.is_ascii_graphic()));
        first.map(|index| index + 1)
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "unset" } else { "(secret)" })
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// The filter of log lines.
#[derive(Clone, Debug)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter as a subscriber needs it.
    pub fn directives(&self) -> tracing_subscriber::EnvFilter {
        tracing_subscriber::EnvFilter::new(&self.0)
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        tracing_subscriber::EnvFilter::try_new(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|error| format!("must be filter directives such as info or warn,orders_inventory=debug: {error}"))
    }
}

/// The URL of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of an SQLite file, relative to the working folder unless it starts with a slash.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(Self::Postgres);
        }
        let refused = match text.strip_prefix("sqlite://") {
            Some("") => "must name a file after sqlite://",
            Some(path) if path.contains(['?', '#', '\0']) => "must end with the path, without ? or #",
            // SQLite's other names for a database. Nothing of one in memory would be kept.
            Some(path) if path.starts_with("file:") || path.starts_with(':') => {
                "must name a file by its path after sqlite://, not by :memory: or file:"
            }
            Some(path) if path.ends_with('/') || Path::new(path).file_name().is_none() => {
                "must name a file after sqlite://, not a folder"
            }
            Some(path) => return Ok(Self::Sqlite(path.into())),
            None => "must start with sqlite:// or postgres://",
        };
        Err(refused.to_owned())
    }
}

/// An invalid setting, as one line.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSetting(String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
