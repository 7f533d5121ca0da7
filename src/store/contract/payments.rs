//! The contract's rules of payments and their events.

use super::is_internal;
use crate::domain::{
    Balance, Content, Currency, Dispute, DisputeId, DisputeState, DisputeTold, EventNumber, EventResult, EventType,
    Fact, Hold, Minor, NewPayment, Payment, PaymentEvent, Provider, RecordedEvent, Refund, RefundId, RefundTold, Sum,
    Timestamp,
};
use crate::error::Error;
use crate::store::{EventFilter, PaymentFilter, Store, Tx};
use crate::testing::{self, LATER, NOTHING, NOW, event_id, money, order_id, payment_event, payment_id, refund};

fn number(number: i64) -> EventNumber {
    EventNumber::new(number).unwrap()
}

fn paid(order: i64, payment: Option<&str>) -> Fact {
    money(order_id(order), payment, Some(2_500))
}

fn refunded(order: i64, payment: Option<&str>) -> Fact {
    refund(money(order_id(order), payment, None), None)
}

fn failed(order: Option<i64>) -> Fact {
    testing::failed(order.map(order_id), Some("p1"))
}

/// Records an event that nothing came of.
async fn ignore(store: &impl Store, id: &str, content: impl Into<Content>) -> EventNumber {
    record(store, payment_event(id, content), EventResult::Ignored)
        .await
        .unwrap()
}

/// Records an event about the order that it names.
async fn record(store: &impl Store, event: PaymentEvent, result: EventResult) -> Result<EventNumber, Error> {
    let named = event.fact().and_then(|fact| fact.order_id);
    store
        .write(move |tx| tx.insert_event(&event, named, result, LATER))
        .await
}

/// Records an event and the payment that it opens.
async fn open(store: &impl Store, id: &str, payment: NewPayment) -> Payment {
    open_of(store, Provider::Own, id, payment).await.unwrap()
}

fn new_payment(order: i64) -> NewPayment {
    NewPayment {
        order_id: Some(order_id(order)),
        payment_id: None,
        currency: None,
        is_foreign: false,
        balance: Balance::open(Some(2_500)),
        is_own: false,
    }
}

/// The event as it must be recorded.
fn recorded(number: EventNumber, event: &PaymentEvent, result: EventResult) -> RecordedEvent {
    RecordedEvent {
        number,
        provider: event.provider,
        event_id: event.id.clone(),
        event_type: event.event_type.clone(),
        created_seconds: event.created_seconds,
        order_id: event.fact().and_then(|fact| fact.order_id),
        payment_id: event.fact().and_then(|fact| fact.payment_id.clone()),
        refund_id: event.fact().and_then(|fact| fact.kind.refund_id().cloned()),
        amount: event.fact().and_then(|fact| fact.sum?.cents),
        currency: event.fact().and_then(|fact| fact.sum?.currency()),
        result,
        received_at: LATER,
    }
}

pub(crate) async fn events_come_back_as_recorded(store: impl Store) {
    let odd = PaymentEvent {
        event_type: EventType::new("☕.\u{1f}").unwrap(),
        created_seconds: None,
        ..payment_event(" ☕ '\"\\\u{1}", NOTHING)
    };
    let of_stripe = PaymentEvent {
        provider: Provider::Stripe,
        ..payment_event("e1", dollars(money(order_id(1), Some("p1"), None)))
    };
    let mut events = [
        payment_event("e1", paid(1, Some("p1"))),
        payment_event("e2", refunded(i64::MAX, None)),
        payment_event("e2b", refund(money(order_id(1), None, Some(1)), Some("re_1"))),
        payment_event("e3", failed(Some(7))),
        payment_event("e4", failed(None)),
        odd,
        of_stripe,
    ];
    events[0].created_seconds = Some(i64::MAX);
    for (event, result) in events.iter().zip(EventResult::ALL) {
        let (provider, id) = (event.provider, event.id.clone());
        let number = record(&store, event.clone(), result).await.unwrap();
        let found = store.read(move |view| view.event(provider, &id)).await.unwrap();
        assert_eq!(found, Some(recorded(number, event, result)));
    }
    // Another case is another event.
    for unknown in ["E1", "e9"] {
        let id = event_id(unknown);
        let found = store.read(move |view| view.event(Provider::Own, &id));
        assert_eq!(found.await.unwrap(), None);
    }
}

