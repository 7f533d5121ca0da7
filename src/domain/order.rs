//! Orders and their states.
//!
//! `PENDING → PAID → SHIPPED`, and `CANCELED` from either of the first two. A step is a method that consumes the order
//! and returns the one after it, or a [`Refusal`]. An order holds units of its product's stock from the moment it is
//! placed until it is canceled; who applies a step moves the stock along.

use std::fmt;

use super::values::{Delta, Money, OrderId, Price, ProductId, Quantity, Timestamp};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It waits for its payment.
    Pending,
    /// It is paid and can be shipped.
    Paid,
    /// It is on its way. Final.
    Shipped,
    /// It was canceled, before or after its payment. Final.
    Canceled,
}

impl Status {
    /// Every status, in the order of an order's life.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Paid, Self::Shipped, Self::Canceled];

    /// The status's name, the same wherever it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Shipped => "SHIPPED",
            Self::Canceled => "CANCELED",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The statuses that a caller can move an order to from here. `PAID` is never among them: it comes with a payment.
    pub const fn allowed(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Canceled],
            Self::Paid => &[Self::Shipped, Self::Canceled],
            Self::Shipped | Self::Canceled => &[],
        }
    }

    /// Why an order does not go from here to `to`, as the rest of a sentence.
    pub const fn obstacle(self, to: Self) -> &'static str {
        match (self, to) {
            (Self::Shipped, _) => "SHIPPED is final",
            (Self::Canceled, _) => "CANCELED is final",
            (Self::Pending | Self::Paid, Self::Paid) => "only the payment webhook marks an order as paid",
            (Self::Pending | Self::Paid, Self::Shipped) => "only a paid order can be shipped",
            (Self::Pending | Self::Paid, Self::Pending) => "no order becomes PENDING again",
            (Self::Pending | Self::Paid, Self::Canceled) => "there is no such step",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an order stands, with the times of the steps that led there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for its payment.
    Pending,
    /// It is paid.
    Paid {
        /// When it was paid.
        paid_at: Timestamp,
    },
    /// It is on its way.
    Shipped {
        /// When it was paid.
        paid_at: Timestamp,
        /// When it was shipped.
        shipped_at: Timestamp,
    },
    /// It was canceled.
    Canceled {
        /// When it was paid, if it ever was.
        paid_at: Option<Timestamp>,
        /// When it was canceled.
        canceled_at: Timestamp,
    },
}

impl State {
    /// The status without its times.
    pub const fn status(self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Paid { .. } => Status::Paid,
            Self::Shipped { .. } => Status::Shipped,
            Self::Canceled { .. } => Status::Canceled,
        }
    }

    /// When the order was paid, if it was.
    pub const fn paid_at(self) -> Option<Timestamp> {
        match self {
            Self::Pending => None,
            Self::Paid { paid_at } | Self::Shipped { paid_at, .. } => Some(paid_at),
            Self::Canceled { paid_at, .. } => paid_at,
        }
    }

    /// When the order was shipped, if it was.
    pub const fn shipped_at(self) -> Option<Timestamp> {
        match self {
            Self::Shipped { shipped_at, .. } => Some(shipped_at),
            Self::Pending | Self::Paid { .. } | Self::Canceled { .. } => None,
        }
    }

    /// When the order was canceled, if it was.
    pub const fn canceled_at(self) -> Option<Timestamp> {
        match self {
            Self::Canceled { canceled_at, .. } => Some(canceled_at),
            Self::Pending | Self::Paid { .. } | Self::Shipped { .. } => None,
        }
    }

    /// The state of this status and these times; `None` where a time is missing or one too many.
    pub const fn from_parts(
        status: Status,
        paid_at: Option<Timestamp>,
        shipped_at: Option<Timestamp>,
        canceled_at: Option<Timestamp>,
    ) -> Option<Self> {
        match (status, paid_at, shipped_at, canceled_at) {
            (Status::Pending, None, None, None) => Some(Self::Pending),
            (Status::Paid, Some(paid_at), None, None) => Some(Self::Paid { paid_at }),
            (Status::Shipped, Some(paid_at), Some(shipped_at), None) => Some(Self::Shipped { paid_at, shipped_at }),
            (Status::Canceled, paid_at, None, Some(canceled_at)) => Some(Self::Canceled { paid_at, canceled_at }),
            (Status::Pending | Status::Paid | Status::Shipped | Status::Canceled, _, _, _) => None,
        }
    }
}

/// Why an order stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such step from where it stands.
    InvalidTransition {
        /// Where it stands.
        from: Status,
        /// Where it was to go.
        to: Status,
    },
    /// Its quantity is settled.
    NotEditable {
        /// Where it stands.
        status: Status,
    },
    /// It saw money, so it stays on record. `CANCELED` here means canceled after its payment.
    NotDeletable {
        /// Where it stands.
        status: Status,
    },
    /// Its total is more than can be counted.
    TotalTooLarge,
}

/// What a caller changes about an order; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderChange {
    /// The status to go to.
    pub status: Option<Status>,
    /// The new quantity.
    pub quantity: Option<Quantity>,
}

/// An order to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    product_id: ProductId,
    quantity: Quantity,
    unit_price: Price,
    total: Money,
    created_at: Timestamp,
}

