//! How a request becomes valid values, or the list of all that is wrong with it.
//!
//! A body is read member by member and a parameter at a time, each noting its own failures, so one answer can name
//! every one of them. What is refused here never reaches an operation: text that is not JSON, members that are unknown
//! or stand twice, `null` where a value must be, values of another type, values outside their bounds.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use axum::body::{self, Body, Bytes};
use axum::http::{HeaderMap, Uri, header, request};
use http_body_util::LengthLimitError;
use regex::Regex;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use validator::{Validate, ValidationError, ValidationErrorsKind};

use crate::types::{AnyJson, Decimal, NotATimestamp, Timestamp};

/// Why a request did not become a call.
#[derive(Debug)]
pub enum Rejection {
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is larger than [`BODY_BYTES_MAX`].
    PayloadTooLarge,
    /// The body ended before it was whole, or its transfer broke.
    BodyUnreadable(axum::Error),
    /// The body is not JSON (RFC 8259); the text says where.
    MalformedJson(String),
    /// The request breaks the contract; all failures in the order of their places, each once, or the first
    /// [`FAILURES_MAX`] of them.
    Invalid(Vec<Failure>),
    /// An answer of ours could not be written: a fault of the server.
    Unwritable(axum::Error),
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Where.
    pub place: Place,
    /// What, as the end of a sentence that starts with the place: `must be greater than 0`.
    pub detail: String,
}

/// The part of a request that a [`Failure`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The name of a path, query or header parameter.
    Parameter(String),
    /// A JSON Pointer (RFC 6901) into the body.
    Pointer(String),
}

/// As many failures are reported of one request: enough for a person, and a bound on what a hostile body can cost.
pub const FAILURES_MAX: usize = 100;

/// What was found wrong so far: the first [`FAILURES_MAX`] in their order, whatever the order they were found in.
#[derive(Debug, Default)]
pub struct Failures(BTreeSet<Failure>);

impl Failures {
    /// Notes a failure of a parameter.
    pub fn parameter(&mut self, name: &str, detail: impl Into<String>) {
        self.note(Place::Parameter(name.to_owned()), detail.into());
    }

    /// Notes a failure in the body.
    pub fn pointer(&mut self, at: Pointer<'_>, detail: impl Into<String>) {
        self.note(Place::Pointer(at.to_string()), detail.into());
    }

    /// Whether a failure was noted of just this value of the body.
    pub fn has(&self, at: Pointer<'_>) -> bool {
        let place = Place::Pointer(at.to_string());
        self.0.iter().any(|failure| failure.place == place)
    }

    fn note(&mut self, place: Place, detail: String) {
        self.0.insert(Failure { place, detail });
        if self.0.len() > FAILURES_MAX {
            self.0.pop_last();
        }
    }

    /// The values that were read, if nothing was found wrong on the way.
    ///
    /// # Errors
    ///
    /// [`Rejection::Invalid`] with all failures.
    pub fn accept<T>(self, values: Option<T>) -> Result<T, Rejection> {
        match values {
            Some(values) if self.0.is_empty() => Ok(values),
            _ => Err(Rejection::Invalid(self.0.into_iter().collect())),
        }
    }
}

/// The way from the body's root to a value, kept on the stack: it becomes text only where something is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Pointer<'a> {
    /// The body itself.
    Root,
    /// A member of an object.
    Member(&'a Pointer<'a>, &'a str),
    /// An item of an array.
    Item(&'a Pointer<'a>, usize),
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// What can be read from a JSON value.
pub trait Read: Sized {
    /// The value, or `None` with at least one failure noted. A value that was read may still have failures.
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self>;
}

/// What can be read from text: a parameter, or the content of a JSON string.
pub trait Text: Sized {
    /// The value.
    ///
    /// # Errors
    ///
    /// What the text must be, as in [`Failure::detail`].
    fn from_text(text: &str) -> Result<Self, String>;
}

/// The largest body that is taken, in bytes. A server that wants less bounds bodies before they come here.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Takes the whole body of a request.
///
/// # Errors
///
/// Where it does not arrive, or is larger than [`BODY_BYTES_MAX`].
pub async fn bytes(body: Body) -> Result<Bytes, Rejection> {
    body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|error| match error.source() {
            Some(cause) if cause.is::<LengthLimitError>() => Rejection::PayloadTooLarge,
            Some(_) | None => Rejection::BodyUnreadable(error),
        })
}

