//! Every setting: its variable, its default, and why.
//!
//! Settings are environment variables; each can be given as an option too. One that makes no sense stops the start with
//! one line that names it.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

/// What the command line asks for.
#[derive(Debug, Parser)]
#[command(name = "orders-inventory", version, about, long_about = None, max_term_width = 120)]
pub struct Cli {
    /// What to do; without one, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings.
    #[command(flatten)]
    pub settings: Settings,
}

/// What the binary can do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT (the default)
    Serve,
    /// Print the header that signs a webhook body, with WEBHOOK_SECRET and the time of now
    Sign {
        /// The body's file; none or - for standard input
        file: Option<PathBuf>,
    },
    /// Recompute every invariant of the database, also beside a running service; exit 1 where one is broken
    Audit,
    /// Write a copy of the database, also beside a running service
    Backup {
        /// Where the copy goes; nothing may be there yet
        file: PathBuf,
    },
    /// Print the contract, openapi.yaml
    Openapi,
}

/// The settings of the service.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Address to listen on; 0.0.0.0 or :: for every interface
    #[arg(long, env, global = true, default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// Port to listen on; 0 for any that is free
    #[arg(long, env, global = true, default_value_t = 8080)]
    pub port: u16,

    /// Database file, as sqlite://PATH; the folder is made
    #[arg(long, env, global = true, default_value = "sqlite://data/orders-inventory.db")]
    pub database_url: DatabaseUrl,

    /// API keys, with commas between them; without one everybody may call
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub api_keys: SecretText,

    /// Secret that payment webhooks are signed with; without one they are refused
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub webhook_secret: SecretText,

    /// Secret before that one, accepted as well during a rotation
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub webhook_secret_previous: SecretText,

    /// How far a webhook signature's time may be from now, either way
    #[arg(long, env, global = true, default_value_t = 300, value_parser = seconds())]
    pub webhook_tolerance_seconds: u64,

    /// After how long an unpaid order is canceled; 0 for never
    #[arg(long, env, global = true, default_value_t = 86_400, value_parser = RangedU64ValueParser::<u64>::new().range(0..=315_360_000))]
    pub order_ttl_seconds: u64,

    /// How long a request's head may take to arrive
    #[arg(long, env, global = true, default_value_t = 10, value_parser = seconds())]
    pub header_timeout_seconds: u64,

    /// How long a connection may stay open with nothing asked on it
    // Longer than proxies keep theirs, commonly a minute: who closes first must be the one who knows that nothing is coming.
    #[arg(long, env, global = true, default_value_t = 120, value_parser = seconds())]
    pub idle_timeout_seconds: u64,

    /// How long a request's body may take to arrive, and a request may wait before its work begins
    #[arg(long, env, global = true, default_value_t = 10, value_parser = seconds())]
    pub request_timeout_seconds: u64,

    /// How long requests may go on after SIGTERM
    #[arg(long, env, global = true, default_value_t = 20, value_parser = seconds())]
    pub drain_seconds: u64,

    /// The length at which the database's write-ahead log is checkpointed, in bytes
    #[arg(long, env, global = true, default_value_t = 67_108_864, value_parser = RangedU64ValueParser::<u64>::new().range(1_048_576..=1_073_741_824))]
    pub wal_bytes: u64,

    /// Largest body of a request, in bytes
    #[arg(long, env, global = true, default_value_t = 65_536, value_parser = RangedU64ValueParser::<u64>::new().range(1_024..=16_777_216))]
    pub body_bytes_max: u64,

    /// Most connections at once; one more is told to come back and closed
    #[arg(long, env, global = true, default_value_t = 10_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000))]
    pub connections_max: u64,

    /// Most requests worked on at once; one more is told to come back
    // As many as the write queue holds: more could only wait for it to refuse them.
    #[arg(long, env, global = true, default_value_t = 1_024, value_parser = RangedU64ValueParser::<u64>::new().range(1..=65_536))]
    pub requests_max: u64,

    /// Most requests of one API key, or of one client address without a key, in a minute; unset for no limit
    #[arg(long, env, global = true)]
    pub rate_limit_per_minute: Option<NonZeroU32>,

    /// How many proxies stand in front and add the address of whoever called them to X-Forwarded-For
    #[arg(long, env, global = true, default_value_t = 0, value_parser = RangedU64ValueParser::<u8>::new().range(0..=16))]
    pub trusted_proxies: u8,

    /// Address to serve metrics on, such as 127.0.0.1:9464; unset for none
    #[arg(long, env, global = true)]
    pub metrics_addr: Option<SocketAddr>,

    /// How log lines look
    #[arg(long, env, global = true, default_value = "pretty")]
    pub log_format: LogFormat,

    /// Whether this is Render.com, which sets it to true; then nothing is served without keys and a secret
    #[arg(long, env, global = true, hide = true, default_value = "")]
    pub render: String,

    /// Which log lines are written, as tracing's filter directives
    #[arg(long, env = "RUST_LOG", global = true, default_value = "info")]
    pub log: LogFilter,
}

