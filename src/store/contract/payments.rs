//! The contract's rules of payments and their events.

use super::is_internal;
use crate::domain::{
    Balance, EventKind, EventNumber, EventResult, Money, NewPayment, OtherType, Payment, PaymentEvent, RecordedEvent,
    Refund, RefundId,
};
use crate::store::{EventFilter, Store, Tx};
use crate::testing::{LATER, NOW, event_id, money, order_id, payment_event, payment_id, refund};

fn number(number: i64) -> EventNumber {
    EventNumber::new(number).unwrap()
}

fn other(name: &str) -> EventKind {
    EventKind::Other(OtherType::new(name).unwrap())
}

fn paid(order: i64, payment: Option<&str>) -> EventKind {
    EventKind::Succeeded(money(order_id(order), payment, Some(2_500)))
}

fn refunded(order: i64, payment: Option<&str>) -> EventKind {
    EventKind::Refunded(refund(money(order_id(order), payment, None), None))
}

fn failed(order: Option<i64>) -> EventKind {
    EventKind::Failed {
        order_id: order.map(order_id),
        payment_id: Some(payment_id("p1")),
        amount: None,
    }
}

/// Records an event that nothing came of.
async fn ignore(store: &impl Store, id: &str, kind: EventKind) -> EventNumber {
    let event = payment_event(id, kind);
    let insert = move |tx: &mut dyn Tx| tx.insert_event(&event, EventResult::Ignored, NOW);
    store.write(insert).await.unwrap()
}

/// Records an event and the payment of an order that it opens.
async fn open(store: &impl Store, id: &str, order: i64, payment: NewPayment) -> Payment {
    let event = payment_event(id, paid(order, None));
    let insert = move |tx: &mut dyn Tx| {
        let number = tx.insert_event(&event, EventResult::Applied, NOW)?;
        let payment = payment.clone().with_number(number);
        tx.insert_payment(&payment)?;
        Ok(payment)
    };
    store.write(insert).await.unwrap()
}

fn new_payment(order: i64) -> NewPayment {
    NewPayment {
        order_id: order_id(order),
        payment_id: None,
        balance: Balance::open(Some(Money::from_cents(2_500))),
        is_own: false,
    }
}

/// The event as it must be recorded.
fn recorded(number: EventNumber, event: &PaymentEvent, result: EventResult) -> RecordedEvent {
    RecordedEvent {
        number,
        event_id: event.id.clone(),
        type_name: event.kind.type_name().to_owned(),
        created_seconds: event.created_seconds,
        order_id: event.kind.order_id(),
        payment_id: event.kind.payment_id().cloned(),
        refund_id: event.kind.refund_id().cloned(),
        amount: event.kind.amount(),
        result,
        received_at: LATER,
    }
}

pub(crate) async fn events_come_back_as_recorded(store: impl Store) {
    let odd = PaymentEvent {
        id: event_id(" ☕ '\"\0"),
        created_seconds: None,
        kind: other("☕.\u{1f}"),
    };
    let mut events = [
        payment_event("e1", paid(1, Some("p1"))),
        payment_event("e2", refunded(i64::MAX, None)),
        payment_event(
            "e2b",
            EventKind::Refunded(refund(money(order_id(1), None, Some(1)), Some("re_1"))),
        ),
        payment_event("e3", failed(Some(7))),
        payment_event("e4", failed(None)),
        odd,
    ];
    events[0].created_seconds = Some(i64::MAX);
    for (event, result) in events.iter().zip(EventResult::ALL) {
        let (inserted, id) = (event.clone(), event.id.clone());
        let insert = move |tx: &mut dyn Tx| tx.insert_event(&inserted, result, LATER);
        let number = store.write(insert).await.unwrap();
        let found = store.read(move |view| view.event(&id)).await.unwrap();
        assert_eq!(found, Some(recorded(number, event, result)));
    }
    // Another case is another event.
    for unknown in ["E1", "e9"] {
        let id = event_id(unknown);
        assert_eq!(store.read(move |view| view.event(&id)).await.unwrap(), None);
    }
}