/// Reads the JSON body of a request.
///
/// # Errors
///
/// Where there is no JSON to look into. What is wrong inside it is noted in `failures`.
pub fn json<T: Read>(parts: &request::Parts, bytes: &Bytes, failures: &mut Failures) -> Result<Option<T>, Rejection> {
    if !is_json(&parts.headers) {
        return Err(Rejection::UnsupportedMediaType);
    }
    let json: &RawValue = serde_json::from_slice(bytes).map_err(|error| Rejection::MalformedJson(error.to_string()))?;
    Ok(T::read(json, Pointer::Root, failures))
}

/// Whether the one `Content-Type` is `application/json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
}

/// The members of a JSON object, taken out one by one.
pub struct Object<'a> {
    /// Those not taken yet, each name once.
    members: Vec<Member<'a>>,
    /// How many names there were.
    len: usize,
    at: Pointer<'a>,
    failures: &'a mut Failures,
}

impl<'a> Object<'a> {
    /// The object that `json` is; `None`, with the failure noted, where it is something else.
    pub fn open(json: &'a RawValue, at: Pointer<'a>, failures: &'a mut Failures) -> Option<Self> {
        if !json.get().starts_with('{') {
            failures.pointer(at, "must be an object");
            return None;
        }
        match serde_json::Deserializer::from_str(json.get()).deserialize_map(Members) {
            Ok(mut members) => {
                keep_first(&mut members, |name| {
                    failures.pointer(Pointer::Member(&at, name), "stands more than once");
                });
                Some(Self {
                    len: members.len(),
                    members,
                    at,
                    failures,
                })
            }
            // The text is JSON, so all that can be wrong is a name with half of a surrogate pair in it.
            Err(_) => {
                failures.pointer(at, "must have member names of valid Unicode");
                None
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(index).1)
    }

    /// A member that must be there and not null.
    pub fn required<T: Read>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(json) => T::read(json, Pointer::Member(&self.at, name), self.failures),
            None => {
                self.failures.pointer(Pointer::Member(&self.at, name), "is required");
                None
            }
        }
    }

    /// A member that may be absent, but is not null.
    pub fn optional<T: Read>(&mut self, name: &'static str) -> Option<T> {
        let json = self.take(name)?;
        T::read(json, Pointer::Member(&self.at, name), self.failures)
    }

    /// A member that must be there and may be null.
    pub fn nullable<T: Read>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            Some(json) if json.get() == "null" => None,
            Some(json) => T::read(json, Pointer::Member(&self.at, name), self.failures),
            None => {
                self.failures.pointer(Pointer::Member(&self.at, name), "is required");
                None
            }
        }
    }

    /// Wants at least so many members, known or not.
    pub fn at_least(&mut self, members: usize) {
        if self.len < members {
            self.failures
                .pointer(self.at, format!("must have at least {}", counted(members, "member")));
        }
    }

    /// Refuses the members that were not asked for.
    pub fn refuse_unknown(&mut self) {
        for (name, _) in &self.members {
            self.failures
                .pointer(Pointer::Member(&self.at, name), "is not a known member");
        }
    }

    /// Notes what `validator` finds wrong with the members that could be read; `names` has the contract's name of each
    /// field that is named otherwise.
    pub fn check(self, draft: &impl Validate, names: &[(&str, &str)]) {
        for (field, error) in errors(draft) {
            self.failures
                .pointer(Pointer::Member(&self.at, contract_name(names, &field)), detail(&error));
        }
    }
}

