//! The questions that the verbs of [`View`](crate::store::View) ask, as values: their SQL, and what a write must have
//! changed for an answer to be out of date.
//!
//! Decides nothing. Every list has an index that is in its order, and that is the only one that is (`0001_schema.sql`).

use tokio_postgres::types::ToSql;

use crate::domain::{
    DisputeId, EventId, EventNumber, OrderId, PaymentId, ProductId, Provider, RefundId, Sku, Status, Timestamp,
};
use crate::store::rows::{
    dispute_columns, event_columns, hold_columns, idempotency_columns, listed_payment_columns, movement_columns,
    order_columns, payment_columns, product_columns, refund_columns,
};
use crate::store::{EventFilter, IdempotencyKey, OrderFilter, PaymentFilter};

/// A question to the database. Limits and the ends of pages are as SQL wants them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Query {
    Product(ProductId),
    ProductBySku(Sku),
    Products {
        after: i64,
        limit: i64,
    },
    /// `pattern` is one of `LIKE`; one of a short text has no index.
    ProductsWithText {
        pattern: String,
        is_short: bool,
        after: i64,
        limit: i64,
    },
    /// Those changed at `from` or later: after `minute`, or in it and with a larger id than `after`.
    ProductsByChange {
        from: Timestamp,
        minute: i64,
        after: i64,
        pattern: Option<String>,
        limit: i64,
    },
    HasOrders(ProductId),
    Movements {
        of: ProductId,
        before: i64,
        limit: i64,
    },
    Order(OrderId),
    Orders {
        filter: OrderFilter,
        before: i64,
        limit: i64,
    },
    /// Those placed before `end`, or then and with a smaller id than `before`, and not before `first`.
    OrdersByTime {
        filter: OrderFilter,
        first: i64,
        end: i64,
        before: i64,
        limit: i64,
    },
    OrdersExpiring {
        until: Timestamp,
        limit: i64,
    },
    LastOrderId,
    Event(Provider, EventId),
    Events {
        filter: EventFilter,
        before: i64,
        limit: i64,
    },
    Payments {
        filter: PaymentFilter,
        is_closed: Option<bool>,
        before: i64,
        limit: i64,
    },
    PaymentOfOrder(OrderId, PaymentId),
    PaymentOfProvider(Provider, PaymentId),
    IsPaymentKnown(OrderId, PaymentId),
    HasRecordedPayment(OrderId),
    OpenPayments(OrderId),
    RefundOfOrder(Option<OrderId>, RefundId),
    RefundOfProvider(Provider, RefundId),
    RefundsOf(EventNumber),
    KeptRefunds(Provider, PaymentId),
    Dispute(Provider, DisputeId),
    KeptDisputes(Provider, PaymentId),
    Hold(Provider, PaymentId),
    Holds(OrderId),
    Record(IdempotencyKey),
    HasRecordsUntil(Timestamp),
    RecordsUntil {
        until: Timestamp,
        limit: i64,
    },
}

/// What an answer depends on, and what a change touches. Products, orders and records that are asked for by their own key
/// need none: the transaction has their latest state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// The answer is the row of this key, or does not change within a transaction.
    Key,
    Products,
    Sku(Sku),
    Movements(ProductId),
    Orders,
    OrdersOf(ProductId),
    Event(EventId),
    Events,
    Payments,
    /// Everything that was told of the payments of an order.
    MoneyOf(OrderId),
    /// Everything that was told of a payment of this id.
    Money(PaymentId),
    Refund(RefundId),
    RefundsOf(EventNumber),
    Dispute(DisputeId),
    Records,
}

/// What a question shares with those of other readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// A statement that asks for many rows by their keys.
    Statement,
    /// A round trip of many statements.
    RoundTrip,
    /// Nothing.
    Nothing,
}

type Params<'q> = Vec<&'q (dyn ToSql + Sync)>;

