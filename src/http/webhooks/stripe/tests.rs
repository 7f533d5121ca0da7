//! Each type of event as a fact, and what cannot be read as one.

use serde_json::{Value, json};

use super::*;
use crate::domain::EventType;

const CREATED: i64 = 1_772_357_400;
const HOLD: Duration = Duration::from_secs(14 * 86_400);

fn stripe() -> Stripe {
    Stripe {
        currency: Currency::new("EUR").unwrap(),
        is_live: true,
        order_key: "order_id".to_owned(),
        account: None,
        hold: HOLD,
    }
}

/// An event with these members in place of the usual ones.
fn event(kind: &str, object: &Value, members: &Value) -> models::StripeEvent {
    let mut event = json!({
        "id": "evt_1", "object": "event", "type": kind, "created": CREATED, "livemode": true, "data": {"object": object},
    });
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    serde_json::from_str(&event.to_string()).unwrap()
}

/// What the service understands of this event.
fn content_with(stripe: &Stripe, kind: &str, object: &Value) -> Content {
    stripe.read(event(kind, object, &json!({}))).unwrap().content
}

fn content(kind: &str, object: &Value) -> Content {
    content_with(&stripe(), kind, object)
}

/// What an event of this type says, which must be something.
#[track_caller]
fn fact(kind: &str, object: &Value) -> Fact {
    match content(kind, object) {
        Content::Fact(fact) => fact,
        nothing @ Content::Nothing(_) => panic!("{kind}: {nothing:?}: {object}"),
    }
}

const NOTHING: Content = Content::Nothing(None);
const UNREADABLE: Content = Content::Nothing(Some(Notice::Unreadable));

/// The object with these members in place of its own.
fn with(object: &Value, members: Value) -> Value {
    let (mut object, Value::Object(members)) = (object.clone(), members) else {
        panic!("members are an object")
    };
    for (name, value) in members {
        object[name] = value;
    }
    object
}

fn session() -> Value {
    json!({
        "id": "cs_1", "mode": "payment", "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 2_500,
        "currency": "eur", "metadata": {"order_id": "7"},
    })
}

fn intent() -> Value {
    json!({"id": "pi_1", "amount": 3_000, "amount_received": 2_500, "currency": "eur", "metadata": {"order_id": "7"}})
}

fn charge() -> Value {
    json!({
        "id": "ch_1", "payment_intent": "pi_1", "amount": 2_500, "amount_refunded": 500, "captured": true,
        "currency": "eur", "metadata": {},
    })
}

fn refund() -> Value {
    json!({
        "id": "re_1", "status": "succeeded", "payment_intent": "pi_1", "charge": "ch_1", "amount": 500, "currency": "eur",
        "metadata": null,
    })
}

fn dispute() -> Value {
    json!({
        "id": "du_1", "status": "needs_response", "payment_intent": "pi_1", "charge": "ch_1", "amount": 2_500,
        "currency": "eur", "metadata": {},
    })
}

fn euros(cents: i64) -> Option<Sum> {
    Some(Sum {
        cents: Some(Amount::new(Money::from_cents(cents)).unwrap()),
        minor: minor(cents, "EUR"),
    })
}

fn minor(units: i64, code: &str) -> Option<Minor> {
    let currency = Currency::new(code).unwrap();
    Some(Minor { units, currency })
}

fn said(kind: FactKind, order: Option<i64>, payment: &str, sum: Option<Sum>) -> Fact {
    Fact {
        kind,
        order_id: order.map(|id| OrderId::new(id).unwrap()),
        payment_id: Some(PaymentId::new(payment).unwrap()),
        sum,
    }
}

fn single(has_failed: bool) -> FactKind {
    let id = Some(RefundId::new("re_1").unwrap());
    FactKind::Refund { id, has_failed }
}

fn disputed(state: DisputeState) -> FactKind {
    let id = DisputeId::new("du_1").unwrap();
    FactKind::Dispute { id, state }
}

