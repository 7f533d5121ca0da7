//! What must hold of payments, their events, refunds and disputes.
//!
//! The money of a payment is recomputed from its refunds, in the payment's own units.

use super::Check;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "no event is recorded twice",
        count: "SELECT count(*) FROM payment_events",
        // Not through the unique index, for that is what may be broken.
        broken: "SELECT format('event %s of %s is recorded %d times', event_id, provider, count(*))
                 FROM payment_events NOT INDEXED GROUP BY +event_id, +provider HAVING count(*) > 1",
    },
    Check {
        name: "events have a result that what they say can have",
        count: "SELECT count(*) FROM payment_events",
        broken: "SELECT format('event %d says %s and has result %s', number, ifnull(fact, 'nothing'), result)
                 FROM payment_events
                 WHERE NOT CASE ifnull(fact, '')
                     WHEN 'paid' THEN result IN ('applied', 'ignored', 'amount_mismatch', 'currency_mismatch',
                         'duplicate_payment', 'refund_due', 'order_gone', 'order_unknown')
                     WHEN 'refund' THEN result IN ('applied', 'ignored', 'partial_refund')
                     WHEN 'refunded_so_far' THEN result IN ('applied', 'ignored', 'partial_refund')
                     WHEN 'refund_failed' THEN result IN ('ignored', 'refund_due', 'refund_failed')
                     WHEN 'dispute' THEN result IN ('ignored', 'disputed')
                     WHEN 'not_paid' THEN result = 'ignored'
                     WHEN 'processing' THEN result = 'ignored'
                     WHEN '' THEN result = 'ignored'
                     ELSE FALSE END",
    },
    Check {
        name: "no payment is recorded twice",
        count: "SELECT count(*) FROM payments WHERE provider <> 'own'",
        broken: "SELECT format('payment %s of %s is recorded %d times', payment_id, provider, count(*))
                 FROM payments NOT INDEXED WHERE provider <> 'own' GROUP BY +payment_id, +provider HAVING count(*) > 1",
    },
    Check {
        name: "no refund is recorded twice",
        count: "SELECT count(*) FROM refunds",
        broken: "SELECT format('refund %s of %s is recorded %d times', refund_id, provider, count(*))
                 FROM refunds NOT INDEXED WHERE refund_id IS NOT NULL
                 GROUP BY +refund_id, +provider, iif(provider = 'own', order_id, 0) HAVING count(*) > 1",
    },
    Check {
        name: "no dispute is recorded twice",
        count: "SELECT count(*) FROM disputes",
        broken: "SELECT format('dispute %s of %s is recorded %d times', dispute_id, provider, count(*))
                 FROM disputes NOT INDEXED GROUP BY +dispute_id, +provider HAVING count(*) > 1",
    },
    Check {
        name: "events of money that came have their payment, and payments their event",
        count: "SELECT (SELECT count(*) FROM payment_events WHERE fact = 'paid' AND result <> 'ignored') \
                + (SELECT count(*) FROM payments)",
        // One that is ignored has its payment where all of it was refunded before it came.
        broken: "SELECT format('event %d has result %s and no payment', number, result) FROM payment_events
                 WHERE fact = 'paid' AND result <> 'ignored' AND number NOT IN (SELECT number FROM payments)
                 UNION ALL SELECT format('payment %d does not fit its event', p.number)
                 FROM payments AS p LEFT JOIN payment_events AS e ON e.number = p.number
                     AND e.fact = 'paid' AND e.provider = p.provider
                     AND (e.result <> 'ignored'
                         OR EXISTS (SELECT 1 FROM refunds AS r WHERE r.payment = p.number AND r.number < p.number))
                     AND p.is_own = (e.result = 'applied')
                     AND e.order_id IS p.order_id AND e.payment_id IS p.payment_id AND e.currency IS p.currency
                     AND iif(is_foreign, e.amount_cents IS NULL AND e.amount_minor IS amount_units,
                         e.amount_cents IS amount_units OR (e.amount_cents IS NULL AND e.amount_minor IS NULL))
                     AND (amount_units IS NOT NULL
                         OR e.result IN ('order_gone', 'order_unknown', 'amount_mismatch', 'ignored'))
                     AND (p.order_id IS NOT NULL OR e.result IN ('order_unknown', 'ignored'))
                 WHERE e.number IS NULL",
    },
    Check {
        name: "refunds are as their events say",
        count: "SELECT count(*) FROM refunds",
        broken: "WITH failures AS (
                     SELECT DISTINCT provider, refund_id FROM payment_events WHERE fact = 'refund_failed')
                 SELECT format('refund %d does not fit its event', r.number)
                 FROM refunds AS r LEFT JOIN payment_events AS e ON e.number = r.number
                     AND e.fact IN ('refund', 'refund_failed', 'refunded_so_far') AND e.provider = r.provider
                     AND (r.order_id IS e.order_id OR (r.provider <> 'own' AND (r.order_id IS NULL OR e.order_id IS NULL)))
                     AND r.refund_id IS iif(e.fact = 'refunded_so_far', NULL, ifnull(e.refund_id, e.event_id))
                     AND e.payment_id IS r.payment_id AND e.amount_cents IS r.amount_cents
                     AND e.amount_minor IS r.amount_minor AND e.currency IS r.currency
                     AND (e.fact <> 'refund_failed' OR r.has_failed = 1)
                 LEFT JOIN failures AS f ON f.provider = r.provider AND f.refund_id = r.refund_id
                 WHERE e.number IS NULL OR (r.has_failed = 1 AND f.refund_id IS NULL)",
    },
    Check {
        name: "events of money that went back have their refund",
        count: "SELECT count(*) FROM payment_events WHERE fact IN ('refund', 'refund_failed', 'refunded_so_far')",
        broken: "SELECT format('event %d has result %s and no refund', e.number, result)
                 FROM payment_events AS e LEFT JOIN refunds AS r
                     ON r.payment IS NOT NULL AND (r.number = e.number
                         OR (fact = 'refund_failed' AND has_failed = 1
                             AND r.provider = e.provider AND r.refund_id = e.refund_id))
                 WHERE fact IN ('refund', 'refund_failed', 'refunded_so_far') AND result <> 'ignored'
                     AND r.number IS NULL
                 UNION ALL SELECT format('event %d says %s and is a refund', number, ifnull(fact, 'nothing'))
                 FROM payment_events JOIN refunds USING (number)
                 WHERE ifnull(fact, '') NOT IN ('refund', 'refund_failed', 'refunded_so_far')",
    },
    Check {
        name: "refunds count against the payment that they name, once that is there",
        count: "SELECT count(*) FROM refunds",
        // In our own format the other of the two may have no id, where the payment came first.
        broken: "SELECT format('refund %d counts against payment %d', r.number, p.number)
                 FROM refunds AS r JOIN payments AS p ON p.number = r.payment
                 WHERE p.provider <> r.provider OR r.order_id <> p.order_id
                     OR (p.payment_id IS NOT r.payment_id AND (p.provider <> 'own' OR p.number > r.number
                         OR (p.payment_id IS NOT NULL AND r.payment_id IS NOT NULL)))
                 UNION ALL SELECT format('refund %d counts against no payment, and payment %d is there', r.number, p.number)
                 FROM refunds AS r JOIN payments AS p ON p.provider = r.provider AND p.payment_id = r.payment_id
                     AND ifnull(r.order_id = p.order_id, TRUE)
                     AND iif(is_foreign, r.currency = p.currency,
                         coalesce(r.amount_cents, r.amount_minor) IS NULL OR r.amount_cents IS NOT NULL)
                 WHERE r.payment IS NULL",
    },
    Check {
        name: "payments are refunded as their refunds say",
        count: "SELECT count(*) FROM payments",
        // Single refunds and totals so far tell of the same money; a refund without an amount takes what is left.
        broken: "WITH units AS (
                     SELECT payment, iif(is_foreign, amount_minor, amount_cents) AS units, refund_id IS NULL AS is_total,
                         has_failed, coalesce(amount_cents, amount_minor) IS NULL AND has_failed = 0 AS is_all
                     FROM refunds AS r JOIN payments AS p ON p.number = payment),
                 sums AS (
                     SELECT payment, ifnull(sum(iif(is_total OR has_failed, 0, units)), 0) AS single,
                         ifnull(max(iif(is_total, units, 0)), 0) - ifnull(sum(iif(has_failed, units, 0)), 0) AS so_far,
                         max(is_all) AS takes_all
                     FROM units GROUP BY payment),
                 told AS (
                     SELECT number, amount_units, refunded_units, is_closed, ifnull(takes_all, 0) AS takes_all,
                         max(ifnull(single, 0), ifnull(so_far, 0)) AS told
                     FROM payments LEFT JOIN sums ON payment = number),
                 wanted AS (
                     SELECT *, CASE WHEN amount_units IS NULL THEN told WHEN takes_all THEN amount_units
                         ELSE min(told, amount_units) END AS refunded FROM told)
                 SELECT format('payment %d has %d units refunded and is %s; its refunds took %d', number,
                     refunded_units, iif(is_closed, 'closed', 'open'), refunded)
                 FROM wanted WHERE refunded_units <> refunded
                     OR is_closed <> (takes_all OR refunded IS amount_units)",
    },
    Check {
        name: "a refund was called whole where it closed its payment, and partial where not",
        count: "SELECT count(*) FROM refunds WHERE payment IS NOT NULL",
        // Told again from the first refund on. Where one failed the results also depend on when.
        broken: "WITH failed AS (SELECT DISTINCT payment FROM refunds WHERE has_failed = 1 AND payment IS NOT NULL),
                 told AS (
                     SELECT r.number, p.number AS payment, amount_units AS amount, refund_id IS NULL AS is_total,
                         iif(is_foreign, amount_minor, amount_cents) AS units,
                         coalesce(amount_cents, amount_minor) IS NULL AS is_all
                     FROM refunds AS r JOIN payments AS p ON p.number = r.payment
                     WHERE p.number NOT IN (SELECT payment FROM failed)),
                 sums AS (
                     SELECT number, payment, amount,
                         max(sum(iif(is_total, 0, ifnull(units, 0))) OVER before,
                             max(iif(is_total, units, 0)) OVER before) AS told,
                         max(is_all) OVER before AS takes_all
                     FROM told WINDOW before AS (PARTITION BY payment ORDER BY number)),
                 afters AS (
                     SELECT *, CASE WHEN amount IS NULL THEN told WHEN takes_all THEN amount ELSE min(told, amount) END
                         AS refunded FROM sums),
                 steps AS (
                     SELECT number, payment, refunded, takes_all OR refunded IS amount AS is_closed,
                         lag(refunded, 1, 0) OVER step AS was, lag(takes_all OR refunded IS amount, 1, 0) OVER step
                             AS was_closed
                     FROM afters WINDOW step AS (PARTITION BY payment ORDER BY number))
                 SELECT format('refund %d of payment %d has result %s, and %d units are refunded with it', number, payment,
                     result, refunded)
                 FROM steps JOIN payment_events USING (number)
                 WHERE result <> CASE
                     WHEN number < payment OR (refunded = was AND is_closed = was_closed) THEN 'ignored'
                     WHEN is_closed THEN 'applied'
                     ELSE 'partial_refund' END",
    },
    Check {
        name: "disputes are as their events say",
        count: "SELECT count(*) FROM disputes",
        broken: "SELECT format('dispute %d does not fit its event', d.number)
                 FROM disputes AS d LEFT JOIN payment_events AS e ON e.number = d.number
                     AND e.fact = 'dispute' AND e.provider = d.provider AND e.payment_id = d.payment_id
                 WHERE e.number IS NULL",
    },
    Check {
        name: "disputes are about the payment that they name, once that is there",
        count: "SELECT count(*) FROM disputes",
        broken: "SELECT format('dispute %d is about payment %d', d.number, p.number)
                 FROM disputes AS d JOIN payments AS p ON p.number = d.payment
                 WHERE p.provider <> d.provider OR p.payment_id IS NOT d.payment_id
                     OR d.order_id <> p.order_id
                 UNION ALL SELECT format('dispute %d is about no payment, and payment %d is there', d.number, p.number)
                 FROM disputes AS d JOIN payments AS p ON p.provider = d.provider AND p.payment_id = d.payment_id
                     AND ifnull(d.order_id = p.order_id, TRUE)
                 WHERE d.payment IS NULL AND p.provider <> 'own'",
    },
];