pub(crate) async fn an_event_is_recorded_once(store: impl Store) {
    ignore(&store, "e1", paid(1, None)).await;
    let again = payment_event("e1", NOTHING);
    assert!(is_internal(&record(&store, again.clone(), EventResult::Ignored).await));
    let count = async || {
        let all = store.read(|view| view.events(EventFilter::default(), None, 9));
        all.await.unwrap().len()
    };
    assert_eq!(count().await, 1);
    // Another provider's event of the same id is another one.
    let of_stripe = PaymentEvent {
        provider: Provider::Stripe,
        ..again
    };
    record(&store, of_stripe, EventResult::Ignored).await.unwrap();
    assert_eq!(count().await, 2);
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
        numbers.push(record(&store, event, result).await.unwrap());
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

/// The same fact, said in 25.00 US dollars where the service has another currency.
fn dollars(fact: Fact) -> Fact {
    let minor = Minor {
        units: 2_500,
        currency: Currency::new("USD").unwrap(),
    };
    Fact {
        sum: Some(Sum {
            cents: None,
            minor: Some(minor),
        }),
        ..fact
    }
}

fn refund_id(text: &str) -> RefundId {
    RefundId::new(text).unwrap()
}

/// A refund that waits for its payment, of the event of this number.
fn kept_refund(number: EventNumber, fact: &Fact, provider: Provider, id: &str) -> Refund {
    Refund {
        number,
        told: RefundTold {
            provider,
            order_id: fact.order_id,
            id: Some(refund_id(id)),
            payment_id: fact.payment_id.clone(),
            sum: fact.sum,
            has_failed: false,
        },
        payment: None,
    }
}

pub(crate) async fn refunds_are_kept_until_their_payment_comes(store: impl Store) {
    let kept = async |provider: Provider, payment: &str| {
        let payment = payment_id(payment);
        store
            .read(move |view| view.kept_refunds(provider, &payment))
            .await
            .unwrap()
    };
    let known = async |provider: Provider, order: Option<i64>, refund: &str| {
        let refund = refund_id(refund);
        let known = store.read(move |view| view.refund(provider, order.map(order_id), &refund));
        known.await.unwrap()
    };
    let insert = async |refund: &Refund| {
        let refund = refund.clone();
        store.write(move |tx| tx.insert_refund(&refund)).await
    };
    let add = async |event: &str, order: i64, id: &str, payment: &str, cents: Option<i64>| {
        let fact = refund(money(order_id(order), Some(payment), cents), Some(id));
        let refund = kept_refund(ignore(&store, event, fact.clone()).await, &fact, Provider::Own, id);
        insert(&refund).await.unwrap();
        refund
    };
    let a = add("e1", 1, "re_1", "p1", Some(700)).await;
    let b = add("e2", 1, "re_2", "p1", None).await;
    let c = add("e3", 1, "re_3", "p2", Some(1)).await;
    // Another order's refund of this id is another one, and another provider's.
    let d = add("e4", 2, "re_1", "p1", Some(1)).await;
    let fact = dollars(money(order_id(1), Some("p1"), None));
    let e = kept_refund(ignore(&store, "e5", NOTHING).await, &fact, Provider::Stripe, "re_1");
    insert(&e).await.unwrap();
    assert_eq!(kept(Provider::Own, "p1").await, [a.clone(), b.clone(), d.clone()]);
    assert_eq!(kept(Provider::Own, "p2").await, [c]);
    assert_eq!(kept(Provider::Stripe, "p1").await, std::slice::from_ref(&e));
    assert_eq!(kept(Provider::Own, "P1").await, []);
    assert_eq!(known(Provider::Own, Some(1), "re_1").await, Some(a.clone()));
    assert_eq!(known(Provider::Own, Some(2), "re_1").await, Some(d.clone()));
    for order in [None, Some(1), Some(2)] {
        assert_eq!(known(Provider::Stripe, order, "re_1").await, Some(e.clone()));
    }
    for (order, id) in [(2, "re_3"), (1, "RE_1"), (1, "e1")] {
        assert_eq!(known(Provider::Own, Some(order), id).await, None);
    }
    // Those that count against a payment are not kept any more, but known.
    let payment = open(&store, "e6", new_payment(1)).await.number;
    let mut counted = Refund {
        payment: Some(payment),
        ..a.clone()
    };
    counted.told.has_failed = true;
    let saved = counted.clone();
    store.write(move |tx| tx.save_refund(&saved)).await.unwrap();
    assert_eq!(kept(Provider::Own, "p1").await, [b, d]);
    assert_eq!(known(Provider::Own, Some(1), "re_1").await, Some(counted.clone()));
    let refunds = store.read(move |view| view.refunds_of(payment)).await.unwrap();
    assert_eq!(refunds, [counted]);
    // The same refund again, one that counts against nothing and waits for nothing, one of a payment that is not there.
    let number = ignore(&store, "e7", refunded(1, Some("p1"))).await;
    let again = Refund { number, ..a };
    let again_of_stripe = Refund { number, ..e };
    let mut aimless = again.clone();
    (aimless.told.id, aimless.told.payment_id) = (Some(refund_id("re_4")), None);
    let lost = Refund {
        payment: Some(number),
        ..aimless.clone()
    };
    for refund in [again, again_of_stripe, aimless, lost] {
        assert!(is_internal(&insert(&refund).await));
    }
}

/// What was told of all refunds so far has no id, so it is told as often as it likes.
pub(crate) async fn totals_of_refunds_are_kept_side_by_side(store: impl Store) {
    let fact = dollars(money(order_id(1), Some("p1"), None));
    let mut totals = Vec::new();
    for event in ["e1", "e2"] {
        let mut total = kept_refund(ignore(&store, event, NOTHING).await, &fact, Provider::Stripe, "re");
        (total.told.id, total.told.order_id) = (None, None);
        totals.push(total.clone());
        store.write(move |tx| tx.insert_refund(&total)).await.unwrap();
    }
    let kept = store.read(|view| view.kept_refunds(Provider::Stripe, &payment_id("p1")));
    assert_eq!(kept.await.unwrap(), totals);
}

pub(crate) async fn disputes_are_kept_until_their_payment_comes(store: impl Store) {
    let kept = async || {
        let kept = store.read(|view| view.kept_disputes(Provider::Stripe, &payment_id("p1")));
        kept.await.unwrap()
    };
    let known = async |provider: Provider| {
        let known = store.read(move |view| view.dispute(provider, &DisputeId::new("du_1").unwrap()));
        known.await.unwrap()
    };
    let new = Dispute {
        number: ignore(&store, "e1", NOTHING).await,
        told: DisputeTold {
            provider: Provider::Stripe,
            id: DisputeId::new("du_1").unwrap(),
            order_id: None,
            payment_id: payment_id("p1"),
            state: DisputeState::Open,
        },
        payment: None,
    };
    let (inserted, again) = (new.clone(), new.clone());
    store.write(move |tx| tx.insert_dispute(&inserted)).await.unwrap();
    assert!(is_internal(&store.write(move |tx| tx.insert_dispute(&again)).await));
    assert_eq!(kept().await, std::slice::from_ref(&new));
    assert_eq!(
        (known(Provider::Stripe).await, known(Provider::Own).await),
        (Some(new.clone()), None)
    );
    let mut about = Dispute {
        payment: Some(open(&store, "e2", new_payment(1)).await.number),
        ..new
    };
    about.told.state = DisputeState::Lost;
    let saved = about.clone();
    store.write(move |tx| tx.save_dispute(&saved)).await.unwrap();
    assert_eq!((kept().await, known(Provider::Stripe).await), (vec![], Some(about)));
}

pub(crate) async fn holds_are_of_one_payment_each(store: impl Store) {
    let save = async |hold: &Hold| {
        let hold = hold.clone();
        store.write(move |tx| tx.save_hold(&hold)).await.unwrap();
    };
    let holds = async |order: i64| store.read(move |view| view.holds(order_id(order))).await.unwrap();
    let a = Hold {
        provider: Provider::Stripe,
        payment_id: payment_id("p1"),
        order_id: order_id(1),
        deadline: NOW,
        until: Some(LATER),
        told_seconds: Some(5),
        ended_seconds: None,
    };
    let b = Hold {
        payment_id: payment_id("p2"),
        until: None,
        told_seconds: None,
        ended_seconds: Some(7),
        ..a.clone()
    };
    let c = Hold {
        provider: Provider::Own,
        order_id: order_id(2),
        ..a.clone()
    };
    for hold in [&a, &b, &c] {
        save(hold).await;
    }
    assert_eq!((holds(1).await, holds(2).await), (vec![a.clone(), b.clone()], vec![c]));
    // When it expires without any, and whose it is, stay.
    let ended = Hold {
        until: Some(Timestamp::from_millis(9)),
        told_seconds: Some(6),
        ended_seconds: Some(1),
        ..a
    };
    save(&ended).await;
    save(&Hold {
        order_id: order_id(3),
        deadline: LATER,
        ..ended.clone()
    })
    .await;
    assert_eq!((holds(1).await, holds(3).await), (vec![ended.clone(), b], vec![]));
    let found = store.read(|view| view.hold(Provider::Stripe, &payment_id("p1")));
    assert_eq!(found.await.unwrap(), Some(ended));
    let found = store.read(|view| view.hold(Provider::Own, &payment_id("p2")));
    assert_eq!(found.await.unwrap(), None);
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
    ignore(&store, "e3", NOTHING).await;
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
    let a = open(&store, "e1", whole).await;
    let b = open(&store, "e2", unknown).await;
    let c = open(&store, "e3", new_payment(2)).await;
    assert_eq!(listed(1).await, [b.clone(), a.clone()]);
    assert_eq!(listed(2).await, [c]);
    assert_eq!(listed(3).await, []);
    let mut part = a;
    part.balance.refunded = 700;
    let mut closed = b;
    closed.balance.is_closed = true;
    for payment in [part.clone(), closed] {
        store.write(move |tx| tx.save_payment(&payment)).await.unwrap();
    }
    assert_eq!(listed(1).await, [part]);
}

pub(crate) async fn payments_are_found_by_their_ids(store: impl Store) {
    let named = |order: Option<i64>| NewPayment {
        order_id: order.map(order_id),
        payment_id: Some(payment_id("p1")),
        ..new_payment(1)
    };
    let a = open(&store, "e1", named(Some(1))).await;
    let b = open(&store, "e2", named(Some(2))).await;
    let foreign = NewPayment {
        currency: Some(Currency::new("USD").unwrap()),
        is_foreign: true,
        ..named(None)
    };
    let c = open_of(&store, Provider::Stripe, "e1", foreign).await.unwrap();
    let of_order = async |order: i64| {
        let found = store.read(move |view| view.payment_of_order(order_id(order), &payment_id("p1")));
        found.await.unwrap()
    };
    assert_eq!(
        (of_order(1).await, of_order(2).await, of_order(3).await),
        (Some(a), Some(b), None)
    );
    for (provider, id, expected) in [
        (Provider::Stripe, "p1", Some(c)),
        (Provider::Stripe, "P1", None),
        (Provider::Own, "p1", None),
    ] {
        let found = store.read(move |view| view.payment_of_provider(provider, &payment_id(id)));
        assert_eq!(found.await.unwrap(), expected, "{provider:?} {id}");
    }
    // A provider's own ids are unique.
    assert!(is_internal(
        &open_of(&store, Provider::Stripe, "e2", named(Some(1))).await
    ));
}

/// Records an event of this provider and the payment that it opens.
async fn open_of(store: &impl Store, provider: Provider, id: &str, payment: NewPayment) -> Result<Payment, Error> {
    let event = PaymentEvent {
        provider,
        ..payment_event(id, paid(1, None))
    };
    let insert = move |tx: &mut dyn Tx| {
        let number = tx.insert_event(&event, payment.order_id, EventResult::Applied, LATER)?;
        let payment = payment.clone().with_number(event.provider, number);
        tx.insert_payment(&payment)?;
        Ok(payment)
    };
    store.write(insert).await
}

pub(crate) async fn payments_are_narrowed_down(store: impl Store) {
    let mut numbers = Vec::new();
    for (event, order, is_closed) in [("e1", 1, true), ("e2", 2, false), ("e3", 1, false), ("e4", 1, false)] {
        let mut payment = open(&store, event, new_payment(order)).await;
        numbers.push(payment.number);
        if is_closed {
            payment.balance = Balance {
                refunded: 2_500,
                is_closed,
                ..payment.balance
            };
            store.write(move |tx| tx.save_payment(&payment)).await.unwrap();
        }
    }
    let [a, b, c, d] = <[_; 4]>::try_from(numbers).unwrap();
    for (n, state) in [(1, DisputeState::Open), (2, DisputeState::Won)] {
        let dispute = Dispute {
            number: ignore(&store, &format!("d{n}"), NOTHING).await,
            told: DisputeTold {
                provider: Provider::Own,
                id: DisputeId::new(format!("du_{n}")).unwrap(),
                order_id: None,
                payment_id: payment_id("p"),
                state,
            },
            payment: Some(if n == 1 { b } else { c }),
        };
        store.write(move |tx| tx.insert_dispute(&dispute)).await.unwrap();
    }
    let page = async |is_open, order: Option<i64>, before, limit| {
        let filter = PaymentFilter {
            order_id: order.map(order_id),
            is_open,
        };
        store
            .read(move |view| view.payments(filter, before, limit))
            .await
            .unwrap()
    };
    let found = async |is_open, order, before, limit| {
        let page = page(is_open, order, before, limit).await;
        page.iter().map(|listed| listed.payment.number).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None, None, 9).await, [d, c, b, a]);
    assert_eq!(found(None, None, Some(d), 2).await, [c, b]);
    assert_eq!(found(Some(true), None, None, 9).await, [d, c, b]);
    assert_eq!(found(Some(false), None, None, 9).await, [a]);
    assert_eq!(found(None, Some(1), None, 9).await, [d, c, a]);
    assert_eq!(found(Some(true), Some(1), Some(d), 9).await, [c]);
    assert_eq!(found(Some(false), Some(2), None, 9).await, []);
    let listed = page(None, None, None, 9).await;
    let disputed: Vec<_> = listed.iter().filter(|listed| listed.is_disputed).collect();
    assert_eq!(
        disputed.iter().map(|listed| listed.payment.number).collect::<Vec<_>>(),
        [b]
    );
    assert_eq!((listed[0].event_id.as_str(), listed[0].created_at), ("e4", LATER));
}

pub(crate) async fn writes_to_payments_that_are_not_there_are_faults(store: impl Store) {
    let payment = new_payment(1).with_number(Provider::Own, number(9));
    let (inserted, saved) = (payment.clone(), payment);
    // A payment without its event is never left behind.
    let insert = store.write(move |tx| tx.insert_payment(&inserted)).await;
    assert!(is_internal(&insert));
    assert!(is_internal(&store.write(move |tx| tx.save_payment(&saved)).await));
}
