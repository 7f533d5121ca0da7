#!/usr/bin/env python3
"""Runs the code of a shop's server that a page shows, unchanged: checkout.py PAGE.md

It calls the service at BASE_URL, which has API keys, takes test events in EUR and cancels orders after an hour, and a
stand-in for Stripe's API (checkout_api.py). Stripe's events are signed by its library.
"""

import json
import os
import pathlib
import re
import sys
import time
import types
from datetime import datetime
from decimal import Decimal

import requests
import stripe
from checkout_api import KEY, CheckoutApi
from shop import BASE_URL, FIXTURES, call, check, send

SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]
DAY = 24 * 60 * 60


def code_of(page):
    """The page's Python code as a module, which finds its settings in the environment, as it says."""
    text = page.read_text()
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    check("the page has one block of Python", 1, len(blocks))
    # So that a traceback names the page's lines.
    lines_before = "\n" * text.count("\n", 0, blocks[0].start(1))
    os.environ |= {"SERVICE_URL": BASE_URL, "STRIPE_API_KEY": KEY, "SHOP_URL": "https://shop.example"}
    module = types.ModuleType("shop_of_the_page")
    exec(compile(lines_before + blocks[0][1], str(page), "exec"), module.__dict__)
    return module


def raised(error, act, *arguments):
    try:
        act(*arguments)
    except error as one:
        return one
    return None


def seconds(time):
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


class Events:
    """Stripe's events, each with an id of its own."""

    def __init__(self):
        self.count = 0

    def tell(self, what, expected, kind, obj):
        self.count += 1
        event = json.loads((FIXTURES / "customer.created.json").read_text())
        event |= {"id": f"evt_checkout_{self.count}", "type": kind, "created": int(time.time()), "data": {"object": obj}}
        body = json.dumps(event)
        header = stripe.WebhookSignature.generate_signature_header(payload=body, secret=SECRET)
        code, said, text = send("/webhooks/stripe", body, {"Stripe-Signature": header})
        check(what, (200, expected), (code, said), text)


def product(name, price, stock):
    return call("POST", "/products", {"sku": name, "name": name, "price": price, "stock": stock})["id"]


def stock(product_id):
    return call("GET", f"/products/{product_id}")["stock"]


def status(order):
    return call("GET", f"/orders/{order['id']}")["status"]


def buys(shop, api):
    mug = product("MUG", 12.5, 3)
    for path, code in [("/products", 200), (f"/products/{mug}", 200), ("/orders", 401), ("/payments", 401)]:
        check(f"a browser without a key, GET {path}", code, requests.get(BASE_URL + path, timeout=30).status_code)

    order, session = shop.check_out(mug, 2, "checkout-1")
    check("an order is placed", ("PENDING", Decimal(25)), (order["status"], order["total"]))
    check("its stock is reserved", 1, stock(mug))
    sent = api.parameters[session.id]
    check("the page at Stripe has the order's total in cents", (2500, "eur"), (session.amount_total, session.currency))
    check("it names the order for the session", {"order_id": str(order["id"])}, sent["metadata"])
    check("and for the payment", sent["metadata"], sent["payment_intent_data"]["metadata"])
    check("it takes the shop's currency only", {"enabled": False}, sent["adaptive_pricing"])
    check("it closes five minutes before the order expires", int(seconds(order["expires_at"])) - 300, session.expires_at)

    again = shop.check_out(mug, 2, "checkout-1")
    check("pressing twice gives the same order and page", (order["id"], session.url), (again[0]["id"], again[1].url))
    check("and reserves nothing more", 1, stock(mug))
    refused = raised(requests.HTTPError, shop.check_out, mug, 2, "checkout-2")
    check("what is not in stock is refused", 409, refused and refused.response.status_code)
    check("and creates no page", 1, len(api.sessions))

    exact = product("EXACT", 19.99, 1)
    _, session = shop.check_out(exact, 1, "checkout-3")
    check("an amount that no double has is exact", 1999, session.amount_total)

    placed = {"created_at": "2026-03-01T10:00:00.000Z", "expires_at": None}
    closes = seconds(placed["created_at"]) + DAY - 300
    check("for orders that never expire, the page closes within a day", closes, shop.closes_at(placed))
    check("and for those that expire later", closes, shop.closes_at(placed | {"expires_at": "2026-03-09T10:00:00.000Z"}))


def pays(shop, api, events):
    tea = product("TEA", 12.5, 100)
    order, session = shop.check_out(tea, 2, "checkout-4")
    check("nobody has paid", False, shop.is_paid(order["id"]))
    completed, intent = api.complete(session.id)
    events.tell("the session pays its order", "applied", "checkout.session.completed", completed)
    check("the shop sees it", True, shop.is_paid(order["id"]))
    events.tell("the intent tells of the same payment", "ignored", "payment_intent.succeeded", intent)
    check("who has paid cannot leave", False, shop.leave(order["id"], session.id))
    check("and the order stays", "PAID", status(order))

    order, session = shop.check_out(tea, 2, "checkout-5")
    _, intent = api.complete(session.id)
    events.tell("the intent alone pays its order", "applied", "payment_intent.succeeded", intent)

    order, session = shop.check_out(tea, 2, "checkout-6")
    completed, _ = api.complete(session.id, "unpaid")
    events.tell("a bank debit begins", "ignored", "checkout.session.completed", completed)
    held = seconds(call("GET", f"/orders/{order['id']}")["expires_at"]) - time.time()
    check("its order is held for 14 days", True, 13.9 * DAY < held < 14.1 * DAY, held)
    check("who pays by it cannot leave", False, shop.leave(order["id"], session.id))
    check("and the order waits", "PENDING", status(order))
    completed, _ = api.complete(session.id)
    events.tell("the debit arrives", "applied", "checkout.session.async_payment_succeeded", completed)

    order, session = shop.check_out(tea, 2, "checkout-7")
    linked = api.sessions[session.id] | {"metadata": {}, "client_reference_id": str(order["id"]), "payment_status": "paid"}
    events.tell("a Payment Link of another amount does not pay", "amount_mismatch", "checkout.session.completed",
                linked | {"payment_intent": "pi_1_of_link", "amount_total": 2400})
    events.tell("one of the order's total pays", "applied", "checkout.session.completed",
                linked | {"payment_intent": "pi_2_of_link"})


def leaves(shop, api, events):
    pot = product("POT", 12.5, 2)
    order, session = shop.check_out(pot, 2, "checkout-8")
    check("a customer leaves", True, shop.leave(order["id"], session.id))
    check("the page is closed", "expired", api.sessions[session.id]["status"])
    check("the order is canceled", "CANCELED", status(order))
    check("its stock is back", 2, stock(pot))
    check("leaving twice changes nothing", True, shop.leave(order["id"], session.id))

    order, session = shop.check_out(pot, 2, "checkout-9")
    api.sessions[session.id]["status"] = "expired"
    events.tell("a session expires", "ignored", "checkout.session.expired", api.sessions[session.id])
    check("which cancels no order", "PENDING", status(order))
    check("its customer leaves", True, shop.leave(order["id"], session.id))
    check("the order is canceled", "CANCELED", status(order))
    completed, _ = api.complete(session.id)
    events.tell("money that comes all the same is due", "refund_due", "checkout.session.completed", completed)
    check("and the order says so", True, call("GET", f"/orders/{order['id']}")["refund_due"])


def main():
    api, events = CheckoutApi(), Events()
    stripe.api_base = api.address
    stripe.max_network_retries = 0
    shop = code_of(pathlib.Path(sys.argv[1]))
    buys(shop, api)
    pays(shop, api, events)
    leaves(shop, api, events)


main()
