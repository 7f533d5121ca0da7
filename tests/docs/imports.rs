//! Finds the paths that a file of `src/` uses outside of its tests.
//!
//! The file is parsed: words in comments and strings do not count as paths, paths in macros do.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, File, Item, Visibility};

/// A module file and the paths that it uses.
pub(crate) struct Module {
    /// From the project's folder.
    pub(crate) file: PathBuf,
    /// Its module path in the crate, such as `["http", "docs"]`; empty for the crate's root.
    pub(crate) place: Vec<String>,
    /// The paths, each as two or more segments.
    pub(crate) paths: BTreeSet<Vec<String>>,
}

/// The module files that are compiled outside of tests, starting from these roots.
pub(crate) fn modules(folder: &Path, roots: &[&str]) -> Vec<Module> {
    let mut found = Vec::new();
    let mut ahead: VecDeque<_> = roots.iter().map(|root| (PathBuf::from(root), Vec::new())).collect();
    while let Some((file, place)) = ahead.pop_front() {
        let text = fs::read_to_string(folder.join(&file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let children = live_children(&syntax);
        for child in &children {
            let place = [place.as_slice(), std::slice::from_ref(child)].concat();
            ahead.push_back((child_file(folder, &file, child), place));
        }
        let paths = used_paths(syntax, &children);
        found.push(Module { file, place, paths });
    }
    found
}

/// The modules that this file declares in files of their own, without test modules.
fn live_children(syntax: &File) -> Vec<String> {
    let live = syntax.items.iter().filter(|item| !is_for_tests(item));
    live.filter_map(|item| {
        if let Item::Mod(module) = item
            && module.content.is_none()
        {
            Some(module.ident.to_string())
        } else {
            None
        }
    })
    .collect()
}

fn child_file(folder: &Path, parent: &Path, child: &str) -> PathBuf {
    let stem = parent.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let below = match stem {
        "lib" | "main" | "mod" => parent.parent().unwrap_or(Path::new("")).to_owned(),
        _ => parent.with_extension(""),
    };
    let own = below.join(format!("{child}.rs"));
    if folder.join(&own).exists() {
        own
    } else {
        below.join(child).join("mod.rs")
    }
}

fn is_for_tests(item: &Item) -> bool {
    let attributes = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>().map(|_| attributes)
    };
    let attributes = attributes
        .parse2(item.to_token_stream())
        .expect("an item begins with its attributes");
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.meta.to_token_stream().to_string().contains("test")
    })
}

/// Whether this re-exports an item of a child module, which does not count as a use.
fn is_reexport(item: &Item, children: &[String]) -> bool {
    let Item::Use(item) = item else { return false };
    let text = item.tree.to_token_stream().to_string();
    let text = text.strip_prefix("self :: ").unwrap_or(&text);
    let first = text.split(' ').next().unwrap_or_default();
    !matches!(item.vis, Visibility::Inherited) && children.iter().any(|child| child == first)
}

/// The paths of a file; those that begin with one of its `children` get the prefix `self`.
fn used_paths(syntax: File, children: &[String]) -> BTreeSet<Vec<String>> {
    let live = syntax
        .items
        .into_iter()
        .filter(|item| !is_for_tests(item) && !is_reexport(item, children));
    let mut paths = BTreeSet::new();
    for item in live {
        collect(item.into_token_stream(), &[], &mut paths);
    }
    let of_children = |mut path: Vec<String>| {
        if path.first().is_some_and(|first| children.contains(first)) {
            path.insert(0, "self".to_owned());
        }
        path
    };
    paths.into_iter().map(of_children).collect()
}

/// Collects words with `::` between them; each path in a group in braces continues the path before the group.
fn collect(tokens: TokenStream, prefix: &[String], paths: &mut BTreeSet<Vec<String>>) {
    let mut path = prefix.to_vec();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(word) => {
                if colons != 2 {
                    keep(&mut path, prefix, paths);
                }
                path.push(word.to_string());
                colons = 0;
            }
            TokenTree::Group(group) => {
                let goes_on = colons == 2 && group.delimiter() == Delimiter::Brace;
                let inside = if goes_on { path.clone() } else { Vec::new() };
                collect(group.stream(), &inside, paths);
                if goes_on {
                    path = prefix.to_vec();
                } else {
                    keep(&mut path, prefix, paths);
                }
                colons = 0;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                keep(&mut path, prefix, paths);
                colons = 0;
            }
        }
    }
    keep(&mut path, prefix, paths);
}

fn keep(path: &mut Vec<String>, prefix: &[String], paths: &mut BTreeSet<Vec<String>>) {
    let whole = std::mem::replace(path, prefix.to_vec());
    if whole.len() >= 2 && whole != prefix {
        paths.insert(whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let paths = used_paths(syn::parse_file(text).unwrap(), &["child".to_owned()]);
        paths.into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn every_form_of_a_path_is_found() {
        let cases: [(&str, &[&str]); 10] = [
            ("use crate::a::B;", &["crate::a::B"]),
            ("use super::{a::B, c};", &["super::a::B", "super::c"]),
            ("pub use a::{self, b::{C, D}};", &["a::b::C", "a::b::D", "a::self"]),
            (
                "fn f(x: crate::a::B) -> a::C { a::g(x) }",
                &["a::C", "a::g", "crate::a::B"],
            ),
            ("fn f() { a::log!(\"{}\", crate::b::C); }", &["a::log", "crate::b::C"]),
            ("use child::A;", &["self::child::A"]),
            ("pub use child::A; pub use self::child::B;", &[]),
            ("pub use a::B;", &["a::B"]),
            ("impl a::T for B where C: a::U<d::E> {}", &["a::T", "a::U", "d::E"]),
            ("fn f() { let x: B = x.c; }", &[]),
        ];
        for (text, wanted) in cases {
            assert_eq!(paths(text), wanted, "{text}");
        }
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let text = "/// crate::a::B\nfn f() { g(\"crate::a::B\") } #[cfg(test)] mod tests { use crate::a::B; } \
                    #[cfg(test)] use crate::a::B;";
        assert_eq!(paths(text), [""; 0]);
    }
}
