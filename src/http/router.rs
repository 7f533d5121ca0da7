//! Who answers a request: an operation of the contract, the documentation, or nobody.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use orders_inventory_api::server::{Answering, Path, Paths};
use tower::Service as _;

use super::layers::{Admission, Admitted, Front, Fronted};
use super::{Problem, Service, docs, not_found};
use crate::store::Store;

/// Answers every request. Clones share all of it.
pub struct Router<S>(Arc<Shared<S>>);

struct Shared<S> {
    service: Service<S>,
    paths: Paths<Service<S>>,
    admission: Admission,
    /// What is no operation.
    others: axum::Router,
    front: Front,
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Store> Router<S> {
    pub(super) fn new(service: Service<S>, admission: Admission, front: Front) -> Self {
        let others = docs::router(not_found)
            .fallback(async || Problem::not_found())
            .method_not_allowed_fallback(async || Problem::method_not_allowed())
            .layer(from_fn(tell_route));
        Self(Arc::new(Shared {
            service,
            paths: Paths::all(),
            admission,
            others,
            front,
        }))
    }

    /// Answers the request. Operations are found here, not by the router of the documentation: it would ask for several
    /// allocations for each layer around them.
    pub fn answer(&self, request: Request) -> Fronted {
        let Shared {
            service,
            paths,
            admission,
            others,
            front,
        } = &*self.0;
        let path = paths.find(request.uri().path());
        front.answer(request, path.map(Path::template), |request| {
            let Some(path) = path else {
                let answering = others.clone().call(request);
                let answering: Answering = Box::pin(async move {
                    let Ok(answer) = answering.await;
                    answer
                });
                return answering.into();
            };
            match path.operation(request.method()) {
                Some(operation) => {
                    let service = service.clone();
                    admission.admit(request, move |request| operation(service, request))
                }
                None => Admitted::refused(method_not_allowed(&path.allow())),
            }
        })
    }
}

fn method_not_allowed(allow: &str) -> Response {
    let mut answer = Problem::method_not_allowed().into_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

/// Has the answer say which route gave it.
async fn tell_route(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    if let Some(path) = path {
        answer.extensions_mut().insert(path);
    }
    answer
}
