"""The shop's customers, over HTTP only: they order, pay, cancel, restock, look and ask again, at every address of the service.

A write that got no definite answer is sent again, at another address, with the same Idempotency-Key or event id, until one
comes. Every acknowledged answer is kept, as are the problems that show at once: an answer that cannot be, and a read
that does not see what was acknowledged before. What follows from all answers together, `check` decides.
"""

import asyncio
import hashlib
import hmac
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

CUSTOMERS = 8
PRODUCTS = 4
STOCK = 500
PRICE = 12.5
PAUSE_SECONDS = 0.02
# The service promises an answer within the time for a request and five seconds. A customer waits that long and a bit.
ANSWER_SECONDS_MAX = 16
# How long a customer tries. A fault that lasts longer has failed anyway.
TRY_SECONDS_MAX = 90
RETRY_SECONDS = (0.05, 0.4)
# Beside all that succeeded or was refused for good, these are answered to requests that may be sent again.
AGAIN = {408, 429}
# What each status of an order can still become; a read that shows an earlier one is stale.
AGE = {"PENDING": 0, "PAID": 1, "SHIPPED": 2, "CANCELED": 3}


@dataclass
class Answer:
    status: int
    body: bytes
    # Those that a retry repeats.
    headers: dict
    is_replayed: bool
    at: str

    def json(self):
        return json.loads(self.body)


@dataclass
class Write:
    """Something to be done once, and what became of it."""

    what: str
    method: str
    path: str
    body: bytes
    key: str | None = None
    answer: Answer | None = None
    tries: int = 0
    # How often nobody knew whether it was done: 500 outcome-unknown, or no answer at all.
    unknown: int = 0
    unanswered: int = 0


@dataclass
class Order:
    """An acknowledged order as it must be now."""

    id: int
    product_id: int
    quantity: int
    total: float
    status: str = "PENDING"
    refund_due: bool = False


@dataclass
class Books:
    """All that was acknowledged since they were opened. `name` is part of each of its keys and events."""

    name: str
    products: list = field(default_factory=list)
    orders: dict = field(default_factory=dict)
    # (product, reason, delta, order, note) of each movement that there must be.
    movements: Counter = field(default_factory=Counter)
    # The event of each payment: order, payment, amount, result.
    events: dict = field(default_factory=dict)
    writes: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    reads: int = 0
    # (when, where) of each write's definite success.
    acknowledged: list = field(default_factory=list)
    slowest_seconds: float = 0.0
    statuses: Counter = field(default_factory=Counter)

    def wrong(self, text):
        self.problems.append(text)


class Load:
    """Customers who shop until they are told to stop, in a thread of their own."""

    def __init__(self, addresses, api_key, secret, books, seed):
        self.addresses, self.api_key, self.secret, self.books, self.seed = addresses, api_key, secret, books, seed
        self.is_stopping = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        """Lets each customer finish what is begun, so that afterwards nothing is on its way."""
        self.is_stopping.set()
        self.thread.join(TRY_SECONDS_MAX + 2 * ANSWER_SECONDS_MAX)
        if self.thread.is_alive():
            self.books.wrong("the customers do not come to an end")
        if self.failure:
            raise self.failure

    def run(self):
        try:
            asyncio.run(self.shop())
        except Exception as failure:  # Told by `stop`, in the thread that asks.
            self.failure = failure

    async def shop(self):
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, connect=2)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as self.session:
            first = Customer(self, 0)
            for number in range(PRODUCTS):
                await first.offer(number)
            await asyncio.gather(*(Customer(self, number).live() for number in range(1, CUSTOMERS + 1)))