impl NewOrder {
    /// An order of `quantity` units at today's price.
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
            product_id,
            quantity,
            unit_price,
            total,
            created_at,
        })
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

    /// The pending order that this becomes under its id.
    #[must_use]
    pub const fn with_id(self, id: OrderId) -> Order {
        let Self {
            product_id,
            quantity,
            unit_price,
            total,
            created_at,
        } = self;
        Order {
            id,
            product_id,
            quantity,
            unit_price,
            total,
            state: State::Pending,
            created_at,
            updated_at: created_at,
        }
    }
}

/// Units of one product, reserved for a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    id: OrderId,
    product_id: ProductId,
    quantity: Quantity,
    unit_price: Price,
    total: Money,
    state: State,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Order {
    /// An order as it was recorded, in this state and last touched then.
    #[must_use]
    pub const fn restore(id: OrderId, placed: NewOrder, state: State, updated_at: Timestamp) -> Self {
        Self {
            state,
            updated_at,
            ..placed.with_id(id)
        }
    }

    /// Its id.
    pub const fn id(&self) -> OrderId {
        self.id
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

    /// Where it stands, with its times.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Where it stands.
    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// When it was placed.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When anything about it last changed.
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// Its payment came.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] unless it is pending.
    pub fn pay(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Pending => Ok(self.enter(State::Paid { paid_at: now }, now)),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => Err(self.no_way_to(Status::Paid)),
        }
    }

    /// It goes on its way.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] unless it is paid.
    pub fn ship(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Paid { paid_at } => Ok(self.enter(
                State::Shipped {
                    paid_at,
                    shipped_at: now,
                },
                now,
            )),
            State::Pending | State::Shipped { .. } | State::Canceled { .. } => Err(self.no_way_to(Status::Shipped)),
        }
    }

    /// It is called off and no longer holds stock.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] unless it is pending or paid.
    pub fn cancel(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Pending | State::Paid { .. } => Ok(self.enter(
                State::Canceled {
                    paid_at: self.state.paid_at(),
                    canceled_at: now,
                },
                now,
            )),
            State::Shipped { .. } | State::Canceled { .. } => Err(self.no_way_to(Status::Canceled)),
        }
    }

    /// It is of `quantity` units from now on, at the price it was placed at.
    ///
    /// # Errors
    /// [`Refusal::NotEditable`] unless it is pending, [`Refusal::TotalTooLarge`] if the new total overflows.
    pub fn set_quantity(self, quantity: Quantity, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            State::Pending => Ok(Self {
                quantity,
                total: total(quantity, self.unit_price)?,
                updated_at: now,
                ..self
            }),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { .. } => {
                Err(Refusal::NotEditable { status: self.status() })
            }
        }
    }

    /// What a caller asks for, all of it or nothing. What the order has already changes nothing and is never refused.
    ///
    /// # Errors
    /// [`Refusal::InvalidTransition`] for a status that a caller cannot bring about from here; then
    /// [`Refusal::NotEditable`] for another quantity, unless the order is pending and stays so.
    pub fn change(self, change: OrderChange, now: Timestamp) -> Result<Self, Refusal> {
        let moved = match change.status.filter(|to| *to != self.status()) {
            None => self,
            Some(Status::Shipped) => self.ship(now)?,
            Some(Status::Canceled) => self.cancel(now)?,
            Some(to @ (Status::Pending | Status::Paid)) => return Err(self.no_way_to(to)),
        };
        match change.quantity.filter(|quantity| *quantity != self.quantity) {
            None => Ok(moved),
            // The refusal names where the order stands, not where it did not get to.
            Some(_) if moved.state != self.state => Err(Refusal::NotEditable { status: self.status() }),
            Some(quantity) => moved.set_quantity(quantity, now),
        }
    }

    /// Whether it may be removed for good.
    ///
    /// # Errors
    /// [`Refusal::NotDeletable`] if it was ever paid.
    pub const fn check_deletable(&self) -> Result<(), Refusal> {
        match self.state {
            State::Pending | State::Canceled { paid_at: None, .. } => Ok(()),
            State::Paid { .. } | State::Shipped { .. } | State::Canceled { paid_at: Some(_), .. } => {
                Err(Refusal::NotDeletable { status: self.status() })
            }
        }
    }

    /// The units that it keeps from others. Shipped units are gone, which for the stock is the same.
    pub const fn held(&self) -> Option<Quantity> {
        match self.state {
            State::Pending | State::Paid { .. } | State::Shipped { .. } => Some(self.quantity),
            State::Canceled { .. } => None,
        }
    }

    /// What becoming this order does to its product's stock; `None` for nothing.
    pub const fn stock_change_from(&self, before: &Self) -> Option<Delta> {
        match (before.held(), self.held()) {
            (None, None) => None,
            (None, Some(holds)) => Some(Delta::going(holds)),
            (Some(held), None) => Some(Delta::coming(held)),
            // What it holds no longer, others can have.
            (Some(held), Some(holds)) => held.change_from(holds),
        }
    }

    const fn enter(self, state: State, now: Timestamp) -> Self {
        Self {
            state,
            updated_at: now,
            ..self
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
