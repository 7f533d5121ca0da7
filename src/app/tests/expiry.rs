//! Orders that nobody pays in time.

use std::time::Duration;

use super::of_payments::{CANCELED, OWING, PENDING};
use super::*;
use crate::app::orders::Expired;
use crate::app::payments::Delivery;
use crate::domain::EventResult;

impl Shop {
    async fn place_for(&self, units: i64, ttl: Duration) -> OrderId {
        let mug = self.mug;
        let place = move |tx: &mut dyn Tx| orders::place(tx, mug, quantity(units), None, Some(ttl), NOW);
        self.store.write(place).await.unwrap().id()
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> (bool, Expired) {
        let is_any = self.store.read(move |view| orders::is_any_due(view, now)).await;
        let expired = self.store.write(move |tx| orders::expire_due(tx, now, limit)).await;
        self.check().await;
        (is_any.unwrap(), expired.unwrap())
    }
}

const SECOND: Duration = Duration::from_secs(1);

const fn expired(count: usize, has_more: bool) -> Expired {
    Expired {
        count,
        refund_due: Vec::new(),
        has_more,
    }
}

#[tokio::test]
async fn an_unpaid_order_expires_in_its_time() {
    let shop = Shop::with_mugs(9).await;
    let id = shop.place_for(2, SECOND).await;
    let due = NOW.after(SECOND);
    assert_eq!(shop.order(id).await.unwrap().state().expires_at(), Some(due));
    let early = due.before(Duration::from_millis(1));
    assert_eq!(shop.expire(early, 9).await, (false, expired(0, false)));
    assert_eq!(shop.expire(due, 9).await, (true, expired(1, false)));
    let order = shop.order(id).await.unwrap();
    assert_eq!(
        (order.status(), order.state().canceled_at()),
        (Status::Canceled, Some(due))
    );
    assert_eq!((order.refund_due(), order.version().get()), (false, 2));
    assert_eq!(shop.ledger().await.last(), Some(&(2, 9, Reason::OrderExpired(id))));
    assert_eq!(shop.expire(LATER, 9).await, (false, expired(0, false)));
    // What is paid after that is owed back.
    assert_eq!(shop.paid("e1", 1, Some("p1"), None).await, ("refund_due", OWING));
}

#[tokio::test]
async fn only_pending_orders_with_a_time_expire() {
    let shop = Shop::with_mugs(9).await;
    let never = [
        shop.place(1).await.unwrap().id(),
        shop.place_for(1, Duration::ZERO).await,
        shop.place_for(1, SECOND).await,
        shop.place_for(1, SECOND).await,
    ];
    shop.pay(never[2]).await;
    shop.ask(never[3], Some(Status::Canceled), None).await.unwrap();
    let gone = shop.place_for(1, SECOND).await;
    shop.remove(gone).await.unwrap();
    let before = shop.ledger().await;
    assert_eq!(shop.expire(LATER, 9).await, (false, expired(0, false)));
    assert_eq!(shop.ledger().await, before);
}

#[tokio::test]
async fn the_longest_overdue_expire_first_in_bounded_batches() {
    let shop = Shop::with_mugs(9).await;
    let mut orders = Vec::new();
    for seconds in [3, 1, 2] {
        orders.push(shop.place_for(1, SECOND * seconds).await);
    }
    let status = async |id| shop.order(id).await.unwrap().status();
    assert_eq!(shop.expire(LATER, 0).await, (true, expired(0, true)));
    assert_eq!(shop.expire(LATER, 2).await, (true, expired(2, true)));
    assert_eq!(status(orders[0]).await, Status::Pending);
    assert_eq!(shop.expire(LATER, 2).await, (true, expired(1, false)));
    assert_eq!(status(orders[0]).await, Status::Canceled);
    assert_eq!(shop.stock().await, 9);
}

#[tokio::test]
async fn an_expired_order_owes_what_was_paid_wrong() {
    let shop = Shop::with_mugs(9).await;
    let id = shop.place_for(2, SECOND).await;
    assert_eq!(
        shop.paid("e1", 1, Some("p1"), Some(7)).await,
        ("amount_mismatch", PENDING)
    );
    shop.expire(LATER, 9).await;
    assert!(shop.order(id).await.unwrap().refund_due());
    assert_eq!(shop.refunded("e2", 1, Some("p1"), Some(7)).await, ("applied", CANCELED));
}

/// Paid and expired in the same moment: whichever is first, and never both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_or_expires() {
    let shop = Shop::with_mugs(100).await;
    for n in 1..=20 {
        let id = shop.place_for(1, SECOND).await;
        let event = payment_event(&format!("e{n}"), money(id, None, None));
        let pay = shop.store.write(move |tx| payments::receive(tx, &event, LATER));
        let expire = shop.store.write(move |tx| orders::expire_due(tx, LATER, 9));
        let (receipt, expired) = if n % 2 == 0 {
            tokio::join!(pay, expire)
        } else {
            let (expired, receipt) = tokio::join!(expire, pay);
            (receipt, expired)
        };
        let order = shop.order(id).await.unwrap();
        match receipt.unwrap().result {
            Delivery::Recorded(EventResult::Applied) => {
                assert_eq!((expired.unwrap().count, order.status()), (0, Status::Paid));
            }
            late @ (Delivery::Recorded(_) | Delivery::Duplicate) => {
                assert_eq!(late, Delivery::Recorded(EventResult::RefundDue));
                assert_eq!((expired.unwrap().count, order.refund_due()), (1, true));
            }
        }
    }
    shop.check().await;
}
