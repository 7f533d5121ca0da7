//! A slash at the end of a path: `/products/` is `/products`. Clients of other frameworks have the habit to add it.
//!
//! The slash is removed before the router sees the path, so routes, idempotency keys and links are those of the path without
//! it. tower-http's `NormalizePath` would also turn `//` into `/` and remove several slashes; such paths are left as they
//! are, and so are those of pages, whose relative links need the one spelling.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use axum::{BoxError, Router};
use tower::Service;
use tower_http::normalize_path::NormalizePath;

use super::docs;

/// The router, for paths with and without a slash at the end. Clones call the same router.
#[derive(Clone, Debug)]
pub struct AnyTrailingSlash(pub(super) Router);

impl<B> Service<Request<B>> for AnyTrailingSlash
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match has_a_slash_to_remove(request.uri().path()) {
            true => NormalizePath::trim_trailing_slash(&mut self.0).call(request),
            false => self.0.call(request),
        }
    }
}

fn has_a_slash_to_remove(path: &str) -> bool {
    path.strip_suffix('/').is_some_and(|rest| {
        !rest.is_empty() && !rest.ends_with('/') && !rest.starts_with("//") && !docs::has_one_spelling(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_is_removed_and_several_are_not() {
        for path in [
            "/products/",
            "/products/1/",
            "/products/1/stock-movements/",
            "/webhooks/stripe/",
            "/nope/",
        ] {
            assert!(has_a_slash_to_remove(path), "{path}");
        }
        for path in [
            "/",
            "//",
            "///",
            "*",
            "/products",
            "/products//",
            "//products/",
            "/docs/",
            "/docs/x/",
            "/openapi.json/",
            "/problems/",
            "/problems/not-found/",
        ] {
            assert!(!has_a_slash_to_remove(path), "{path}");
        }
    }
}