#[test]
fn each_type_is_the_fact_that_it_says() {
    const WAY: FactKind = FactKind::Processing { hold: HOLD };
    const NOT: FactKind = FactKind::NotPaid;
    let unpaid = with(&session(), json!({"payment_status": "unpaid"}));
    for (kind, object, fact_kind, sum) in [
        ("checkout.session.completed", session(), PAID, 2_500),
        ("checkout.session.completed", unpaid.clone(), WAY, 2_500),
        ("checkout.session.async_payment_succeeded", session(), PAID, 2_500),
        ("checkout.session.async_payment_failed", unpaid.clone(), NOT, 2_500),
        ("checkout.session.expired", unpaid, NOT, 2_500),
        ("payment_intent.succeeded", intent(), PAID, 2_500),
        ("payment_intent.payment_failed", intent(), NOT, 3_000),
        ("payment_intent.canceled", intent(), NOT, 3_000),
        ("payment_intent.processing", intent(), WAY, 3_000),
        ("payment_intent.amount_capturable_updated", intent(), WAY, 3_000),
    ] {
        assert_eq!(
            fact(kind, &object),
            said(fact_kind, Some(7), "pi_1", euros(sum)),
            "{kind}"
        );
    }
    for (kind, object, fact_kind, sum) in [
        ("charge.refunded", charge(), FactKind::RefundedSoFar, 500),
        ("refund.created", refund(), single(false), 500),
        ("refund.updated", refund(), single(false), 500),
        ("charge.refund.updated", refund(), single(false), 500),
        ("refund.failed", refund(), single(true), 500),
        ("charge.dispute.created", dispute(), disputed(DisputeState::Open), 2_500),
    ] {
        assert_eq!(fact(kind, &object), said(fact_kind, None, "pi_1", euros(sum)), "{kind}");
    }
}

#[test]
fn a_refund_has_failed_by_its_status_or_by_the_events_type() {
    for (status, has_failed) in [
        (json!("succeeded"), false),
        (json!("pending"), false),
        (json!("requires_action"), false),
        (json!(null), false),
        (json!("failed"), true),
        (json!("canceled"), true),
    ] {
        let object = with(&refund(), json!({"status": status}));
        assert_eq!(fact("refund.updated", &object).kind, single(has_failed), "{status}");
        assert_eq!(fact("refund.failed", &object).kind, single(true), "{status}");
    }
}

#[test]
fn a_dispute_stands_as_its_end_says() {
    for (status, state) in [
        ("won", DisputeState::Won),
        ("warning_closed", DisputeState::Won),
        ("prevented", DisputeState::Won),
        ("lost", DisputeState::Lost),
    ] {
        let object = with(&dispute(), json!({"status": status}));
        assert_eq!(fact("charge.dispute.closed", &object).kind, disputed(state), "{status}");
        let created = fact("charge.dispute.created", &object).kind;
        assert_eq!(created, disputed(DisputeState::Open), "{status}");
    }
    assert_eq!(content("charge.dispute.closed", &dispute()), UNREADABLE);
}

#[test]
fn a_payment_is_known_by_its_intent_and_else_by_what_there_is() {
    let expanded = json!({"id": "pi_1", "object": "payment_intent"});
    for (kind, object, without) in [
        ("checkout.session.completed", session(), "cs_1"),
        ("charge.refunded", charge(), "ch_1"),
        ("refund.created", refund(), "ch_1"),
        ("charge.dispute.created", dispute(), "ch_1"),
    ] {
        let of = |intent: &Value| fact(kind, &with(&object, json!({"payment_intent": intent}))).payment_id;
        assert_eq!(of(&expanded), PaymentId::new("pi_1").ok(), "{kind}");
        assert_eq!(of(&Value::Null), PaymentId::new(without).ok(), "{kind}");
    }
    let alone = with(&refund(), json!({"payment_intent": null, "charge": null}));
    assert_eq!(content("refund.created", &alone), UNREADABLE);
}

#[test]
fn a_charge_is_a_payment_only_without_an_intent_and_once_it_is_captured() {
    let alone = with(&charge(), json!({"payment_intent": null}));
    assert_eq!(fact("charge.succeeded", &alone), said(PAID, None, "ch_1", euros(2_500)));
    assert_eq!(content("charge.succeeded", &charge()), NOTHING);
    let authorized = with(&alone, json!({"captured": false}));
    assert_eq!(content("charge.succeeded", &authorized), NOTHING);
}