impl Query {
    /// How it can share a round trip with those of other readers: one that reads few rows, and has no text that the server
    /// could refuse, which would refuse theirs.
    pub(super) fn sharing(&self) -> Sharing {
        let is_row = matches!(self, Self::Product(_) | Self::Order(_));
        let is_page = matches!(self, Self::Products { .. } | Self::Movements { .. })
            || matches!(self, Self::Orders { filter, .. } if filter.reference.is_none());
        match (is_row, is_page) {
            (true, _) => Sharing::Statement,
            (false, true) => Sharing::RoundTrip,
            (false, false) => Sharing::Nothing,
        }
    }

    /// What its answer depends on.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Product(_) | Self::Order(_) | Self::Record(_) | Self::LastOrderId => Scope::Key,
            Self::ProductBySku(sku) => Scope::Sku(sku.clone()),
            Self::Products { .. } | Self::ProductsWithText { .. } | Self::ProductsByChange { .. } => Scope::Products,
            Self::HasOrders(id) => Scope::OrdersOf(*id),
            Self::Movements { of, .. } => Scope::Movements(*of),
            Self::Orders { .. } | Self::OrdersByTime { .. } | Self::OrdersExpiring { .. } => Scope::Orders,
            Self::Event(_, id) => Scope::Event(id.clone()),
            Self::Events { .. } => Scope::Events,
            Self::Payments { .. } => Scope::Payments,
            Self::PaymentOfOrder(id, _)
            | Self::IsPaymentKnown(id, _)
            | Self::HasRecordedPayment(id)
            | Self::OpenPayments(id)
            | Self::Holds(id) => Scope::MoneyOf(*id),
            Self::PaymentOfProvider(_, id)
            | Self::KeptRefunds(_, id)
            | Self::KeptDisputes(_, id)
            | Self::Hold(_, id) => Scope::Money(id.clone()),
            Self::RefundOfOrder(_, id) | Self::RefundOfProvider(_, id) => Scope::Refund(id.clone()),
            Self::RefundsOf(number) => Scope::RefundsOf(*number),
            Self::Dispute(_, id) => Scope::Dispute(id.clone()),
            Self::HasRecordsUntil(_) | Self::RecordsUntil { .. } => Scope::Records,
        }
    }

    /// Its statement and the values of that one's parameters.
    pub(super) fn statement(&self) -> (&'static str, Params<'_>) {
        match self {
            Self::Product(id) => (PRODUCT, vec![id]),
            Self::ProductBySku(sku) => (PRODUCT_BY_SKU, vec![sku]),
            Self::Products { after, limit } => (PRODUCTS, vec![after, limit]),
            Self::ProductsWithText {
                pattern,
                is_short,
                after,
                limit,
            } => match is_short {
                true => (PRODUCTS_WITH_SHORT_TEXT, vec![pattern, after, limit]),
                false => (PRODUCTS_WITH_TEXT, vec![pattern, after, limit]),
            },
            Self::ProductsByChange {
                from,
                minute,
                after,
                pattern,
                limit,
            } => (PRODUCTS_BY_CHANGE, vec![minute, after, from, pattern, limit]),
            Self::HasOrders(id) => (HAS_ORDERS, vec![id]),
            Self::Movements { of, before, limit } => (MOVEMENTS, vec![of, before, limit]),
            Self::Order(id) => (ORDER, vec![id]),
            Self::Orders { filter, before, limit } => orders(filter, before, limit),
            Self::OrdersByTime {
                filter,
                first,
                end,
                before,
                limit,
            } => {
                let OrderFilter {
                    status,
                    product_id,
                    refund_due,
                    reference,
                } = filter;
                let params: Params<'_> = vec![before, limit, end, first, status, product_id, refund_due, reference];
                (ORDERS_BY_TIME, params)
            }
            Self::OrdersExpiring { until, limit } => (ORDERS_EXPIRING, vec![until, limit]),
            Self::LastOrderId => (LAST_ORDER_ID, vec![]),
            Self::Event(provider, id) => (EVENT, vec![id, provider]),
            Self::Events { filter, before, limit } => match filter {
                EventFilter {
                    order_id: Some(id),
                    result: Some(result),
                } => (EVENTS_OF_BOTH, vec![before, limit, id, result]),
                EventFilter {
                    order_id: Some(id),
                    result: None,
                } => (EVENTS_OF_ORDER, vec![before, limit, id]),
                EventFilter {
                    order_id: None,
                    result: Some(result),
                } => (EVENTS_OF_RESULT, vec![before, limit, result]),
                EventFilter {
                    order_id: None,
                    result: None,
                } => (EVENTS, vec![before, limit]),
            },
            Self::Payments {
                filter,
                is_closed,
                before,
                limit,
            } => match (&filter.order_id, is_closed) {
                (Some(id), Some(is_closed)) => (PAYMENTS_OF_BOTH, vec![before, limit, id, is_closed]),
                (Some(id), None) => (PAYMENTS_OF_ORDER, vec![before, limit, id]),
                (None, Some(is_closed)) => (PAYMENTS_OF_STATE, vec![before, limit, is_closed]),
                (None, None) => (PAYMENTS, vec![before, limit]),
            },
            Self::PaymentOfOrder(order_id, id) => (PAYMENT_OF_ORDER, vec![order_id, id]),
            Self::PaymentOfProvider(provider, id) => (PAYMENT_OF_PROVIDER, vec![id, provider]),
            Self::IsPaymentKnown(order_id, id) => (IS_PAYMENT_KNOWN, vec![order_id, id]),
            Self::HasRecordedPayment(order_id) => (HAS_RECORDED_PAYMENT, vec![order_id]),
            Self::OpenPayments(order_id) => (OPEN_PAYMENTS, vec![order_id]),
            Self::RefundOfOrder(order_id, id) => (REFUND_OF_ORDER, vec![id, order_id]),
            Self::RefundOfProvider(provider, id) => (REFUND_OF_PROVIDER, vec![id, provider]),
            Self::RefundsOf(payment) => (REFUNDS_OF, vec![payment]),
            Self::KeptRefunds(provider, id) => (KEPT_REFUNDS, vec![id, provider]),
            Self::Dispute(provider, id) => (DISPUTE, vec![id, provider]),
            Self::KeptDisputes(provider, id) => (KEPT_DISPUTES, vec![id, provider]),
            Self::Hold(provider, id) => (HOLD, vec![id, provider]),
            Self::Holds(order_id) => (HOLDS, vec![order_id]),
            Self::Record(IdempotencyKey { caller, path, key }) => (RECORD, vec![caller, path, key]),
            Self::HasRecordsUntil(until) => (HAS_RECORDS_UNTIL, vec![until]),
            Self::RecordsUntil { until, limit } => (RECORDS_UNTIL, vec![until, limit]),
        }
    }
}

