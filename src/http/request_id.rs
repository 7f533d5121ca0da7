//! The id of each request: the caller's own `X-Request-Id` where it is usable, else a new one.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::{NoContext, Timestamp, Uuid};

/// The header that brings the id and carries it back.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// As the contract says.
const CHARACTERS_MAX: usize = 128;

/// Removes an id that the contract does not allow, so that the request gets a new one: more than one, or one that is not
/// 1 to 128 visible ASCII characters.
pub(super) fn remove_unusable(mut request: Request) -> Request {
    let headers = request.headers_mut();
    let mut ids = headers.get_all(HEADER).iter();
    let is_usable =
        |id: &HeaderValue| (1..=CHARACTERS_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    let keep = match (ids.next(), ids.next()) {
        (None, _) => true,
        (Some(id), None) => is_usable(id),
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
        // Ids of one millisecond need no order among each other, for which all threads would share a counter.
        let id = Uuid::new_v7(Timestamp::now(NoContext));
        let id = id.as_hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).ok().map(RequestId::new)
    }
}
