//! README's table of settings equals `--help`.

use std::collections::BTreeMap;
use std::process::Command;

use crate::page::{code_spans, read, table};

/// Variables and defaults of a help text; those without a default are `unset`.
fn listed(help: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in help.lines().map(str::trim) {
        if let Some(variable) = line.strip_prefix("[env: ").and_then(|rest| rest.strip_suffix(']')) {
            last = variable.split('=').next().unwrap_or_default().to_owned();
            found.insert(last.clone(), "unset".to_owned());
        } else if let Some(default) = line.strip_prefix("[default: ").and_then(|rest| rest.strip_suffix(']')) {
            found.insert(last.clone(), default.to_owned());
        }
    }
    found
}

/// Variables and defaults of README's table.
fn written(readme: &str) -> BTreeMap<String, String> {
    let rows = table(readme, "settings");
    let rows = rows.iter().map(|row| {
        let default = code_spans(&row[1]).first().cloned().unwrap_or_else(|| row[1].clone());
        (code_spans(&row[0]).remove(0), default)
    });
    rows.collect()
}

#[test]
fn readme_lists_every_setting_with_its_default() {
    let help = Command::new(env!("CARGO_BIN_EXE_orders-inventory"))
        .env_clear()
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert_eq!(
        written(&read("README.md")),
        listed(&help),
        "left: README.md; right: --help"
    );
}

#[test]
fn a_missing_or_different_setting_is_found() {
    let help = "--port <PORT>\n [env: PORT=]\n [default: 8080]\n --key <KEY>\n [env: KEY]\n --log <LOG>\n [env: LOG=]";
    let page =
        |rows: &str| format!("<!-- settings:begin -->\n| Variable | Default |\n|---|---|\n{rows}<!-- settings:end -->");
    let whole = "| `PORT` | `8080` |\n| `KEY` | unset |\n| `LOG` | unset |\n";
    assert_eq!(written(&page(whole)), listed(help));
    for (from, to) in [("8080", "80"), ("| `KEY` | unset |\n", ""), ("`LOG`", "`LOGS`")] {
        assert_ne!(written(&page(&whole.replace(from, to))), listed(help), "{from}");
    }
}