const PRODUCT: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE id = $1");
/// Several at once: `$1` has their ids.
pub(super) const PRODUCTS_BY_ID: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE id = ANY ($1)");
const PRODUCT_BY_SKU: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE sku = $1");
/// Several at once: `$1` has their SKUs.
pub(super) const PRODUCTS_BY_SKU: &str = concat!("SELECT ", product_columns!(), " FROM products WHERE sku = ANY ($1)");
const PRODUCTS: &str = concat!(
    "SELECT ",
    product_columns!(),
    " FROM products WHERE id > $1 ORDER BY id LIMIT $2"
);

/// The text of a product that is looked through, in small letters. In `0002_references_and_search.sql` it is the same.
macro_rules! product_text {
    () => {
        r#"lower((sku || E'\n' || name) COLLATE "default")"#
    };
}

const PRODUCTS_WITH_TEXT: &str = concat!(
    "SELECT ",
    product_columns!(),
    r#" FROM find_products(lower($1::text COLLATE "default"), $2, $3) AS found (id) JOIN products USING (id) ORDER BY id"#
);
const PRODUCTS_WITH_SHORT_TEXT: &str = concat!(
    "SELECT ",
    product_columns!(),
    " FROM products WHERE ",
    product_text!(),
    r#" LIKE lower($1::text COLLATE "default") AND id > $2 ORDER BY id LIMIT $3"#
);
const PRODUCTS_BY_CHANGE: &str = concat!(
    "SELECT ",
    product_columns!(),
    " FROM products WHERE (updated_minute, id) > ($1, $2) AND updated_at_ms >= $3 AND ($4::text IS NULL OR ",
    product_text!(),
    r#" LIKE lower($4 COLLATE "default")) ORDER BY updated_minute, id LIMIT $5"#
);

