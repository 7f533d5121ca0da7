"""The scenarios: which requests each sends, and on which database; and wrk, which sends them."""

import dataclasses
import functools
import hashlib
import hmac
import json
import os
import pathlib
import random
import signal
import subprocess
import time

from processes import Failed

HERE = pathlib.Path(__file__).resolve().parent
API_KEY = "bench-key-9f2c1d"
WEBHOOK_SECRET = "bench-webhook-secret"
STRIPE_SECRET = "whsec_bench"
# A whole event, as Stripe sends it.
STRIPE_EVENT = HERE.parent / "tests" / "stripe" / "fixtures" / "payment_intent.succeeded.json"
PAGE = 20
# The first product, which seed.rs gives enough stock for any run.
HOT_PRODUCT = 1
# The number of different requests of a random load, before it repeats. The same for every database, since the generator
# is faster with fewer.
REQUESTS = 100_000
THREADS_MAX = os.cpu_count() or 1
# How many payments a second are signed before a run; a run that needs more ends early and is not counted.
PAYMENTS_PER_SECOND = {1: 8_000, 16: 40_000, 64: 60_000}


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    writes: str = ""  # what it writes: orders or payments

    @property
    def is_once(self):
        return self.writes == "payments"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("product", "one product"),
        Scenario("page", f"page of {PAGE} products"),
        Scenario("order", "order of a random product", "orders"),
        Scenario("keyed", "order with an Idempotency-Key", "orders"),
        Scenario("hot", "order of one hot product", "orders"),
        Scenario("mix", "90 % reads, 10 % orders", "orders"),
        Scenario("webhook", "signed payment", "payments"),
        Scenario("stripe", "signed payment of Stripe", "payments"),
        Scenario("beside", "reads beside orders"),
        Scenario("idle", "no requests"),
        Scenario("backup", "orders during backups", "orders"),
    )
}
# The scenarios that are measured at every number of connections; the others have two loads at once, or none.
MAIN = tuple(name for name in SCENARIOS if name not in ("beside", "idle", "backup"))


def get_product(product_id):
    return f"GET /products/{product_id} -"


def get_page(after):
    # The cursor after a product, in the service's encoding.
    return f"GET /products?limit={PAGE}&cursor={after - 1:016x} -"


def post_order(product_id):
    return f'POST /orders - {{"product_id": {product_id}, "quantity": 1}}'


def post_order_with_key(product_id):
    return post_order(product_id).replace(" - ", " key ", 1)


def payment(order_id, number, now):
    """A signed event that pays this order, whatever its total."""
    body = (
        f'{{"id": "evt_bench_{number}", "type": "payment.succeeded", "created": {now}, '
        f'"data": {{"order_id": {order_id}, "payment_id": "pay_bench_{number}"}}}}'
    )
    return f"POST /webhooks/payment {signature(WEBHOOK_SECRET, body, now)} {body}"


