//! Checks whether `openapi.yaml` documents a response.
//!
//! This reads the contract directly, without the code generation. It converts the schemas of OpenAPI 3.0 to JSON Schema
//! and closes objects: a response must not have a member that its schema does not name.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::Method;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use self::decimals::DecimalsMax;
use super::Answer;

/// Whether the path is one of the documentation's, or another spelling of a page's path: the contract does not describe it.
fn is_outside(path: &str) -> bool {
    matches!(path, "/" | "/openapi.yaml" | "/openapi.json" | "/docs")
        || path.starts_with("/docs/")
        || path.starts_with("/problems/") && path.ends_with('/')
}

/// The path without the slash at its end that the service removes: one slash, and not of a file.
fn without_slash(path: &str) -> &str {
    let shorter = path.strip_suffix('/').filter(|shorter| !shorter.ends_with('/'));
    shorter
        .filter(|_| !path.starts_with("//") && !path.starts_with("/openapi."))
        .unwrap_or(path)
}

/// Whether this is the answer to the preflight request of a web page, which the contract does not describe.
fn is_preflight(method: &Method, answer: &Answer) -> bool {
    *method == Method::OPTIONS && answer.headers.contains_key("access-control-allow-methods")
}

/// Headers of HTTP itself; all others must be in the contract.
const HEADERS_OF_HTTP: [&str; 4] = ["allow", "connection", "content-length", "content-type"];

/// Headers for browsers on every response, which are not part of the API.
const HEADERS_FOR_BROWSERS: [&str; 8] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-security-policy",
    "referrer-policy",
    "strict-transport-security",
    "vary",
    "x-content-type-options",
];

/// A contract to compare responses with.
pub(crate) struct Contract {
    document: Value,
    /// `components.schemas` as JSON Schema.
    schemas: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One operation of the contract.
pub(crate) struct Operation<'a> {
    pub(crate) method: Method,
    pub(crate) template: &'a str,
    pub(crate) definition: &'a Value,
}

