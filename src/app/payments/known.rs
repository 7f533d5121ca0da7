//! What is known of the payment and the order that a fact is about.
//!
//! Here alone counts how ids are unique: a provider's own are so everywhere, those of the service's own format for each
//! order.

use crate::domain::{Fact, OrderId, Payment, Provider};
use crate::error::Error;
use crate::store::View;

/// The payment that was recorded under the id that the fact names.
pub(super) fn known_payment(view: &dyn View, provider: Provider, fact: &Fact) -> Result<Option<Payment>, Error> {
    match (&fact.payment_id, provider, fact.order_id) {
        (Some(id), Provider::Stripe, _) => view.payment_of_provider(provider, id),
        // In the service's own format the same id can name payments of several orders.
        (Some(id), Provider::Own, Some(order_id)) => view.payment_of_order(order_id, id),
        (Some(_), Provider::Own, None) | (None, _, _) => Ok(None),
    }
}

/// Whether a payment of this order and id was recorded in the service's own format, be it by an old version that kept no
/// payment of it.
pub(super) fn is_recorded(view: &dyn View, fact: &Fact) -> Result<bool, Error> {
    match (fact.order_id, &fact.payment_id) {
        (Some(order_id), Some(payment_id)) => view.is_payment_known(order_id, payment_id),
        (Some(_) | None, _) => Ok(false),
    }
}

/// The payment that a refund in the service's own format is of: the one that it names; else, where one of the two names
/// none, the newest open one.
pub(super) fn payment_of_own_refund(view: &dyn View, fact: &Fact) -> Result<Option<Payment>, Error> {
    let Some(order_id) = fact.order_id else {
        return Ok(None);
    };
    if !is_issued(view, order_id)? {
        return Err(Error::OrderNotFound { id: order_id });
    }
    if let known @ Some(_) = known_payment(view, Provider::Own, fact)? {
        return Ok(known);
    }
    if is_recorded(view, fact)? {
        return Ok(None);
    }
    let mut open = view.open_payments(order_id)?.into_iter();
    Ok(open.find(|payment| {
        payment.provider == Provider::Own && (fact.payment_id.is_none() || payment.payment_id.is_none())
    }))
}

/// The order that a fact is about: that of its payment, or the one that it names, if that was ever issued.
pub(super) fn subject(view: &dyn View, payment: Option<&Payment>, fact: &Fact) -> Result<Option<OrderId>, Error> {
    match (payment, fact.order_id) {
        (Some(payment), _) => Ok(payment.order_id),
        (None, Some(id)) if is_issued(view, id)? => Ok(Some(id)),
        (None, _) => Ok(None),
    }
}

/// Whether this id was ever given to an order. One that was, and has no order, is that of a deleted one.
pub(super) fn is_issued(view: &dyn View, id: OrderId) -> Result<bool, Error> {
    Ok(view.last_order_id()?.is_some_and(|last| id <= last))
}
