#!/usr/bin/env python3
"""The smoke test in Python: pip install -r tests/requirements.txt, then python3 tests/smoke.py.

BASE_URL (http://127.0.0.1:8080), WEBHOOK_SECRET and, where the service has keys, API_KEY come from the environment; so does
STRIPE_WEBHOOK_SECRET, without which the event of Stripe is skipped, and STRIPE_LIVEMODE (true). Prints a line for each step, and the order that remains. The first wrong response ends it with status 1 and a line that says what
was expected. Deletes what it created, except for the order with a recorded payment and its product.
"""

import hashlib
import hmac
import json
import os
import sys
import time
import uuid

import requests

BASE_URL = (os.environ.get("BASE_URL") or "http://127.0.0.1:8080").rstrip("/")
SECRET = os.environ.get("WEBHOOK_SECRET") or sys.exit("FAILED  WEBHOOK_SECRET must be set, to what the service has")
STRIPE_SECRET = os.environ.get("STRIPE_WEBHOOK_SECRET")
KEY = {"X-API-Key": os.environ["API_KEY"]} if os.environ.get("API_KEY") else {}
RUN, UNTIL = uuid.uuid4().hex, time.monotonic() + 22
created = []  # paths, the oldest first


def connect():
    """Ends the test with one line where nobody answers at the address."""
    try:
        requests.get(f"{BASE_URL}/healthz", timeout=UNTIL - time.monotonic(), allow_redirects=False)
    except requests.ConnectionError as failure:
        cause = failure
        while cause.__context__:
            cause = cause.__context__
        sys.exit(f"FAILED  cannot connect to {BASE_URL}: {cause}")
    except requests.RequestException:
        pass  # the first step says what is wrong


def call(step, code, method, path, body=None, headers=KEY, error=None, **members):
    """Sends a request; expects this status, this error type or none, and these members in the response's JSON."""
    def want(what, expected, got):
        if expected != got:
            line = f"FAILED  {step}: {method} {path}: expected {what} {expected!r}, got {got!r}"
            sys.exit(f"{line}; the answer was {text}")

    text = "none"
    request = {"headers": headers, "timeout": max(0.1, UNTIL - time.monotonic()), "allow_redirects": False}
    if body:
        request["headers"] = {**headers, "Content-Type": "application/json"}
        request["data"] = json.dumps(body) if isinstance(body, dict) else body
    try:
        answer = requests.request(method, BASE_URL + path, **request)
    except requests.RequestException as failure:
        want("an answer", "in time", str(failure))
    text, got = f"{answer.status_code} {answer.text[:1000]}", answer.headers
    if answer.status_code == 201 and got.get("Location", "").startswith("/") and got["Location"] not in created:
        created.append(got["Location"])
    want("status", code, answer.status_code)
    for name in ["Location", "ETag"] if code == 201 else []:
        want("the header", name, name if name in got else "none")
    found = {}
    if code != 204:
        want("Content-Type", "application/problem+json" if error else "application/json", got.get("Content-Type"))
        try:
            found = answer.json()
        except ValueError:
            found = None
        want("a JSON body of type", "dict", type(found).__name__)
    if error:
        members = {"type": f"/problems/{error}", "status": code, **members}
    for name, expected in members.items():
        want(name, expected, found.get(name))
    print(f"ok      {code} {step}")
    return found, got


