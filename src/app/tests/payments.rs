//! Events as they arrive, each row of the table on a real file.

use super::*;
use crate::app::payments::Delivery;
use crate::domain::{EventNumber, EventResult, Fact, RecordedEvent};
use crate::store::EventFilter;
use crate::testing::{NOTHING, event_id, failed, refund};

/// What came of an event: its result, and where its order stands, whether owing or not.
pub(super) type Came = (&'static str, Option<(Status, bool)>);

impl Shop {
    pub(super) async fn paid(&self, event: &str, order: i64, payment: Option<&str>, cents: Option<i64>) -> Came {
        let data = money(order_id(order), payment, cents);
        self.came(event, data).await
    }

    pub(super) async fn refunded(&self, event: &str, order: i64, payment: Option<&str>, cents: Option<i64>) -> Came {
        let data = refund(money(order_id(order), payment, cents), None);
        self.came(event, data).await
    }

    /// A refund that has an id of its own.
    async fn refunded_as(&self, id: &str, event: &str, order: i64, payment: Option<&str>, cents: i64) -> Came {
        let data = refund(money(order_id(order), payment, Some(cents)), Some(id));
        self.came(event, data).await
    }

    /// The amount of an order's only open payment, and what was refunded of it.
    async fn open_payment(&self, order: i64) -> (i64, i64) {
        let open = self.store.read(move |view| view.open_payments(order_id(order))).await;
        let [payment] = <[_; 1]>::try_from(open.unwrap()).unwrap();
        (payment.balance.amount.unwrap(), payment.balance.refunded)
    }

    /// Tells of an event, and checks the receipt and all invariants.
    async fn came(&self, event: &str, content: impl Into<Content>) -> Came {
        let content = content.into();
        let named = match &content {
            Content::Fact(Fact { order_id, .. }) => *order_id,
            Content::Nothing(_) => None,
        };
        let receipt = self.tell(event, content).await.unwrap();
        assert_eq!(receipt.event_id, event_id(event));
        assert_eq!(receipt.order_id, named);
        let order = match receipt.order_id {
            None => None,
            Some(id) => self.order(id).await.ok(),
        };
        assert_eq!(receipt.order_status, order.as_ref().map(Order::status));
        self.check().await;
        (
            receipt.result.name(),
            order.map(|order| (order.status(), order.refund_due())),
        )
    }

    async fn events(&self, filter: EventFilter, before: Option<EventNumber>, limit: usize) -> Vec<RecordedEvent> {
        let list = self
            .store
            .read(move |view| payments::list_events(view, filter, before, limit));
        list.await.unwrap().page.items
    }

    /// Places an order of two mugs, 25.00 in all, and cancels it.
    async fn canceled(&self) -> OrderId {
        let id = self.place(2).await.unwrap().id();
        self.ask(id, Some(Status::Canceled), None).await.unwrap();
        id
    }
}

pub(super) const PENDING: Option<(Status, bool)> = Some((Status::Pending, false));
const PAID: Option<(Status, bool)> = Some((Status::Paid, false));
const SHIPPED: Option<(Status, bool)> = Some((Status::Shipped, false));
pub(super) const CANCELED: Option<(Status, bool)> = Some((Status::Canceled, false));
pub(super) const OWING: Option<(Status, bool)> = Some((Status::Canceled, true));

#[tokio::test]
async fn an_event_that_was_seen_before_is_a_duplicate_whatever_else_it_says() {
    let shop = Shop::with_mugs(9).await;
    shop.place(2).await.unwrap();
    shop.place(2).await.unwrap();
    assert_eq!(shop.paid("e1", 1, Some("p1"), Some(2_500)).await, ("applied", PAID));
    shop.ask(order_id(1), Some(Status::Shipped), None).await.unwrap();
    for content in [
        money(order_id(1), Some("p1"), Some(2_500)).into(),
        money(order_id(2), Some("p2"), None).into(),
        refund(money(order_id(1), Some("p1"), None), None).into(),
        // Even one that could not be recorded.
        money(order_id(99), None, None).into(),
        NOTHING,
    ] {
        let receipt = shop.tell("e1", content).await.unwrap();
        // The order is the recorded event's, where it stands now.
        assert_eq!(
            (receipt.result, receipt.order_id),
            (Delivery::Duplicate, Some(order_id(1)))
        );
        assert_eq!(receipt.order_status, Some(Status::Shipped));
    }
    assert_eq!(shop.order(order_id(2)).await.unwrap().status(), Status::Pending);
    assert_eq!(shop.events(EventFilter::default(), None, 9).await.len(), 1);
    shop.check().await;
}

#[tokio::test]
async fn an_order_that_was_never_made_burns_no_event() {
    let shop = Shop::with_mugs(9).await;
    for kind in [
        money(order_id(1), Some("p1"), None),
        refund(money(order_id(1), Some("p1"), None), None),
    ] {
        assert_eq!(text(shop.tell("e1", kind).await), "There is no order 1.");
    }
    assert_eq!(shop.events(EventFilter::default(), None, 9).await, []);
    // The retry comes when the order is there.
    shop.place(2).await.unwrap();
    assert_eq!(shop.paid("e1", 1, Some("p1"), None).await, ("applied", PAID));
    let beyond = shop.tell("e2", money(order_id(2), None, None));
    assert_eq!(text(beyond.await), "There is no order 2.");
}

#[tokio::test]
async fn a_payment_that_was_recorded_for_the_order_is_ignored() {
    let shop = Shop::with_mugs(9).await;
    shop.place(2).await.unwrap();
    shop.place(2).await.unwrap();
    // As paid.
    assert_eq!(shop.paid("e1", 1, Some("p1"), None).await, ("applied", PAID));
    assert_eq!(shop.paid("e2", 1, Some("p1"), None).await, ("ignored", PAID));
    // Also when it is long closed.
    assert_eq!(shop.refunded("e3", 1, Some("p1"), None).await, ("applied", CANCELED));
    assert_eq!(shop.paid("e4", 1, Some("p1"), None).await, ("ignored", CANCELED));
    // As refunded whole, which came first.
    assert_eq!(shop.refunded("e5", 2, Some("p2"), None).await, ("ignored", PENDING));
    assert_eq!(shop.paid("e6", 2, Some("p2"), None).await, ("ignored", PENDING));
    assert_eq!(shop.paid("e6b", 2, Some("p2"), None).await, ("ignored", PENDING));
    // For this order: another's payment of the same name is another.
    assert_eq!(shop.paid("e7", 2, Some("p1"), None).await, ("applied", PAID));
}

#[tokio::test]
async fn a_failed_payment_says_nothing_of_the_one_after_it() {
    let shop = Shop::with_mugs(9).await;
    shop.place(2).await.unwrap();
    let failed = |order: Option<i64>| failed(order.map(order_id), Some("p1"));
    assert_eq!(shop.came("e1", failed(Some(1))).await, ("ignored", PENDING));
    assert_eq!(shop.came("e2", failed(None)).await, ("ignored", None));
    assert_eq!(shop.came("e3", failed(Some(99))).await, ("ignored", None));
    assert_eq!(shop.paid("e4", 1, Some("p1"), None).await, ("applied", PAID));
}

#[tokio::test]
async fn any_other_type_is_recorded_and_ignored() {
    let shop = Shop::with_mugs(9).await;
    assert_eq!(shop.came("e1", NOTHING).await, ("ignored", None));
    let [event] = <[_; 1]>::try_from(shop.events(EventFilter::default(), None, 9).await).unwrap();
    assert_eq!((event.event_type.as_str(), event.order_id), ("customer.created", None));
    assert_eq!((event.received_at, event.created_seconds), (LATER, Some(1_772_359_200)));
}

#[tokio::test]
async fn the_total_pays_a_pending_order_and_nothing_else_does() {
    let shop = Shop::with_mugs(9).await;
    for _ in 0..3 {
        shop.place(2).await.unwrap();
    }
    assert_eq!(
        shop.paid("e1", 1, None, Some(2_499)).await,
        ("amount_mismatch", PENDING)
    );
    assert_eq!(
        shop.paid("e2", 1, None, Some(2_501)).await,
        ("amount_mismatch", PENDING)
    );
    // It can be paid all the same.
    assert_eq!(shop.paid("e3", 1, None, Some(2_500)).await, ("applied", PAID));
    assert_eq!(shop.paid("e4", 2, Some("p"), None).await, ("applied", PAID));
    let paid = shop.order(order_id(2)).await.unwrap();
    assert_eq!((paid.state().paid_at(), paid.updated_at()), (Some(LATER), LATER));
    // What was paid wrong is owed once the order is canceled.
    assert_eq!(shop.paid("e5", 3, None, Some(1)).await, ("amount_mismatch", PENDING));
    let canceled = shop.ask(order_id(3), Some(Status::Canceled), None).await.unwrap();
    assert!(canceled.refund_due());
    shop.check().await;
}

#[tokio::test]
async fn a_second_payment_and_its_refund_harm_no_good_order() {
    let shop = Shop::with_mugs(9).await;
    shop.place(2).await.unwrap();
    shop.paid("e1", 1, Some("p1"), None).await;
    assert_eq!(shop.paid("e2", 1, Some("p2"), None).await, ("duplicate_payment", PAID));
    shop.ask(order_id(1), Some(Status::Shipped), None).await.unwrap();
    assert_eq!(
        shop.paid("e3", 1, Some("p3"), Some(7)).await,
        ("duplicate_payment", SHIPPED)
    );
    assert_eq!(shop.refunded("e4", 1, Some("p2"), None).await, ("applied", SHIPPED));
    // Where no payment is named, the newest goes back first.
    assert_eq!(shop.refunded("e5", 1, None, None).await, ("applied", SHIPPED));
    assert_eq!(
        shop.refunded("e6", 1, None, Some(2_000)).await,
        ("partial_refund", SHIPPED)
    );
    assert_eq!(
        shop.refunded("e7", 1, Some("p1"), Some(500)).await,
        ("applied", SHIPPED)
    );
    assert_eq!(shop.refunded("e8", 1, None, None).await, ("ignored", SHIPPED));
    assert_eq!(shop.stock().await, 7);
}

#[tokio::test]
async fn a_refund_is_of_the_payment_it_names_or_else_of_the_newest_that_fits() {
    let shop = Shop::with_mugs(9).await;
    shop.canceled().await;
    for (event, payment, cents) in [("e1", Some("p"), 10), ("e2", None, 20), ("e3", Some("q"), 30)] {
        shop.paid(event, 1, payment, Some(cents)).await;
    }
    let left = async || {
        let open = shop.store.read(|view| view.open_payments(order_id(1))).await.unwrap();
        open.iter()
            .map(|payment| payment.balance.amount.unwrap() - payment.balance.refunded)
            .collect::<Vec<_>>()
    };
    shop.refunded("r1", 1, Some("p"), Some(1)).await;
    assert_eq!(left().await, [30, 20, 9]);
    shop.refunded("r2", 1, None, Some(1)).await;
    assert_eq!(left().await, [29, 20, 9]);
    // A name that no payment has can only be that of one without a name.
    shop.refunded("r3", 1, Some("r"), Some(1)).await;
    assert_eq!(left().await, [29, 19, 9]);
    // One that is closed is the one all the same.
    assert_eq!(shop.refunded("r4", 1, Some("q"), None).await, ("applied", OWING));
    assert_eq!(shop.refunded("r5", 1, Some("q"), None).await, ("ignored", OWING));
    assert_eq!(left().await, [19, 9]);
}

#[tokio::test]
async fn the_refund_of_a_paid_order_cancels_it_and_gives_its_units_back() {
    let shop = Shop::with_mugs(9).await;
    for (id, payment) in [(1, Some("p1")), (2, None)] {
        shop.place(2).await.unwrap();
        shop.paid(&format!("paid-{id}"), id, payment, None).await;
        assert_eq!(
            shop.refunded(&format!("part-{id}"), id, payment, Some(1)).await,
            ("partial_refund", PAID)
        );
        assert_eq!(shop.stock().await, 7);
        // A name that the payment had not given is its own.
        let named = Some("p1");
        assert_eq!(
            shop.refunded(&format!("rest-{id}"), id, named, Some(2_499)).await,
            ("applied", CANCELED)
        );
        assert_eq!(
            shop.ledger().await.last(),
            Some(&(2, 9, Reason::OrderCanceled(order_id(id))))
        );
        let order = shop.order(order_id(id)).await.unwrap();
        assert_eq!(
            (order.state().paid_at(), order.state().canceled_at()),
            (Some(LATER), Some(LATER))
        );
    }
}

#[tokio::test]
async fn a_paid_order_that_is_canceled_owes_its_payment() {
    let shop = Shop::with_mugs(9).await;
    shop.place(2).await.unwrap();
    shop.paid("e1", 1, Some("p1"), None).await;
    shop.paid("e2", 1, Some("p2"), None).await;
    assert!(
        shop.ask(order_id(1), Some(Status::Canceled), None)
            .await
            .unwrap()
            .refund_due()
    );
    assert_eq!(
        shop.refunded("e3", 1, Some("p1"), Some(2_500)).await,
        ("applied", OWING)
    );
    assert_eq!(
        shop.refunded("e4", 1, Some("p2"), Some(2_499)).await,
        ("partial_refund", OWING)
    );
    assert_eq!(shop.refunded("e5", 1, Some("p2"), Some(1)).await, ("applied", CANCELED));
    assert_eq!(shop.refunded("e6", 1, Some("p2"), None).await, ("ignored", CANCELED));
    assert_eq!(shop.stock().await, 9);
}

#[tokio::test]
async fn late_money_is_owed_until_it_is_back() {
    let shop = Shop::with_mugs(9).await;
    shop.canceled().await;
    assert_eq!(shop.paid("e1", 1, Some("p1"), None).await, ("refund_due", OWING));
    let owing = OrderFilter {
        refund_due: Some(true),
        ..OrderFilter::default()
    };
    let list = async || {
        let owing = owing.clone();
        let list = shop.store.read(move |view| orders::list(view, &owing, None, 9));
        list.await.unwrap().items.len()
    };
    assert_eq!(list().await, 1);
    assert_eq!(shop.refunded("e2", 1, Some("p1"), None).await, ("applied", CANCELED));
    assert_eq!(list().await, 0);
}

#[tokio::test]
async fn money_of_a_deleted_order_is_followed_too() {
    let shop = Shop::with_mugs(9).await;
    let deleted = shop.canceled().await;
    shop.remove(deleted).await.unwrap();
    assert_eq!(shop.paid("e1", 1, Some("p1"), None).await, ("order_gone", None));
    assert_eq!(shop.paid("e2", 1, Some("p1"), None).await, ("ignored", None));
    // Nobody knows how much it was, so only all of it closes it.
    assert_eq!(
        shop.refunded("e3", 1, Some("p1"), Some(2_500)).await,
        ("partial_refund", None)
    );
    assert_eq!(shop.refunded("e4", 1, Some("p1"), None).await, ("applied", None));
    assert_eq!(shop.refunded("e5", 1, Some("p1"), None).await, ("ignored", None));
    assert_eq!(shop.paid("e6", 1, Some("p2"), Some(7)).await, ("order_gone", None));
    assert_eq!(shop.refunded("e7", 1, Some("p2"), Some(7)).await, ("applied", None));
}

#[tokio::test]
async fn an_order_with_a_recorded_payment_stays() {
    let shop = Shop::with_mugs(9).await;
    let kept = |id, status, why: &str| format!("Order {id} is {status} and part of the books{why}.");
    let pending = shop.place(2).await.unwrap().id();
    shop.paid("e1", 1, Some("p1"), Some(1)).await;
    let why = ", for a payment of it came; to take it back, cancel it";
    assert_eq!(text(shop.remove(pending).await), kept(1, "PENDING", why));
    // Also when all of it went back.
    shop.refunded("e2", 1, Some("p1"), None).await;
    assert_eq!(text(shop.remove(pending).await), kept(1, "PENDING", why));
    let canceled = shop.canceled().await;
    shop.paid("e3", 2, Some("p1"), None).await;
    let why = ", for a payment of it came; it is canceled already and stays on record";
    assert_eq!(text(shop.remove(canceled).await), kept(2, "CANCELED", why));
    // What only failed, or went back before it came, was no money.
    let unpaid = shop.place(2).await.unwrap().id();
    shop.came("e4", failed(Some(unpaid), None)).await;
    shop.refunded("e5", 3, Some("p1"), None).await;
    shop.remove(unpaid).await.unwrap();
    shop.check().await;
}

/// Each of a hundred deliveries of one event at once, and some more after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replays_change_nothing() {
    let mut shop = Shop::with_mugs(9).await;
    let id = shop.place(2).await.unwrap().id();
    let event = payment_event("e1", money(id, None, None));
    let deliver = |store: AnyStore| {
        let event = event.clone();
        tokio::spawn(async move {
            let receive = move |tx: &mut dyn Tx| payments::receive(tx, &event, LATER);
            store.write(receive).await.unwrap()
        })
    };
    let deliveries: Vec<_> = (0..100).map(|_| deliver(shop.store.clone())).collect();
    let mut results = Vec::new();
    for delivery in deliveries {
        let receipt = delivery.await.unwrap();
        assert_eq!(receipt.order_status, Some(Status::Paid));
        results.push(receipt.result);
    }
    results.retain(|result| *result != Delivery::Duplicate);
    assert_eq!(results, [Delivery::Recorded(EventResult::Applied)]);
    let before = shop.order(id).await.unwrap();
    shop.store.close().await;
    shop.store = shop.database.open().await;
    assert_eq!(deliver(shop.store.clone()).await.unwrap().result, Delivery::Duplicate);
    assert_eq!(shop.order(id).await.unwrap(), before);
    assert_eq!(shop.events(EventFilter::default(), None, 9).await.len(), 1);
    shop.check().await;
}