const HAS_ORDERS: &str = "SELECT EXISTS (SELECT 1 FROM orders WHERE product_id = $1)";

const MOVEMENTS: &str = concat!(
    "SELECT ",
    movement_columns!(),
    " FROM stock_movements WHERE product_id = $1 AND -id > -$2::bigint ORDER BY -id LIMIT $3"
);

const ORDER: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1");
/// Several at once: `$1` has their ids.
pub(super) const ORDERS_BY_ID: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE id = ANY ($1)");
const ORDERS_EXPIRING: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE expires_at_ms <= $1 ORDER BY expires_at_ms, id LIMIT $2"
);
const LAST_ORDER_ID: &str = "SELECT orders FROM counters WHERE orders > 0";

/// The newest `$2` orders before `$1` under conditions that one index has in full.
macro_rules! orders_where {
    ($condition:expr) => {
        concat!(
            "(SELECT ",
            order_columns!(),
            " FROM orders WHERE ",
            $condition,
            " AND -id > -$1::bigint ORDER BY -id LIMIT $2)"
        )
    };
}

/// The newest `$2` of several such lists, of which so many at the most are read of each.
macro_rules! newest_of {
    ($scope:literal, $first:literal $(, $more:literal)*) => {
        concat!(
            orders_where!(concat!($scope, $first)),
            $(" UNION ALL ", orders_where!(concat!($scope, $more)),)*
            " ORDER BY id DESC LIMIT $2"
        )
    };
}

/// All orders that owe no refund.
macro_rules! not_owing {
    ($scope:literal $(, $more:literal)*) => {
        newest_of!(
            $scope,
            "status = 'PENDING' AND refund_due = FALSE",
            "status = 'PAID' AND refund_due = FALSE",
            "status = 'SHIPPED' AND refund_due = FALSE",
            "status = 'CANCELED' AND refund_due = FALSE"
            $(, $more)*
        )
    };
}

const ORDERS: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE id < $1 ORDER BY id DESC LIMIT $2"
);
const ORDERS_BY_STATUS: &str = orders_where!("status = $3 AND refund_due = FALSE");
const ORDERS_OWING: &str = orders_where!("status = 'CANCELED' AND refund_due = TRUE");
const ORDERS_CANCELED: &str = newest_of!(
    "",
    "status = 'CANCELED' AND refund_due = FALSE",
    "status = 'CANCELED' AND refund_due = TRUE"
);
const ORDERS_NOT_OWING: &str = not_owing!("");
const ORDERS_OF_PRODUCT: &str = not_owing!("product_id = $3 AND ", "status = 'CANCELED' AND refund_due = TRUE");
const ORDERS_OF_PRODUCT_BY_STATUS: &str = orders_where!("product_id = $3 AND status = $4 AND refund_due = FALSE");
const ORDERS_OF_PRODUCT_OWING: &str = orders_where!("product_id = $3 AND status = 'CANCELED' AND refund_due = TRUE");
const ORDERS_OF_PRODUCT_CANCELED: &str = newest_of!(
    "product_id = $3 AND ",
    "status = 'CANCELED' AND refund_due = FALSE",
    "status = 'CANCELED' AND refund_due = TRUE"
);
const ORDERS_OF_PRODUCT_NOT_OWING: &str = not_owing!("product_id = $3 AND ");
/// Few orders share a reference, so they are looked through for what else is asked of them.
const ORDERS_BY_REFERENCE: &str = orders_where!(
    "reference = $3 AND ($4::text IS NULL OR status = $4) AND ($5::bigint IS NULL OR product_id = $5) \
     AND ($6::boolean IS NULL OR refund_due = $6)"
);
/// Those placed before `$3`, or then and with a smaller id than `$1`, and not before `$4`.
const ORDERS_BY_TIME: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE created_at_ms >= $4 AND (created_at_ms, id) < ($3, $1) \
     AND ($5::text IS NULL OR status = $5) AND ($6::bigint IS NULL OR product_id = $6) \
     AND ($7::boolean IS NULL OR refund_due = $7) AND ($8::text IS NULL OR reference = $8) \
     ORDER BY created_at_ms DESC, id DESC LIMIT $2"
);
/// Only a canceled order can owe a refund.
const NO_ORDERS: &str = concat!("SELECT ", order_columns!(), " FROM orders WHERE FALSE");

