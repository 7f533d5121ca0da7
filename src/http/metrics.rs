//! The metrics of HTTP: requests and errors; and what is read from the store for a scrape.
//!
//! Operations and statuses come from the contract, so every series exists from the start, at 0, and no client can
//! create one. A request whose caller leaves before its response is not counted; what it changed is
//! (`after_commit`).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, gauge};
use orders_inventory_api::models::ProblemType;

use self::contract::Operation;
use super::problem;
use super::signature::SignatureError;
use crate::app::payments::Delivery;
use crate::domain::{EventResult, FactKind, Provider, Timestamp};
use crate::error::Error;
use crate::metrics::{GaugeGuard, table};
use crate::store::{OrderFilter, Store};

mod contract;

/// The label of every route, method and event type that the contract does not name.
const OTHER: &str = "other";

/// Every value of the label of what an event says.
const FACTS: [&str; 8] = [
    "paid",
    "refund",
    "refund_failed",
    "refunded_so_far",
    "dispute",
    "not_paid",
    "processing",
    OTHER,
];

/// The operation whose errors also count as orders refused.
const PLACE_ORDER: (&str, &str) = ("POST", "/orders");

/// Up to how many orders one refresh counts.
const COUNTED_MAX: usize = 1_000;

/// The operations of the contract, whose requests are counted. Clones share them.
#[derive(Clone, Debug)]
pub struct Operations {
    known: Arc<[Operation]>,
    /// All requests outside the contract.
    other: Arc<Operation>,
}

impl Operations {
    /// Reads the operations from the contract, and creates every series of HTTP that has labels, at 0.
    ///
    /// # Errors
    /// Where the embedded contract cannot be read.
    pub fn register() -> Result<Self, serde_json::Error> {
        let (known, other) = (contract::operations()?, Operation::other());
        for operation in known.iter().chain([&other]) {
            drop(operation.durations());
            for status in &operation.statuses {
                drop(operation.responses(*status));
            }
        }
        for kind in ProblemType::ALL.iter().copied().map(problem::name) {
            drop(counter!(table::HTTP_PROBLEMS, "type" => kind));
            drop(counter!(table::ORDERS_REFUSED, "reason" => kind));
        }
        for by in ["caller", "refund"] {
            drop(counter!(table::ORDERS_CANCELED, "by" => by));
        }
        for (provider, fact) in Provider::ALL
            .into_iter()
            .flat_map(|provider| FACTS.map(|fact| (provider.name(), fact)))
        {
            let recorded = EventResult::ALL.into_iter().map(Delivery::Recorded);
            for result in recorded.chain([Delivery::Duplicate]).map(Delivery::name) {
                drop(counter!(table::WEBHOOK_EVENTS, "provider" => provider, "fact" => fact, "result" => result));
            }
        }
        for reason in SignatureError::ALL {
            drop(counter!(table::WEBHOOK_SIGNATURES_REFUSED, "reason" => reason.name()));
        }
        for result in EventResult::ALL.into_iter().filter(|result| result.needs_a_person()) {
            drop(counter!(table::MONEY_NEEDING_A_PERSON, "result" => result.name()));
        }
        let (known, other) = (known.into(), other.into());
        Ok(Self { known, other })
    }

    /// The operation of a request.
    fn of(&self, method: &Method, route: Option<&MatchedPath>) -> &Operation {
        let route = route.map_or(OTHER, MatchedPath::as_str);
        // GET's handler answers HEAD as well.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let matches = |operation: &&Operation| *operation.route == *route && *operation.method == *method.as_str();
        self.known.iter().find(matches).unwrap_or(&self.other)
    }
}

/// Middleware: counts the request and its response.
pub(super) async fn count(State(operations): State<Operations>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let _in_flight = GaugeGuard::new(table::HTTP_REQUESTS_IN_FLIGHT);
    let operation = operations.of(request.method(), request.extensions().get());
    let response = next.run(request).await;
    operation.durations().record(began.elapsed());
    operation.responses(response.status().as_u16()).increment(1);
    if let Some(kind) = response.extensions().get::<ProblemType>() {
        let kind = problem::name(*kind);
        counter!(table::HTTP_PROBLEMS, "type" => kind).increment(1);
        if (&*operation.method, &*operation.route) == PLACE_ORDER {
            counter!(table::ORDERS_REFUSED, "reason" => kind).increment(1);
        }
    }
    response
}

/// What an event says, as a label: the name of its fact, or `other` where it means nothing here.
pub(super) const fn fact(kind: Option<&FactKind>) -> &'static str {
    match kind {
        Some(kind) => kind.name(),
        None => OTHER,
    }
}

/// Reads the gauges that come from the store. If the store fails, they keep their values. Where several instances share a
/// database only one `tells` how many rows there are; at the others they are 0, so that their sum is right.
pub async fn refresh<S: Store>(store: &S, now: Timestamp, tells: bool) {
    if !tells {
        gauge!(table::ORDERS_REFUND_DUE).set(0);
        gauge!(table::ORDERS_OVERDUE).set(0);
        return;
    }
    let counted = store.scan(move |view| {
        let owing = OrderFilter {
            refund_due: Some(true),
            ..OrderFilter::default()
        };
        let refund_due = view.orders(&owing, None, COUNTED_MAX)?.len();
        let overdue = view.orders_expiring(now, COUNTED_MAX)?.len();
        Ok::<_, Error>((refund_due, overdue))
    });
    if let Ok((refund_due, overdue)) = counted.await {
        gauge!(table::ORDERS_REFUND_DUE).set(refund_due as f64);
        gauge!(table::ORDERS_OVERDUE).set(overdue as f64);
    }
}
