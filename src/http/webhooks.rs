//! The operations tagged Webhooks: receiving and listing payment events. They translate between the contract's types
//! and the domain's; rules are in `app` and `domain`.

use orders_inventory_api::apis::webhooks::{
    ListPaymentEventsParams, ListPaymentEventsResponse, ReceivePaymentEventResponse, Webhooks,
};
use orders_inventory_api::models;
use orders_inventory_api::read::{Failures, Pointer, Read};
use orders_inventory_api::types::{AnyJson, Decimal};

use super::auth::Caller;
use super::problem::{at_pointer, parameter};
use super::{Problem, Service, after_commit, metrics, pagination};
use crate::app::payments::{self, Delivery, Receipt};
use crate::domain::{
    Amount, EventId, EventKind, EventNumber, EventResult, Money, OrderId, OtherType, PaymentData, PaymentEvent,
    PaymentId, RecordedEvent, RefundData, RefundId,
};
use crate::store::{EventFilter, Store, Tx, View};

impl<S: Store> Webhooks for Service<S> {
    async fn receive_payment_event(
        &self,
        _: Caller,
        body: models::PaymentEvent,
    ) -> Result<ReceivePaymentEventResponse, Problem> {
        let event = event(body)?;
        let now = self.clock.now();
        let kind = metrics::event_type(&event.kind);
        let receive = move |tx: &mut dyn Tx| payments::receive(tx, &event, now);
        let received = move |receipt: &Receipt| after_commit::event_received(kind, receipt);
        let receipt = self.write_then(receive, received).await?;
        let body = models::PaymentEventReceipt {
            event_id: receipt.event_id.into_string(),
            result: receipt.result.into(),
            order_id: receipt.order_id.map(OrderId::get),
            order_status: receipt.order_status.map(Into::into),
        };
        Ok(ReceivePaymentEventResponse::Status200 { body })
    }

    async fn list_payment_events(
        &self,
        _: Caller,
        params: ListPaymentEventsParams,
    ) -> Result<ListPaymentEventsResponse, Problem> {
        let before = pagination::cursor(params.cursor.as_deref(), EventNumber::new)?;
        let order_id = parameter("order_id", params.order_id.map(OrderId::new).transpose())?;
        let filter = EventFilter {
            result: params.result.map(Into::into),
            order_id,
        };
        let limit = usize::try_from(params.limit).unwrap_or_default();
        let list = move |view: &dyn View| payments::list(view, filter, before, limit);
        let found = if filter.is_scan() {
            self.store.scan(list).await?
        } else {
            self.store.read(list).await?
        };
        let next_cursor = found.next.map(|number| pagination::next_cursor(number.get()));
        let order_id = order_id.map(|id| id.to_string());
        let filters = [
            ("result", filter.result.map(EventResult::name)),
            ("order_id", order_id.as_deref()),
        ];
        let link = pagination::link("/payment-events", params.limit, next_cursor.as_deref(), &filters);
        let items = found.items.into_iter().map(Into::into).collect();
        Ok(ListPaymentEventsResponse::Status200 {
            body: models::PaymentEventPage { items, next_cursor },
            link,
        })
    }
}

/// The event as a domain type. The generated code has read its envelope; this reads its data, for the types that have a
/// meaning.
fn event(body: models::PaymentEvent) -> Result<PaymentEvent, Problem> {
    let kind = match body.r_type.as_str() {
        EventKind::SUCCEEDED => EventKind::Succeeded(EventData::read(body.data.as_ref(), true)?.payment()?),
        EventKind::REFUNDED => EventKind::Refunded(EventData::read(body.data.as_ref(), true)?.refund()?),
        EventKind::FAILED => {
            let data = EventData::read(body.data.as_ref(), false)?;
            EventKind::Failed {
                order_id: data.order_id,
                payment_id: data.payment_id,
                amount: data.amount,
            }
        }
        _ => EventKind::Other(at_pointer("/type", OtherType::new(body.r_type))?),
    };
    Ok(PaymentEvent {
        id: at_pointer("/id", EventId::new(body.id))?,
        created_seconds: body.created,
        kind,
    })
}

