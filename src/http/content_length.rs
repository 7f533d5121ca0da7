//! The `Content-Length` of responses that never have a body.

use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;

/// Removes `Content-Length` from 204 and 304, to be called on each response of the router: outside of all layers, axum adds
/// `Content-Length: 0` to every response with an empty body. But 204 must not have it, and in a 304 it says that the 200
/// would have an empty body (RFC 9110, section 8.6). hyper removes it only over HTTP/1, and not for HEAD.
pub fn remove_from_bodiless(response: &mut Response) {
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
}
