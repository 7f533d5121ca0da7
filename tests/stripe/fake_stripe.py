#!/usr/bin/env python3
"""A Stripe that runs locally sends its own events to the service: fake_stripe.py COMMAND [ARGUMENT…]

The command starts localstripe and prints its address (localstripe/serve.py). BASE_URL names a fresh service without API keys
that takes test events in EUR; its STRIPE_WEBHOOK_SECRET must be in the environment.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import requests
from shop import BASE_URL, call, check, order, product, status

PATIENCE_SECONDS = 30
SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]


def post(address, path, form):
    answer = requests.post(address + path, data=form, auth=("sk_test_shop", ""), timeout=30)
    if not answer.ok:
        sys.exit(f"FAILED  localstripe, {path}: {answer.status_code} {answer.text}")
    return answer.json() if answer.content else None


def pay(address, form):
    """Pays by a card, as a shop's server would with Stripe's API."""
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": 123}
    form_of_card = {f"card[{name}]": value for name, value in card.items()}
    method = post(address, "/v1/payment_methods", {"type": "card", **form_of_card})["id"]
    intent = {"amount": 2500, "currency": "eur", "payment_method": method, "confirm": "true", **form}
    return post(address, "/v1/payment_intents", intent)["id"]


class Log:
    """What localstripe writes about its webhook: a line for each delivery."""

    def __init__(self, path):
        self.path, self.seen = path, 0

    def wait(self, line):
        """Waits for the next line, which must be this one."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            text = self.path.read_text(errors="replace")
            lines = [said for said in text.splitlines() if said.startswith("webhook ")]
            if len(lines) > self.seen:
                check(f"localstripe says: {line}", line, lines[self.seen])
                self.seen += 1
                return
            time.sleep(0.1)
        sys.exit(f"FAILED  localstripe delivers nothing in {PATIENCE_SECONDS} s:\n{text}")


def payments(address, log):
    mugs = product()
    shop = {"url": f"{BASE_URL}/webhooks/stripe", "secret": "whsec_another"}
    delivered = 'webhook "payment_intent.succeeded" successfully delivered'
    first = order(mugs)

    post(address, "/_config/webhooks/shop", shop)
    pay(address, {"metadata[order_id]": first})
    log.wait('webhook "payment_intent.succeeded" failed with response code 401')
    check("with another secret its order stays", "PENDING", status(first))

    post(address, "/_config/webhooks/shop", {**shop, "secret": SECRET})
    pay(address, {})
    log.wait(delivered)
    check("without metadata no order is paid", "PENDING", status(first))

    payment = pay(address, {"metadata[order_id]": first})
    log.wait(delivered)
    check("localstripe's own event pays its order", "PAID", status(first))
    recorded = call("GET", f"/payment-events?order_id={first}")["items"][0]
    recorded = tuple(recorded[name] for name in ("result", "payment_id", "amount"))
    check("its payment is recorded", ("applied", payment, 25), recorded)


with tempfile.TemporaryDirectory() as folder:
    log = pathlib.Path(folder, "log")
    with log.open("ab") as output:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, text=True)
    try:
        address = process.stdout.readline().strip() or sys.exit(f"FAILED  localstripe does not start:\n{log.read_text()}")
        payments(address, Log(log))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
