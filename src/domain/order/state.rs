//! The states of an order: their names, and each with the times of the steps that led there.
//!
//! A state with other times than its own cannot be built.

use std::fmt;

use crate::domain::values::Timestamp;

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It waits for its payment.
    Pending,
    /// It is paid and can be shipped.
    Paid,
    /// It was shipped. Final.
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

    /// Why an order cannot go from here to `to`, as the rest of a sentence.
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
    Pending {
        /// When it is canceled if no payment came, if ever.
        expires_at: Option<Timestamp>,
    },
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
        /// Whether money is owed back: whether a payment of it is open.
        refund_due: bool,
    },
}

impl State {
    /// The status without its times.
    pub const fn status(self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Paid { .. } => Status::Paid,
            Self::Shipped { .. } => Status::Shipped,
            Self::Canceled { .. } => Status::Canceled,
        }
    }

    /// When the order was paid, if it was.
    pub const fn paid_at(self) -> Option<Timestamp> {
        match self {
            Self::Pending { .. } => None,
            Self::Paid { paid_at } | Self::Shipped { paid_at, .. } => Some(paid_at),
            Self::Canceled { paid_at, .. } => paid_at,
        }
    }

    /// When the order was shipped, if it was.
    pub const fn shipped_at(self) -> Option<Timestamp> {
        match self {
            Self::Shipped { shipped_at, .. } => Some(shipped_at),
            Self::Pending { .. } | Self::Paid { .. } | Self::Canceled { .. } => None,
        }
    }

    /// When the order was canceled, if it was.
    pub const fn canceled_at(self) -> Option<Timestamp> {
        match self {
            Self::Canceled { canceled_at, .. } => Some(canceled_at),
            Self::Pending { .. } | Self::Paid { .. } | Self::Shipped { .. } => None,
        }
    }

    /// When the order is canceled if it is still pending then, if ever.
    pub const fn expires_at(self) -> Option<Timestamp> {
        match self {
            Self::Pending { expires_at } => expires_at,
            Self::Paid { .. } | Self::Shipped { .. } | Self::Canceled { .. } => None,
        }
    }

    /// Whether money is owed back.
    pub const fn refund_due(self) -> bool {
        match self {
            Self::Canceled { refund_due, .. } => refund_due,
            Self::Pending { .. } | Self::Paid { .. } | Self::Shipped { .. } => false,
        }
    }

    /// What a record of this state holds.
    pub const fn parts(self) -> StateParts {
        StateParts {
            status: self.status(),
            expires_at: self.expires_at(),
            paid_at: self.paid_at(),
            shipped_at: self.shipped_at(),
            canceled_at: self.canceled_at(),
            refund_due: self.refund_due(),
        }
    }
}

/// A state as it is recorded: its status, the times, and what is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateParts {
    /// The status.
    pub status: Status,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it was shipped.
    pub shipped_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
    /// Whether money is owed back.
    pub refund_due: bool,
}

impl StateParts {
    /// The state that these are the parts of; `None` where one is missing or one too many.
    pub const fn state(self) -> Option<State> {
        let Self {
            status,
            expires_at,
            paid_at,
            shipped_at,
            canceled_at,
            refund_due,
        } = self;
        match (status, expires_at, paid_at, shipped_at, canceled_at, refund_due) {
            (Status::Pending, expires_at, None, None, None, false) => Some(State::Pending { expires_at }),
            (Status::Paid, None, Some(paid_at), None, None, false) => Some(State::Paid { paid_at }),
            (Status::Shipped, None, Some(paid_at), Some(shipped_at), None, false) => {
                Some(State::Shipped { paid_at, shipped_at })
            }
            (Status::Canceled, None, paid_at, None, Some(canceled_at), refund_due) => Some(State::Canceled {
                paid_at,
                canceled_at,
                refund_due,
            }),
            (Status::Pending | Status::Paid | Status::Shipped | Status::Canceled, _, _, _, _, _) => None,
        }
    }
}