fn contract_name<'a>(names: &[(&str, &'a str)], field: &'a str) -> &'a str {
    names
        .iter()
        .find(|(key, _)| *key == field)
        .map_or(field, |(_, name)| name)
}

/// Leaves the first member of each name, and tells of every other.
fn keep_first<'a>(members: &mut Vec<Member<'a>>, mut second: impl FnMut(&str)) {
    if members.len() <= 16 {
        // Looking back costs less than a table, and allocates nothing.
        let mut kept = 0;
        for index in 0..members.len() {
            let (name, json) = members[index].clone();
            if members[..kept].iter().any(|(earlier, _)| *earlier == name) {
                second(&name);
            } else {
                members[kept] = (name, json);
                kept += 1;
            }
        }
        members.truncate(kept);
    } else {
        let mut seen = HashSet::with_capacity(members.len());
        members.retain(|(name, _)| {
            let first = seen.insert(name.clone());
            if !first {
                second(name);
            }
            first
        });
    }
}

/// `1 item`, `2 items`
fn counted(count: impl fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    format!("{count} {noun}{}", if count == "1" { "" } else { "s" })
}

fn errors(draft: &impl Validate) -> impl Iterator<Item = (Cow<'static, str>, ValidationError)> {
    let fields = draft
        .validate()
        .err()
        .into_iter()
        .flat_map(validator::ValidationErrors::into_errors);
    fields.flat_map(|(name, kind)| match kind {
        ValidationErrorsKind::Field(errors) => errors.into_iter().map(|error| (name.clone(), error)).collect(),
        // Objects inside objects were read, and so checked, on their own.
        ValidationErrorsKind::Struct(_) | ValidationErrorsKind::List(_) => Vec::new(),
    })
}

/// The sentence for a broken rule, made from the rule's own numbers.
fn detail(error: &ValidationError) -> String {
    let rule = |name: &str| error.params.get(name);
    match (error.code.as_ref(), &error.message) {
        (_, Some(message)) => message.to_string(),
        ("length", None) => {
            let unit = if error.params["value"].is_array() {
                "item"
            } else {
                "character"
            };
            match (rule("min"), rule("max")) {
                (Some(min), Some(max)) if min == max => format!("must have exactly {}", counted(min, unit)),
                (Some(min), Some(max)) => format!("must have {min} to {}", counted(max, unit)),
                (Some(min), None) => format!("must have at least {}", counted(min, unit)),
                (None, Some(max)) => format!("must have at most {}", counted(max, unit)),
                (None, None) => format!("has a wrong number of {unit}s"),
            }
        }
        ("range", None) => {
            if let (Some(min), Some(max)) = (rule("min"), rule("max")) {
                return format!("must be from {min} to {max}");
            }
            let low = rule("min").map(|min| format!("at least {min}"));
            let low = low.or(rule("exclusive_min").map(|min| format!("greater than {min}")));
            let high = rule("max").map(|max| format!("at most {max}"));
            let high = high.or(rule("exclusive_max").map(|max| format!("less than {max}")));
            let bounds: Vec<String> = low.into_iter().chain(high).collect();
            format!("must be {}", bounds.join(" and "))
        }
        (code, None) => format!("breaks the rule `{code}`"),
    }
}

/// `validator`'s error with this sentence.
fn broken(code: &'static str, sentence: String) -> ValidationError {
    ValidationError::new(code).with_message(sentence.into())
}

/// `multipleOf`, decided on the number as written.
pub(crate) fn multiple_of(value: Decimal, step: Decimal) -> Result<(), ValidationError> {
    match value.is_multiple_of(step) {
        true => Ok(()),
        false => Err(broken("multiple_of", format!("must be a multiple of {step}"))),
    }
}

