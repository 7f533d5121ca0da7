//! The operations tagged Webhooks: receiving events, and listing events and payments. They translate between the contract's
//! types and the domain's; rules are in `app` and `domain`.
//!
//! A module for each provider reads its events as facts: [`own`], [`stripe`].

use orders_inventory_api::apis::webhooks::{
    ListPaymentEventsParams, ListPaymentEventsResponse, ListPaymentsParams, ListPaymentsResponse,
    ReceivePaymentEventParams, ReceivePaymentEventResponse, ReceiveStripeEventParams, ReceiveStripeEventResponse,
    Webhooks,
};
use orders_inventory_api::models;
use orders_inventory_api::types::Decimal;

use super::auth::Caller;
use super::problem::parameter;
use super::{Problem, Service, after_commit, pagination};
use crate::app::payments::{self, Delivery, ListedEvents, Receipt};
use crate::domain::{
    Currency, EventNumber, EventResult, ListedPayment, Money, OrderId, PaymentEvent, PaymentId, Provider,
    RecordedEvent, Reference, RefundId,
};
use crate::store::{EventFilter, PaymentFilter, Store, Tx, View};

mod own;
mod sounds_like_money;
pub(super) mod stripe;

impl<S: Store> Webhooks for Service<S> {
    async fn receive_payment_event(
        &self,
        _: Caller,
        params: ReceivePaymentEventParams,
        body: models::PaymentEvent,
    ) -> Result<ReceivePaymentEventResponse, Problem> {
        let event = own::event(body, params.webhook_id)?;
        let body = self.receive_event(event).await?;
        Ok(ReceivePaymentEventResponse::Status200 { body })
    }

    async fn receive_stripe_event(
        &self,
        _: Caller,
        _: ReceiveStripeEventParams,
        body: models::StripeEvent,
    ) -> Result<ReceiveStripeEventResponse, Problem> {
        // A caller without a configured secret was refused before.
        let stripe = self.stripe.as_ref().ok_or_else(Problem::webhook_not_configured)?;
        let event = stripe.read(body)?;
        let body = self.receive_event(event).await?;
        Ok(ReceiveStripeEventResponse::Status200 { body })
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
        let list = move |view: &dyn View| payments::list_events(view, filter, before, limit);
        let ListedEvents {
            page: found,
            references,
        } = self.look_up(filter.is_scan(), list).await?;
        let next_cursor = found.next.map(|number| pagination::next_cursor(number.get()));
        let order_id = order_id.map(|id| id.to_string());
        let filters = [
            ("result", filter.result.map(EventResult::name)),
            ("order_id", order_id.as_deref()),
        ];
        let link = pagination::link("/payment-events", params.limit, next_cursor.as_deref(), &filters);
        let items = found.items.into_iter().map(|event| models::RecordedPaymentEvent {
            order_reference: event
                .order_id
                .and_then(|id| references.get(&id))
                .map(Reference::to_string),
            ..event.into()
        });
        let items = items.collect();
        Ok(ListPaymentEventsResponse::Status200 {
            body: models::PaymentEventPage { items, next_cursor },
            link,
        })
    }

    async fn list_payments(&self, _: Caller, params: ListPaymentsParams) -> Result<ListPaymentsResponse, Problem> {
        let before = pagination::cursor(params.cursor.as_deref(), EventNumber::new)?;
        let order_id = parameter("order_id", params.order_id.map(OrderId::new).transpose())?;
        let filter = PaymentFilter {
            order_id,
            is_open: params.open,
        };
        let limit = usize::try_from(params.limit).unwrap_or_default();
        let list = move |view: &dyn View| payments::list(view, filter, before, limit);
        let found = self.look_up(filter.is_scan(), list).await?;
        let next_cursor = found.next.map(|number| pagination::next_cursor(number.get()));
        let order_id = order_id.map(|id| id.to_string());
        let open = params.open.map(|open| if open { "true" } else { "false" });
        let filters = [("order_id", order_id.as_deref()), ("open", open)];
        let link = pagination::link("/payments", params.limit, next_cursor.as_deref(), &filters);
        let items = found.items.into_iter().map(Into::into).collect();
        Ok(ListPaymentsResponse::Status200 {
            body: models::PaymentPage { items, next_cursor },
            link,
        })
    }
}