fn orders<'q>(filter: &'q OrderFilter, before: &'q i64, limit: &'q i64) -> (&'static str, Params<'q>) {
    let can_owe = filter.status.is_none_or(|status| status == Status::Canceled);
    let mut params: Params<'q> = vec![before, limit];
    if let Some(reference) = &filter.reference {
        params.extend::<Params<'q>>(vec![reference, &filter.status, &filter.product_id, &filter.refund_due]);
        return (ORDERS_BY_REFERENCE, params);
    }
    if let Some(id) = &filter.product_id {
        params.push(id);
    }
    let sql = match (filter.product_id, &filter.status, filter.refund_due) {
        (_, _, Some(true)) if !can_owe => return (NO_ORDERS, vec![]),
        (None, None, None) => ORDERS,
        (None, _, Some(true)) => ORDERS_OWING,
        (None, None, Some(false)) => ORDERS_NOT_OWING,
        (None, Some(Status::Canceled), None) => ORDERS_CANCELED,
        (Some(_), None, None) => ORDERS_OF_PRODUCT,
        (Some(_), _, Some(true)) => ORDERS_OF_PRODUCT_OWING,
        (Some(_), None, Some(false)) => ORDERS_OF_PRODUCT_NOT_OWING,
        (Some(_), Some(Status::Canceled), None) => ORDERS_OF_PRODUCT_CANCELED,
        (product_id, Some(status), _) => {
            params.push(status);
            match product_id {
                None => ORDERS_BY_STATUS,
                Some(_) => ORDERS_OF_PRODUCT_BY_STATUS,
            }
        }
    };
    (sql, params)
}

const EVENT: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM payment_events WHERE event_id = $1 AND provider = $2"
);
const EVENTS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM payment_events WHERE number < $1 ORDER BY number DESC LIMIT $2"
);

/// Events of this condition, newest first.
macro_rules! events_where {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM payment_events WHERE ",
            $condition,
            " AND -number > -$1::bigint ORDER BY -number LIMIT $2"
        )
    };
}

const EVENTS_OF_ORDER: &str = events_where!("order_id = $3");
const EVENTS_OF_RESULT: &str = events_where!("result = $3");
/// An order has fewer events than a result, so those of the order are looked through.
const EVENTS_OF_BOTH: &str = events_where!("order_id = $3 AND (result IS NOT DISTINCT FROM $4)");

/// Payments of this condition in this order, newest first, each with its event.
macro_rules! payments_where {
    ($condition:literal, $order:literal) => {
        concat!(
            "SELECT ",
            listed_payment_columns!(),
            " FROM payments AS p JOIN payment_events AS e ON e.number = p.number WHERE ",
            $condition,
            " ORDER BY ",
            $order,
            " LIMIT $2"
        )
    };
}