/// The data of a payment event.
struct EventData {
    order_id: Option<OrderId>,
    payment_id: Option<PaymentId>,
    refund_id: Option<RefundId>,
    amount: Option<Amount>,
}

impl EventData {
    /// Reads an event's data; the error has all failures at once.
    fn read(data: Option<&AnyJson>, needs_order: bool) -> Result<Self, Problem> {
        let at = Pointer::Member(&Pointer::Root, "data");
        let mut failures = Failures::default();
        let data = match data {
            Some(json) => models::PaymentData::read(json.get(), at, &mut failures),
            None => {
                failures.pointer(at, "is required");
                None
            }
        };
        let order_at = Pointer::Member(&at, "order_id");
        if needs_order && data.as_ref().is_some_and(|data| data.order_id.is_none()) && !failures.has(order_at) {
            failures.pointer(order_at, "is required");
        }
        let data = failures.accept(data)?;
        Ok(Self {
            order_id: at_pointer("/data/order_id", data.order_id.map(OrderId::new).transpose())?,
            payment_id: at_pointer("/data/payment_id", data.payment_id.map(PaymentId::new).transpose())?,
            refund_id: at_pointer("/data/refund_id", data.refund_id.map(RefundId::new).transpose())?,
            amount: data.amount.map(amount_of).transpose()?,
        })
    }

    fn payment(self) -> Result<PaymentData, Problem> {
        Ok(PaymentData {
            order_id: self.order()?,
            payment_id: self.payment_id,
            amount: self.amount,
        })
    }

    fn refund(self) -> Result<RefundData, Problem> {
        Ok(RefundData {
            order_id: self.order()?,
            payment_id: self.payment_id,
            refund_id: self.refund_id,
            amount: self.amount,
        })
    }

    fn order(&self) -> Result<OrderId, Problem> {
        let missing = || Problem::invalid_pointer("/data/order_id", "is required");
        self.order_id.ok_or_else(missing)
    }
}

fn amount_of(number: Decimal) -> Result<Amount, Problem> {
    let cents = number.in_units(2);
    let cents = cents.ok_or_else(|| Problem::invalid_pointer("/data/amount", "must be an amount of money"))?;
    at_pointer("/data/amount", Amount::new(Money::from_cents(cents)))
}

impl From<RecordedEvent> for models::RecordedPaymentEvent {
    fn from(event: RecordedEvent) -> Self {
        Self {
            event_id: event.event_id.into_string(),
            r_type: event.type_name,
            order_id: event.order_id.map(OrderId::get),
            payment_id: event.payment_id.map(PaymentId::into_string),
            refund_id: event.refund_id.map(RefundId::into_string),
            amount: event.amount.map(|amount| Decimal::from_hundredths(amount.cents())),
            result: event.result.into(),
            received_at: event.received_at.into(),
        }
    }
}

same_variants! {
    EventResult, models::PaymentResult:
    Applied, Ignored, AmountMismatch, DuplicatePayment, RefundDue, OrderGone, PartialRefund
}

impl From<Delivery> for models::DeliveryResult {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Recorded(EventResult::Applied) => Self::Applied,
            Delivery::Recorded(EventResult::Ignored) => Self::Ignored,
            Delivery::Recorded(EventResult::AmountMismatch) => Self::AmountMismatch,
            Delivery::Recorded(EventResult::DuplicatePayment) => Self::DuplicatePayment,
            Delivery::Recorded(EventResult::RefundDue) => Self::RefundDue,
            Delivery::Recorded(EventResult::OrderGone) => Self::OrderGone,
            Delivery::Recorded(EventResult::PartialRefund) => Self::PartialRefund,
            Delivery::Duplicate => Self::Duplicate,
        }
    }
}
