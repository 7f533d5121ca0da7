//! Reads the parameters of a request's path, query and headers.
//!
//! It refuses unknown query parameters, repeated parameters (but headers that are lists, in several lines), and
//! percent-encoding that is not UTF-8.

use std::borrow::Cow;

use axum::http::{HeaderMap, Uri, request};
use validator::Validate;

use super::rules::broken_rules;
use super::{Failures, Text};

/// The parameters of a request, which are read one by one.
pub struct Parameters<'a> {
    template: &'static str,
    path: &'a str,
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    headers: &'a HeaderMap,
    failures: &'a mut Failures,
}

impl<'a> Parameters<'a> {
    /// Splits the request's path and query. Percent-encoding that is not UTF-8 is a failure.
    pub fn of(template: &'static str, parts: &'a request::Parts, failures: &'a mut Failures) -> Self {
        let query = query(&parts.uri, failures);
        Self {
            template,
            path: parts.uri.path(),
            query,
            headers: &parts.headers,
            failures,
        }
    }

    fn parse<T: Text>(&mut self, name: &str, text: &str) -> Option<T> {
        T::from_text(text)
            .map_err(|detail| self.failures.parameter(name, detail))
            .ok()
    }

    /// A path parameter.
    pub fn path<T: Text>(&mut self, name: &'static str) -> Option<T> {
        match percent_encoding::percent_decode_str(self.part(name)?).decode_utf8() {
            Ok(text) => self.parse(name, &text),
            Err(_) => {
                self.failures.parameter(name, "must be valid UTF-8");
                None
            }
        }
    }

    /// The segment of the path where the template has this name.
    fn part(&self, name: &str) -> Option<&'a str> {
        let (mut template, mut path) = (self.template, self.path);
        loop {
            let (before, parameter) = template.split_once('{')?;
            let (known, after) = parameter.split_once('}')?;
            let rest = path.get(before.len()..)?;
            let (part, rest) = rest.split_at(part_length(rest));
            if known == name {
                return Some(part);
            }
            (template, path) = (after, rest);
        }
    }

    /// An optional query parameter. [`Self::refuse_unknown_query`] refuses repeated ones.
    pub fn query<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let index = self.query.iter().position(|(key, _)| key == name)?;
        let text = self.query.swap_remove(index).1;
        self.parse(name, &text)
    }

    /// An optional header; a repeated one is a failure.
    pub fn header<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let headers = self.headers;
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            self.failures.parameter(name, "is given more than once");
            return None;
        }
        match value.to_str() {
            Ok(text) => self.parse(name, text),
            Err(_) => {
                self.failures.parameter(name, "must be visible ASCII");
                None
            }
        }
    }

    /// An optional header that may come in several lines, which are one list (RFC 9110, section 5.3). Each byte is the
    /// character of its number (ISO 8859-1), so that no byte is lost.
    pub fn header_lines<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let mut lines = self.headers.get_all(name).iter();
        let mut all = lines.next()?.as_bytes().to_vec();
        for line in lines {
            all.extend_from_slice(b", ");
            all.extend_from_slice(line.as_bytes());
        }
        let text: String = all.into_iter().map(char::from).collect();
        self.parse(name, &text)
    }

    /// A required query parameter.
    pub fn required_query<T: Text>(&mut self, name: &'static str) -> Option<T> {
        if !self.query.iter().any(|(key, _)| key == name) {
            self.failures.parameter(name, "is required");
        }
        self.query(name)
    }

    /// A required header.
    pub fn required_header<T: Text>(&mut self, name: &'static str) -> Option<T> {
        if !self.headers.contains_key(name) {
            self.failures.parameter(name, "is required");
        }
        self.header(name)
    }

    /// A required header that may come in several lines.
    pub fn required_header_lines<T: Text>(&mut self, name: &'static str) -> Option<T> {
        if !self.headers.contains_key(name) {
            self.failures.parameter(name, "is required");
        }
        self.header_lines(name)
    }

    /// Refuses unknown and repeated query parameters.
    pub fn refuse_unknown_query(&mut self, known: &[&str]) {
        for (name, _) in std::mem::take(&mut self.query) {
            let detail = match known.contains(&name.as_ref()) {
                true => "is given more than once",
                false => "is not a known parameter",
            };
            self.failures.parameter(&name, detail);
        }
    }

    /// Records the broken rules of the parameters that could be read; `names` as in
    /// [`Object::check`](super::Object::check).
    pub fn check(self, draft: &impl Validate, names: &[(&str, &str)]) {
        for (name, sentence) in broken_rules(draft, names) {
            self.failures.parameter(&name, sentence);
        }
    }
}