/// `not: {enum: […]}`
pub(crate) fn none_of<T: PartialEq + fmt::Display + Copy>(value: T, refused: &[T]) -> Result<(), ValidationError> {
    match refused.contains(&value) {
        true => Err(broken("not", format!("must not be {value}"))),
        false => Ok(()),
    }
}

/// `pattern`; searched for anywhere in the text, as JSON Schema says. `says` is the contract's own sentence for it.
pub(crate) fn matches(text: &str, pattern: &Regex, says: Option<&'static str>) -> Result<(), ValidationError> {
    match pattern.is_match(text) {
        true => Ok(()),
        false => Err(broken(
            "pattern",
            says.map_or_else(|| format!("must match {pattern}"), str::to_owned),
        )),
    }
}

/// A pattern of the contract.
#[allow(
    clippy::expect_used,
    reason = "the contract's own text, which lower.py lets through only in a form that compiles"
)]
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of the contract is a regular expression")
}

/// The value of an enumeration that `text` spells.
pub(crate) fn one_of<T: Copy>(all: &[T], spelled: fn(T) -> &'static str, text: &str) -> Result<T, String> {
    all.iter()
        .copied()
        .find(|value| spelled(*value) == text)
        .ok_or_else(|| {
            let names: Vec<_> = all.iter().copied().map(spelled).collect();
            format!(
                "must be {}{}",
                if names.len() > 1 { "one of " } else { "" },
                names.join(", ")
            )
        })
}

/// A JSON string that is read as text.
pub(crate) fn string<T: Text>(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<T> {
    if !json.get().starts_with('"') {
        failures.pointer(at, "must be a string");
        return None;
    }
    let text = match serde_json::from_str::<Name<'_>>(json.get()) {
        Ok(text) => text,
        Err(_) => {
            failures.pointer(at, "must be valid Unicode");
            return None;
        }
    };
    T::from_text(&text.0)
        .map_err(|detail| failures.pointer(at, detail))
        .ok()
}

fn number(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Decimal> {
    if !json
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit())
    {
        failures.pointer(at, "must be a number");
        return None;
    }
    let number = Decimal::from_json_text(json.get());
    if number.is_none() {
        failures.pointer(at, "must have at most 18 digits before and after the point");
    }
    number
}

impl Read for String {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        string(json, at, failures)
    }
}

impl Read for AnyJson {
    fn read(json: &RawValue, _: Pointer<'_>, _: &mut Failures) -> Option<Self> {
        Some(json.into())
    }
}

impl Read for Timestamp {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        string(json, at, failures)
    }
}

impl Read for Decimal {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        number(json, at, failures)
    }
}

impl Read for bool {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        Self::from_text(json.get())
            .map_err(|detail| failures.pointer(at, detail))
            .ok()
    }
}

/// An integer is a number without a fraction, however it is written: `2`, `2.0` and `2e0` are one value in JSON Schema.
fn integer<T: TryFrom<i64>>(json: &RawValue, at: Pointer<'_>, failures: &mut Failures, detail: &str) -> Option<T> {
    let plain = json.get().parse::<i64>().ok();
    let units = plain.or_else(|| Decimal::from_json_text(json.get())?.in_units(0));
    let value = units.and_then(|units| T::try_from(units).ok());
    if value.is_none() {
        failures.pointer(at, detail);
    }
    value
}

impl Read for i64 {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        integer(json, at, failures, "must be a 64-bit integer")
    }
}

impl Read for i32 {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        integer(json, at, failures, "must be a 32-bit integer")
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(json: &RawValue, at: Pointer<'_>, failures: &mut Failures) -> Option<Self> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json.get()) else {
            failures.pointer(at, "must be an array");
            return None;
        };
        // Every item is read, so that every failure is noted, before one that is missing ends it.
        let read = |(index, item)| T::read(item, Pointer::Item(&at, index), failures);
        let items: Vec<Option<T>> = items.into_iter().enumerate().map(read).collect();
        items.into_iter().collect()
    }
}

impl Text for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Text for Timestamp {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: NotATimestamp| error.to_string())
    }
}

