//! Decides whether what came back is an answer that the contract allows to what was sent.
//!
//! It sees only the bytes of one connection, so it needs nothing from whoever made them, and judges a saved regression
//! as it judged the first time.

use axum::http::Method;

use crate::answer::Answer;
use crate::answers;
use crate::conditions;
use crate::contract::Contract;
use crate::requests::{self, HTTP2_PREFACE, Head, Host, Rest};

/// More than this and the service may close a connection before everything was read, which can take the answer with it.
const UNREAD_BYTES_MAX: usize = 64 << 10;

/// What hyper answers by itself to bytes that it cannot read as a request. It never calls the service then, so these
/// have no body and no `X-Request-Id`. Only such bytes may get them.
const OF_HYPER: [u16; 3] = [
    400, // not a request
    414, // a target above 64 KiB
    431, // a head above 32 KiB, or more than 100 headers
];

/// How the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The service closed it, as it does once its client will not send more.
    Closed,
    /// The service closed it before it had read everything.
    Reset,
    /// It was still open after a long time.
    Open,
}

/// What came back on one connection.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// Judges one connection; returns the status of every answer.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn judge(contract: &Contract, sent: &[u8], came: &Came) -> Result<Vec<u16>, String> {
    if came.end == End::Open {
        return Err("the connection is not closed after the last request".to_owned());
    }
    if sent.starts_with(HTTP2_PREFACE) {
        // tests/it/http2.rs tests HTTP/2.
        return Ok(Vec::new());
    }
    let reading = requests::read(sent);
    let heads: Vec<&Head> = match &reading.rest {
        Rest::Body(head) => reading.requests.iter().chain([head]).collect(),
        Rest::Nothing | Rest::Garbage => reading.requests.iter().collect(),
    };
    let may_be_head = sent.windows(4).any(|word| word == b"HEAD");
    let answers = answers::read(&came.bytes, |nth| match heads.get(nth) {
        Some(head) => Some(head.method == Method::HEAD),
        None if may_be_head => None,
        None => Some(false),
    })?;

    let whole = reading.requests.len();
    for (nth, answer) in answers.iter().enumerate() {
        let wrong = |why| format!("answer {} ({}): {why}", nth + 1, answer.status);
        if answer.status >= 500 {
            return Err(wrong("a server error".to_owned()));
        }
        let judged = match heads.get(nth) {
            Some(head) if nth < whole => judge_answer(contract, head, answer),
            // hyper may have refused how the body is framed.
            Some(head) if !is_of_hyper(answer) => judge_answer(contract, head, answer),
            _ if matches!(reading.rest, Rest::Nothing) => Err("there was no request for it".to_owned()),
            _ => {
                let is_like_head = may_be_head && answer.body.is_empty();
                judge_any(
                    contract,
                    if is_like_head { &Method::HEAD } else { &Method::GET },
                    answer,
                )
            }
        };
        judged.map_err(wrong)?;
    }
    let is_closed_early = answers
        .last()
        .is_some_and(|answer| answer.header("connection") == Some("close"))
        || came.end == End::Reset && sent.len() > UNREAD_BYTES_MAX;
    match answers.len() {
        found if found < whole && !is_closed_early => Err(format!("{whole} requests got {found} answers")),
        _ => Ok(answers.iter().map(|answer| answer.status).collect()),
    }
}

/// Judges the answer to a request that was understood.
fn judge_answer(contract: &Contract, head: &Head, answer: &Answer) -> Result<(), String> {
    match head.host {
        // HTTP asks for this answer whatever the operation (RFC 9112, section 3.2).
        Host::Odd | Host::NotOne if answer.status == 400 => return judge_any(contract, &head.method, answer),
        Host::NotOne => return Err("not 400, though it does not have one Host".to_owned()),
        Host::Good if answer.status == 400 && is_about_the_host(head, answer) => {
            return Err("400 for a good host".to_owned());
        }
        Host::Odd | Host::Good => {}
    }
    let is_write = head.method == Method::POST || head.method == Method::PUT;
    if is_write && head.is_encoded && answer.status < 300 {
        return Err("a body with a Content-Encoding was taken".to_owned());
    }
    if head.lacks_signature && answer.status < 300 {
        return Err("a webhook was taken that is not signed in one way".to_owned());
    }
    if answer.status >= 400 {
        contract.check_problem(&head.method, answer)?;
    }
    contract.check(&head.method, &head.path, &without_connection(answer))?;
    conditions::check(head, answer)
}

/// Whether a 400 can only be about the host. That of a HEAD always is, for HEAD has no body to be malformed.
fn is_about_the_host(head: &Head, answer: &Answer) -> bool {
    head.method == Method::HEAD || answer.body.windows(12).any(|text| text == b"invalid-host")
}

/// Judges an answer of which no more is known than this method.
fn judge_any(contract: &Contract, method: &Method, answer: &Answer) -> Result<(), String> {
    if answer.status < 400 || is_of_hyper(answer) {
        return Ok(());
    }
    contract.check_problem(method, answer)
}

fn is_of_hyper(answer: &Answer) -> bool {
    OF_HYPER.contains(&answer.status) && answer.body.is_empty() && !answer.headers.contains_key("x-request-id")
}

/// Without the headers that hyper adds to a response on the wire.
fn without_connection(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    for name in ["connection", "date"] {
        answer.headers.remove(name);
    }
    answer
}

mod tests;
