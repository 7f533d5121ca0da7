//! The metrics of HTTP: requests, errors, orders, payments.
//!
//! Operations and statuses come from the contract, so every series exists from the start, at 0, and no client can
//! create one. Changes of orders are counted after their commit, so a write that was rolled back is not counted.
//! Neither is a request whose caller leaves before its response.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use orders_inventory_api::models::ProblemType;

use self::contract::Operation;
use super::problem;
use super::signature::SignatureError;
use crate::app::orders::Updated;
use crate::app::payments::{Delivery, Receipt};
use crate::domain::{EventKind, EventResult, Status, Timestamp};
use crate::error::Error;
use crate::metrics::{Counter, Gauge, Histogram, Recorder, Series, table};
use crate::store::{OrderFilter, Store};

mod contract;

/// The label of every route, method and event type that the contract does not name.
const OTHER: &str = "other";

/// The operation whose errors also count as orders refused.
const PLACE_ORDER: (&str, &str) = ("POST", "/orders");

/// Up to how many orders one refresh counts.
const COUNTED_MAX: usize = 1_000;

/// The metrics of HTTP; the default counts nothing.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Option<Arc<Handles>>);

#[derive(Debug)]
struct Handles {
    requests: Series<Counter>,
    /// The operations of the contract.
    operations: Vec<OperationMetrics>,
    /// All other requests.
    other: OperationMetrics,
    in_flight: Gauge,
    problems: ByType,
    orders: Orders,
    /// By the event's type and result.
    events: Vec<((&'static str, Delivery), Counter)>,
    signatures_refused: Vec<(SignatureError, Counter)>,
    money: Vec<(EventResult, Counter)>,
}

/// One counter for each type of error.
type ByType = Vec<(ProblemType, Counter)>;

/// One operation's series.
#[derive(Debug)]
struct OperationMetrics {
    method: String,
    route: String,
    /// By status.
    answers: Vec<(u16, Counter)>,
    duration: Histogram,
    places_order: bool,
}

#[derive(Debug)]
struct Orders {
    placed: Counter,
    refused: ByType,
    paid: Counter,
    shipped: Counter,
    canceled_by_caller: Counter,
    canceled_by_refund: Counter,
    expired: Counter,
    overdue: Gauge,
    refund_due: Gauge,
}

impl OperationMetrics {
    fn new(operation: Operation, requests: &Series<Counter>, durations: &Series<Histogram>) -> Self {
        let Operation {
            method,
            route,
            statuses,
        } = operation;
        let of_status = |status: u16| (status, requests.of(&[&route, &method, &status.to_string()]));
        Self {
            answers: statuses.into_iter().map(of_status).collect(),
            duration: durations.of(&[&route, &method]),
            places_order: (method.as_str(), route.as_str()) == PLACE_ORDER,
            method,
            route,
        }
    }
}

impl Orders {
    fn new(recorder: &mut Recorder) -> Self {
        let refused = recorder.counters(&table::ORDERS_REFUSED);
        let canceled = recorder.counters(&table::ORDERS_CANCELED);
        Self {
            placed: recorder.counter(&table::ORDERS_PLACED),
            refused: by_type(&refused),
            paid: recorder.counter(&table::ORDERS_PAID),
            shipped: recorder.counter(&table::ORDERS_SHIPPED),
            canceled_by_caller: canceled.of(&["caller"]),
            canceled_by_refund: canceled.of(&["refund"]),
            expired: recorder.counter(&table::ORDERS_EXPIRED),
            overdue: recorder.gauge(&table::ORDERS_OVERDUE),
            refund_due: recorder.gauge(&table::ORDERS_REFUND_DUE),
        }
    }
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// Where the embedded contract cannot be read.
    pub fn new(recorder: &mut Recorder) -> Result<Self, serde_json::Error> {
        let requests = recorder.counters(&table::HTTP_REQUESTS);
        let durations = recorder.durations(&table::HTTP_REQUEST_DURATION);
        let register = |operation: Operation| OperationMetrics::new(operation, &requests, &durations);
        let operations = contract::operations()?.into_iter().map(register).collect();
        let other = register(Operation::other());
        let problems = recorder.counters(&table::HTTP_PROBLEMS);
        let events = recorder.counters(&table::WEBHOOK_EVENTS);
        let signatures_refused = recorder.counters(&table::WEBHOOK_SIGNATURES_REFUSED);
        let money = recorder.counters(&table::MONEY_NEEDING_A_PERSON);
        let handles = Handles {
            operations,
            other,
            requests,
            in_flight: recorder.gauge(&table::HTTP_REQUESTS_IN_FLIGHT),
            problems: by_type(&problems),
            orders: Orders::new(recorder),
            events: every_event()
                .map(|(kind, delivery)| ((kind, delivery), events.of(&[kind, delivery.name()])))
                .collect(),
            signatures_refused: SignatureError::ALL
                .map(|reason| (reason, signatures_refused.of(&[reason.name()])))
                .into(),
            money: EventResult::ALL
                .into_iter()
                .filter(|result| result.needs_a_person())
                .map(|result| (result, money.of(&[result.name()])))
                .collect(),
        };
        Ok(Self(Some(Arc::new(handles))))
    }

    /// Whether metrics are on.
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Counts a placed order.
    pub(super) fn order_placed(&self) {
        if let Some(handles) = &self.0 {
            handles.orders.placed.inc();
        }
    }

    /// Counts an order's change of status by a caller; an update that changes no status is not counted.
    pub(super) fn order_updated(&self, Updated { from, order }: &Updated) {
        let Some(handles) = &self.0 else { return };
        if *from == order.status() {
            return;
        }
        match order.status() {
            Status::Shipped => {
                handles.orders.shipped.inc();
            }
            Status::Canceled => {
                handles.orders.canceled_by_caller.inc();
            }
            // A caller cannot set these.
            Status::Pending | Status::Paid => {}
        }
        if order.refund_due() {
            count_one(&handles.money, &EventResult::RefundDue);
        }
    }

    /// Counts expired orders.
    pub(super) fn orders_expired(&self, count: usize) {
        if let Some(handles) = &self.0 {
            handles.orders.expired.inc_by(count as u64);
        }
    }

    /// Counts a payment event of this type.
    pub(super) fn event_received(&self, kind: &'static str, receipt: &Receipt) {
        let Some(handles) = &self.0 else { return };
        count_one(&handles.events, &(kind, receipt.result));
        if let Delivery::Recorded(result) = receipt.result {
            count_one(&handles.money, &result);
        }
        let step = receipt.order_was.zip(receipt.order_status);
        if step == Some((Status::Pending, Status::Paid)) {
            handles.orders.paid.inc();
        } else if step == Some((Status::Paid, Status::Canceled)) {
            handles.orders.canceled_by_refund.inc();
        }
    }

    /// Counts a webhook call that was refused because of its signature.
    pub(super) fn signature_refused(&self, reason: SignatureError) {
        let Some(handles) = &self.0 else { return };
        count_one(&handles.signatures_refused, &reason);
    }

    /// Reads the gauges that come from the store. If the store fails, they keep their values.
    pub async fn refresh<S: Store>(&self, store: &S, now: Timestamp) {
        let Some(handles) = &self.0 else { return };
        let counted = store.scan(move |view| {
            let owing = OrderFilter {
                refund_due: Some(true),
                ..OrderFilter::default()
            };
            let refund_due = view.orders(owing, None, COUNTED_MAX)?.len();
            let overdue = view.orders_expiring(now, COUNTED_MAX)?.len();
            Ok::<_, Error>((refund_due, overdue))
        });
        if let Ok((refund_due, overdue)) = counted.await {
            set(&handles.orders.refund_due, refund_due);
            set(&handles.orders.overdue, overdue);
        }
    }
}

/// Middleware: counts the request and its response.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let Some(handles) = metrics.0 else {
        return next.run(request).await;
    };
    let began = Instant::now();
    let _in_flight = InFlight::begin(handles.in_flight.clone());
    let operation = handles.operation(request.method(), request.extensions().get());
    let response = next.run(request).await;
    let operation = operation.and_then(|index| handles.operations.get(index));
    handles.answered(operation.unwrap_or(&handles.other), &response, began.elapsed());
    response
}