def pay(step, code, event, secret=SECRET, path="/webhooks/payment", header="X-Webhook-Signature", **wanted):
    """A delivery of a payment provider: without an API key, with a signature over the time and the body."""
    body, now = json.dumps(event), int(time.time())
    signature = hmac.new(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    return call(step, code, "POST", path, body, {header: f"t={now},v1={signature}"}, **wanted)


def stripe(order):
    """Stripe says that an order was not paid in time at its page, which changes nothing."""
    if not STRIPE_SECRET:
        print("skipped an event of Stripe: STRIPE_WEBHOOK_SECRET is not set")
        return
    session = {"id": f"cs_{RUN}", "object": "checkout.session", "mode": "payment", "payment_status": "unpaid",
               "client_reference_id": str(order)}
    live = os.environ.get("STRIPE_LIVEMODE") != "false"
    event = {"id": f"evt_{RUN}", "object": "event", "type": "checkout.session.expired", "created": int(time.time()),
             "livemode": live, "data": {"object": session}}
    there = {"path": "/webhooks/stripe", "header": "Stripe-Signature"}
    pay("an event of Stripe with a wrong signature", 401, event, RUN, **there, error="invalid-signature")
    pay("an event of Stripe: its session expired", 200, event, STRIPE_SECRET, **there,
        result="ignored", order_id=order, order_status="PENDING")


def flow():
    call("the service is ready", 200, "GET", "/readyz", status="ok")
    if KEY:
        call("no key", 401, "GET", "/orders", headers={}, error="missing-api-key")
        call("a wrong key", 401, "GET", "/orders", headers={"X-API-Key": RUN}, error="invalid-api-key")

    mug = {"sku": f"smoke-{RUN}", "name": "Smoke test mug", "price": 12.5, "stock": 10}
    product, headers = call("create a product", 201, "POST", "/products", mug, **mug)
    path, old = headers["Location"], {**KEY, "If-Match": headers["ETag"]}
    call("list it by its SKU", 200, "GET", f"/products?sku={mug['sku']}", items=[product])
    call("get it", 200, "GET", path, **product)
    call("change its price", 200, "PUT", path, {"price": 19.99}, old, price=19.99, name=mug["name"])
    call("change it from the old version", 412, "PUT", path, {"price": 20}, old, error="stale-version")
    call("take its SKU", 409, "POST", "/products", mug, error="duplicate-sku", sku=mug["sku"])
    wrong = {"sku": f"smoke-{RUN}-wrong", "name": " ", "price": 0, "stock": 1}
    call("break the contract", 422, "POST", "/products", wrong, error="validation-failed", errors=[
        {"pointer": "/name", "detail": "must have a visible character and no control characters"},
        {"pointer": "/price", "detail": "must be greater than 0 and at most 1000000"}])
    call("get one that does not exist", 404, "GET", f"/products/{2**63 - 1}", error="product-not-found")
    call("get a path that does not exist", 404, "GET", "/smoke", error="not-found")
    another = {**mug, "sku": f"smoke-{RUN}-other"}
    other = call("create another product", 201, "POST", "/products", another)[1]["Location"]
    call("delete it", 204, "DELETE", other)
    call("it is gone", 404, "GET", other, error="product-not-found")

    three = {"product_id": product["id"], "quantity": 3}
    placed, headers = call("order three", 201, "POST", "/orders", three, **three, total=59.97, status="PENDING")
    order = headers["Location"]
    call("get the order", 200, "GET", order, **placed)
    call("make it five", 200, "PUT", order, {"quantity": 5}, quantity=5, total=99.95)
    call("5 are in stock", 200, "GET", path, stock=5)
    six = {**three, "quantity": 6}
    call("order more than there is", 409, "POST", "/orders", six, error="insufficient-stock", available=5)
    call("cancel it", 200, "PUT", order, {"status": "CANCELED"}, status="CANCELED")
    call("10 are in stock", 200, "GET", path, stock=10)
    call("delete it, as it has no recorded payment", 204, "DELETE", order)
    call("the order is gone", 404, "GET", order, error="order-not-found")

    retry = {**KEY, "Idempotency-Key": RUN}
    placed, headers = call("order three, with an Idempotency-Key", 201, "POST", "/orders", three, retry, **three)
    order, ship = headers["Location"], {"status": "SHIPPED"}
    headers = call("the same again", 201, "POST", "/orders", three, retry, **placed)[1]
    if headers.get("Idempotency-Replayed") != "true":
        sys.exit("FAILED  the same again: expected Idempotency-Replayed 'true', got none")
    call("ship before it is paid", 409, "PUT", order, ship, error="invalid-transition", allowed=["CANCELED"])
    stripe(placed["id"])
    event = {"id": f"evt_{RUN}", "type": "payment.succeeded", "data": {"order_id": placed["id"], "amount": 59.97}}
    pay("pay with a wrong signature", 401, event, RUN, error="invalid-signature")
    pay("pay", 200, event, result="applied", order_id=placed["id"], order_status="PAID")
    pay("the same event again", 200, event, result="duplicate", order_status="PAID")
    call("the order is paid", 200, "GET", order, status="PAID")
    return call("ship", 200, "PUT", order, ship, **three, status="SHIPPED", total=59.97, refund_due=False)[0]


print(f"smoke test of {BASE_URL}", flush=True)
connect()
try:
    print(json.dumps(flow(), indent=2))
except LookupError as missing:
    sys.exit(f"FAILED  the answer before has no {missing}")
finally:
    # An order with a recorded payment cannot be deleted, nor can its product.
    for path in reversed(created):
        try:
            requests.delete(BASE_URL + path, headers=KEY, timeout=2)
        except requests.RequestException:
            pass
