//! What somebody's hand could do to the file, for each check of the audit.

/// What is wrong, for each check by its name, with one of the ids to be named.
pub(in crate::store) const ALL: &[(&str, &str, &str)] = &[
    (
        "the file is sound",
        "DELETE FROM sqlite_schema WHERE name = 'orders_by_status'",
        "never used",
    ),
    (
        "references lead somewhere",
        "DELETE FROM products WHERE id = 2",
        "stock_movements row 2 leads to no row of products",
    ),
    (
        "references lead somewhere",
        "UPDATE orders SET product_id = 3 WHERE id = 3",
        "orders row 3 leads to no row of products",
    ),
    (
        "references lead somewhere",
        "UPDATE refunds SET payment = 99 WHERE number = 3",
        "refunds row 3 leads to no row of payments",
    ),
    (
        "no id is above its counter",
        "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'orders'",
        "orders: id 7 is above the counter 2",
    ),
    (
        "no id is above its counter",
        "DELETE FROM sqlite_sequence WHERE name = 'products'",
        "products: id 2 is above the counter that is not there",
    ),
    (
        "no id is above its counter",
        "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'payment_events'",
        "payment_events: id 25",
    ),
    (
        "no id is above its counter",
        "UPDATE payment_events SET order_id = 99 WHERE number = 6",
        "orders: id 99",
    ),
    (
        "no id is above its counter",
        "UPDATE sqlite_sequence SET seq = 13 WHERE name = 'stock_movements'",
        "stock_movements: id 14 is above the counter 13",
    ),
    (
        "versions count from 1",
        "UPDATE products SET version = 0 WHERE id = 2",
        "product 2 is in version 0",
    ),
    (
        "versions count from 1",
        "UPDATE orders SET version = -1 WHERE id = 3",
        "order 3 is in version -1",
    ),
    (
        "stock is the sum of its movements",
        "UPDATE products SET stock = stock + 1 WHERE id = 2",
        "product 2 has stock 5, its movements add up to 4",
    ),
    (
        "stock is the sum of its movements",
        "DELETE FROM stock_movements WHERE product_id = 2",
        "product 2 has stock 4, its movements add up to 0",
    ),
    (
        "stock is that after the newest movement",
        "UPDATE stock_movements SET stock_after = 7 WHERE product_id = 2 AND reason = 'order_deleted'",
        "product 2 has stock 4, its newest movement left 7",
    ),
    (
        "stock is not negative",
        "UPDATE products SET stock = -1 WHERE id = 2",
        "product 2 has stock -1",
    ),
    (
        "stock is not negative",
        "UPDATE stock_movements SET stock_after = -1 WHERE id = 3",
        "movement 3 left product 2 with -1",
    ),
    (
        "each movement goes on from the one before",
        "UPDATE stock_movements SET delta = -3 WHERE id = 4",
        "movement 4 of product 1",
    ),
    (
        "each movement goes on from the one before",
        "DELETE FROM stock_movements WHERE id = 1",
        "movement 4 of product 1 makes 38 of 0 with -2",
    ),
    (
        "movements have a reason, and the order that it speaks of",
        "UPDATE stock_movements SET order_id = NULL WHERE id = 4",
        "movement 4 has reason order_placed and order none",
    ),
    (
        "movements have a reason, and the order that it speaks of",
        "UPDATE stock_movements SET order_id = 1 WHERE id = 3",
        "movement 3 has reason adjustment and order 1",
    ),
    (
        "movements have a reason, and the order that it speaks of",
        "UPDATE stock_movements SET reason = 'stolen' WHERE id = 3",
        "movement 3 has reason stolen and order none",
    ),
    (
        "orders hold what their movements took",
        "UPDATE orders SET quantity = 3 WHERE id = 3",
        "order 3 holds 3 units of product 1, its movements took 2",
    ),
    (
        "orders hold what their movements took",
        "UPDATE orders SET product_id = 2 WHERE id = 3",
        "order 3 holds 2 units of product 2, its movements took 0",
    ),
    (
        "orders hold what their movements took",
        "DELETE FROM orders WHERE id = 3",
        "order 3 is gone",
    ),
    (
        "orders hold what their movements took",
        "UPDATE stock_movements SET order_id = 2 WHERE reason = 'order_canceled' AND order_id = 4",
        "order 4 holds 0 units of product 1, its movements took 2",
    ),
    (
        "statuses have their times",
        "UPDATE orders SET status = 'PENDING' WHERE id = 2",
        "order 2 is PENDING",
    ),
    (
        "statuses have their times",
        "UPDATE orders SET shipped_at_ms = 1 WHERE id = 2",
        "order 2 is PAID",
    ),
    (
        "statuses have their times",
        "UPDATE orders SET shipped_at_ms = NULL WHERE id = 1",
        "order 1 is SHIPPED",
    ),
    (
        "statuses have their times",
        "UPDATE orders SET canceled_at_ms = NULL WHERE id = 4",
        "order 4 is CANCELED",
    ),
    (
        "statuses have their times",
        "UPDATE orders SET status = 'LOST' WHERE id = 4",
        "order 4 is LOST",
    ),
    (
        "only pending orders expire",
        "UPDATE orders SET expires_at_ms = 1 WHERE id = 2",
        "order 2 is PAID and expires at 1",
    ),
    (
        "prices and totals are above 0",
        "UPDATE products SET price_cents = 0 WHERE id = 2",
        "product 2 costs 0 cents",
    ),
    (
        "prices and totals are above 0",
        "UPDATE orders SET quantity = 0 WHERE id = 3",
        "order 3 is of 0 units",
    ),
    (
        "prices and totals are above 0",
        "UPDATE orders SET unit_price_cents = 9223372036854775807 WHERE id = 3",
        "order 3 is of 2 units",
    ),
    (
        "paid orders have one payment of their total, and no others have one",
        "UPDATE payments SET is_own = 0 WHERE number = 1",
        "order 1 is SHIPPED, was paid and has 0 payments of its own",
    ),
    (
        "paid orders have one payment of their total, and no others have one",
        "UPDATE payments SET is_own = 1 WHERE number = 2",
        "order 1 is SHIPPED, was paid and has 2 payments",
    ),
    (
        "paid orders have one payment of their total, and no others have one",
        "UPDATE payments SET amount_units = 2499 WHERE number = 4",
        "order 2 is PAID, was paid and has 1 payments of its own, of 2499 cents; its total is 2500",
    ),
    (
        "paid orders have one payment of their total, and no others have one",
        "UPDATE payments SET is_own = 1 WHERE number = 5",
        "order 4 is CANCELED, was not paid and has 1 payments",
    ),
    (
        "paid orders have one payment of their total, and no others have one",
        "DELETE FROM payments WHERE number = 7",
        "order 7 is CANCELED, was paid and has 0 payments",
    ),
    (
        "paid orders have one payment of their total, and no others have one",
        "UPDATE payments SET is_own = 1 WHERE number = 6",
        "payment 6 belongs to order 5, which is gone",
    ),
    (
        "a paid order's payment is not refunded whole",
        "UPDATE payments SET refunded_units = 2500, is_closed = 1 WHERE number = 4",
        "order 2 is PAID, its payment 4 is closed",
    ),
    (
        "canceled orders with an open payment owe it back, and no others do",
        "UPDATE orders SET refund_due = 0 WHERE id = 4",
        "order 4 is CANCELED and has refund_due 0 instead of 1",
    ),
    (
        "canceled orders with an open payment owe it back, and no others do",
        "UPDATE orders SET refund_due = 1 WHERE id = 7",
        "order 7 is CANCELED and has refund_due 1 instead of 0",
    ),
    (
        "canceled orders with an open payment owe it back, and no others do",
        "UPDATE orders SET refund_due = 1 WHERE id = 2",
        "order 2 is PAID and has refund_due 1 instead of 0",
    ),
    (
        "deleted orders had no recorded payment",
        "DELETE FROM orders WHERE id = 4",
        "event 5 says refund_due of order 4, which is gone",
    ),
    (
        "no event is recorded twice",
        "DROP INDEX payment_events_by_id; UPDATE payment_events SET event_id = 'e1' WHERE number = 2",
        "event e1 of own is recorded 2 times",
    ),
    (
        "no refund is recorded twice",
        "DROP INDEX refunds_of_orders_by_id; UPDATE refunds SET refund_id = 'e8' WHERE number = 9",
        "refund e8 of own is recorded 2 times",
    ),
    (
        "events have a result that what they say can have",
        "UPDATE payment_events SET result = 'partial_refund' WHERE number = 1",
        "event 1 says paid and has result partial_refund",
    ),
    (
        "events have a result that what they say can have",
        "UPDATE payment_events SET result = 'refund_due' WHERE number = 3",
        "event 3 says refund and has result refund_due",
    ),
    (
        "events have a result that what they say can have",
        "UPDATE payment_events SET fact = 'not_paid' WHERE number = 1",
        "event 1 says not_paid and has result applied",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "DELETE FROM payments WHERE number = 6",
        "event 6 has result order_gone and no payment",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "DELETE FROM payment_events WHERE number = 6",
        "payment 6 does not fit its event",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "UPDATE payments SET order_id = 3 WHERE number = 6",
        "payment 6 does not fit its event",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "UPDATE payments SET payment_id = 'p9' WHERE number = 1",
        "payment 1 does not fit its event",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "UPDATE payment_events SET amount_cents = 8 WHERE number = 5",
        "payment 5 does not fit its event",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "UPDATE payments SET amount_units = NULL WHERE number = 4",
        "payment 4 does not fit its event",
    ),
    (
        "events of money that came have their payment, and payments their event",
        "UPDATE refunds SET payment = NULL WHERE number = 10",
        "payment 11 does not fit its event",
    ),
    (
        "refunds are as their events say",
        "UPDATE refunds SET refund_id = 're_9' WHERE number = 3",
        "refund 3 does not fit its event",
    ),
    (
        "refunds are as their events say",
        "UPDATE payment_events SET refund_id = 're_9' WHERE number = 15",
        "refund 15 does not fit its event",
    ),
    (
        "refunds are as their events say",
        "UPDATE refunds SET amount_cents = 501 WHERE number = 12",
        "refund 12 does not fit its event",
    ),
    (
        "refunds are as their events say",
        "UPDATE refunds SET order_id = 2 WHERE number = 3",
        "refund 3 does not fit its event",
    ),
    (
        "events of money that went back have their refund",
        "DELETE FROM refunds WHERE number = 3",
        "event 3 has result partial_refund and no refund",
    ),
    (
        "events of money that went back have their refund",
        "UPDATE refunds SET has_failed = 0 WHERE number = 23",
        "event 24 has result refund_failed and no refund",
    ),
    (
        "events of money that went back have their refund",
        "UPDATE payment_events SET fact = 'not_paid' WHERE number = 12",
        "event 12 says not_paid and is a refund",
    ),
    (
        "refunds count against the payment that they name, once that is there",
        "UPDATE refunds SET payment = 4 WHERE number = 3",
        "refund 3 counts against payment 4",
    ),
    (
        "refunds count against the payment that they name, once that is there",
        "UPDATE refunds SET payment = NULL WHERE number = 12",
        "refund 12 counts against no payment, and payment 13 is there",
    ),
    (
        "refunds count against the payment that they name, once that is there",
        "UPDATE refunds SET payment = 5 WHERE number = 12",
        "refund 12 counts against payment 5",
    ),
    (
        "refunds count against the payment that they name, once that is there",
        "UPDATE refunds SET payment = 22 WHERE number = 20",
        "refund 20 counts against payment 22",
    ),
    (
        "refunds count against the payment that they name, once that is there",
        "UPDATE refunds SET payment = NULL WHERE number = 20",
        "refund 20 counts against no payment, and payment 18 is there",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET refunded_units = 999 WHERE number = 2",
        "payment 2 has 999 units refunded and is open; its refunds took 1000",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET is_closed = 1 WHERE number = 2",
        "payment 2 has 1000 units refunded and is closed",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET is_closed = 0 WHERE number = 7",
        "payment 7 has 2500 units refunded and is open",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET is_closed = 1 WHERE number = 6",
        "payment 6 has 0 units refunded and is closed",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET refunded_units = 2501 WHERE number = 2",
        "payment 2 has 2501 units refunded",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET refunded_units = 1000 WHERE number = 18",
        "payment 18 has 1000 units refunded and is open; its refunds took 500",
    ),
    (
        "payments are refunded as their refunds say",
        "UPDATE payments SET refunded_units = 2500, is_closed = 1 WHERE number = 22",
        "payment 22 has 2500 units refunded and is closed; its refunds took 0",
    ),
    (
        "a refund was called whole where it closed its payment, and partial where not",
        "UPDATE payment_events SET result = 'applied' WHERE number = 3",
        "refund 3 of payment 2 has result applied, and 1000 units are refunded with it",
    ),
    (
        "a refund was called whole where it closed its payment, and partial where not",
        "UPDATE payment_events SET result = 'partial_refund' WHERE number = 9",
        "refund 9 of payment 7 has result partial_refund, and 2500 units are refunded with it",
    ),
    (
        "a refund was called whole where it closed its payment, and partial where not",
        "UPDATE payment_events SET result = 'partial_refund' WHERE number = 20",
        "refund 20 of payment 18 has result partial_refund, and 500 units are refunded with it",
    ),
    (
        "no payment is recorded twice",
        "DROP INDEX payments_by_id; UPDATE payments SET payment_id = 'pi_2' WHERE number = 22",
        "payment pi_2 of stripe is recorded 2 times",
    ),
    (
        "no dispute is recorded twice",
        "DROP INDEX disputes_by_id; UPDATE disputes SET dispute_id = 'du_1' WHERE number = 25",
        "dispute du_1 of stripe is recorded 2 times",
    ),
    (
        "disputes are as their events say",
        "UPDATE disputes SET payment_id = 'pi_8' WHERE number = 25",
        "dispute 25 does not fit its event",
    ),
    (
        "disputes are about the payment that they name, once that is there",
        "UPDATE disputes SET payment = NULL WHERE number = 21",
        "dispute 21 is about no payment, and payment 18 is there",
    ),
    (
        "disputes are about the payment that they name, once that is there",
        "UPDATE disputes SET payment = 18 WHERE number = 25",
        "dispute 25 is about payment 18",
    ),
    (
        "orders that are held expire when their holds end",
        "UPDATE orders SET expires_at_ms = expires_at_ms + 1 WHERE id = 3",
        "order 3 expires at",
    ),
    (
        "orders that are held expire when their holds end",
        "INSERT INTO payment_holds VALUES ('pi_8', 'stripe', 3, 1, 1, 1, 1)",
        "order 3 has holds with several deadlines",
    ),
    (
        "no id is above its counter",
        "UPDATE payment_holds SET order_id = 98",
        "orders: id 98",
    ),
    (
        "responses under idempotency keys are successes",
        "UPDATE idempotency_keys SET status = 409",
        "the response to /orders under key k has status 409",
    ),
];