impl Contract {
    /// `openapi.yaml`.
    pub(crate) fn of_the_service() -> &'static Self {
        static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::read(include_str!("../../../openapi.yaml")));
        &CONTRACT
    }

    fn read(yaml: &str) -> Self {
        let document: Value = serde_saphyr::from_str(yaml).expect("the contract is YAML");
        let schemas = members(&document["components"]["schemas"]);
        let schemas = schemas
            .map(|(name, schema)| (name.clone(), json_schema(schema)))
            .collect();
        Self {
            document,
            schemas: Value::Object(schemas),
            validators: Mutex::default(),
        }
    }

    /// The whole contract.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Every operation.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        members(&self.document["paths"]).flat_map(|(template, item)| {
            members(item).filter_map(|(name, definition)| {
                let method = name
                    .to_ascii_uppercase()
                    .parse()
                    .ok()
                    .filter(|_| definition.is_object())?;
                Some(Operation {
                    method,
                    template,
                    definition,
                })
            })
        })
    }

    /// The value itself, or the target of its `$ref`.
    pub(crate) fn resolved<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("a reference into the contract");
            value = self.document.pointer(pointer).expect("a reference leads somewhere");
        }
        value
    }

    /// The path and the body, if any, of a valid request of this operation: the first example.
    pub(crate) fn valid_request(&self, operation: &Operation<'_>) -> (String, Option<Value>) {
        let path = operation.template.replace("{id}", "1").replace("{name}", "not-found");
        let mut examples = members(&operation.definition["requestBody"]["content"]["application/json"]["examples"]);
        let first = examples.next();
        (path, first.map(|(_, example)| self.resolved(example)["value"].clone()))
    }

    /// The names of an operation's security schemes; none where it is open to everyone.
    pub(crate) fn security<'a>(&'a self, operation: &Operation<'a>) -> Vec<&'a str> {
        let own = &operation.definition["security"];
        let security = if own.is_array() {
            own
        } else {
            &self.document["security"]
        };
        let schemes = security.as_array().into_iter().flatten();
        schemes.flat_map(members).map(|(name, _)| name.as_str()).collect()
    }

    /// The documented responses of an operation, by status.
    pub(crate) fn responses<'a>(&'a self, operation: &Operation<'a>) -> impl Iterator<Item = (&'a String, &'a Value)> {
        members(&operation.definition["responses"]).map(|(status, response)| (status, self.resolved(response)))
    }

    /// The problems that a response's examples show.
    pub(crate) fn problems<'a>(&'a self, response: &'a Value) -> impl Iterator<Item = &'a Value> {
        let examples = members(&response["content"]["application/problem+json"]["examples"]);
        examples.map(|(_, example)| &self.resolved(example)["value"])
    }

    /// The error types that a response's examples show.
    pub(crate) fn problem_types<'a>(&'a self, response: &'a Value) -> BTreeSet<&'a str> {
        let problems = self.problems(response);
        problems.filter_map(|problem| problem["type"].as_str()).collect()
    }

    /// Checks that the response is documented for this request.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn check(&self, method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
        self.check_header(
            "x-request-id",
            &self.document["components"]["headers"]["XRequestId"],
            answer,
        )?;
        if !answer.headers.contains_key("x-request-id") {
            return Err("no X-Request-Id".to_owned());
        }
        // Whatever the request, its host comes first. The answer to HEAD does not say its type, and has no other 400.
        let is_bodiless_400 = *method == Method::HEAD && answer.status == 400;
        if problem_type(answer).as_deref() == Some("/problems/invalid-host") || is_bodiless_400 {
            return self.check_unmatched(method, answer, 400, "/problems/invalid-host");
        }
        if is_outside(path) || is_preflight(method, answer) {
            return Ok(());
        }
        let Some(template) = self.template_of(without_slash(path)) else {
            return self.check_unmatched(method, answer, 404, "/problems/not-found");
        };
        let here = self.operations().filter(|operation| operation.template == template);
        let here: Vec<Operation<'_>> = here.collect();
        // HEAD is documented by GET.
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        match here.iter().find(|operation| operation.method == *wanted) {
            Some(operation) => self.check_operation(operation, method, answer),
            None => {
                check_allow(&here, answer)?;
                self.check_unmatched(method, answer, 405, "/problems/method-not-allowed")
            }
        }
    }

    /// Checks that this is a problem, whatever the operation. The answer to HEAD has no body.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn check_problem(&self, method: &Method, answer: &Answer) -> Result<(), String> {
        let found = answer.header("content-type").map(without_parameters);
        if found != Some("application/problem+json") {
            return Err(format!("content type {found:?} of a problem"));
        }
        if *method == Method::HEAD {
            return check_empty(answer);
        }
        let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        self.check_content(&content, answer)
    }

    /// The path template that matches best: one with the fewest parameters.
    pub(crate) fn template_of(&self, path: &str) -> Option<&str> {
        let templates = members(&self.document["paths"]).map(|(template, _)| template.as_str());
        let fitting = templates.filter(|template| fits(template, path));
        fitting.min_by_key(|template| template.matches('{').count())
    }

    fn check_operation(&self, operation: &Operation<'_>, method: &Method, answer: &Answer) -> Result<(), String> {
        let status = answer.status.to_string();
        let Some((_, response)) = self.responses(operation).find(|(documented, _)| **documented == status) else {
            return Err(format!("status {status} is not documented"));
        };
        self.check_headers(&response["headers"], answer)?;
        if *method == Method::HEAD {
            return check_empty(answer);
        }
        self.check_content(&response["content"], answer)?;
        let types = self.problem_types(response);
        match problem_type(answer) {
            Some(kind) if !types.contains(&*kind) => Err(format!("{kind} is not documented for {status}")),
            _ => Ok(()),
        }
    }

    /// Checks the response to a request that matches no operation.
    fn check_unmatched(&self, method: &Method, answer: &Answer, status: u16, kind: &str) -> Result<(), String> {
        let found = (answer.status, problem_type(answer));
        let kind = (*method != Method::HEAD).then(|| kind.to_owned());
        if found != (status, kind.clone()) {
            return Err(format!("{found:?} in place of {:?}", (status, kind)));
        }
        self.check_headers(
            &json!({"X-Request-Id": {"$ref": "#/components/headers/XRequestId"}}),
            answer,
        )?;
        self.check_problem(method, answer)
    }

    fn check_headers(&self, documented: &Value, answer: &Answer) -> Result<(), String> {
        for (name, header) in members(documented) {
            self.check_header(name, header, answer)?;
        }
        let names: BTreeSet<String> = members(documented).map(|(name, _)| name.to_ascii_lowercase()).collect();
        let sent = answer.headers.keys().map(|name| name.as_str());
        let mut undocumented = sent.filter(|name| {
            !(names.contains(*name) || HEADERS_OF_HTTP.contains(name) || HEADERS_FOR_BROWSERS.contains(name))
        });
        undocumented
            .next()
            .map_or(Ok(()), |name| Err(format!("header {name} is not documented")))
    }

    fn check_header(&self, name: &str, header: &Value, answer: &Answer) -> Result<(), String> {
        let header = self.resolved(header);
        let mut values = answer.headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return match header["required"] == true {
                true => Err(format!("no header {name}")),
                false => Ok(()),
            };
        };
        if values.next().is_some() {
            return Err(format!("header {name} is repeated"));
        }
        let text = value.to_str().map_err(|_| format!("header {name} is not ASCII"))?;
        let value = match self.resolved(&header["schema"])["type"].as_str() {
            Some("integer" | "number") => serde_json::from_str(text).unwrap_or(json!(text)),
            _ => json!(text),
        };
        self.check_schema(&header["schema"], &value)
            .map_err(|why| format!("header {name}: {why}"))
    }

    fn check_content(&self, content: &Value, answer: &Answer) -> Result<(), String> {
        let found = answer.header("content-type").map(without_parameters);
        let Some((media_type, documented)) = members(content).find(|(media_type, _)| found == Some(media_type)) else {
            let nothing_wanted = content.as_object().is_none_or(Map::is_empty);
            return match nothing_wanted && found.is_none() && answer.body.is_empty() {
                true => Ok(()),
                false => Err(format!("content type {found:?} is not documented")),
            };
        };
        let value = match media_type.ends_with("json") {
            true => serde_json::from_slice(&answer.body).map_err(|error| format!("body: {error}"))?,
            false => json!(answer.text()),
        };
        self.check_schema(&documented["schema"], &value)
            .map_err(|why| format!("body: {why}"))?;
        match problem_type(answer).is_some() && value["status"] != answer.status {
            true => Err(format!("body: status {} is not the response's", value["status"])),
            false => Ok(()),
        }
    }

    fn check_schema(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema);
        let mut errors = validator.iter_errors(value);
        errors
            .next()
            .map_or(Ok(()), |error| Err(format!("{} at '{}'", error, error.instance_path())))
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().expect("no thread panicked here");
        let make = || {
            let whole = json!({"allOf": [json_schema(schema)], "components": {"schemas": self.schemas}});
            let options = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true);
            let options = options.with_format("date-time", is_timestamp);
            let options = options.with_keyword("x-decimals-max", |_, max, _| Ok(Box::new(DecimalsMax::of(max))));
            Arc::new(options.build(&whole).expect("the contract's schemas are valid"))
        };
        Arc::clone(validators.entry(schema.to_string()).or_insert_with(make))
    }
}

