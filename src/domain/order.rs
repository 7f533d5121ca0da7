//! Orders and their states.
//!
//! `PENDING → PAID → SHIPPED`, and `CANCELED` from either of the first two. A step is a method that returns the order
//! after it, or a [`Refusal`]. An order holds units of its product's stock from the moment it is
//! placed until it is canceled; the caller of a step moves the stock. Every step makes one new version.
//! It refuses every step that the table of states does not have.

use std::time::Duration;

use super::values::{Delta, Money, OrderId, Price, ProductId, Quantity, Reference, Timestamp};
use super::version::Version;

mod state;

pub use state::{State, StateParts, Status};

/// Why an order cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such step from its status.
    InvalidTransition {
        /// Its status.
        from: Status,
        /// The status asked for.
        to: Status,
    },
    /// Its quantity and reference can no longer change.
    NotEditable {
        /// Its status.
        status: Status,
    },
    /// It has a recorded payment, so it stays on record. `PENDING` and `CANCELED` mean that a payment came of another amount,
    /// too late, or before it was canceled.
    NotDeletable {
        /// Its status.
        status: Status,
    },
    /// Its total overflows.
    TotalTooLarge,
}

/// What a caller changes about an order; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderChange {
    /// The new status.
    pub status: Option<Status>,
    /// The new quantity.
    pub quantity: Option<Quantity>,
    /// The new reference.
    pub reference: Option<Reference>,
}

/// An order to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    reference: Option<Reference>,
    product_id: ProductId,
    quantity: Quantity,
    unit_price: Price,
    total: Money,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl NewOrder {
    /// An order of `quantity` units at today's price, which never expires and has no reference.
    ///
    /// # Errors
    /// [`Refusal::TotalTooLarge`] if the total overflows.
    pub fn new(
        product_id: ProductId,
        quantity: Quantity,
        unit_price: Price,
        created_at: Timestamp,
    ) -> Result<Self, Refusal> {
        let total = total(quantity, unit_price)?;
        Ok(Self {
            reference: None,
            product_id,
            quantity,
            unit_price,
            total,
            created_at,
            expires_at: None,
        })
    }

    /// The same order, which expires if it is not paid within `ttl`; with no time, or a time of 0, it never does.
    #[must_use]
    pub fn expiring_after(self, ttl: Option<Duration>) -> Self {
        let ttl = ttl.filter(|ttl| !ttl.is_zero());
        Self {
            expires_at: ttl.map(|ttl| self.created_at.after(ttl)),
            ..self
        }
    }

    /// The same order with the shop's own number.
    #[must_use]
    pub fn with_reference(self, reference: Option<Reference>) -> Self {
        Self { reference, ..self }
    }

    /// The shop's own number of it.
    pub const fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The product.
    pub const fn product_id(&self) -> ProductId {
        self.product_id
    }

    /// The units.
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The price of one unit, fixed.
    pub const fn unit_price(&self) -> Price {
        self.unit_price
    }

    /// When it is placed.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When it expires, if ever.
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The pending order with this id.
    #[must_use]
    pub fn with_id(self, id: OrderId) -> Order {
        Order {
            id,
            reference: self.reference,
            product_id: self.product_id,
            quantity: self.quantity,
            unit_price: self.unit_price,
            total: self.total,
            state: State::Pending {
                expires_at: self.expires_at,
            },
            version: Version::FIRST,
            created_at: self.created_at,
            updated_at: self.created_at,
        }
    }
}