def signature(secret, body, now):
    v1 = hmac.digest(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hex()
    return f"t={now},v1={v1}"


@functools.cache
def stripe_event():
    """The event with places for what differs, in the layout that Stripe sends."""
    event = json.loads(STRIPE_EVENT.read_text())
    intent = event["data"]["object"]
    event |= {"id": "<event>", "created": "<now>", "livemode": True}
    intent |= {"id": "<intent>", "amount": "<cents>", "amount_received": "<cents>", "livemode": True}
    intent["metadata"] = {"order_id": "<order>"}
    return json.dumps(event, indent=2).replace('"<now>"', "<now>").replace('"<cents>"', "<cents>")


def stripe_payment(order_id, cents, number, now):
    """The same payment as Stripe tells of it, of this amount."""
    body = stripe_event()
    for place, value in (
        ("<event>", f"evt_bench_{number}"), ("<now>", now), ("<intent>", f"pi_bench_{number}"), ("<cents>", cents),
        ("<order>", order_id),
    ):
        body = body.replace(place, str(value))
    return f"POST /webhooks/stripe {signature(STRIPE_SECRET, body, now)} {body}"


def requests_of(scenario, products):
    """The lines of a random load."""
    draw = random.Random(20260301)
    def product():
        return draw.randint(1, products)
    def page():
        return get_page(draw.randint(1, max(1, products - PAGE - 1)))
    if scenario.name == "product":
        return [get_product(product()) for _ in range(REQUESTS)]
    if scenario.name == "page":
        return [page() for _ in range(REQUESTS)]
    if scenario.name == "order":
        return [post_order(product()) for _ in range(REQUESTS)]
    if scenario.name == "keyed":
        return [post_order_with_key(product()) for _ in range(REQUESTS)]
    if scenario.name == "hot":
        return [post_order(HOT_PRODUCT)]
    if scenario.name in ("mix", "beside"):
        # Two reads of a product for each read of a page; in the mix, one request of ten is an order.
        return [
            post_order(product()) if scenario.name == "mix" and i % 10 == 0
            else page() if i % 10 % 3 == 0 else get_product(product())
            for i in range(REQUESTS)
        ]
    raise ValueError(scenario.name)


def payments(scenario, orders, seconds, connections):
    """One event for each of these unpaid orders with their totals, as many as the run may need."""
    limit = max((count for known, count in PAYMENTS_PER_SECOND.items() if known <= connections), default=8_000)
    now = int(time.time())
    chosen = orders[: limit * seconds]
    # The event's id follows from the order's: each order is paid once in its database.
    if scenario.name == "stripe":
        return [stripe_payment(order_id, cents, order_id, now) for order_id, cents in chosen]
    return [payment(order_id, order_id, now) for order_id, _ in chosen]


def threads(connections):
    """The number of wrk's threads."""
    return min(connections, THREADS_MAX)


def write_requests(path, lines, thread_count):
    """Writes a file for each thread, in the format of load.lua; the lines are dealt out in turns."""
    for number in range(thread_count):
        with open(f"{path}.{number + 1}", "wb") as file:
            file.writelines(map(record, lines[number % len(lines)::thread_count]))


# The place where load.lua puts a new random key into each request, and its placeholder.
NO_KEY = b"0" * 32
KEY_OFFSET = len("POST /orders HTTP/1.1\r\nIdempotency-Key: ")


def record(line):
    """A request in the format of load.lua: length, kind, request. `line` is method, target, "key" or a signature or "-",
    and the body."""
    method, target, extra, *body = line.split(" ", 3)
    head = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {API_KEY}"]
    if extra == "key":
        head.insert(1, f"Idempotency-Key: {NO_KEY.decode()}")
    elif extra != "-":
        head.append(f"{signature_header(target)}: {extra}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body[0])}"]
    request = "\r\n".join([*head, "", *(body or [""])]).encode()
    kind = b"-" if (method, target) != ("POST", "/orders") else b"k" if extra == "key" else b"o"
    return b"%04d%s%s" % (len(request), kind, request)


def signature_header(target):
    return "Stripe-Signature" if target == "/webhooks/stripe" else "X-Webhook-Signature"


class Wrk:
    """A running load; `result` waits for its end."""

    def __init__(self, wrk, port, requests_file, connections, seconds, is_once=False, thread_count=None):
        env = {
            "PATH": os.environ["PATH"],
            "BENCH_REQUESTS": str(requests_file),
            "BENCH_ONCE": "1" if is_once else "0",
            "BENCH_KEY_OFFSET": str(KEY_OFFSET),
            # Keys must also be new on a database that is used for several runs.
            "BENCH_SEED": str(random.SystemRandom().randrange(2**48)),
        }
        argv = [
            wrk, f"-t{thread_count or threads(connections)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
            HERE / "load.lua",
        ]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [*argv, f"http://127.0.0.1:{port}"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )

    def end(self):
        """Ends the load early; `result` returns what it has measured so far."""
        # Not with Popen's methods, which would reap an ended process, so that `result` could not.
        os.kill(self.process.pid, signal.SIGINT)

    def result(self):
        with self.process.stdout as printed:
            text = printed.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        result = parse(text)
        # wrk's threads may start sending before its clock starts, by at most this.
        result["unmeasured_ms"] = (time.perf_counter() - self.started) * 1e3 - result["duration_us"] / 1e3
        return {**result, "generator_cpu_seconds": usage.ru_utime + usage.ru_stime}


def parse(printed):
    """Parses the line that load.lua prints at the end; fails where it or any response is missing."""
    lines = [line for line in printed.splitlines() if line.startswith("BENCH ")]
    if len(lines) != 1:
        raise Failed(f"wrk printed no result: {printed[-1000:].strip()}")
    result = json.loads(lines[0].removeprefix("BENCH "))
    if result["refused"] or result["broken"]:
        raise Failed(f"{result['refused']} requests were refused and {result['broken']} broke off: {lines[0]}")
    if not result["requests"] or not result["duration_us"]:
        raise Failed(f"nothing was answered: {lines[0]}")
    result["per_second"] = result["requests"] / (result["duration_us"] / 1e6)
    return result