/// The length of a path's first segment, in bytes.
fn part_length(path: &str) -> usize {
    path.bytes().position(|byte| byte == b'/').unwrap_or(path.len())
}

/// The names and values of a query, in order.
fn query<'a>(uri: &'a Uri, failures: &mut Failures) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let mut pairs = Vec::new();
    for pair in uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decode(name), decode(value)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            (Some(name), None) => failures.parameter(&name, "must be valid UTF-8"),
            (None, _) => failures.parameter(name, "must have a name of valid UTF-8"),
        }
    }
    pairs
}

/// Refuses every query parameter, for an operation without parameters.
pub fn refuse_query(uri: &Uri, failures: &mut Failures) {
    for (name, _) in query(uri, failures) {
        failures.parameter(&name, "is not a known parameter");
    }
}

/// Decodes a name or value of a query (`application/x-www-form-urlencoded`); `None` where it is not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// The failures that `read` records.
    fn failures(request: axum::http::request::Builder, read: impl FnOnce(&mut Parameters<'_>)) -> Vec<String> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut failures = Failures::default();
        read(&mut Parameters::of("/things/{id}/parts/{name}", &parts, &mut failures));
        failures.lines()
    }

    #[test]
    fn parts_of_the_path_are_found_by_their_names_and_decoded() {
        let found = failures(Request::get("/things/7/parts/a%20+b%ff"), |parameters| {
            assert_eq!(parameters.path::<i64>("id"), Some(7));
            assert_eq!(parameters.path::<String>("name"), None);
            assert_eq!(parameters.path::<String>("other"), None);
        });
        assert_eq!(found, ["?name must be valid UTF-8"]);
        let found = failures(Request::get("/things/x/parts/a%20+b"), |parameters| {
            assert_eq!(parameters.path::<i64>("id"), None);
            assert_eq!(parameters.path::<String>("name"), Some("a +b".to_owned()));
        });
        assert_eq!(found, ["?id must be a 64-bit integer"]);
    }

    #[test]
    fn a_query_is_a_form_without_unknown_or_repeated_names() {
        let found = failures(
            Request::get("/?%6eote=a+b%2B&limit=1&limit=2&x=&y=%ff&%ff=1&&"),
            |parameters| {
                assert_eq!(parameters.query::<String>("note"), Some("a b+".to_owned()));
                assert_eq!(parameters.query::<i64>("limit"), Some(1));
                assert_eq!(parameters.required_query::<i64>("needed"), None);
                parameters.refuse_unknown_query(&["note", "limit", "needed"]);
            },
        );
        let wanted = [
            "?%ff must have a name of valid UTF-8",
            "?limit is given more than once",
            "?needed is required",
            "?x is not a known parameter",
            "?y must be valid UTF-8",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_header_is_given_once_and_in_ascii() {
        let request = Request::get("/").header("a", "1").header("b", "1").header("b", "1");
        let request = request.header("c", &b"\xe9"[..]);
        let found = failures(request, |parameters| {
            assert_eq!(parameters.header::<i64>("A"), Some(1));
            assert_eq!(parameters.header::<i64>("B"), None);
            assert_eq!(parameters.header::<String>("C"), None);
            assert_eq!(parameters.header::<String>("D"), None);
            assert_eq!(parameters.required_header::<String>("E"), None);
        });
        let wanted = [
            "?B is given more than once",
            "?C must be visible ASCII",
            "?E is required",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_lines_of_a_header_are_one_list_and_no_byte_is_lost() {
        let request = Request::get("/")
            .header("a", "1, 2")
            .header("a", "")
            .header("a", &b"\t\xe9"[..]);
        let found = failures(request.header("b", "7"), |parameters| {
            assert_eq!(parameters.header_lines("A"), Some("1, 2, , \t\u{e9}".to_owned()));
            assert_eq!(parameters.header_lines("B"), Some(7));
            assert_eq!(parameters.header_lines::<String>("C"), None);
            assert_eq!(parameters.required_header_lines::<i32>("A"), None);
            assert_eq!(parameters.required_header_lines::<i64>("C"), None);
        });
        assert_eq!(found, ["?A must be a 32-bit integer", "?C is required"]);
    }

    #[test]
    fn an_operation_without_parameters_refuses_every_query() {
        let (parts, ()) = Request::get("/?x=1&y=%ff").body(()).unwrap().into_parts();
        let mut failures = Failures::default();
        refuse_query(&parts.uri, &mut failures);
        assert_eq!(
            failures.lines(),
            ["?x is not a known parameter", "?y must be valid UTF-8"]
        );
    }
}
