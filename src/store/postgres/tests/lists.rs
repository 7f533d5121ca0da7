//! Every question reads the rows that it returns and no others, whatever else is in the tables, by the server's own count.
//!
//! What a filter is for is the oldest or the newest few rows of many, so a walk through any other index reads far more.

use super::*;
use crate::domain::{
    DisputeId, EventNumber, EventResult, ListedPayment, MovementId, Order, Payment, Product, Provider, RecordedEvent,
    Refund, RefundId, SearchText, Status, StockMovement, Timestamp,
};
use crate::store::{EventFilter, IdempotencyKey, OrderFilter, PaymentFilter, TimeSpan};
use crate::testing::{event_id, order_id, payment_id, reference, sku};

/// How many rows a list is asked for.
const LIMIT: usize = 3;
/// A row in the middle, as where a page ends.
const MIDDLE: i64 = 2_000;

/// Each table has 4000 rows. The six oldest are of product, order or payment 1, the six newest are of 2, and these are of every
/// kind. The others are of one kind, or of one kind in each half.
const FILL: &str = "
    INSERT INTO products
    SELECT id, 'SKU-' || id, 'Mug', 100, 1, 1, 0, id * 60000 FROM generate_series(1, 4000) AS id;

    CREATE FUNCTION of(id BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS
        'SELECT CASE WHEN id <= 6 THEN 1 WHEN id > 4000 - 6 THEN 2 ELSE 3 + id % 50 END';
    CREATE FUNCTION kind(id BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS
        'SELECT CASE WHEN of(id) <= 2 THEN id % 6 WHEN id < 2000 THEN 0 ELSE 3 END';

    INSERT INTO orders (id, product_id, quantity, unit_price_cents, created_at_ms, updated_at_ms, status, expires_at_ms,
        paid_at_ms, shipped_at_ms, canceled_at_ms, refund_due, reference)
    SELECT id, of(id), 1, 100, id, 0, (ARRAY['PENDING', 'PAID', 'SHIPPED', 'CANCELED', 'CANCELED', 'CANCELED'])[kind + 1],
        CASE kind WHEN 0 THEN CASE WHEN of(id) <= 2 THEN 1 ELSE 9000000000000 END END,
        CASE WHEN kind IN (1, 2, 4) THEN 1 END, CASE kind WHEN 2 THEN 1 END, CASE WHEN kind >= 3 THEN 1 END, kind = 4,
        'R-' || least(of(id), 3)
    FROM generate_series(1, 4000) AS id, kind(id);

    INSERT INTO stock_movements
    SELECT id, of(id), 1, 1, 'adjustment', NULL, NULL, 0 FROM generate_series(1, 4000) AS id;

    INSERT INTO payment_events (number, provider, event_id, type, fact, order_id, payment_id, result, received_at_ms)
    SELECT number, 'own', 'evt-' || number, 'payment.succeeded', 'paid', of(number), 'pay-' || number,
        CASE WHEN of(number) > 2 THEN 'ignored' WHEN number % 2 = 0 THEN 'applied' ELSE 'order_gone' END, 0
    FROM generate_series(1, 4000) AS number;

    INSERT INTO payments
    SELECT number, CASE number % 2 WHEN 0 THEN 'own' ELSE 'stripe' END, of(number), 'pay-' || number, 'EUR', FALSE, 100,
        CASE WHEN is_closed THEN 100 ELSE 0 END, FALSE, is_closed
    FROM generate_series(1, 4000) AS number, LATERAL (SELECT of(number) > 2 OR number % 3 = 0 AS is_closed) AS state;

    INSERT INTO refunds (number, provider, order_id, refund_id, payment_id, has_failed, payment)
    SELECT number, CASE number % 2 WHEN 0 THEN 'own' ELSE 'stripe' END, of(number), 'ref-' || number, 'pay-' || of(number),
        FALSE, CASE number % 3 WHEN 0 THEN of(number) END
    FROM generate_series(1, 4000) AS number;

    INSERT INTO disputes
    SELECT number, 'stripe', 'dis-' || number, 1, 'pay-' || of(number), 'won', CASE number % 3 WHEN 0 THEN number END
    FROM generate_series(1, 4000) AS number;

    INSERT INTO payment_holds
    SELECT 'pay-' || number, 'stripe', of(number), 0, 1, NULL, NULL FROM generate_series(1, 4000) AS number;

    INSERT INTO idempotency_keys
    SELECT 'caller', '/orders', 'key-' || number, sha256(''), 201, '', NULL, NULL,
        CASE WHEN of(number) = 2 THEN 1 ELSE 9000000000000 END
    FROM generate_series(1, 4000) AS number;
";

type Work = Box<dyn Fn(&dyn View) -> Result<Vec<i64>, Error> + Send>;

/// Something that is asked for.
struct Case {
    name: String,
    /// The ids or numbers of the rows that it is to find.
    finds: Vec<i64>,
    /// How many rows it may read.
    reads_max: i64,
    work: Work,
}

/// How many rows and entries of indexes were read, and how many walks through a table there were.
type Counts = [i64; 3];

/// A store of one connection for reads, to count what that one does.
struct Counted(PostgresStore);

impl Counted {
    async fn of(url: &str) -> Self {
        let options = Options {
            readers: 1,
            ..Options::default()
        };
        let store = PostgresStore::open(&testing::target(&url.parse().unwrap()), options).await;
        Self(store.unwrap())
    }

    async fn counts(&self) -> Counts {
        let connection = self.0.shared.readers.reads.get().await.unwrap();
        connection
            .batch_execute("SELECT pg_stat_force_next_flush()")
            .await
            .unwrap();
        let sql = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint, \
             (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes), sum(seq_scan)::bigint \
             FROM pg_stat_user_tables WHERE relname <> 'counters'";
        let row = connection.query_one(sql, &[]).await.unwrap();
        [row.get(0), row.get(1), row.get(2)]
    }

    /// What it finds, and how much it reads for that.
    async fn count(&self, work: Work) -> (Vec<i64>, Counts) {
        let before = self.counts().await;
        let found = self.0.read(work).await.unwrap();
        let after = self.counts().await;
        (
            found,
            [after[0] - before[0], after[1] - before[1], after[2] - before[2]],
        )
    }

    /// Those that find other rows or read too many.
    async fn failures(&self, cases: Vec<Case>) -> Vec<String> {
        let mut failures = Vec::new();
        for case in cases {
            let (found, counts) = self.count(case.work).await;
            let [rows, entries, walks] = counts;
            if found != case.finds || rows.max(entries) > case.reads_max || walks > 0 {
                let Case {
                    name, finds, reads_max, ..
                } = case;
                failures.push(format!(
                    "{name}: {found:?} and {counts:?}, not {finds:?} and {reads_max}"
                ));
            }
        }
        failures
    }
}

/// All rows, of which the cases find some.
struct Rows {
    orders: Vec<Order>,
    events: Vec<RecordedEvent>,
    payments: Vec<ListedPayment>,
}

impl Rows {
    async fn of(store: &PostgresStore) -> Self {
        let rows = store.read(|view| {
            Ok(Self {
                orders: view.orders(&OrderFilter::default(), None, 10_000)?,
                events: view.events(EventFilter::default(), None, 10_000)?,
                payments: view.payments(PaymentFilter::default(), None, 10_000)?,
            })
        });
        rows.await.unwrap()
    }

    /// Every filter of orders, events and payments, from the newest row and from the middle.
    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for before in [None, Some(MIDDLE)] {
            for id in [None, Some(1), Some(2)] {
                for status in [
                    None,
                    Some(Status::Pending),
                    Some(Status::Paid),
                    Some(Status::Shipped),
                    Some(Status::Canceled),
                ] {
                    for refund_due in [None, Some(true), Some(false)] {
                        let product_id = id.map(product_id);
                        cases.push(self.orders(
                            OrderFilter {
                                status,
                                product_id,
                                refund_due,
                                reference: None,
                            },
                            before,
                        ));
                    }
                    for name in ["R-1", "R-2"] {
                        let named = OrderFilter {
                            status,
                            product_id: id.map(product_id),
                            refund_due: None,
                            reference: Some(reference(name)),
                        };
                        cases.push(self.orders(named, before));
                    }
                }
                let order_id = id.map(order_id);
                for result in [None, Some(EventResult::Applied), Some(EventResult::OrderGone)] {
                    cases.push(self.events(EventFilter { result, order_id }, before));
                }
                for is_open in [None, Some(true), Some(false)] {
                    cases.push(self.payments(PaymentFilter { order_id, is_open }, before));
                }
            }
        }
        // The times of orders are their ids.
        for (from, until, before) in [
            (None, None, None),
            (None, Some(7), None),
            (Some(3_998), None, None),
            (Some(1_000), Some(1_003), None),
            (Some(1_000), None, Some(MIDDLE)),
            (None, Some(3_000), Some(MIDDLE)),
        ] {
            cases.push(self.orders_by_time(from, until, before));
        }
        cases
    }

    fn orders_by_time(&self, from: Option<i64>, until: Option<i64>, before: Option<i64>) -> Case {
        let time = Timestamp::from_millis;
        let span = TimeSpan {
            from: from.map(time),
            until: until.map(time),
        };
        let is_within = |id: i64| {
            from.is_none_or(|from| id >= from)
                && until.is_none_or(|until| id < until)
                && before.is_none_or(|before| id < before)
        };
        let ids = self.orders.iter().map(|order| order.id().get());
        Case {
            name: format!("{span:?}, {before:?}"),
            finds: ids.filter(|id| is_within(*id)).take(LIMIT).collect(),
            reads_max: LIMIT as i64,
            work: Box::new(move |view| {
                let before = before.map(|id| (time(id), order_id(id)));
                let orders = view.orders_by_time(&OrderFilter::default(), span, before, LIMIT)?;
                Ok(orders.iter().map(|order| order.id().get()).collect())
            }),
        }
    }

    fn orders(&self, filter: OrderFilter, before: Option<i64>) -> Case {
        let matches = self.orders.iter().filter(|order| {
            before.is_none_or(|before| order.id().get() < before)
                && filter.status.is_none_or(|status| order.status() == status)
                && filter.product_id.is_none_or(|id| order.product_id() == id)
                && filter.refund_due.is_none_or(|is_due| order.refund_due() == is_due)
                && (filter.reference.is_none() || order.reference() == filter.reference.as_ref())
        });
        // Those of each status, and those that owe, are lists that are merged.
        let lists = match (filter.product_id, filter.status, filter.refund_due) {
            (None, None, None) | (_, _, Some(true)) => 1,
            // All six of a reference are looked through, which are two lists long.
            _ if filter.reference.is_some() => 2,
            (_, None, _) => 5,
            (_, Some(Status::Canceled), None) => 2,
            (_, Some(_), _) => 1,
        };
        Case {
            name: format!("{filter:?}, {before:?}"),
            finds: matches.take(LIMIT).map(|order| order.id().get()).collect(),
            reads_max: lists * LIMIT as i64,
            work: Box::new(move |view| {
                let orders = view.orders(&filter, before.map(order_id), LIMIT)?;
                Ok(orders.iter().map(|order: &Order| order.id().get()).collect())
            }),
        }
    }

    fn events(&self, filter: EventFilter, before: Option<i64>) -> Case {
        let matches = self.events.iter().filter(|event| {
            before.is_none_or(|before| event.number.get() < before)
                && filter.result.is_none_or(|result| event.result == result)
                && filter.order_id.is_none_or(|id| event.order_id == Some(id))
        });
        Case {
            name: format!("{filter:?}, {before:?}"),
            finds: matches.take(LIMIT).map(|event| event.number.get()).collect(),
            reads_max: if filter.is_scan() { 6 } else { LIMIT as i64 },
            work: Box::new(move |view| {
                let events = view.events(filter, before.map(number), LIMIT)?;
                Ok(events.iter().map(|event| event.number.get()).collect())
            }),
        }
    }

    fn payments(&self, filter: PaymentFilter, before: Option<i64>) -> Case {
        let matches = self.payments.iter().filter(|listed| {
            before.is_none_or(|before| listed.payment.number.get() < before)
                && filter
                    .is_open
                    .is_none_or(|is_open| listed.payment.balance.is_closed != is_open)
                && filter.order_id.is_none_or(|id| listed.payment.order_id == Some(id))
        });
        Case {
            name: format!("{filter:?}, {before:?}"),
            finds: matches.take(LIMIT).map(|listed| listed.payment.number.get()).collect(),
            // Each with its event, and its dispute.
            reads_max: 3 * if filter.is_scan() { 6 } else { LIMIT as i64 },
            work: Box::new(move |view| {
                let payments = view.payments(filter, before.map(number), LIMIT)?;
                Ok(payments.iter().map(|listed| listed.payment.number.get()).collect())
            }),
        }
    }
}

/// The other questions: what each finds, and how many rows it may read.
fn others() -> Vec<Case> {
    type Ask = fn(&dyn View) -> Result<Vec<i64>, Error>;
    let cases: [(&str, &[i64], i64, Ask); 29] = [
        ("products", &[1, 2, 3], 3, |view| {
            Ok(products(&view.products(None, LIMIT)?))
        }),
        ("products from the middle", &[2001, 2002, 2003], 3, |view| {
            Ok(products(&view.products(Some(product_id(MIDDLE)), LIMIT)?))
        }),
        ("products with a text", &[3777], 8, |view| {
            let text = SearchText::new("ku-3777").unwrap();
            Ok(products(&view.products_with_text(&text, None, LIMIT)?))
        }),
        ("products that changed", &[2000, 2001, 2002], 3, |view| {
            let from = Timestamp::from_millis(2_000 * 60_000);
            Ok(products(&view.products_by_change(from, None, None, LIMIT)?))
        }),
        (
            "products that changed, from the middle",
            &[2001, 2002, 2003],
            3,
            |view| {
                let (from, minute) = (Timestamp::from_millis(60_000), Timestamp::from_millis(2_000 * 60_000));
                Ok(products(&view.products_by_change(
                    from,
                    None,
                    Some((minute, product_id(2_000))),
                    LIMIT,
                )?))
            },
        ),
        ("a product", &[77], 1, |view| {
            Ok(products(&view.product(product_id(77))?.into_iter().collect::<Vec<_>>()))
        }),
        ("a SKU", &[77], 1, |view| {
            Ok(products(
                &view.product_by_sku(&sku("SKU-77"))?.into_iter().collect::<Vec<_>>(),
            ))
        }),
        ("a product's having orders", &[1], 1, |view| {
            Ok(yes(view.product_has_orders(product_id(9))?))
        }),
        ("a product's having none", &[], 0, |view| {
            Ok(yes(view.product_has_orders(product_id(99))?))
        }),
        ("old movements", &[6, 5, 4], 3, |view| {
            Ok(movements(&view.movements(product_id(1), None, LIMIT)?))
        }),
        ("new movements", &[4000, 3999, 3998], 3, |view| {
            Ok(movements(&view.movements(product_id(2), None, LIMIT)?))
        }),
        ("movements from the middle", &[], 0, |view| {
            Ok(movements(&view.movements(
                product_id(2),
                Some(MovementId::new(MIDDLE).unwrap()),
                LIMIT,
            )?))
        }),
        ("an order", &[77], 1, |view| {
            Ok(view.order(order_id(77))?.iter().map(|order| order.id().get()).collect())
        }),
        ("expiring orders", &[6, 3996], 2, |view| {
            Ok(view
                .orders_expiring(NOW, LIMIT)?
                .iter()
                .map(|order| order.id().get())
                .collect())
        }),
        ("an event", &[77], 1, |view| {
            Ok(view
                .event(Provider::Own, &event_id("evt-77"))?
                .iter()
                .map(|event| event.number.get())
                .collect())
        }),
        ("a payment of an order", &[2], 6, |view| {
            Ok(payments(view.payment_of_order(order_id(1), &payment_id("pay-2"))?))
        }),
        ("a payment of a provider", &[77], 1, |view| {
            Ok(payments(
                view.payment_of_provider(Provider::Stripe, &payment_id("pay-77"))?,
            ))
        }),
        ("whether a payment is known", &[1], 6, |view| {
            Ok(yes(view.is_payment_known(order_id(1), &payment_id("pay-1"))?))
        }),
        ("whether a payment was recorded", &[1], 1, |view| {
            Ok(yes(view.has_recorded_payment(order_id(9))?))
        }),
        ("open payments", &[5, 4, 2, 1], 6, |view| {
            Ok(payments(view.open_payments(order_id(1))?))
        }),
        ("a refund of an order", &[2], 1, |view| {
            Ok(refunds(view.refund(
                Provider::Own,
                Some(order_id(1)),
                &refund_id("ref-2"),
            )?))
        }),
        ("a refund of a provider", &[77], 1, |view| {
            Ok(refunds(view.refund(Provider::Stripe, None, &refund_id("ref-77"))?))
        }),
        ("refunds of a payment", &[3, 6], 2, |view| {
            Ok(refunds(view.refunds_of(number(1))?))
        }),
        ("kept refunds", &[2, 4], 4, |view| {
            Ok(refunds(view.kept_refunds(Provider::Own, &payment_id("pay-1"))?))
        }),
        ("a dispute", &[77], 1, |view| {
            let id = DisputeId::new("dis-77").unwrap();
            Ok(view
                .dispute(Provider::Stripe, &id)?
                .iter()
                .map(|dispute| dispute.number.get())
                .collect())
        }),
        ("kept disputes", &[1, 2, 4, 5], 4, |view| {
            let kept = view.kept_disputes(Provider::Stripe, &payment_id("pay-1"))?;
            Ok(kept.iter().map(|dispute| dispute.number.get()).collect())
        }),
        ("holds of an order", &[1; 6], 6, |view| {
            Ok(view
                .holds(order_id(1))?
                .iter()
                .map(|hold| hold.order_id.get())
                .collect())
        }),
        ("a kept answer", &[201], 1, |view| {
            let key = IdempotencyKey {
                caller: "caller".to_owned(),
                path: "/orders".to_owned(),
                key: "key-77".to_owned(),
            };
            Ok(view
                .idempotency_record(&key)?
                .iter()
                .map(|record| record.response.status.into())
                .collect())
        }),
        ("old kept answers", &[1], 1, |view| {
            Ok(yes(view.has_idempotency_records_until(NOW)?))
        }),
    ];
    let case = |(name, finds, reads_max, ask): (&str, &[i64], _, Ask)| Case {
        name: name.to_owned(),
        finds: finds.to_vec(),
        reads_max,
        work: Box::new(ask),
    };
    cases.map(case).into()
}

fn products(found: &[Product]) -> Vec<i64> {
    found.iter().map(|product| product.id.get()).collect()
}

fn movements(found: &[StockMovement]) -> Vec<i64> {
    found.iter().map(|movement| movement.id.get()).collect()
}

fn payments(found: impl IntoIterator<Item = Payment>) -> Vec<i64> {
    found.into_iter().map(|payment| payment.number.get()).collect()
}

fn refunds(found: impl IntoIterator<Item = Refund>) -> Vec<i64> {
    found.into_iter().map(|refund| refund.number.get()).collect()
}

fn yes(is_so: bool) -> Vec<i64> {
    is_so.then_some(1).into_iter().collect()
}

fn refund_id(text: &str) -> RefundId {
    RefundId::new(text).unwrap()
}

fn number(number: i64) -> EventNumber {
    EventNumber::new(number).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn every_question_reads_the_rows_that_it_returns() {
    let (store, url) = store().await;
    postgres::run(&url, FILL).await;
    let rows = Rows::of(&store).await;
    let counted = Counted::of(&url).await;
    let cases = || rows.cases().into_iter().chain(others()).collect::<Vec<_>>();
    for statistics in ["", "ANALYZE"] {
        postgres::run(&url, statistics).await;
        let failures = counted.failures(cases()).await;
        assert!(failures.is_empty(), "{statistics}: {failures:#?}");
    }
    // So it shows where an index is missing.
    postgres::run(&url, "DROP INDEX payment_events_by_result").await;
    let filter = EventFilter {
        result: Some(EventResult::Applied),
        order_id: None,
    };
    let failures = counted.failures(vec![rows.events(filter, Some(MIDDLE))]).await;
    assert_eq!(failures.len(), 1);
}