pub(crate) async fn an_event_is_recorded_once(store: impl Store) {
    ignore(&store, "e1", paid(1, None)).await;
    let again = payment_event("e1", other("x"));
    let insert = move |tx: &mut dyn Tx| tx.insert_event(&again, EventResult::Ignored, NOW);
    assert!(is_internal(&store.write(insert).await));
    let all = store.read(|view| view.events(EventFilter::default(), None, 9));
    assert_eq!(all.await.unwrap().len(), 1);
}

pub(crate) async fn events_are_narrowed_down(store: impl Store) {
    let mut numbers = Vec::new();
    for (n, order, result) in [
        (1, Some(1), EventResult::Ignored),
        (2, Some(2), EventResult::RefundDue),
        (3, Some(1), EventResult::RefundDue),
        (4, None, EventResult::Ignored),
        (5, Some(1), EventResult::RefundDue),
    ] {
        let event = payment_event(&format!("e{n}"), failed(order));
        let insert = move |tx: &mut dyn Tx| tx.insert_event(&event, result, NOW);
        numbers.push(store.write(insert).await.unwrap());
    }
    let found = async |result, order: Option<i64>, before, limit| {
        let filter = EventFilter {
            result,
            order_id: order.map(order_id),
        };
        let page = store
            .read(move |view| view.events(filter, before, limit))
            .await
            .unwrap();
        page.iter().map(|event| event.number).collect::<Vec<_>>()
    };
    let [a, b, c, d, e] = <[_; 5]>::try_from(numbers).unwrap();
    let due = Some(EventResult::RefundDue);
    assert_eq!(found(None, None, None, 9).await, [e, d, c, b, a]);
    assert_eq!(found(None, None, None, 2).await, [e, d]);
    assert_eq!(found(None, None, Some(d), 2).await, [c, b]);
    assert_eq!(found(due, None, None, 9).await, [e, c, b]);
    assert_eq!(found(due, None, Some(e), 1).await, [c]);
    assert_eq!(found(None, Some(1), None, 9).await, [e, c, a]);
    assert_eq!(found(None, Some(1), Some(e), 1).await, [c]);
    assert_eq!(found(due, Some(1), None, 9).await, [e, c]);
    assert_eq!(found(due, Some(1), Some(e), 9).await, [c]);
    assert_eq!(found(Some(EventResult::Applied), None, None, 9).await, []);
    assert_eq!(found(None, Some(9), None, 9).await, []);
}

pub(crate) async fn payments_are_known_by_what_was_recorded(store: impl Store) {
    let is_known = async |order: i64, payment: &str| {
        let payment = payment_id(payment);
        let known = store.read(move |view| view.is_payment_known(order_id(order), &payment));
        known.await.unwrap()
    };
    assert!(!is_known(1, "p1").await);
    // A payment that failed says nothing, nor does a refund.
    ignore(&store, "e1", failed(Some(1))).await;
    assert!(!is_known(1, "p1").await);
    ignore(&store, "e2", paid(1, Some("p1"))).await;
    ignore(&store, "e3", refunded(1, Some("p2"))).await;
    ignore(&store, "e4", paid(1, None)).await;
    assert!(is_known(1, "p1").await);
    assert!(!is_known(1, "p2").await && !is_known(2, "p1").await && !is_known(1, "P1").await);
}