#[test]
fn the_order_is_in_the_metadata_and_else_in_the_reference() {
    let of = |metadata: Value, reference: Value| {
        let members = json!({"metadata": metadata, "client_reference_id": reference});
        let order = fact("checkout.session.completed", &with(&session(), members)).order_id;
        order.map(OrderId::get)
    };
    assert_eq!(of(json!({"order_id": "7"}), json!("8")), Some(7));
    for none in [
        json!({}),
        json!(null),
        json!({"order": "7"}),
        json!({"order_id": 7}),
        json!({"order_id": ["7"]}),
    ] {
        assert_eq!(of(none.clone(), json!("8")), Some(8), "{none}");
        assert_eq!(of(none.clone(), json!(null)), None, "{none}");
    }
    for text in "|0|07|-7|+7|7.0| 7|7 |7\n|٧|seven|9223372036854775808".split('|') {
        assert_eq!(of(json!({"order_id": text}), json!("8")), Some(8), "{text:?}");
        assert_eq!(of(json!({}), json!(text)), None, "{text:?}");
    }
    let largest = json!({"order_id": i64::MAX.to_string()});
    assert_eq!(of(largest, json!(null)), Some(i64::MAX));
    // Only a session has a reference.
    let intent = with(&intent(), json!({"metadata": {}, "client_reference_id": "8"}));
    assert_eq!(fact("payment_intent.succeeded", &intent).order_id, None);
}

#[test]
fn the_key_in_the_metadata_is_a_setting() {
    let stripe = Stripe {
        order_key: "Bestellung".to_owned(),
        ..stripe()
    };
    let object = with(&intent(), json!({"metadata": {"Bestellung": "9", "order_id": "7"}}));
    let Content::Fact(fact) = content_with(&stripe, "payment_intent.succeeded", &object) else {
        panic!("it is a fact")
    };
    assert_eq!(fact.order_id.map(OrderId::get), Some(9));
}

#[test]
fn a_sum_is_in_hundredths_only_where_those_are_of_the_services_currency() {
    let of = |ours: &str, units: i64, code: &str| {
        let stripe = Stripe {
            currency: Currency::new(ours).unwrap(),
            ..stripe()
        };
        let object = with(&intent(), json!({"amount_received": units, "currency": code}));
        match content_with(&stripe, "payment_intent.succeeded", &object) {
            Content::Fact(fact) => fact.sum.unwrap(),
            nothing @ Content::Nothing(_) => panic!("{nothing:?}"),
        }
    };
    for (ours, units, code, cents) in [
        ("EUR", 2_500, "eur", Some(2_500)),
        ("EUR", 2_500, "EUR", Some(2_500)),
        ("EUR", 2_500, "usd", None),
        ("JPY", 200, "jpy", Some(20_000)),
        ("ISK", 500, "isk", Some(500)),
        ("KWD", 12_340, "kwd", Some(1_234)),
        ("KWD", 12_345, "kwd", None),
        ("JPY", UNITS_MAX, "jpy", Some(100 * UNITS_MAX)),
    ] {
        let sum = of(ours, units, code);
        assert_eq!(sum.cents.map(Amount::cents), cents, "{units} {code} at {ours}");
        assert_eq!(sum.minor, minor(units, code), "{units} {code} at {ours}");
    }
}

#[test]
fn a_payment_without_a_readable_sum_has_none_and_a_refund_is_unreadable_then() {
    for (number, missing) in [
        json!({"currency": null}),
        json!({"currency": "euro"}),
        json!({"amount_received": null, "amount": null, "amount_refunded": null}),
        json!({"amount_received": -1, "amount": -1, "amount_refunded": -1}),
        json!({"amount_received": UNITS_MAX + 1, "amount": UNITS_MAX + 1, "amount_refunded": UNITS_MAX + 1}),
    ]
    .into_iter()
    .enumerate()
    {
        let paid = fact("payment_intent.succeeded", &with(&intent(), missing.clone()));
        assert_eq!(paid, said(PAID, Some(7), "pi_1", None), "{number}");
        assert_eq!(
            content("refund.created", &with(&refund(), missing.clone())),
            UNREADABLE,
            "{number}"
        );
        assert_eq!(
            content("charge.refunded", &with(&charge(), missing)),
            UNREADABLE,
            "{number}"
        );
    }
    // Nothing was refunded.
    assert_eq!(
        content("charge.refunded", &with(&charge(), json!({"amount_refunded": 0}))),
        NOTHING
    );
}

