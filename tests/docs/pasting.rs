//! The commands of every page can be pasted into bash and zsh alike.
//!
//! zsh takes `#` for a word when it is typed, so a comment after a command becomes its arguments: `make test # all` asks
//! make for the targets `#` and `all`, and a comment in backticks runs what it names. What a command does stands in the
//! text around it.

use crate::citations::pages;
use crate::page::read;

/// What a character is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Single,
    Double,
    /// `${…}`
    Braces,
}

/// What in these commands means something else when it is pasted into zsh.
fn faults(commands: &str) -> Vec<&'static str> {
    let (mut found, mut inside, mut before) = (Vec::new(), Inside::Nothing, '\n');
    let mut characters = commands.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or('\n');
        let begins_word = before.is_whitespace() || ";|&(".contains(before);
        let (now, fault) = match (inside, character) {
            (Inside::Single, '\'') | (Inside::Double, '"') | (Inside::Braces, '}') => (Inside::Nothing, None),
            (Inside::Single, _) => (inside, None),
            (_, '\\') => {
                characters.next();
                (inside, None)
            }
            (_, '`') => (inside, Some("a backtick")),
            (Inside::Nothing | Inside::Double, '!') if !next.is_whitespace() => (inside, Some("history expansion")),
            (Inside::Double | Inside::Braces, _) => (inside, None),
            (Inside::Nothing, '\'') => (Inside::Single, None),
            (Inside::Nothing, '"') => (Inside::Double, None),
            (Inside::Nothing, '{') if before == '$' => (Inside::Braces, None),
            (Inside::Nothing, '#') if begins_word => (inside, Some("a comment")),
            // The command `[`.
            (Inside::Nothing, '[') if begins_word && next == ' ' => (inside, None),
            (Inside::Nothing, '?' | '*' | '[') if before != '$' => (inside, Some("a pattern without quotes")),
            (Inside::Nothing, '=') if begins_word && next.is_alphabetic() => (inside, Some("the path of a command")),
            (Inside::Nothing, _) => (inside, None),
        };
        found.extend(fault);
        (inside, before) = (now, character);
    }
    if matches!(inside, Inside::Single | Inside::Double) {
        found.push("a quote that is not closed");
    }
    found
}

/// The blocks of a page that are commands: fenced ones of a shell.
fn fenced(page: &str) -> Vec<String> {
    fenced_as(page, &["sh", "bash", "zsh", "shell", "console"])
}

/// The fenced blocks of a page in one of these languages.
pub(crate) fn fenced_as(page: &str, languages: &[&str]) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(language) if languages.contains(&language) => {
                blocks.push(String::new());
                is_open = true;
            }
            Some(_) => is_open = false,
            None if is_open => {
                let block = blocks.last_mut().expect("an open block");
                block.extend([line, "\n"]);
            }
            None => {}
        }
    }
    blocks
}

#[test]
fn commands_can_be_pasted_into_zsh() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for block in fenced(&text) {
            let found = faults(&block);
            assert!(found.is_empty(), "{}: {found:?} in\n{block}", page.display());
            count += 1;
        }
        // An indented block may also be a picture, so only comments are looked for.
        for line in text.lines().filter(|line| line.starts_with("    ")) {
            let has_comment = faults(line).contains(&"a comment");
            assert!(!has_comment, "{}: a comment in\n{line}", page.display());
        }
    }
    assert!(
        count >= 20,
        "only {count} blocks of commands were found; has their form changed?"
    );
}

#[test]
fn what_zsh_reads_otherwise_is_found() {
    for good in [
        "curl -s -w ' %{http_code}\\n' --json '{\"a\": [1, \"#\", \"b!\"]}' $B/products\n",
        "T=${HEADER#*t=} T=${T%%,*}\n",
        "ask \"$B/products?limit=1000\" 'it''s'\n",
        "sed 's/.*= *//' <<<\"$?\"",
        "a=b c\\#d e#f && [ \"$a\" = b ]",
    ] {
        assert_eq!(faults(good), Vec::<&str>::new(), "{good}");
    }
    for (bad, why) in [
        ("# Create a product: 201\ncurl", "a comment"),
        ("make run     # start", "a comment"),
        ("export A=b  # what `make run` starts with", "a comment"),
        ("(# x\n)", "a comment"),
        ("A=`date`", "a backtick"),
        ("echo \"`date`\"", "a backtick"),
        ("curl $B/products?limit=1", "a pattern without quotes"),
        ("ls [ab].md", "a pattern without quotes"),
        ("ls *.md", "a pattern without quotes"),
        ("echo \"hello!you\"", "history expansion"),
        ("echo =curl", "the path of a command"),
        ("echo it's", "a quote that is not closed"),
    ] {
        assert_eq!(faults(bad).first(), Some(&why), "{bad}");
    }
    let page = "text\n\n```sh\none\ntwo\n```\n\n```text\n# no\n```\n```console\nthree\n```\n";
    assert_eq!(fenced(page), ["one\ntwo\n", "three\n"]);
}