class Customer:
    def __init__(self, load, number):
        self.load, self.books, self.number, self.count = load, load.books, number, 0
        self.random = random.Random(f"{load.seed} {load.books.name} {number}")
        self.mine = []

    def new_key(self, what):
        self.count += 1
        return f"{self.books.name}-{what}-{self.number}-{self.count}"

    async def live(self):
        while not self.load.is_stopping.is_set():
            await self.buy()
            if self.random.random() < 0.15:
                await self.restock(self.random.choice(self.books.products), self.random.randint(1, 20))
            if self.mine and self.random.random() < 0.1:
                await self.repeat(self.random.choice(self.mine))
            await asyncio.sleep(PAUSE_SECONDS)

    # What a customer does

    async def offer(self, number):
        key = self.new_key("product")
        product = {"sku": key, "name": "Mug", "price": PRICE, "stock": STOCK}
        made = (await self.do("product", "POST", "/products", product, key)).answer.json()
        self.books.products.append(made["id"])
        self.books.movements[made["id"], "initial", STOCK, None, None] += 1

    async def buy(self):
        product, quantity = self.random.choice(self.books.products), self.random.randint(1, 3)
        write = await self.do("order", "POST", "/orders", {"product_id": product, "quantity": quantity}, self.new_key("order"),
                              refusals={409: "insufficient-stock"})
        if write.answer is None:
            return
        if write.answer.status == 409:
            await self.restock(product, 50)
            return
        self.mine.append(write)
        made = write.answer.json()
        order = Order(made["id"], product, quantity, PRICE * quantity)
        if order.id in self.books.orders:
            self.books.wrong(f"two orders were answered with the id {order.id}")
        if (made["product_id"], made["quantity"], made["total"], made["status"]) != (product, quantity, order.total, "PENDING"):
            self.books.wrong(f"order {order.id} was answered as {made}")
        self.books.orders[order.id] = order
        self.books.movements[product, "order_placed", -quantity, order.id, None] += 1
        await self.look(order)
        chance = self.random.random()
        if chance < 0.5:
            await self.pay(order)
            await self.look(order)
            if chance < 0.2:
                await self.put(order, "SHIPPED")
        elif chance < 0.75:
            if await self.put(order, "CANCELED"):
                self.books.movements[product, "order_canceled", quantity, order.id, None] += 1
            await self.look(order)
            if chance < 0.6:
                await self.pay(order)
                await self.look(order)

    async def restock(self, product, delta):
        key = self.new_key("stock")
        body = {"delta": delta, "note": key}
        write = await self.do("adjustment", "POST", f"/products/{product}/stock-movements", body, key)
        if write.answer:
            self.books.movements[product, "adjustment", delta, None, key] += 1
            self.mine.append(write)

    async def pay(self, order):
        event, payment = self.new_key("event"), self.new_key("payment")
        # A payment of an order that is canceled already is money to give back.
        expected = "applied" if order.status == "PENDING" else "refund_due"
        body = {"id": event, "type": "payment.succeeded",
                "data": {"order_id": order.id, "payment_id": payment, "amount": order.total}}
        write = await self.do("payment", "POST", "/webhooks/payment", body, None, is_event=True)
        if write.answer is None:
            return
        told = write.answer.json()
        order.status, order.refund_due = ("PAID", False) if expected == "applied" else (order.status, True)
        # It may be a duplicate only of one that was sent before.
        allowed = {expected} if write.tries == 1 else {expected, "duplicate"}
        if told["result"] not in allowed or told["order_status"] != order.status:
            self.books.wrong(f"event {event}, sent {write.tries} times, was answered as {told}")
        self.books.events[event] = (order.id, payment, order.total, expected)

    async def put(self, order, status):
        write = await self.do("change", "PUT", f"/orders/{order.id}", {"status": status}, None)
        if write.answer is None:
            return False
        order.status = status
        if write.answer.json()["status"] != status:
            self.books.wrong(f"order {order.id} was to be {status} and was answered as {write.answer.json()}")
        return True

    async def look(self, order):
        """What was acknowledged is seen at once, wherever one looks."""
        try:
            answer, _ = await self.send(self.random.choice(list(self.load.addresses.items())), "GET", f"/orders/{order.id}", None, {})
        except (aiohttp.ClientError, TimeoutError):
            return
        if answer.status >= 500:
            return
        self.books.reads += 1
        seen = answer.json() if answer.status == 200 else {}
        if answer.status != 200 or AGE[seen["status"]] < AGE[order.status] or seen["refund_due"] != order.refund_due:
            self.books.wrong(f"stale read at {answer.at}: order {order.id} is {order.status}, and was answered with "
                             f"{answer.status} {seen.get('status')}")

    async def repeat(self, write):
        again = await self.do("replay", write.method, write.path, write.body, write.key)
        difference = again.answer and difference_of(write, again.answer)
        if difference:
            self.books.wrong(difference)

    # How it is done

    async def do(self, what, method, path, body, key, refusals=None, is_event=False):
        """Sends a write until it has a definite answer."""
        write = Write(what, method, path, body if isinstance(body, bytes) else json.dumps(body).encode(), key)
        self.books.writes.append(write)
        addresses = list(self.load.addresses.items())
        self.random.shuffle(addresses)
        until, waits = time.monotonic() + TRY_SECONDS_MAX, RETRY_SECONDS[0]
        while time.monotonic() < until:
            where = addresses[write.tries % len(addresses)]
            write.tries += 1
            headers = {"X-API-Key": self.load.api_key} | ({"Idempotency-Key": key} if key else {})
            if is_event:
                headers |= sign(self.load.secret, write.body)
            began = time.monotonic()
            try:
                answer, seconds = await self.send(where, method, path, write.body, headers)
            except aiohttp.ClientConnectorError:
                self.books.statuses[f"{where[0]} refused"] += 1
                answer = None
            except (aiohttp.ClientError, TimeoutError) as error:
                self.books.statuses[f"{where[0]} {type(error).__name__}"] += 1
                if time.monotonic() - began >= ANSWER_SECONDS_MAX - 0.1:
                    self.books.wrong(f"{where[0]} did not answer to {method} {path} in {ANSWER_SECONDS_MAX} s")
                write.unanswered += 1
                answer = None
            if answer:
                self.books.statuses[f"{where[0]} {answer.status}"] += 1
                self.books.slowest_seconds = max(self.books.slowest_seconds, seconds)
                if is_definite(answer):
                    return self.settle(write, answer, refusals or {})
                write.unknown += is_unknown(answer)
            await asyncio.sleep(waits * self.random.uniform(0.5, 1))
            waits = min(2 * waits, RETRY_SECONDS[1])
        self.books.wrong(f"{write.what} {key or path}: no definite answer to {write.tries} tries in {TRY_SECONDS_MAX} s")
        return write

    def settle(self, write, answer, refusals):
        if answer.status < 300:
            write.answer = answer
            # A replay says nothing of whether the service can write.
            if write.what != "replay":
                self.books.acknowledged.append((time.monotonic(), answer.at))
        elif answer.status in refusals and problem_of(answer) == refusals[answer.status]:
            write.answer = answer
        else:
            self.books.wrong(f"{write.what} {write.key or write.path} was refused: {answer.status} {answer.body[:300]!r}")
        return write

    async def send(self, where, method, path, body, headers):
        name, address = where
        began = time.monotonic()
        headers = {"X-API-Key": self.load.api_key, "Content-Type": "application/json"} | headers
        async with self.load.session.request(method, address + path, data=body, headers=headers) as response:
            text = await response.read()
            kept = {name: response.headers[name] for name in ("ETag", "Location") if name in response.headers}
            is_replayed = response.headers.get("Idempotency-Replayed") == "true"
            return Answer(response.status, text, kept, is_replayed, name), time.monotonic() - began


def is_definite(answer):
    return answer.status < 500 and answer.status not in AGAIN


def problem_of(answer):
    try:
        return answer.json()["type"].removeprefix("/problems/")
    except (ValueError, KeyError):
        return None


def is_unknown(answer):
    return answer.status == 500 and problem_of(answer) == "outcome-unknown"


def difference_of(write, again):
    """A retry gets the answer of the first success, and says that it is one. None where it does, else what differs."""
    first = write.answer
    if (again.status, again.body, again.headers) == (first.status, first.body, first.headers) and again.is_replayed:
        return None
    return (f"the key {write.key} was answered with {first.status} {first.body!r} {first.headers}, and again with "
            f"{again.status} {again.body!r} {again.headers}, replayed: {again.is_replayed}")


def sign(secret, body):
    at = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Webhook-Signature": f"t={at},v1={digest}"}
