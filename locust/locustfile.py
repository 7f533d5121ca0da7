"""The shop's visitors, for Locust: they read products, and some of them order.

WEBHOOK_SECRET is the service's webhook secret, API_KEY one of its keys, if it has any. Every SCARCE_EVERY-th visitor (20)
creates a product with one unit only, so that some orders are refused because of sold-out stock.

traffic.py has the proportion of reads to writes and the waits, with the reasons. A refused order ends its purchase.
"""

import hashlib
import hmac
import itertools
import json
import os
import random
import time
import uuid

from locust import FastHttpUser, between, events, stats, task
from traffic import (
    BROWSE,
    BUY,
    CANCEL,
    CANCELED_EVERY,
    NEW_ORDER,
    NEW_PRODUCT,
    ORDER,
    PAGES,
    PAYMENT,
    PRODUCT,
    SOLD_OUT,
    WAIT_SECONDS,
)

SECRET = os.environ.get("WEBHOOK_SECRET", "")
KEY = {"X-API-Key": os.environ["API_KEY"]} if os.environ.get("API_KEY") else {}
SCARCE_EVERY = int(os.environ.get("SCARCE_EVERY", "20"))
PLENTY = 1_000_000

# The products of this run's visitors, so that they order no others; and the number of visitors.
products = []
visitors = itertools.count()


# Locust counts in whole milliseconds, in which most answers of a service on the same machine take 0 or 1. So below 10 ms
# a latency counts in tenths, at least one. Locust's CSV files would cut off the tenths again.
whole_milliseconds = stats.bucket_response_time


def tenths_below_10_ms(latency_ms):
    return max(round(latency_ms, 1), 0.1) if latency_ms < 9.95 else whole_milliseconds(latency_ms)


def percentiles_uncut(self, entry, use_current=False):
    """What Locust's own method returns, but for its `int`."""
    if not entry.num_requests:
        return self.percentiles_na
    recent = use_current and entry.use_response_times_cache
    percentile = entry.get_current_response_time_percentile if recent else entry.get_response_time_percentile
    return [percentile(share) or 0 for share in self.percentiles_to_report]


stats.bucket_response_time = tenths_below_10_ms
stats.StatsCSV._percentile_fields = percentiles_uncut


@events.init.add_listener
def needs_the_secret(**_):
    if not SECRET:
        raise SystemExit("locust: WEBHOOK_SECRET must be set, to what the service has")


@events.quitting.add_listener
def writes_the_last_second(environment, **_):
    """Waits until the whole run is in Locust's CSV files, which it writes once a second and not at the end."""
    if environment.parsed_options and environment.parsed_options.csv_prefix:
        time.sleep(1.5 * stats.CSV_STATS_INTERVAL_SEC)


class Visitor(FastHttpUser):
    """A visitor of the shop."""

    wait_time = between(*WAIT_SECONDS)
    connection_timeout = network_timeout = 10.0
    # A retry would hide a failure.
    max_retries = 0

    cursor = None

    def on_start(self):
        scarce = next(visitors) % SCARCE_EVERY == 0
        # A new SKU for each visitor of each run, so that products never conflict.
        product = {
            "sku": f"load-{uuid.uuid4().hex}",
            "name": "Load test mug",
            "price": 12.5,
            "stock": 1 if scarce else PLENTY,
        }
        if created := self.call("POST", "/products", NEW_PRODUCT, 201, product, KEY):
            products.append(created["id"])

    @task(BROWSE)
    def browse(self):
        # From page to page, and from the last page to the first.
        goes_on = f"&cursor={self.cursor}" if self.cursor else ""
        page = self.call("GET", f"/products?limit={random.choice((10, 20, 50))}{goes_on}", PAGES, 200)
        self.cursor = page["next_cursor"] if page else None
        if page and page["items"]:
            product = random.choice(page["items"])["id"]
            self.call("GET", f"/products/{product}", PRODUCT, 200, id=product)

    @task(BUY)
    def buy(self):
        if not products:
            return
        wanted = {"product_id": random.choice(products), "quantity": random.randint(1, 3)}
        order = self.call("POST", "/orders", NEW_ORDER, 201, wanted, KEY, sold_out=True)
        if not order:
            return
        path = f"/orders/{order['id']}"
        if random.randrange(CANCELED_EVERY) == 0:
            status = "CANCELED"
            self.call("PUT", path, CANCEL, 200, {"status": status}, KEY, status=status)
        else:
            status = "PAID"
            self.pay(order)
        self.call("GET", path, ORDER, 200, None, KEY, status=status)

    def pay(self, order):
        """A delivery of the payment provider: without an API key, with a signature over the time and the body."""
        data = {"order_id": order["id"], "payment_id": f"pay_{uuid.uuid4().hex}", "amount": order["total"]}
        event = json.dumps({"id": f"evt_{uuid.uuid4().hex}", "type": "payment.succeeded", "data": data})
        now = int(time.time())
        signature = hmac.new(SECRET.encode(), f"{now}.{event}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Webhook-Signature": f"t={now},v1={signature}"}
        self.call("POST", "/webhooks/payment", PAYMENT, 200, event, headers, result="applied", order_status="PAID")

    def call(self, method, path, name, code, body=None, headers=None, sold_out=False, **members):
        """Sends a request; returns the response's JSON if it has this status and these members, else None.

        Everything else is a failure, except for an expected 409 because of sold-out stock, which has its own row.
        """
        request = {"name": name.partition(" ")[2], "headers": dict(headers or {}), "catch_response": True}
        if body is not None:
            request["headers"]["Content-Type"] = "application/json"
            request["data"] = body if isinstance(body, str) else json.dumps(body)
        with self.client.request(method, path, **request) as answer:
            try:
                found = answer.json() if answer.status_code else {}
            except ValueError:
                found = {}
            if sold_out and answer.status_code == 409 and found.get("type") == "/problems/insufficient-stock":
                answer.request_meta["name"] = SOLD_OUT.partition(" ")[2]
                answer.success()
            elif answer.status_code != code:
                answer.failure(f"expected {code}, got {answer.status_code}: {found.get('type') or answer.error}")
            elif wrong := {member: found.get(member) for member in members if found.get(member) != members[member]}:
                answer.failure(f"expected {members}, got {wrong}")
            else:
                answer.success()
                return found
        return None