#[test]
fn what_is_about_something_else_says_nothing() {
    for other in [
        json!({"payment_status": "no_payment_required"}),
        json!({"mode": "subscription"}),
        json!({"mode": "setup"}),
    ] {
        assert_eq!(content("checkout.session.completed", &with(&session(), other)), NOTHING);
    }
    for object in [json!(null), json!([]), json!(7), intent()] {
        assert_eq!(content("customer.created", &object), NOTHING);
        assert_eq!(
            content("invoice.paid", &object),
            Content::Nothing(Some(Notice::UnknownType))
        );
    }
}

#[test]
fn an_object_of_another_shape_is_unreadable() {
    for kind in [
        "checkout.session.completed",
        "payment_intent.succeeded",
        "charge.succeeded",
        "charge.refunded",
        "refund.created",
        "refund.failed",
        "charge.dispute.created",
    ] {
        for object in [
            json!(null),
            json!(true),
            json!("pi_1"),
            json!([]),
            json!({}),
            json!({"id": 7}),
            json!({"id": null}),
        ] {
            assert_eq!(content(kind, &object), UNREADABLE, "{kind}: {object}");
        }
    }
    let odd = with(&session(), json!({"payment_status": "half"}));
    assert_eq!(content("checkout.session.completed", &odd), UNREADABLE);
    for id in ["", "pi"] {
        let object = with(&intent(), json!({"id": id}));
        assert_eq!(
            content("payment_intent.succeeded", &object) == UNREADABLE,
            id.is_empty()
        );
    }
}

#[test]
fn mode_and_account_are_looked_at_before_the_object() {
    let of = |stripe: &Stripe, members: Value| {
        let event = event("payment_intent.succeeded", &json!("unreadable"), &members);
        match stripe.read(event).unwrap().content {
            Content::Nothing(Some(notice)) => notice,
            other @ (Content::Fact(_) | Content::Nothing(_)) => panic!("{other:?}"),
        }
    };
    let live = stripe();
    let test = Stripe {
        is_live: false,
        account: Some("acct_1".to_owned()),
        ..stripe()
    };
    assert_eq!(of(&live, json!({})), Notice::Unreadable);
    assert_eq!(of(&live, json!({"livemode": false})), Notice::OtherMode);
    assert_eq!(of(&live, json!({"account": "acct_1"})), Notice::OtherAccount);
    assert_eq!(of(&test, json!({"account": "acct_1"})), Notice::OtherMode);
    assert_eq!(of(&test, json!({"livemode": false})), Notice::OtherAccount);
    assert_eq!(
        of(&test, json!({"livemode": false, "account": "acct_2"})),
        Notice::OtherAccount
    );
    assert_eq!(
        of(&test, json!({"livemode": false, "account": "acct_1"})),
        Notice::Unreadable
    );
}

#[test]
fn an_event_keeps_its_id_its_type_and_its_time_and_is_early_for_ten_minutes() {
    let read = stripe()
        .read(event("payment_intent.succeeded", &intent(), &json!({})))
        .unwrap();
    assert_eq!((read.provider, read.id.as_str()), (Provider::Stripe, "evt_1"));
    assert_eq!(read.event_type, EventType::new("payment_intent.succeeded").unwrap());
    assert_eq!(read.created_seconds, Some(CREATED));
    let until = Timestamp::from_millis((CREATED + 600) * 1_000);
    assert_eq!(read.early_until, Some(until));
    // A time that cannot be counted is no fault of the shop's.
    let latest = event("payment_intent.succeeded", &intent(), &json!({"created": i64::MAX}));
    assert!(stripe().read(latest).is_ok());
}