impl Settings {
    /// Refuses settings that make no sense together.
    ///
    /// # Errors
    /// [`BadSetting`] for an API key that nobody could send, and where a service on the open internet would let everybody
    /// in or could not be paid.
    pub fn check(&self) -> Result<(), BadSetting> {
        if let Some(number) = self.api_keys.unsendable() {
            // Which one it is, not what it is.
            return Err(BadSetting(format!(
                "API_KEYS: key {number} has blanks or characters that are not visible ASCII, so no header can bring it"
            )));
        }
        let needed = [("API_KEYS", &self.api_keys), ("WEBHOOK_SECRET", &self.webhook_secret)];
        match needed.into_iter().find(|(_, value)| value.as_str().trim().is_empty()) {
            Some((variable, _)) if self.is_on_render() => Err(BadSetting(format!(
                "{variable}: must be set on Render, where everybody can reach the service"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether this is Render.com, which ends TLS in front of the service.
    pub fn is_on_render(&self) -> bool {
        self.render == "true"
    }
}

/// A duration that somebody waits for: a second to an hour.
fn seconds() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..=3_600)
}

/// A secret as it was set; it never prints.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// The secret; empty where none was set.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first of a list of keys, counted from 1, that cannot stand in a header.
    fn unsendable(&self) -> Option<usize> {
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

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Which log lines are written.
#[derive(Clone, Debug)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter for a subscriber.
    pub fn directives(&self) -> tracing_subscriber::EnvFilter {
        tracing_subscriber::EnvFilter::new(&self.0)
    }
}

impl FromStr for LogFilter {
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        tracing_subscriber::EnvFilter::try_new(text).map(|_| Self(text.to_owned()))
    }
}

/// Where the database file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl(PathBuf);

impl DatabaseUrl {
    /// The file, relative to the working folder where the URL's path has no leading slash.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("sqlite://") {
            Some("") => Err("names no file after sqlite://"),
            Some(path) if path.contains(['?', '#', '\0']) => Err("takes a path and nothing after it"),
            Some(path) => Ok(Self(path.into())),
            None => Err("must start with sqlite://"),
        }
    }
}

/// One line on a setting that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSetting(String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Cli {
    /// What the environment and the command line ask for. Prints and ends the process for `--help` and `--version`.
    ///
    /// # Errors
    /// [`BadSetting`] for anything that makes no sense.
    pub fn read() -> Result<Self, BadSetting> {
        Self::try_parse().map_err(|error| {
            // Help and version are no errors; clap prints them and ends the process.
            if !error.use_stderr() {
                error.exit();
            }
            BadSetting(one_line(&error))
        })
    }
}

