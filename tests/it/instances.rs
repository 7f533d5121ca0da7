//! Several processes on one PostgreSQL database: together they behave as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::app::id;
use crate::support::instances::{Got, Instances};
use crate::support::scrape::Scrape;
use crate::support::wire::allow_files;

/// So many buyers want the last item.
const BUYERS: usize = 500;
const ROUNDS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn the_last_item_is_sold_once_however_many_instances_sell_it() {
    allow_files(4_096);
    for (count, rounds) in [(2, ROUNDS / 2), (3, ROUNDS / 2)] {
        let shop = Instances::start(count, &[]).await;
        for round in 0..rounds {
            let product = shop.product(round, &format!("LAST-{round}"), 1).await;
            let buyers = (0..BUYERS).map(|buyer| shop.place(buyer, product, 1));
            let answers = join_all(buyers).await;
            let placed = answers.iter().filter(|got| got.status == 201).count();
            let refused = answers.iter().filter(|got| got.status == 409).count();
            assert_eq!((placed, refused), (1, BUYERS - 1), "round {round} at {count} instances");
            assert_eq!(shop.get(round, &format!("/products/{product}")).await["stock"], 0);
        }
        shop.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn whatever_is_done_from_all_sides_at_once_the_ledger_is_exact() {
    let shop = Instances::start(3, &[("ORDER_TTL_SECONDS", "1")]).await;
    let product = shop.product(0, "SHARED", 1_000).await;
    let other = shop.product(1, "OTHER", 1_000).await;
    let is_known = |got: &Got| [200, 204, 404, 409].contains(&got.status);
    let step = async |n: usize| {
        // Each kind of request at each instance.
        let (kind, at) = (n % 7, n + n / 7);
        let path = format!("/products/{product}");
        let movements = format!("{path}/stock-movements");
        let cancel = json!({"status": "CANCELED"});
        match kind {
            0 => shop.ask(at, "POST", &movements, None, json!({"delta": 3})).await,
            1 => shop.ask(at, "PUT", &path, None, json!({"stock": 900 + n % 9})).await,
            2 => shop.place(at, other, 1).await,
            3 => {
                let order = shop.place(at, product, 2).await;
                // Changed at one, canceled or deleted at two at the same time.
                let order = format!("/orders/{}", id(&order.body));
                let all = [
                    shop.ask(at, "PUT", &order, None, json!({"quantity": 5})),
                    shop.ask(at + 1, "PUT", &order, None, cancel.clone()),
                    shop.ask(at + 2, "PUT", &order, None, cancel),
                    shop.ask(at + 2, "DELETE", &order, None, Value::Null),
                ];
                let answers = join_all(all).await;
                assert!(answers.iter().all(is_known), "{answers:?}");
                answers[0].clone()
            }
            4 => {
                let order = id(&shop.place(at, product, 3).await.body);
                // Paid at two, while it is canceled at the third or expires.
                let data = json!({"order_id": order, "payment_id": format!("pay-{order}")});
                let event = json!({"id": format!("evt-{order}"), "type": "payment.succeeded", "data": data});
                let order = format!("/orders/{order}");
                let all = [
                    shop.ask(at, "POST", "/webhooks/payment", None, event.clone()),
                    shop.ask(at + 1, "POST", "/webhooks/payment", None, event),
                    shop.ask(at + 2, "PUT", &order, None, cancel),
                ];
                let answers = join_all(all).await;
                assert!(answers.iter().all(is_known), "{answers:?}");
                answers[0].clone()
            }
            // It expires meanwhile.
            5 => shop.place(at, product, 1).await,
            _ => shop.ask(at, "DELETE", &path, None, Value::Null).await,
        }
    };
    // It has an order from the beginning, so that it is never deleted.
    assert_eq!(shop.place(0, product, 1).await.status, 201);
    for round in 0..15 {
        let answers = join_all((0..63).map(|n| step(round + n))).await;
        let faults: Vec<_> = answers.iter().filter(|got| got.status >= 500).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
    // Until every order has expired.
    for _ in 0..100 {
        if shop.walk("/orders?status=PENDING&").await.is_empty() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    for product in [product, other] {
        shop.assert_ledger_adds_up(product).await;
        let ledger = shop.walk(&format!("/products/{product}/stock-movements?")).await;
        let expired = ledger.iter().filter(|movement| movement["reason"] == "order_expired");
        let expired: Vec<_> = expired.map(|movement| movement["order_id"].as_i64().unwrap()).collect();
        let distinct: BTreeSet<_> = expired.iter().collect();
        assert_eq!(distinct.len(), expired.len(), "each order expires once");
        assert!(!expired.is_empty());
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_key_has_one_effect_and_both_instances_give_its_answer() {
    let shop = Instances::start(2, &[]).await;
    let product = shop.product(0, "KEYED", 1_000).await;
    let order = json!({"product_id": product, "quantity": 1});
    for round in 0..50 {
        let key = format!("key-{round}");
        let retries = (0..4).map(|retry| shop.ask(retry, "POST", "/orders", Some(&key), order.clone()));
        let answers = join_all(retries).await;
        assert_eq!(answers.iter().filter(|got| !got.is_replayed).count(), 1, "{answers:?}");
        assert!(
            answers
                .iter()
                .all(|got| got.status == 201 && got.kept() == answers[0].kept()),
            "{answers:?}"
        );
    }
    assert_eq!(shop.get(1, &format!("/products/{product}")).await["stock"], 950);
    shop.assert_ledger_adds_up(product).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_event_and_a_payment_count_once_wherever_they_are_told() {
    let shop = Instances::start(2, &[]).await;
    let product = shop.product(0, "PAID", 1_000).await;
    let event = |event: String, order: i64, payment: String| json!({"id": event, "type": "payment.succeeded", "data": {"order_id": order, "payment_id": payment}});
    for round in 0..30 {
        let order = id(&shop.place(round, product, 1).await.body);
        let told = event(format!("evt-{round}"), order, format!("pay-{round}"));
        let same = (0..4).map(|n| shop.ask(n, "POST", "/webhooks/payment", None, told.clone()));
        let mut results: Vec<_> = join_all(same)
            .await
            .into_iter()
            .map(|got| got.body["result"].clone())
            .collect();
        results.sort_by_key(ToString::to_string);
        assert_eq!(
            json!(results),
            json!(["applied", "duplicate", "duplicate", "duplicate"])
        );

        let order = id(&shop.place(round, product, 1).await.body);
        let twice = (0..2).map(|n| {
            let told = event(format!("evt-{round}-{n}"), order, format!("pay-twice-{round}"));
            shop.ask(n, "POST", "/webhooks/payment", None, told)
        });
        let twice: Vec<_> = twice.collect();
        let mut results: Vec<_> = join_all(twice)
            .await
            .into_iter()
            .map(|got| got.body["result"].clone())
            .collect();
        results.sort_by_key(ToString::to_string);
        assert_eq!(json!(results), json!(["applied", "ignored"]));
        let payments = shop.get(round, &format!("/payments?order_id={order}")).await["items"].clone();
        assert_eq!(
            (payments.as_array().unwrap().len(), &payments[0]["own"]),
            (1, &json!(true)),
            "{payments}"
        );
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_list_has_every_acknowledged_row_once_while_others_write() {
    let shop = Instances::start(3, &[]).await;
    let product = shop.product(0, "LISTED", 100_000).await;
    let mut given = BTreeSet::new();
    let (mut orders, mut pending, mut products) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::from([product]));
    let place = async |n: usize| {
        let order = id(&shop.place(n, product, 1).await.body);
        // What was acknowledged shows at once, at every instance.
        let path = format!("/orders/{order}");
        tokio::join!(shop.get(n + 1, &path), shop.get(n + 2, &path));
        order
    };
    for round in 0..10 {
        let placed = join_all((0..60).map(place)).await;
        given.extend(&placed);
        // Of these, some stay as they are, some are canceled during the walk, and some are deleted.
        let (staying, going): (Vec<_>, Vec<_>) = placed.into_iter().partition(|order| order % 3 == 0);
        pending.extend(&staying);
        orders.extend(&staying);
        orders.extend(going.iter().filter(|order| *order % 3 == 1));
        let change = going.iter().enumerate().map(async |(n, order)| {
            let path = format!("/orders/{order}");
            let got = match order % 3 {
                1 => shop.ask(n, "PUT", &path, None, json!({"status": "CANCELED"})).await,
                _ => shop.ask(n, "DELETE", &path, None, Value::Null).await,
            };
            assert!(got.status < 300, "{got:?}");
        });
        let new_product = async |n: usize| shop.product(n, &format!("NEW-{round}-{n}"), 1).await;
        let (of_all, of_pending, of_products, _, placed, new) = tokio::join!(
            shop.walk("/orders?"),
            shop.walk("/orders?status=PENDING&"),
            shop.walk("/products?"),
            join_all(change),
            join_all((0..60).map(place)),
            join_all((0..20).map(new_product))
        );
        for (walked, stayed) in [(of_all, &orders), (of_pending, &pending), (of_products, &products)] {
            let found: Vec<_> = walked.iter().map(id).collect();
            let distinct: BTreeSet<_> = found.iter().copied().collect();
            assert_eq!(distinct.len(), found.len(), "none twice");
            let left_out: Vec<_> = stayed.difference(&distinct).collect();
            assert!(left_out.is_empty(), "left out: {left_out:?}");
        }
        given.extend(&placed);
        orders.extend(&placed);
        pending.extend(&placed);
        products.extend(new);
    }
    // Ids have no gaps, wherever they were given.
    assert_eq!(given, (1..=1_200).collect::<BTreeSet<_>>());
    shop.assert_ledger_adds_up(product).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn one_instance_tells_how_many_rows_there_are() {
    let mut shop = Instances::start(3, &[("METRICS_ADDR", "127.0.0.1:0")]).await;
    let product = shop.product(0, "OWED", 10).await;
    let order = id(&shop.place(0, product, 1).await.body);
    let told = json!({"id": "evt", "type": "payment.succeeded", "data": {"order_id": order, "payment_id": "pay"}});
    shop.ask(1, "POST", "/webhooks/payment", None, told).await;
    let canceled = shop
        .ask(
            2,
            "PUT",
            &format!("/orders/{order}"),
            None,
            json!({"status": "CANCELED"}),
        )
        .await;
    assert_eq!(canceled.body["refund_due"], true);
    let wanted = BTreeMap::from([
        ("shop_orders_paid_total", 1.0),
        ("shop_orders_placed_total", 1.0),
        ("shop_orders_refund_due", 1.0),
    ]);
    let told = shop.scrapes().await;
    assert_eq!(sums(&told, &wanted), wanted);
    // Another one tells when that one is gone, and again only one does.
    let teller = told
        .iter()
        .position(|scrape| scrape.value("shop_orders_refund_due") == 1.0);
    drop(shop.servers.remove(teller.unwrap()));
    let gauge = BTreeMap::from([("shop_orders_refund_due", 1.0)]);
    let mut told = 0.0;
    for _ in 0..100 {
        told = sums(&shop.scrapes().await, &gauge)["shop_orders_refund_due"];
        if told > 0.0 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told, 1.0);
    assert_eq!(sums(&shop.scrapes().await, &gauge), gauge);
    shop.stop().await;
}

/// The sum of each of these series over all instances.
fn sums<'a>(scrapes: &[Scrape], series: &BTreeMap<&'a str, f64>) -> BTreeMap<&'a str, f64> {
    let sum = |name: &'a str| (name, scrapes.iter().map(|scrape| scrape.value(name)).sum());
    series.keys().copied().map(sum).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_instance_that_is_killed_or_hangs_stops_no_other() {
    let shop = Instances::start(3, &[]).await;
    let product = shop.product(0, "GOES-ON", 1_000).await;
    let mut placed = 0;
    for round in 0..10 {
        // Under load, so that the turn may be anywhere.
        let load = join_all((0..30).map(|n| shop.place(n % 2, product, 1)));
        let hang = async {
            shop.servers[2].signal(rustix::process::Signal::STOP);
            sleep(Duration::from_millis(20 * round)).await;
        };
        let before = shop.place(2, product, 1);
        let (before, answers, ()) = tokio::join!(before, load, async {
            sleep(Duration::from_millis(round)).await;
            hang.await;
            sleep(Duration::from_millis(2_500)).await;
            shop.servers[2].signal(rustix::process::Signal::CONT);
        });
        let all_placed = answers.iter().filter(|got| got.status == 201).count();
        assert_eq!(all_placed, answers.len(), "{answers:?}");
        placed += all_placed + usize::from(before.status == 201);
    }
    let stock = shop.get(0, &format!("/products/{product}")).await["stock"]
        .as_u64()
        .unwrap();
    assert_eq!(stock, 1_000 - u64::try_from(placed).unwrap());
    shop.assert_ledger_adds_up(product).await;
    assert!(shop.database.contains("test_"));
    drop(shop);
}
