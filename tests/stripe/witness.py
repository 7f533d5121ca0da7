#!/usr/bin/env python3
"""Stripe's and Standard Webhooks' libraries for Python sign events that the service takes, and verify what it signs.

BASE_URL and BIN name a fresh service without API keys that takes test events in EUR; its STRIPE_WEBHOOK_SECRET,
STRIPE_WEBHOOK_SECRET_PREVIOUS and WEBHOOK_SECRET must be in the environment.
"""

import datetime
import json
import os
import time

import standardwebhooks
import stripe
from shop import FIXTURES, check, expect, fixture, order, product, signed_by_us, status

SECRET, PREVIOUS = os.environ["STRIPE_WEBHOOK_SECRET"], os.environ["STRIPE_WEBHOOK_SECRET_PREVIOUS"]
OWN_SECRET = os.environ["WEBHOOK_SECRET"]
STRIPE, OWN = "/webhooks/stripe", "/webhooks/payment"
PAYING = {"charge.succeeded.without_intent", "checkout.session.async_payment_succeeded", "checkout.session.completed.paid",
          "payment_intent.succeeded"}
INVALID = (401, "/problems/invalid-signature")


def by_stripe(body, secret=SECRET, **more):
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(payload=body, secret=secret, **more)}


def refuses(error, verify, *arguments):
    try:
        verify(*arguments)
    except error:
        return True
    return False


def stripes_library(mugs):
    for path in sorted(FIXTURES.glob("*.json")):
        name = path.stem
        number = order(mugs)
        body, what = fixture(name, number), f"stripe-python signs {name}"
        if name == "v2.core.event":
            expect(f"{what}, which is refused as thin", STRIPE, body, by_stripe(body), 422)
        elif name in PAYING:
            expect(what, STRIPE, body, by_stripe(body), 200, "applied")
            check("its order", "PAID", status(number))
            expect("the same again", STRIPE, body, by_stripe(body), 200, "duplicate")
        else:
            expect(what, STRIPE, body, by_stripe(body), 200)
            check("its order", "PENDING", status(number))

    number = order(mugs)
    body = fixture("payment_intent.succeeded", number)
    late, early = int(time.time()) - 310, int(time.time()) + 310
    expect("another secret", STRIPE, body, by_stripe(body, secret="whsec_another"), *INVALID)
    expect("one blank more than was signed", STRIPE, body + " ", by_stripe(body), *INVALID)
    expect("310 seconds late", STRIPE, body, by_stripe(body, timestamp=late), *INVALID)
    expect("310 seconds early", STRIPE, body, by_stripe(body, timestamp=early), *INVALID)
    of_tests = by_stripe(body)["Stripe-Signature"].replace("v1=", "v0=")
    expect("another scheme", STRIPE, body, {"Stripe-Signature": of_tests}, *INVALID)
    check("the order of all these", "PENDING", status(number))

    # While a secret is rolled, Stripe signs with both.
    now = int(time.time())
    old, new = (by_stripe(body, secret=secret, timestamp=now)["Stripe-Signature"] for secret in (PREVIOUS, "whsec_to_come"))
    both = {"Stripe-Signature": f"{new},{old.split(',')[1]}"}
    expect("the previous secret beside one that is not known yet", STRIPE, body, both, 200, "applied")
    number = order(mugs)
    body = fixture("payment_intent.succeeded", number)
    expect("the previous secret alone", STRIPE, body, by_stripe(body, secret=PREVIOUS), 200, "applied")

    number = order(mugs)
    body = fixture("payment_intent.succeeded", number)
    ours = signed_by_us(body, "--stripe")
    header = ours["Stripe-Signature"]
    event = stripe.Webhook.construct_event(body, header, SECRET)
    check("stripe-python verifies what `sign --stripe` prints", json.loads(body)["id"], event.id)
    for what, sent, secret in [("with another secret", body, "whsec_another"), ("for another body", body + " ", SECRET)]:
        refused = refuses(stripe.SignatureVerificationError, stripe.Webhook.construct_event, sent, header, secret)
        check(f"and not {what}", True, refused)
    expect("the service takes it, too", STRIPE, body, ours, 200, "applied")


def standard_webhooks(mugs):
    number = order(mugs)
    event = {"id": f"evt_{number}", "type": "payment.succeeded",
             "data": {"order_id": number, "payment_id": f"pay_{number}", "amount": 25}}
    body = json.dumps(event)

    def by_standard(body, secret=OWN_SECRET, at=None):
        at = at or datetime.datetime.now(datetime.timezone.utc)
        return {"webhook-id": event["id"], "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": standardwebhooks.Webhook(secret).sign(event["id"], at, body)}

    another = "whsec_" + "A" * 32
    late = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=310)
    expect("standardwebhooks for Python, another secret", OWN, body, by_standard(body, another), *INVALID)
    expect("one blank more than was signed", OWN, body + " ", by_standard(body), *INVALID)
    expect("310 seconds late", OWN, body, by_standard(body, at=late), *INVALID)
    check("the order of all these", "PENDING", status(number))
    expect("standardwebhooks for Python signs", OWN, body, by_standard(body), 200, "applied")
    check("its order", "PAID", status(number))

    ours = signed_by_us(body, "--standard")
    check("standardwebhooks for Python verifies what `sign --standard` prints", event,
          standardwebhooks.Webhook(OWN_SECRET).verify(body, ours))
    for what, secret, sent in [("with another secret", another, body), ("for another body", OWN_SECRET, body + " ")]:
        verify = standardwebhooks.Webhook(secret).verify
        check(f"and not {what}", True, refuses(standardwebhooks.WebhookVerificationError, verify, sent, ours))


mugs = product()
stripes_library(mugs)
standard_webhooks(mugs)
