//! The id of each request: the caller's `X-Request-Id` where it is valid, else a new one.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::{NoContext, Timestamp, Uuid};

/// The header with the id, in requests and responses.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The contract's limit.
const CHARACTERS_MAX: usize = 128;

/// Removes ids that the contract does not allow, so that the request gets a new one: several ids, or one that is not 1
/// to 128 visible ASCII characters.
pub(super) fn remove_invalid(mut request: Request) -> Request {
    let headers = request.headers_mut();
    let mut ids = headers.get_all(HEADER).iter();
    let is_valid =
        |id: &HeaderValue| (1..=CHARACTERS_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    let keep = match (ids.next(), ids.next()) {
        (None, _) => true,
        (Some(id), None) => is_valid(id),
        (Some(_), Some(_)) => false,
    };
    if !keep {
        headers.remove(HEADER);
    }
    request
}

/// Makes ids that sort by time (UUID version 7, RFC 9562).
#[derive(Clone, Copy, Debug)]
pub(super) struct MakeUuid;

impl MakeRequestId for MakeUuid {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let mut buffer = Uuid::encode_buffer();
        // Ids of the same millisecond are in no order: ordering them would need a counter that all threads share.
        let id = Uuid::new_v7(Timestamp::now(NoContext));
        let id = id.as_hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).ok().map(RequestId::new)
    }
}