#[tokio::test]
async fn events_are_listed_page_by_page() {
    let shop = Shop::with_mugs(9).await;
    shop.place(2).await.unwrap();
    for n in 1..=3 {
        shop.paid(&format!("e{n}"), 1, Some(&format!("p{n}")), Some(2_500))
            .await;
    }
    let list = async |before: Option<i64>, limit| {
        let before = before.map(|number| EventNumber::new(number).unwrap());
        let list = shop
            .store
            .read(move |view| payments::list_events(view, EventFilter::default(), before, limit));
        let page = list.await.unwrap().page;
        let numbers = page.items.iter().map(|event| event.number.get()).collect::<Vec<_>>();
        (numbers, page.next.map(EventNumber::get))
    };
    assert_eq!(list(None, 2).await, (vec![3, 2], Some(2)));
    assert_eq!(list(Some(2), 2).await, (vec![1], None));
    assert_eq!(list(None, 3).await, (vec![3, 2, 1], None));
}

#[tokio::test]
async fn a_refund_that_overtakes_its_payment_counts_once_that_comes() {
    let shop = Shop::with_mugs(9).await;
    for _ in 0..3 {
        shop.place(2).await.unwrap();
    }
    // A part: the order is paid, and the rest cancels it.
    assert_eq!(
        shop.refunded("e1", 1, Some("p1"), Some(700)).await,
        ("ignored", PENDING)
    );
    // Of another payment, and of none.
    assert_eq!(shop.refunded("e2", 1, Some("p2"), Some(9)).await, ("ignored", PENDING));
    assert_eq!(shop.refunded("e3", 1, None, Some(9)).await, ("ignored", PENDING));
    let receipt = shop.tell("e4", money(order_id(1), Some("p1"), None));
    let receipt = receipt.await.unwrap();
    assert_eq!(receipt.result, Delivery::Recorded(EventResult::Applied));
    assert!(receipt.is_partly_refunded);
    assert_eq!(shop.open_payment(1).await, (2_500, 700));
    assert_eq!(
        shop.refunded("e5", 1, Some("p1"), Some(1_800)).await,
        ("applied", CANCELED)
    );
    // All of it, in parts: the order waits for another payment.
    for (event, cents) in [("e6", 2_000), ("e7", 500)] {
        assert_eq!(
            shop.refunded(event, 2, Some("p1"), Some(cents)).await,
            ("ignored", PENDING)
        );
    }
    let receipt = shop.tell("e8", money(order_id(2), Some("p1"), None));
    assert!(!receipt.await.unwrap().is_partly_refunded);
    assert_eq!(shop.paid("e9", 2, Some("p2"), None).await, ("applied", PAID));
    // Late money, of which a part is back already, is owed but for that.
    shop.ask(order_id(3), Some(Status::Canceled), None).await.unwrap();
    shop.refunded("e10", 3, Some("p1"), Some(2_000)).await;
    assert_eq!(shop.paid("e11", 3, Some("p1"), None).await, ("refund_due", OWING));
    assert_eq!(
        shop.refunded("e12", 3, Some("p1"), Some(500)).await,
        ("applied", CANCELED)
    );
}