/// clap's paragraph as one line that starts with the variable.
fn one_line(error: &clap::Error) -> String {
    if let Some(variable) = variable_that_is_no_text(error) {
        return format!("{variable}: is not UTF-8");
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = text(ContextKind::InvalidArg).unwrap_or_default();
    let long = option.trim_start_matches('-').split(' ').next().unwrap_or_default();
    let command = Cli::command();
    let variable = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(long))
        .and_then(|argument| argument.get_env());
    match (variable, text(ContextKind::InvalidValue)) {
        (Some(variable), Some(value)) => {
            let why = std::error::Error::source(error).map_or_else(|| allowed_values(error), ToString::to_string);
            format!("{}: {why} (it is {value:?})", variable.display())
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

/// clap does not say which variable it could not read; the value itself may be a secret and is not shown.
fn variable_that_is_no_text(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidUtf8 {
        return None;
    }
    let command = Cli::command();
    let mut variables = command.get_arguments().filter_map(clap::Arg::get_env);
    let is_no_text = |variable: &&OsStr| std::env::var_os(variable).is_some_and(|value| value.to_str().is_none());
    variables
        .find(is_no_text)
        .map(|variable| variable.display().to_string())
}

fn allowed_values(error: &clap::Error) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("must be one of {}", values.join(", ")),
        _ => "makes no sense".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"orders-inventory").chain(arguments);
        one_line(&Cli::try_parse_from(arguments).unwrap_err())
    }

    #[test]
    fn settings_that_make_no_sense_are_named_in_one_line() {
        let cases = [
            (["--port", "x"], "PORT: "),
            (["--port", "65536"], "PORT: "),
            (["--host", "localhost"], "HOST: "),
            (
                ["--database-url", "postgres://x"],
                "DATABASE_URL: must start with sqlite:// (it is \"postgres://x\")",
            ),
            (["--database-url", "sqlite://"], "DATABASE_URL: names no file"),
            (
                ["--request-timeout-seconds", "0"],
                "REQUEST_TIMEOUT_SECONDS: 0 is not in 1..=3600",
            ),
            (["--body-bytes-max", "1"], "BODY_BYTES_MAX: "),
            (["--wal-bytes", "1"], "WAL_BYTES: 1 is not in 1048576..=1073741824"),
            (["--connections-max", "0"], "CONNECTIONS_MAX: 0 is not in 1..=1000000"),
            (["--requests-max", "65537"], "REQUESTS_MAX: 65537 is not in 1..=65536"),
            (["--rate-limit-per-minute", "0"], "RATE_LIMIT_PER_MINUTE: "),
            (["--trusted-proxies", "17"], "TRUSTED_PROXIES: 17 is not in 0..=16"),
            (["--metrics-addr", "9100"], "METRICS_ADDR: "),
            (
                ["--idle-timeout-seconds", "0"],
                "IDLE_TIMEOUT_SECONDS: 0 is not in 1..=3600",
            ),
            (
                ["--log-format", "xml"],
                "LOG_FORMAT: must be one of pretty, json (it is \"xml\")",
            ),
            (["--log", "a=b=c"], "RUST_LOG: "),
            (["--nonsense", "1"], "unexpected argument '--nonsense' found"),
        ];
        for (arguments, start) in cases {
            let line = refused(&arguments);
            assert!(line.starts_with(start), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn render_needs_keys_and_a_secret() {
        let check = |arguments: &[&str]| {
            let arguments = std::iter::once(&"orders-inventory").chain(arguments);
            let checked = Cli::try_parse_from(arguments).unwrap().settings.check();
            checked
                .err()
                .map(|line| line.to_string().split(':').next().unwrap_or_default().to_owned())
        };
        assert_eq!(check(&[]), None);
        assert_eq!(check(&["--render", "true"]).as_deref(), Some("API_KEYS"));
        assert_eq!(
            check(&["--render", "true", "--api-keys", "k"]).as_deref(),
            Some("WEBHOOK_SECRET")
        );
        assert_eq!(
            check(&["--render", "true", "--api-keys", "k", "--webhook-secret", "s"]),
            None
        );
    }

    #[test]
    fn a_key_that_nobody_could_send_is_refused_without_showing_it() {
        for (keys, number) in [("hunter 2", 1), ("a, b ,h\u{fc}nter2", 3), ("a,,hunter\n2", 3)] {
            let cli = Cli::try_parse_from(["orders-inventory", "--api-keys", keys]).unwrap();
            let line = cli.settings.check().unwrap_err().to_string();
            assert!(line.starts_with(&format!("API_KEYS: key {number} has")), "{line}");
            assert!(!line.contains("nter") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn secrets_show_nowhere() {
        let cli = Cli::try_parse_from(["orders-inventory", "--webhook-secret", "hunter2"]).unwrap();
        assert_eq!(cli.settings.webhook_secret.as_str(), "hunter2");
        assert!(!format!("{cli:?}").contains("hunter2"));
    }

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
