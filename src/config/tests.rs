//! Settings as they are read, refused and shown.

use clap::CommandFactory;

use super::*;

fn refused(arguments: &[&str]) -> String {
    let arguments = std::iter::once("orders-inventory").chain(arguments.iter().copied());
    match Cli::read_from(arguments.map(Into::into)) {
        Err(Unread::Bad(line)) => line.to_string(),
        Err(Unread::Help(_)) | Ok(_) => panic!("not refused"),
    }
}

#[test]
fn an_invalid_setting_is_named_in_one_line() {
    let cases = [
        (
            ["--port", "x"],
            "PORT: must be a whole number from 0 to 65535 (it is \"x\")",
        ),
        (["--port", "65536"], "PORT: must be a whole number from 0 to 65535"),
        (["--host", "example.org"], "HOST: must be an IP address or localhost"),
        (
            ["--database-url", "sqlite:x"],
            "DATABASE_URL: must start with sqlite:// or postgres:// (it is \"sqlite:x\")",
        ),
        // What is no file may have a password anywhere, so it is not shown.
        (
            ["--database-url", "mysql://x"],
            "DATABASE_URL: must start with sqlite:// or postgres://",
        ),
        (
            ["--database-url", "postgres://x"],
            "DATABASE_URL: must name a database after the host",
        ),
        (
            ["--database-url", "postgres://u:secret@h/d?sslmode=verify-full"],
            "DATABASE_URL: must be the URL of a PostgreSQL database: invalid value for option `sslmode`; sslmode is disable,",
        ),
        (["--database-url", "sqlite://"], "DATABASE_URL: must name a file"),
        (
            ["--database-url", "sqlite://:memory:"],
            "DATABASE_URL: must name a file by its path",
        ),
        (
            ["--database-url", "sqlite://file:x.db"],
            "DATABASE_URL: must name a file by its path",
        ),
        (["--database-url", "sqlite://data/"], "DATABASE_URL: must name a file"),
        (["--database-url", "sqlite://.."], "DATABASE_URL: must name a file"),
        (
            ["--request-timeout-seconds", "0"],
            "REQUEST_TIMEOUT_SECONDS: must be a whole number from 1 to 3600",
        ),
        (["--body-bytes-max", "1"], "BODY_BYTES_MAX: "),
        (
            ["--wal-bytes", "1"],
            "WAL_BYTES: must be a whole number from 1048576 to 1073741824",
        ),
        (
            ["--connections-max", "0"],
            "CONNECTIONS_MAX: must be a whole number from 1 to 1000000",
        ),
        (
            ["--requests-max", "65537"],
            "REQUESTS_MAX: must be a whole number from 1 to 65536",
        ),
        (
            ["--rate-limit-per-minute", "0"],
            "RATE_LIMIT_PER_MINUTE: must be a whole number from 1 to 4294967295, or unset for no limit",
        ),
        (
            ["--trusted-proxies", "17"],
            "TRUSTED_PROXIES: must be a whole number from 0 to 16",
        ),
        (
            ["--metrics-addr", "9100"],
            "METRICS_ADDR: must be an address with a port",
        ),
        (
            ["--idle-timeout-seconds", "0"],
            "IDLE_TIMEOUT_SECONDS: must be a whole number from 1 to 3600",
        ),
        (
            ["--log-format", "xml"],
            "LOG_FORMAT: must be one of pretty, json (it is \"xml\")",
        ),
        (["--log", "a=b=c"], "RUST_LOG: must be filter directives"),
        (
            ["--nonsense", "1"],
            "unexpected argument '--nonsense' found; see --help",
        ),
        (["frobnicate", "1"], "unrecognized subcommand 'frobnicate'; see --help"),
        (["backup", "--port=1"], "FILE must be given; see --help"),
        (["restore", "--port=1"], "FILE must be given; see --help"),
    ];
    for (arguments, start) in cases {
        let line = refused(&arguments);
        assert!(line.starts_with(start), "{line}");
        assert!(!line.contains('\n'), "{line}");
        let is_shown = line.ends_with(&format!("(it is {:?})", arguments[1]));
        let is_url = arguments[1].contains("://") && !arguments[1].starts_with("sqlite:");
        assert!(!(is_shown && is_url), "{line}");
    }
}