pub(crate) async fn refunds_are_kept_until_their_payment_comes(store: impl Store) {
    let kept = async |order: i64, payment: &str| {
        let payment = payment_id(payment);
        let kept = store.read(move |view| view.kept_refunds(order_id(order), &payment));
        kept.await.unwrap()
    };
    let is_known = async |order: i64, refund: &str| {
        let refund = RefundId::new(refund).unwrap();
        let known = store.read(move |view| view.is_refund_known(order_id(order), &refund));
        known.await.unwrap()
    };
    let add = async |event: &str, order: i64, id: &str, payment: &str, cents: Option<i64>| {
        let of = money(order_id(order), Some(payment), cents);
        let refund = Refund {
            number: ignore(&store, event, EventKind::Refunded(refund(of.clone(), Some(id)))).await,
            order_id: of.order_id,
            refund_id: RefundId::new(id).unwrap(),
            payment_id: of.payment_id,
            amount: of.amount,
            payment: None,
        };
        let inserted = refund.clone();
        store.write(move |tx| tx.insert_refund(&inserted)).await.unwrap();
        refund
    };
    let a = add("e1", 1, "re_1", "p1", Some(700)).await;
    let b = add("e2", 1, "re_2", "p1", None).await;
    let c = add("e3", 1, "re_3", "p2", Some(1)).await;
    // Another order's refund of this id is another one.
    let d = add("e4", 2, "re_1", "p1", Some(1)).await;
    assert_eq!(kept(1, "p1").await, [a.clone(), b.clone()]);
    assert_eq!((kept(1, "p2").await, kept(2, "p1").await), (vec![c], vec![d]));
    assert_eq!(kept(1, "P1").await, []);
    assert!(is_known(1, "re_1").await && is_known(1, "re_3").await && is_known(2, "re_1").await);
    assert!(!is_known(2, "re_3").await && !is_known(1, "RE_1").await && !is_known(1, "e1").await);
    // Those that count against a payment are not kept any more, but known.
    let payment = open(&store, "e5", 1, new_payment(1)).await.number;
    let counted = Refund {
        payment: Some(payment),
        ..a.clone()
    };
    store.write(move |tx| tx.save_refund(&counted)).await.unwrap();
    assert_eq!(kept(1, "p1").await, [b]);
    assert!(is_known(1, "re_1").await);
    // The same refund again, one that counts against nothing and waits for nothing, one of a payment that is not there.
    let number = ignore(&store, "e6", refunded(1, Some("p1"))).await;
    let again = Refund { number, ..a };
    let aimless = Refund {
        refund_id: RefundId::new("re_4").unwrap(),
        payment_id: None,
        ..again.clone()
    };
    let lost = Refund {
        payment: Some(number),
        ..aimless.clone()
    };
    for refund in [again, aimless, lost] {
        assert!(is_internal(&store.write(move |tx| tx.insert_refund(&refund)).await));
    }
}

pub(crate) async fn orders_know_whether_a_payment_was_recorded(store: impl Store) {
    let is_paid = async |order: i64| {
        store
            .read(move |view| view.has_recorded_payment(order_id(order)))
            .await
            .unwrap()
    };
    ignore(&store, "e1", failed(Some(1))).await;
    ignore(&store, "e2", refunded(1, Some("p1"))).await;
    ignore(&store, "e3", other("payment.created")).await;
    assert!(!is_paid(1).await);
    // Whatever came of it.
    ignore(&store, "e4", paid(1, None)).await;
    assert!(is_paid(1).await && !is_paid(2).await);
}

pub(crate) async fn open_payments_are_listed_newest_first(store: impl Store) {
    let listed = async |order: i64| {
        store
            .read(move |view| view.open_payments(order_id(order)))
            .await
            .unwrap()
    };
    let whole = NewPayment {
        payment_id: Some(payment_id("p1")),
        is_own: true,
        ..new_payment(1)
    };
    let unknown = NewPayment {
        balance: Balance::open(None),
        ..new_payment(1)
    };
    let a = open(&store, "e1", 1, whole).await;
    let b = open(&store, "e2", 1, unknown).await;
    let c = open(&store, "e3", 2, new_payment(2)).await;
    assert_eq!(listed(1).await, [b.clone(), a.clone()]);
    assert_eq!(listed(2).await, [c]);
    assert_eq!(listed(3).await, []);
    let some = money(order_id(1), None, Some(700)).amount;
    let after = |payment: Payment, amount| Payment {
        balance: payment.balance.refund(amount),
        ..payment
    };
    let (part, closed) = (after(a, some), after(b, None));
    for payment in [part.clone(), closed] {
        store.write(move |tx| tx.save_payment(&payment)).await.unwrap();
    }
    assert_eq!(part.balance.refunded.cents(), 700);
    assert_eq!(listed(1).await, [part]);
}

pub(crate) async fn writes_to_payments_that_are_not_there_are_faults(store: impl Store) {
    let payment = new_payment(1).with_number(number(9));
    let (inserted, saved) = (payment.clone(), payment);
    // A payment without its event is never left behind.
    let insert = store.write(move |tx| tx.insert_payment(&inserted)).await;
    assert!(is_internal(&insert));
    assert!(is_internal(&store.write(move |tx| tx.save_payment(&saved)).await));
}