#[tokio::test]
async fn a_refund_counts_once_whatever_number_of_events_tell_of_it() {
    let shop = Shop::with_mugs(9).await;
    for _ in 0..2 {
        shop.place(2).await.unwrap();
    }
    shop.paid("e1", 1, Some("p1"), None).await;
    let part = ("partial_refund", PAID);
    assert_eq!(shop.refunded_as("re_1", "e2", 1, Some("p1"), 1_000).await, part);
    for (event, payment, cents) in [("e3", Some("p1"), 1_000), ("e4", None, 1_500), ("e5", Some("p9"), 1)] {
        let again = shop.refunded_as("re_1", event, 1, payment, cents).await;
        assert_eq!(again, ("ignored", PAID), "{event}");
    }
    assert_eq!(shop.open_payment(1).await, (2_500, 1_000));
    // Another refund of as much is another one; one without an id is known by its event's.
    assert_eq!(shop.refunded_as("re_2", "e6", 1, Some("p1"), 1_000).await, part);
    assert_eq!(shop.refunded("e7", 1, Some("p1"), Some(1)).await, part);
    assert_eq!(shop.refunded_as("e7", "e8", 1, Some("p1"), 1).await, ("ignored", PAID));
    assert_eq!(shop.open_payment(1).await, (2_500, 2_001));
    // An id counts once per order, also where its refund waits.
    for event in ["e9", "e10"] {
        let kept = shop.refunded_as("re_1", event, 2, Some("p1"), 1_300).await;
        assert_eq!(kept, ("ignored", PENDING));
    }
    assert_eq!(shop.paid("e11", 2, Some("p1"), None).await, ("applied", PAID));
    assert_eq!(shop.open_payment(2).await, (2_500, 1_300));
    let named: Vec<_> = shop
        .events(EventFilter::default(), None, 1)
        .await
        .into_iter()
        .map(|event| event.refund_id)
        .collect();
    assert_eq!(named, [None]);
}