impl Text for Decimal {
    fn from_text(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|_| "must be a number".to_owned())
    }
}

impl Text for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }
}

/// An integer has one spelling: no sign but a minus, no leading zeros.
fn plain_integer<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.starts_with('+') && (digits == "0" || !digits.starts_with('0')) && text != "-0";
    text.parse().ok().filter(|_| plain)
}

impl Text for i64 {
    fn from_text(text: &str) -> Result<Self, String> {
        plain_integer(text).ok_or_else(|| "must be a 64-bit integer".to_owned())
    }
}

impl Text for i32 {
    fn from_text(text: &str) -> Result<Self, String> {
        plain_integer(text).ok_or_else(|| "must be a 32-bit integer".to_owned())
    }
}

/// The parameters of a request, asked for one by one.
pub struct Parameters<'a> {
    template: &'static str,
    path: &'a str,
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    headers: &'a HeaderMap,
    failures: &'a mut Failures,
}

impl<'a> Parameters<'a> {
    /// Splits the request's path and query. Percent-encoding that is no UTF-8 is a failure.
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

    /// A part of the path.
    pub fn path<T: Text>(&mut self, name: &'static str) -> Option<T> {
        match percent_encoding::percent_decode_str(self.part(name)?).decode_utf8() {
            Ok(text) => self.parse(name, &text),
            Err(_) => {
                self.failures.parameter(name, "must be valid UTF-8");
                None
            }
        }
    }

    /// What stands in the path where the template has this name.
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

    /// A query parameter, if it is there; one that stands twice is a failure.
    pub fn query<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let index = self.query.iter().position(|(key, _)| key == name)?;
        let text = self.query.swap_remove(index).1;
        self.parse(name, &text)
    }

    /// A header, if it is there; one that stands twice is a failure.
    pub fn header<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let headers = self.headers;
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            self.failures.parameter(name, "stands more than once");
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

    /// A query parameter that must be there.
    pub fn required_query<T: Text>(&mut self, name: &'static str) -> Option<T> {
        if !self.query.iter().any(|(key, _)| key == name) {
            self.failures.parameter(name, "is required");
        }
        self.query(name)
    }

    /// A header that must be there.
    pub fn required_header<T: Text>(&mut self, name: &'static str) -> Option<T> {
        if !self.headers.contains_key(name) {
            self.failures.parameter(name, "is required");
        }
        self.header(name)
    }

    /// Refuses the query parameters that were not asked for, and second ones of those that were.
    pub fn refuse_unknown_query(&mut self, known: &[&str]) {
        for (name, _) in std::mem::take(&mut self.query) {
            let detail = match known.contains(&name.as_ref()) {
                true => "stands more than once",
                false => "is not a known parameter",
            };
            self.failures.parameter(&name, detail);
        }
    }

    /// Notes what `validator` finds wrong with the parameters that could be read; `names` as in [`Object::check`].
    pub fn check(self, draft: &impl Validate, names: &[(&str, &str)]) {
        for (field, error) in errors(draft) {
            self.failures.parameter(contract_name(names, &field), detail(&error));
        }
    }
}

/// How long the first part of a path is.
pub(crate) fn part_length(path: &str) -> usize {
    path.bytes().position(|byte| byte == b'/').unwrap_or(path.len())
}

/// The pairs of a query, in their order.
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

/// Refuses every query parameter, for an operation that has no parameters at all.
pub fn refuse_query(uri: &Uri, failures: &mut Failures) {
    for (name, _) in query(uri, failures) {
        failures.parameter(&name, "is not a known parameter");
    }
}

/// A name or value of a query, `application/x-www-form-urlencoded`; `None` where it is no UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

/// A member of an object: its name, and its value as written.
type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// Collects an object's members as they stand.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push((name.0, value));
        }
        Ok(members)
    }
}

/// A string, borrowed from the body where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> de::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowed)
    }
}