#[test]
fn an_invalid_argument_is_named_in_one_line_without_a_password() {
    const URL: &str = "postgres://shop:hidden@host";
    let cases: [(&[&str], &str); 7] = [
        (
            &["copy", URL, "sqlite://a.db"],
            "FROM_URL: must name a database after the host",
        ),
        (
            &["copy", "sqlite://a.db", URL],
            "TO_URL: must name a database after the host",
        ),
        (
            &["copy", "a.db", "sqlite://b.db"],
            "FROM_URL: must start with sqlite:// or postgres:// (it is \"a.db\")",
        ),
        (&["copy", "sqlite://a.db"], "TO_URL must be given; see --help"),
        (
            &["copy", "sqlite://a.db", "sqlite://b.db", URL],
            "unexpected argument found; see --help",
        ),
        (&["audit", URL], "unexpected argument found; see --help"),
        (&[URL], "unrecognized subcommand; see --help"),
    ];
    for (arguments, line) in cases {
        assert_eq!(refused(arguments), line);
    }
}

#[test]
fn render_requires_api_keys_and_a_webhook_secret() {
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
fn an_api_key_that_cannot_be_sent_is_refused_without_showing_it() {
    for (keys, number) in [("hunter 2", 1), ("a, b ,h\u{fc}nter2", 3), ("a,,hunter\n2", 3)] {
        let cli = Cli::try_parse_from(["orders-inventory", "--api-keys", keys]).unwrap();
        let line = cli.settings.check().unwrap_err().to_string();
        assert!(line.starts_with(&format!("API_KEYS: key {number} has")), "{line}");
        assert!(!line.contains("nter") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn debug_does_not_show_secrets() {
    let cli = Cli::try_parse_from(["orders-inventory", "--webhook-secret", "hunter2"]).unwrap();
    assert_eq!(cli.settings.webhook_secret.as_str(), "hunter2");
    assert!(!format!("{cli:?}").contains("hunter2"));
}

#[test]
fn localhost_is_an_address() {
    let arguments = [
        "orders-inventory",
        "--host",
        "localhost",
        "--metrics-addr",
        "LocalHost:9464",
    ];
    let settings = Cli::read_from(arguments.map(Into::into))
        .map_err(|_| ())
        .unwrap()
        .settings;
    assert!(settings.host.is_loopback());
    assert_eq!(settings.metrics_addr, Some(([127, 0, 0, 1], 9464).into()));
}

#[test]
fn help_of_a_command_lists_its_own_options() {
    let help = |arguments: &[&str]| {
        let arguments = std::iter::once("orders-inventory").chain(arguments.iter().copied());
        match Cli::read_from(arguments.map(Into::into)) {
            Err(Unread::Help(text)) => text,
            Err(Unread::Bad(_)) | Ok(_) => panic!("no help"),
        }
    };
    let options = |arguments: &[&str]| {
        let help = help(arguments);
        let words = help
            .split([' ', '\n', ','])
            .filter(|word| word.starts_with("--") && *word != "--help");
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let commands: [(&str, &[&str]); 4] = [
        ("audit", &["--database-url", "--database-ca-file"]),
        ("backup", &["--database-url"]),
        ("restore", &["--database-url"]),
        ("copy", &["--database-ca-file", "--allow-async-replication"]),
    ];
    for (command, used) in commands {
        assert_eq!(options(&[command, "--help"]), used, "{command}");
        assert_eq!(options(&["help", command]), used, "{command}");
    }
    assert_eq!(
        options(&["sign", "-h"]),
        ["--webhook-secret", "--stripe-webhook-secret"]
    );
    assert_eq!(options(&["openapi", "--help"]), [""; 0]);
    assert!(options(&["serve", "--help"]).len() > 15);
    assert_eq!(
        options(&["serve", "--help"]).len() + 1,
        options(&["--help"]).len(),
        "and --version"
    );
    // Hidden or not, every option is taken everywhere.
    let arguments = ["orders-inventory", "audit", "--port", "1"];
    assert!(Cli::read_from(arguments.map(Into::into)).is_ok());
}

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
}