impl<S: Store> Service<S> {
    /// Receives an event of any provider, and returns its receipt.
    async fn receive_event(&self, event: PaymentEvent) -> Result<models::PaymentEventReceipt, Problem> {
        let now = self.clock.now();
        let told = after_commit::Told::of(&event);
        let receive = move |tx: &mut dyn Tx| payments::receive(tx, &event, now);
        let received = move |receipt: &Receipt| after_commit::event_received(&told, receipt);
        let receipt = self.write_then(receive, received).await?;
        Ok(models::PaymentEventReceipt {
            event_id: receipt.event_id.into_string(),
            result: receipt.result.into(),
            order_id: receipt.order_id.map(OrderId::get),
            order_status: receipt.order_status.map(Into::into),
        })
    }
}

impl From<RecordedEvent> for models::RecordedPaymentEvent {
    fn from(event: RecordedEvent) -> Self {
        Self {
            provider: event.provider.into(),
            event_id: event.event_id.into_string(),
            r_type: event.event_type.into_string(),
            order_id: event.order_id.map(OrderId::get),
            order_reference: None,
            payment_id: event.payment_id.map(PaymentId::into_string),
            refund_id: event.refund_id.map(RefundId::into_string),
            amount: event.amount.map(|amount| Decimal::from_hundredths(amount.cents())),
            currency: event.currency.as_ref().map(Currency::to_string),
            result: event.result.into(),
            received_at: event.received_at.into(),
        }
    }
}

impl From<ListedPayment> for models::Payment {
    fn from(listed: ListedPayment) -> Self {
        let payment = listed.payment;
        let hundredths = |money: Money| Decimal::from_hundredths(money.cents());
        let (amount, refunded) = (payment.amount().map(hundredths), payment.refunded().map(hundredths));
        Self {
            payment_id: payment
                .payment_id
                .map_or_else(|| listed.event_id.into_string(), PaymentId::into_string),
            provider: payment.provider.into(),
            order_id: payment.order_id.map(OrderId::get),
            amount,
            currency: payment.currency.as_ref().map(Currency::to_string),
            refunded,
            open: !payment.balance.is_closed,
            own: payment.is_own,
            disputed: listed.is_disputed,
            created_at: listed.created_at.into(),
        }
    }
}

same_variants! { Provider, models::Provider: Own, Stripe }

same_variants! {
    EventResult, models::PaymentResult:
    Applied, Ignored, AmountMismatch, CurrencyMismatch, DuplicatePayment, RefundDue, OrderGone, OrderUnknown,
    PartialRefund, RefundFailed, Disputed
}

impl From<Delivery> for models::DeliveryResult {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Recorded(EventResult::Applied) => Self::Applied,
            Delivery::Recorded(EventResult::Ignored) => Self::Ignored,
            Delivery::Recorded(EventResult::AmountMismatch) => Self::AmountMismatch,
            Delivery::Recorded(EventResult::CurrencyMismatch) => Self::CurrencyMismatch,
            Delivery::Recorded(EventResult::DuplicatePayment) => Self::DuplicatePayment,
            Delivery::Recorded(EventResult::RefundDue) => Self::RefundDue,
            Delivery::Recorded(EventResult::OrderGone) => Self::OrderGone,
            Delivery::Recorded(EventResult::OrderUnknown) => Self::OrderUnknown,
            Delivery::Recorded(EventResult::PartialRefund) => Self::PartialRefund,
            Delivery::Recorded(EventResult::RefundFailed) => Self::RefundFailed,
            Delivery::Recorded(EventResult::Disputed) => Self::Disputed,
            Delivery::Duplicate => Self::Duplicate,
        }
    }
}