impl Handles {
    /// The index of the request's operation, if the contract has it.
    fn operation(&self, method: &Method, route: Option<&MatchedPath>) -> Option<usize> {
        let route = route?.as_str();
        // GET's handler answers HEAD as well.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let matches = |operation: &OperationMetrics| operation.route == route && operation.method == method.as_str();
        self.operations.iter().position(matches)
    }

    fn answered(&self, operation: &OperationMetrics, response: &Response, duration: Duration) {
        operation.duration.observe(duration.as_secs_f64());
        let status = response.status().as_u16();
        match operation.answers.iter().find(|(known, _)| *known == status) {
            Some((_, counter)) => {
                counter.inc();
            }
            // A status that the contract does not list: rare, and the service has only a few of them.
            None => {
                let labels = [&operation.route, &operation.method, &status.to_string()];
                self.requests.of(&labels.map(String::as_str)).inc();
            }
        }
        if let Some(problem) = response.extensions().get::<ProblemType>() {
            count_one(&self.problems, problem);
            if operation.places_order {
                count_one(&self.orders.refused, problem);
            }
        }
    }
}

/// A request in flight, until this guard is dropped.
struct InFlight(Gauge);

impl InFlight {
    fn begin(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An event's type as a label: one of the three that the service acts on, or `other`.
pub(super) const fn event_type(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Succeeded(_) => EventKind::SUCCEEDED,
        EventKind::Refunded(_) => EventKind::REFUNDED,
        EventKind::Failed { .. } => EventKind::FAILED,
        EventKind::Other(_) => OTHER,
    }
}

/// Every pair of labels of an event.
fn every_event() -> impl Iterator<Item = (&'static str, Delivery)> {
    let kinds = [EventKind::SUCCEEDED, EventKind::REFUNDED, EventKind::FAILED, OTHER];
    kinds.into_iter().flat_map(|kind| {
        let recorded = EventResult::ALL.into_iter().map(Delivery::Recorded);
        recorded
            .chain([Delivery::Duplicate])
            .map(move |delivery| (kind, delivery))
    })
}

/// A counter for every type of error.
fn by_type(series: &Series<Counter>) -> ByType {
    let of_type = |kind: &ProblemType| (*kind, series.of(&[problem::name(*kind)]));
    ProblemType::ALL.iter().map(of_type).collect()
}

/// Adds one to the counter of this key.
fn count_one<K: PartialEq>(counters: &[(K, Counter)], key: &K) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| known == key) {
        counter.inc();
    }
}

fn set(gauge: &Gauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
