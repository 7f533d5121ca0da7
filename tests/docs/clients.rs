//! docs/clients.md shows the files of tests/clients as they are, and the commands that `make check-clients` runs.

use crate::page::read;
use crate::pasting::fenced_as;

/// The files that a page shows: each is linked right before its block.
fn shown(page: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = page.split("):\n\n```").collect();
    let file = |before: &str| before.rfind("](../").map(|at| at + "](../".len());
    parts
        .windows(2)
        .filter_map(|pair| {
            let (_, rest) = pair[1].split_once('\n')?;
            let (block, _) = rest.split_once("\n```\n")?;
            Some((&pair[0][file(pair[0])?..], block))
        })
        .collect()
}

#[test]
fn the_programs_are_shown_as_they_are() {
    let page = read("docs/clients.md");
    let shown = shown(&page);
    for program in [
        "typescript/shop.ts",
        "python/shop.py",
        "rust/build.rs",
        "rust/src/main.rs",
    ] {
        let count = shown.iter().filter(|(path, _)| path.ends_with(program)).count();
        assert_eq!(count, 1, "the page shows {program} once");
    }
    for (path, block) in shown {
        assert!(
            read(path).trim_end() == block,
            "docs/clients.md shows {path} as it was; copy the file into its block"
        );
    }
}

#[test]
fn the_commands_are_those_that_are_run() {
    let (page, makefile) = (read("docs/clients.md"), read("Makefile"));
    let recipe = makefile
        .split("\ncheck-clients:")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .expect("the recipe of check-clients");
    let commands: Vec<String> = fenced_as(&page, &["sh"]);
    let commands: Vec<&str> = commands.iter().flat_map(|block| block.lines()).collect();
    assert!(commands.len() >= 4, "only {} commands were found", commands.len());
    for command in commands {
        let is_run = recipe
            .lines()
            .any(|line| line.trim().trim_end_matches(" && \\") == command);
        assert!(is_run, "make check-clients does not run: {command}");
    }
}
