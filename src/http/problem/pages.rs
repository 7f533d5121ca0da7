//! The HTML pages that explain the error types, made from the table of error types.

use std::fmt::Write;

use orders_inventory_api::models::ProblemType;

use super::{Entry, entry, name};

/// The page that lists every error type.
pub(in crate::http) fn all() -> String {
    let mut body = String::from("<h1>Problems</h1>\n<p>Every value of an error's <code>type</code>.</p>\n<dl>\n");
    for kind in ProblemType::ALL {
        let Entry { title, status, meaning } = entry(*kind);
        let (status, meaning) = (status.as_u16(), prose(meaning));
        // Links are relative, so that they are right behind a path prefix as well.
        let link = kind.as_str().trim_start_matches('/');
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<dt>{status} <a href=\"{link}\">{title}</a></dt>\n<dd>{meaning}</dd>"
        );
    }
    body.push_str("</dl>\n");
    page("Problems", &body)
}

/// The page of the error type of this name, if there is one.
pub(in crate::http) fn one(wanted: &str) -> Option<String> {
    let kind = *ProblemType::ALL.iter().find(|kind| name(**kind) == wanted)?;
    let Entry { title, status, meaning } = entry(kind);
    let reason = status.canonical_reason().unwrap_or_default();
    let body = format!(
        "<h1>{title}</h1>\n<p><code>{}</code>, status {} {reason}</p>\n<p>{}</p>\n<p><a href=\"../problems\">All \
         problems</a> · <a href=\"../docs\">Documentation</a></p>\n",
        kind.as_str(),
        status.as_u16(),
        prose(meaning),
    );
    Some(page(title, &body))
}

/// The table's text as HTML; text in backticks becomes `<code>`. No text of the table needs escaping, as a test checks.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        match index % 2 {
            0 => html.push_str(part),
            _ => {
                let _ = write!(html, "<code>{part}</code>");
            }
        }
    }
    html
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n{body}</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_page_and_its_place_in_the_list() {
        let list = all();
        for kind in ProblemType::ALL {
            let entry = entry(*kind);
            let page = one(name(*kind)).unwrap();
            assert!(page.contains(&format!("<h1>{}</h1>", entry.title)));
            assert!(page.contains(entry.status.as_str()));
            assert!(list.contains(&format!("href=\"problems/{}\"", name(*kind))));
            for text in [entry.title, entry.meaning, kind.as_str()] {
                assert!(!text.contains(['<', '>', '&', '"']), "{text}");
            }
        }
        assert_eq!(one("nonsense"), None);
        assert_eq!(one(""), None);
    }
}
