"""What the witnesses share: a client of the service at BASE_URL, the fixtures, and how a check fails."""

import json
import os
import pathlib
import subprocess
import sys
import time

import requests

BASE_URL, BIN = os.environ["BASE_URL"], os.environ["BIN"]
# Where the service has API keys.
KEY = {"X-API-Key": os.environ["API_KEY"]} if "API_KEY" in os.environ else {}
FIXTURES = pathlib.Path(__file__).with_name("fixtures")


def check(what, expected, got, answer=""):
    if got != expected:
        sys.exit(f"FAILED  {what}: expected {expected!r}, got {got!r}  {answer}")
    print(f"ok      {what}", flush=True)


def call(method, path, body=None):
    answer = requests.request(method, BASE_URL + path, json=body, headers=KEY, timeout=30)
    if not answer.ok:
        sys.exit(f"FAILED  {method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def product():
    """A new product that costs 12.50."""
    mug = {"sku": f"mug-{time.time_ns()}", "name": "Mug", "price": 12.5, "stock": 1000}
    return call("POST", "/products", mug)["id"]


def order(product_id):
    """A new order of 25.00; returns its id."""
    return call("POST", "/orders", {"product_id": product_id, "quantity": 2})["id"]


def status(order_id):
    return call("GET", f"/orders/{order_id}")["status"]


def fixture(name, order_id):
    """An event of Stripe about a payment of this order, as Stripe sends it now; its ids are of this order only."""
    text = (FIXTURES / f"{name}.json").read_text().replace("order_1", f"order_{order_id}")
    event = json.loads(text)
    event["id"] += f"_{order_id}"
    if event["object"] == "event":
        event["created"] = int(time.time())
        metadata = event["data"]["object"].get("metadata") or {}
        if "order_id" in metadata:
            metadata["order_id"] = str(order_id)
    return json.dumps(event, indent=2)


def send(path, body, headers):
    """Posts these bytes; returns the status, what the answer says and its text."""
    headers = {"Content-Type": "application/json; charset=utf-8", **headers}
    answer = requests.post(BASE_URL + path, data=body.encode(), headers=headers, timeout=30)
    said = answer.json()
    return answer.status_code, said.get("result") or said.get("type"), answer.text


def expect(what, path, body, headers, *expected):
    """Posts these bytes, and checks the status and, where it is given, the result or the type of the problem."""
    code, said, text = send(path, body, headers)
    check(what, expected, (code, said)[: len(expected)], text)


def signed_by_us(body, *options):
    """The headers that `orders-inventory sign` prints for a body."""
    printed = subprocess.run([BIN, "sign", *options], input=body, capture_output=True, text=True, timeout=30)
    if printed.returncode:
        sys.exit(f"FAILED  sign {' '.join(options)}: {printed.stderr}")
    return dict(line.split(": ", 1) for line in printed.stdout.splitlines())
