"""Compares what the service has with what it acknowledged: nothing lost, nothing twice, the books add up.

The customers have stopped, and all they began has a definite answer, so the comparison is exact: what is missing is lost,
and what is there beyond it happened twice. It reads over HTTP only. A check that finds nothing to compare fails.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import requests
from load import Answer, difference_of

PAGE = 100
REPLAYS = 200
READ_SECONDS_MAX = 30
REPLAYED = ("ETag", "Location")


@dataclass
class Findings:
    """Each is a line that names what it is about."""

    lost: list = field(default_factory=list)
    twice: list = field(default_factory=list)
    wrong: list = field(default_factory=list)
    # How many of each kind were compared.
    compared: Counter = field(default_factory=Counter)

    def all(self):
        kinds = (("lost", self.lost), ("twice", self.twice), ("wrong", self.wrong))
        return [f"{kind}: {line}" for kind, lines in kinds for line in lines]


class Check:
    def __init__(self, addresses, api_key, books, seed):
        self.addresses, self.books, self.random = list(addresses.values()), books, random.Random(seed)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = api_key
        self.found = Findings(wrong=list(books.problems))

    def run(self):
        self.orders()
        self.ledgers()
        self.events()
        self.payments()
        self.replays()
        self.unsettled()
        for what in ("orders", "paid orders", "canceled orders", "adjustments", "events", "payments", "replays", "reads"):
            if not self.found.compared[what]:
                self.found.wrong.append(f"there were no {what} to compare")
        return self.found

    def orders(self):
        for product in self.books.products:
            mine = {order.id: order for order in self.books.orders.values() if order.product_id == product}
            items = self.walk("/orders", product_id=product)
            seen = Counter(item["id"] for item in items)
            self.found.lost += [f"order {number} was acknowledged and is not there" for number in mine.keys() - seen.keys()]
            self.found.twice += [f"order {number} is there and was never acknowledged" for number in seen.keys() - mine.keys()]
            self.found.twice += [f"order {number} is listed {times} times" for number, times in seen.items() if times > 1]
            for item in items:
                if item["id"] in mine:
                    self.order(mine[item["id"]], item)

    def order(self, order, item):
        fixed = ("product_id", "quantity", "total")
        if any(item[name] != getattr(order, name) for name in fixed):
            self.found.wrong.append(f"order {order.id} was acknowledged as {order}, and is {item}")
        if (item["status"], item["refund_due"]) != (order.status, order.refund_due):
            self.found.lost.append(f"order {order.id} was acknowledged as {order.status}, refund due: {order.refund_due}, and is "
                                   f"{item['status']}, refund due: {item['refund_due']}")
        self.found.compared["orders"] += 1
        self.found.compared["paid orders"] += order.status in ("PAID", "SHIPPED")
        self.found.compared["canceled orders"] += order.status == "CANCELED"

    def ledgers(self):
        there = Counter()
        for product in self.books.products:
            items = self.walk(f"/products/{product}/stock-movements")
            there.update((product, item["reason"], item["delta"], item["order_id"], item["note"]) for item in items)
            stock, sums = self.get(f"/products/{product}")["stock"], sum(item["delta"] for item in items)
            if not items or not stock == sums == items[0]["stock_after"]:
                after = items[0]["stock_after"] if items else None
                self.found.wrong.append(f"product {product} has a stock of {stock}, its movements add up to {sums}, and the "
                                        f"newest says {after}")
        self.differ("movement", self.books.movements, there)
        self.found.compared["adjustments"] = sum(1 for movement in there if movement[1] == "adjustment")

    def events(self):
        """The newest events are those of these books, until one of others comes."""
        there = Counter()
        for item in self.each("/payment-events"):
            if not item["event_id"].startswith(f"{self.books.name}-"):
                break
            there[item["event_id"], item["order_id"], item["payment_id"], item["amount"], item["result"]] += 1
        expected = Counter((event, *rest) for event, rest in self.books.events.items())
        self.differ("payment event", expected, there)
        self.found.compared["events"] = there.total()

    def payments(self):
        there = Counter()
        for item in self.each("/payments"):
            if not item["payment_id"].startswith(f"{self.books.name}-"):
                break
            there[item["payment_id"], item["order_id"], item["amount"], item["open"]] += 1
        expected = Counter((payment, order, amount, True) for order, payment, amount, _ in self.books.events.values())
        self.differ("payment", expected, there)
        self.found.compared["payments"] = there.total()

    def differ(self, what, expected, there):
        self.found.lost += [f"{what} {one} was acknowledged and is not there" for one in (expected - there)]
        self.found.twice += [f"{what} {one} is there {there[one]} times and was acknowledged {expected[one]} times"
                             for one in (there - expected)]

    def replays(self):
        """All keys that were sent more than once, and some of the others, still get the answer that they got."""
        keyed = [write for write in self.books.writes if write.key and write.answer and write.answer.status < 300]
        retried = [write for write in keyed if write.tries > 1]
        others = [write for write in keyed if write.tries == 1]
        for write in retried + self.random.sample(others, min(REPLAYS, len(others))):
            response = self.session.request(write.method, self.random.choice(self.addresses) + write.path, data=write.body,
                                            headers={"Content-Type": "application/json", "Idempotency-Key": write.key},
                                            timeout=READ_SECONDS_MAX)
            kept = {name: response.headers[name] for name in REPLAYED if name in response.headers}
            is_replayed = response.headers.get("Idempotency-Replayed") == "true"
            again = Answer(response.status_code, response.content, kept, is_replayed, response.url)
            if not again.is_replayed and again.status < 300:
                self.found.lost.append(f"the answer kept under {write.key} is not there")
            elif difference := difference_of(write, again):
                self.found.wrong.append(difference)
            self.found.compared["replays"] += 1

    def unsettled(self):
        self.found.compared["reads"] = self.books.reads
        for write in self.books.writes:
            if write.answer is None:
                self.found.wrong.append(f"{write.what} {write.key or write.path} was never settled")

    # Reading

    def get(self, path, **params):
        response = self.session.get(self.random.choice(self.addresses) + path, params=params, timeout=READ_SECONDS_MAX)
        response.raise_for_status()
        return response.json()

    def each(self, path, **filters):
        """All items of a list, page by page, each page at any address."""
        cursor = {}
        while True:
            page = self.get(path, limit=PAGE, **filters, **cursor)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def walk(self, path, **filters):
        return list(self.each(path, **filters))