const PAYMENTS: &str = payments_where!("p.number < $1", "p.number DESC");
const PAYMENTS_OF_ORDER: &str = payments_where!("p.order_id = $3 AND -p.number > -$1::bigint", "-p.number");
const PAYMENTS_OF_STATE: &str = payments_where!("p.is_closed = $3 AND -p.number > -$1::bigint", "-p.number");
/// An order has fewer payments than a state, so those of the order are looked through.
const PAYMENTS_OF_BOTH: &str = payments_where!(
    "p.order_id = $3 AND (p.is_closed IS NOT DISTINCT FROM $4) AND -p.number > -$1::bigint",
    "-p.number"
);

/// Payments that this condition finds.
macro_rules! select_payment {
    ($condition:literal) => {
        concat!("SELECT ", payment_columns!(), " FROM payments WHERE ", $condition)
    };
}

/// One that is known twice, by an old version's mistake, is the older one.
const PAYMENT_OF_ORDER: &str =
    select_payment!("order_id = $1 AND payment_id = $2 AND provider = 'own' ORDER BY -number DESC LIMIT 1");
const PAYMENT_OF_PROVIDER: &str = select_payment!("payment_id = $1 AND provider = $2 AND provider <> 'own'");
/// An order has few payments, so its own are looked through, and never all that are open.
const OPEN_PAYMENTS: &str =
    select_payment!("order_id = $1 AND (is_closed IS NOT DISTINCT FROM FALSE) ORDER BY -number");

const IS_PAYMENT_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM payment_events WHERE order_id = $1 AND payment_id = $2 \
     AND fact = 'paid' AND provider = 'own')";
const HAS_RECORDED_PAYMENT: &str = "SELECT EXISTS (SELECT 1 FROM payment_events WHERE order_id = $1 AND fact = 'paid')";

/// Refunds that this condition finds.
macro_rules! select_refunds {
    ($condition:literal) => {
        concat!("SELECT ", refund_columns!(), " FROM refunds WHERE ", $condition)
    };
}

const REFUND_OF_ORDER: &str = select_refunds!("refund_id = $1 AND order_id = $2 AND provider = 'own'");
const REFUND_OF_PROVIDER: &str = select_refunds!("refund_id = $1 AND provider = $2 AND provider <> 'own'");
const REFUNDS_OF: &str = select_refunds!("payment = $1 ORDER BY number");
const KEPT_REFUNDS: &str = select_refunds!("payment_id = $1 AND payment IS NULL AND provider = $2 ORDER BY number");

/// Disputes that this condition finds.
macro_rules! select_disputes {
    ($condition:literal) => {
        concat!("SELECT ", dispute_columns!(), " FROM disputes WHERE ", $condition)
    };
}

const DISPUTE: &str = select_disputes!("dispute_id = $1 AND provider = $2");
const KEPT_DISPUTES: &str = select_disputes!("payment_id = $1 AND payment IS NULL AND provider = $2 ORDER BY number");

const HOLD: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM payment_holds WHERE payment_id = $1 AND provider = $2"
);
const HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM payment_holds WHERE order_id = $1 ORDER BY payment_id, provider"
);

const RECORD: &str = concat!(
    "SELECT ",
    idempotency_columns!(),
    " FROM idempotency_keys WHERE caller = $1 AND path = $2 AND key = $3"
);
/// Several at once: `$1` to `$3` have the parts of their keys. Each row ends with the place of its key among these, from 1.
pub(super) const RECORDS_BY_KEY: &str = concat!(
    "SELECT ",
    idempotency_columns!(),
    ", wanted.place FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS wanted (caller, path, key, place) \
     JOIN idempotency_keys USING (caller, path, key)"
);
/// The column of that place.
pub(super) const RECORD_PLACE: usize = 6;
const HAS_RECORDS_UNTIL: &str = "SELECT EXISTS (SELECT 1 FROM idempotency_keys WHERE created_at_ms <= $1)";
const RECORDS_UNTIL: &str =
    "SELECT caller, path, key FROM idempotency_keys WHERE created_at_ms <= $1 ORDER BY created_at_ms LIMIT $2";