/// Units of one product, reserved for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    id: OrderId,
    reference: Option<Reference>,
    product_id: ProductId,
    quantity: Quantity,
    unit_price: Price,
    total: Money,
    state: State,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Order {
    /// An order as it was stored, in this state and version and last changed then.
    #[must_use]
    pub fn restore(id: OrderId, placed: NewOrder, state: State, version: Version, updated_at: Timestamp) -> Self {
        Self {
            state,
            version,
            updated_at,
            ..placed.with_id(id)
        }
    }

    /// Its id.
    pub const fn id(&self) -> OrderId {
        self.id
    }

    /// The shop's own number of it.
    pub const fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The product.
    pub const fn product_id(&self) -> ProductId {
        self.product_id
    }

    /// The units.
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The product's price at the moment of ordering.
    pub const fn unit_price(&self) -> Price {
        self.unit_price
    }

    /// `quantity` × `unit_price`, exactly.
    pub const fn total(&self) -> Money {
        self.total
    }

    /// Its state, with the times of its steps.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Its status.
    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// Whether a refund is due.
    pub const fn refund_due(&self) -> bool {
        self.state.refund_due()
    }

    /// Its version.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// When it was placed.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When anything about it last changed.
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// Marks it paid.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] unless it is pending.
    pub fn pay(&self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Pending { .. } => Ok(self.enter(State::Paid { paid_at: now }, now)),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => Err(self.no_way_to(Status::Paid)),
        }
    }

    /// Marks it shipped.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] unless it is paid.
    pub fn ship(&self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Paid { paid_at } => Ok(self.enter(
                State::Shipped {
                    paid_at,
                    shipped_at: now,
                },
                now,
            )),
            State::Pending { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                Err(self.no_way_to(Status::Shipped))
            }
        }
    }

    /// Cancels it, so that it no longer holds stock; where a payment of it is open, a refund is due.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] unless it is pending or paid.
    pub fn cancel(&self, has_open_payment: bool, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Pending { .. } | State::Paid { .. } => Ok(self.enter(
                State::Canceled {
                    paid_at: self.state.paid_at(),
                    canceled_at: now,
                    refund_due: has_open_payment,
                },
                now,
            )),
            State::Shipped { .. } | State::Canceled { .. } => Err(self.no_way_to(Status::Canceled)),
        }
    }

    /// Follows a payment that was opened or closed: it changes the order only where it is canceled and owes a refund now,
    /// or no longer.
    #[must_use]
    pub fn settle(&self, has_open_payment: bool, now: Timestamp) -> Self {
        match self.state {
            State::Canceled {
                paid_at,
                canceled_at,
                refund_due,
            } if refund_due != has_open_payment => self.enter(
                State::Canceled {
                    paid_at,
                    canceled_at,
                    refund_due: has_open_payment,
                },
                now,
            ),
            State::Pending { .. } | State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => self.clone(),
        }
    }

    /// Expires at this time if it is not paid until then. Only a pending order that expires can do so later or earlier.
    #[must_use]
    pub fn expire_at(&self, expires_at: Timestamp, now: Timestamp) -> Self {
        match self.state {
            State::Pending {
                expires_at: Some(before),
            } if before != expires_at => self.enter(
                State::Pending {
                    expires_at: Some(expires_at),
                },
                now,
            ),
            State::Pending { .. } | State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => self.clone(),
        }
    }

    /// Sets the quantity, at the price at which it was placed, and the reference; what is `None` stays.
    ///
    /// # Errors
    /// [`Refusal::NotEditable`] unless it is pending, [`Refusal::TotalTooLarge`] if the new total overflows.
    pub fn edit(
        &self,
        quantity: Option<Quantity>,
        reference: Option<Reference>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match self.state {
            State::Pending { .. } => {
                let quantity = quantity.unwrap_or(self.quantity);
                Ok(Self {
                    quantity,
                    total: total(quantity, self.unit_price)?,
                    reference: reference.or_else(|| self.reference.clone()),
                    version: self.version.next(),
                    updated_at: now,
                    ..self.clone()
                })
            }
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                Err(Refusal::NotEditable { status: self.status() })
            }
        }
    }

    /// Applies a change as a whole or not at all. What the order has already changes nothing and is never refused.
    /// `has_open_payment` says whether it owes a refund once it is canceled.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] for a status that a caller cannot set from here; else
    /// [`Refusal::NotEditable`] for another quantity or reference, unless the order is pending and stays so.
    pub fn change(&self, change: OrderChange, has_open_payment: bool, now: Timestamp) -> Result<Self, Refusal> {
        let quantity = change.quantity.filter(|quantity| *quantity != self.quantity);
        let reference = change.reference.filter(|to| Some(to) != self.reference.as_ref());
        let moved = match change.status.filter(|to| *to != self.status()) {
            None => self.clone(),
            Some(Status::Shipped) => self.ship(now)?,
            Some(Status::Canceled) => self.cancel(has_open_payment, now)?,
            Some(to @ (Status::Pending | Status::Paid)) => return Err(self.no_way_to(to)),
        };
        match (&quantity, &reference) {
            (None, None) => Ok(moved),
            // The refusal names the status that the order has, not the one it would have had.
            _ if moved.state != self.state => Err(Refusal::NotEditable { status: self.status() }),
            _ => moved.edit(quantity, reference, now),
        }
    }

    /// Whether it may be deleted. `has_recorded_payment` says whether any `payment.succeeded` was recorded for it, whatever
    /// its result.
    ///
    /// # Errors
    /// [`Refusal::NotDeletable`] if it has a recorded payment.
    pub const fn check_deletable(&self, has_recorded_payment: bool) -> Result<(), Refusal> {
        match self.state {
            State::Pending { .. } | State::Canceled { paid_at: None, .. } if !has_recorded_payment => Ok(()),
            State::Pending { .. } | State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                Err(Refusal::NotDeletable { status: self.status() })
            }
        }
    }

    /// The units that it takes from the stock; shipped ones too.
    pub const fn held(&self) -> Option<Quantity> {
        match self.state {
            State::Pending { .. } | State::Paid { .. } | State::Shipped { .. } => Some(self.quantity),
            State::Canceled { .. } => None,
        }
    }

    /// How the stock of the product changes from the order before to this one; `None` if it does not.
    pub const fn stock_change_from(&self, before: &Self) -> Option<Delta> {
        match (before.held(), self.held()) {
            (None, None) => None,
            (None, Some(holds)) => Some(Delta::going(holds)),
            (Some(held), None) => Some(Delta::coming(held)),
            // What it no longer holds goes back to the stock.
            (Some(held), Some(holds)) => held.change_from(holds),
        }
    }

    fn enter(&self, state: State, now: Timestamp) -> Self {
        Self {
            state,
            version: self.version.next(),
            updated_at: now,
            ..self.clone()
        }
    }

    const fn no_way_to(&self, to: Status) -> Refusal {
        Refusal::InvalidTransition {
            from: self.status(),
            to,
        }
    }
}

fn total(quantity: Quantity, unit_price: Price) -> Result<Money, Refusal> {
    unit_price.money().checked_mul(quantity).ok_or(Refusal::TotalTooLarge)
}

#[cfg(test)]
mod tests;