/// The members of an object; none of anything else.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn fits(template: &str, path: &str) -> bool {
    let (wanted, found) = (template.split('/'), path.split('/'));
    wanted.clone().count() == found.clone().count()
        && wanted.zip(found).all(|(part, text)| {
            if part.starts_with('{') {
                !text.is_empty()
            } else {
                part == text
            }
        })
}

/// The response to HEAD has no body.
fn check_empty(answer: &Answer) -> Result<(), String> {
    match answer.body.is_empty() {
        true => Ok(()),
        false => Err("HEAD has a body".to_owned()),
    }
}

/// A media type without its parameters.
fn without_parameters(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn problem_type(answer: &Answer) -> Option<String> {
    let is_problem = answer.header("content-type").map(without_parameters) == Some("application/problem+json");
    let kind = is_problem.then(|| serde_json::from_slice::<Value>(&answer.body).ok())??["type"].take();
    kind.as_str().map(str::to_owned)
}

/// `Allow` lists the methods of the contract, and HEAD where there is GET.
fn check_allow(here: &[Operation<'_>], answer: &Answer) -> Result<(), String> {
    let mut wanted: BTreeSet<&str> = here.iter().map(|operation| operation.method.as_str()).collect();
    if wanted.contains("GET") {
        wanted.insert("HEAD");
    }
    let allow = answer.header("allow").unwrap_or_default();
    let found: BTreeSet<&str> = allow.split(',').map(str::trim).collect();
    match found == wanted {
        true => Ok(()),
        false => Err(format!("Allow is {allow:?}, the contract has {wanted:?}")),
    }
}

/// A schema of OpenAPI 3.0 as JSON Schema, its objects closed.
fn json_schema(schema: &Value) -> Value {
    let Value::Object(schema) = schema else {
        return schema.clone();
    };
    let mut converted: Map<String, Value> = schema
        .iter()
        .map(|(keyword, value)| {
            let value = match (keyword.as_str(), value) {
                ("properties", Value::Object(named)) => named
                    .iter()
                    .map(|(name, schema)| (name.clone(), json_schema(schema)))
                    .collect(),
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter().map(json_schema).collect(),
                ("items" | "not" | "additionalProperties", schema) => json_schema(schema),
                _ => value.clone(),
            };
            (keyword.clone(), value)
        })
        .collect();
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match converted.remove(flag) {
            Some(Value::Bool(true)) => {
                let bound = converted.remove(bound).expect("an exclusive bound is a bound");
                converted.insert(flag.to_owned(), bound);
            }
            Some(Value::Bool(false)) | None => {}
            Some(number) => panic!("{flag}: {number} is not OpenAPI 3.0"),
        }
    }
    if converted.contains_key("properties") {
        converted.entry("additionalProperties").or_insert(json!(false));
    }
    match converted.remove("nullable") {
        Some(Value::Bool(true)) => json!({"anyOf": [converted, {"type": "null"}]}),
        _ => Value::Object(converted),
    }
}

/// Whether this is RFC 3339 in UTC with milliseconds, and the day exists.
fn is_timestamp(text: &str) -> bool {
    let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    shape.eq(*b"0000-00-00T00:00:00.000Z") && text.parse::<jiff::Timestamp>().is_ok()
}

// With paths, since tests/fuzz includes this file too.
#[path = "contract/decimals.rs"]
mod decimals;
#[path = "contract/tests.rs"]
mod tests;
