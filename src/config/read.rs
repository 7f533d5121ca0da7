//! Reading the environment and the command line: what is unset, what each command's help shows, and errors as one line.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use super::{BadSetting, Cli, LogFormat};

/// The settings that each command uses; the others, which it takes and ignores, are not in its help.
const USED: [(&str, &[&str]); 6] = [
    ("sign", &["webhook_secret", "stripe_webhook_secret"]),
    ("audit", &["database_url", "database_ca_file"]),
    ("backup", &["database_url"]),
    ("restore", &["database_url"]),
    ("copy", &["database_ca_file", "allow_async_replication"]),
    ("openapi", &[]),
];

/// Why there are no settings.
#[derive(Debug)]
pub enum Unread {
    /// Help or the version was asked for; this is its text.
    Help(String),
    /// A setting or an argument is invalid.
    Bad(BadSetting),
}

impl Cli {
    /// Reads the environment and the command line.
    ///
    /// # Errors
    /// [`Unread`] for the first invalid setting or argument, and for `--help` and `--version`.
    pub fn read() -> Result<Self, Unread> {
        Self::read_from(env::args_os())
    }

    /// The same, with these arguments.
    pub(super) fn read_from(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Unread> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let read = |mut command: clap::Command| {
            let matches = command.try_get_matches_from_mut(&arguments)?;
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
        };
        read(command(Empty::Unset))
            // clap returns help and version as errors, too.
            .map_err(|error| match error.use_stderr() {
                true => Unread::Bad(BadSetting(one_line(&error))),
                // The help names all variables, empty ones too.
                false => Unread::Help(text_of(&read(command(Empty::Named)).err().unwrap_or(error))),
            })
    }
}

/// The log format that was asked for, where the settings could not be read.
pub fn requested_log_format() -> LogFormat {
    let arguments: Vec<_> = env::args_os().collect();
    let of_arguments = arguments
        .iter()
        .enumerate()
        .find_map(|(index, argument)| match argument.to_str()? {
            "--log-format" => arguments.get(index + 1).cloned(),
            argument => argument.strip_prefix("--log-format=").map(OsString::from),
        });
    match of_arguments.or_else(|| env::var_os("LOG_FORMAT")) {
        Some(format) if format == "json" => LogFormat::Json,
        Some(_) | None => LogFormat::Pretty,
    }
}

/// What becomes of variables that are empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// They count as unset.
    Unset,
    /// They are named, for the help.
    Named,
}

fn command(empty: Empty) -> clap::Command {
    let is_empty = |variable: &OsStr| env::var_os(variable).is_some_and(|value| value.is_empty());
    let mut command = Cli::command().mut_args(|argument| match argument.get_env() {
        Some(variable) if empty == Empty::Unset && is_empty(variable) => argument.env(Resettable::Reset),
        Some(_) | None => argument,
    });
    // Gives each command its copy of the options.
    command.build();
    for (name, used) in USED {
        command = command.mut_subcommand(name, |command| {
            command.mut_args(|argument| {
                let is_setting = argument.get_long().is_some() && argument.get_id() != "help";
                let is_hidden = is_setting && !used.contains(&argument.get_id().as_str());
                argument.hide(is_hidden)
            })
        });
    }
    command
}

fn text_of(help: &clap::Error) -> String {
    let rendered = help.render();
    if io::stdout().is_terminal() {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    }
}

/// clap's error as one line that starts with the variable.
fn one_line(error: &clap::Error) -> String {
    if let Some(variable) = variable_that_is_not_utf8(error) {
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
    // An argument of a command has no variable, and is named as the help names it.
    let argument = || option.strip_prefix('<').and_then(|name| name.strip_suffix('>'));
    let name = variable
        .map(OsStr::to_string_lossy)
        .or_else(|| argument().map(Into::into));
    if let (Some(name), Some(value)) = (name, text(ContextKind::InvalidValue)) {
        let reason = std::error::Error::source(error).map_or_else(|| allowed_values(error), ToString::to_string);
        // Whatever is no file may have a password anywhere.
        let is_secret =
            may_be_secret(value) || (name.ends_with("_URL") && value.contains(':') && !value.starts_with("sqlite:"));
        return match is_secret {
            true => format!("{name}: {reason}"),
            false => format!("{name}: {reason} (it is {value:?})"),
        };
    }
    if let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        let names: Vec<_> = missing.iter().map(|name| name.trim_matches(['<', '>'])).collect();
        return format!("{} must be given; see --help", names.join(" and "));
    }
    let rendered = error.render().to_string();
    let first = rendered.lines().next().unwrap_or_default();
    match may_be_secret(first) {
        true => format!("{}; see --help", error.kind()),
        false => format!("{}; see --help", first.trim_start_matches("error: ")),
    }
}

/// Whether a text may have a password: one stands before the @ of a URL.
fn may_be_secret(text: &str) -> bool {
    text.contains('@')
}

/// The variable that clap could not read as text, which its error does not name. The value may be a secret and is not
/// shown.
fn variable_that_is_not_utf8(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidUtf8 {
        return None;
    }
    let command = Cli::command();
    let mut variables = command.get_arguments().filter_map(clap::Arg::get_env);
    let is_not_utf8 = |variable: &&OsStr| env::var_os(variable).is_some_and(|value| value.to_str().is_none());
    variables
        .find(is_not_utf8)
        .map(|variable| variable.display().to_string())
}

fn allowed_values(error: &clap::Error) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("must be one of {}", values.join(", ")),
        _ => "is invalid".to_owned(),
    }
}
