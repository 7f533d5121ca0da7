"""Tests that the check finds what it is for: each lets customers shop at the service at BASE_URL, then loses or repeats something
there, or claims that something else was acknowledged, and expects to hear of exactly that."""

import asyncio
import os
import time
import types
import unittest

import aiohttp
import requests
from check import Check
from load import Answer, Books, Customer, Load, Order, Write, difference_of
from run import longest_gap

ADDRESSES = {"one": os.environ["BASE_URL"], "again": os.environ["BASE_URL"]}
KEY, SECRET = os.environ["API_KEY"], os.environ["WEBHOOK_SECRET"]
SHOP_SECONDS = 1


class Findings(unittest.TestCase):
    def setUp(self):
        self.books = Books(self.id().rsplit(".", 1)[-1])
        load = Load(ADDRESSES, KEY, SECRET, self.books, "1")
        load.start()
        time.sleep(SHOP_SECONDS)
        load.stop()

    def found(self):
        return Check(ADDRESSES, KEY, self.books, "1").run()

    def expect(self, *parts):
        """That each finding has one of these parts, and each part is found."""
        lines = self.found().all()
        for part in parts:
            self.assertTrue(any(part in line for line in lines), (part, lines))
        for line in lines:
            self.assertTrue(any(part in line for part in parts), line)

    def send(self, method, path, body=None, **headers):
        response = requests.request(method, ADDRESSES["one"] + path, json=body, headers={"X-API-Key": KEY} | headers, timeout=10)
        self.assertLess(response.status_code, 300, response.text)

    def an_order(self, status):
        return next(order for order in self.books.orders.values() if order.status == status)

    def test_a_service_that_keeps_what_it_says_has_none(self):
        found = self.found()
        self.assertEqual(found.all(), [])
        self.assertGreater(found.compared["orders"], 10)

    def test_an_order_that_is_gone_is_lost(self):
        order = self.an_order("PENDING")
        self.send("DELETE", f"/orders/{order.id}")
        self.expect(f"lost: order {order.id} was acknowledged", "twice: movement")

    def test_a_change_that_is_gone_is_lost(self):
        order = self.an_order("PAID")
        self.send("PUT", f"/orders/{order.id}", {"status": "SHIPPED"})
        self.expect(f"lost: order {order.id} was acknowledged as PAID")

    def test_a_second_order_is_one_twice(self):
        self.send("POST", "/orders", {"product_id": self.books.products[0], "quantity": 1})
        self.expect("is there and was never acknowledged", "twice: movement")

    def test_a_second_movement_is_one_twice(self):
        movement = next(one for one in self.books.movements if one[1] == "adjustment")
        self.send("POST", f"/products/{movement[0]}/stock-movements", {"delta": movement[2], "note": movement[4]})
        self.expect(f"twice: movement {movement} is there 2 times")

    def test_a_stock_that_is_no_sum_is_wrong(self):
        check = Check(ADDRESSES, KEY, self.books, "1")
        walk = check.walk
        check.walk = lambda path, **filters: walk(path, **filters)[:-1] if "stock-movements" in path else walk(path, **filters)
        lines = check.run().all()
        self.assertTrue(any("wrong: product" in line for line in lines), lines)

    def test_a_movement_that_is_gone_is_lost(self):
        self.books.movements[self.books.products[0], "adjustment", 1, None, "a note"] += 1
        self.expect("lost: movement")

    def test_a_payment_that_is_gone_is_lost(self):
        order = self.an_order("PAID")
        self.books.events[f"{self.books.name}-no-event"] = (order.id, f"{self.books.name}-no-payment", order.total, "applied")
        self.expect("lost: payment event", "lost: payment (")

    def test_a_payment_that_nobody_acknowledged_is_one_twice(self):
        del self.books.events[next(iter(self.books.events))]
        self.expect("twice: payment event", "twice: payment (")

    def test_an_answer_that_was_not_kept_is_lost(self):
        write = next(write for write in self.books.writes if write.what == "adjustment" and write.answer)
        write.key, write.tries = "a-new-key", 2
        # The one finding comes of asking again, after all others.
        self.expect("lost: the answer kept under a-new-key")

    def test_another_answer_to_a_key_is_wrong(self):
        write = next(write for write in self.books.writes if write.what == "order" and write.answer.status == 201)
        write.answer.body, write.tries = b"{}", 2
        self.expect(f"wrong: the key {write.key} was answered")

    def test_a_write_without_an_answer_is_wrong(self):
        self.books.writes.append(Write("order", "POST", "/orders", b"", "a key"))
        self.expect("wrong: order a key was never settled")

    def test_a_read_of_an_earlier_state_is_wrong(self):
        pending = self.an_order("PENDING")
        missing = Order(10**12, pending.product_id, 1, 12.5)
        asyncio.run(self.look(pending))
        self.assertEqual(self.books.problems, [])
        pending.status = "PAID"
        asyncio.run(self.look(pending, missing))
        self.assertEqual([line.split(" at ")[0] for line in self.books.problems], ["stale read", "stale read"])

    async def look(self, *orders):
        async with aiohttp.ClientSession() as session:
            customer = Customer(types.SimpleNamespace(addresses=ADDRESSES, api_key=KEY, books=self.books, seed="1", session=session), 0)
            for order in orders:
                await customer.look(order)


class Nothing(unittest.TestCase):
    def test_nothing_to_compare_is_wrong(self):
        lines = Check(ADDRESSES, KEY, Books("nothing"), "1").run().all()
        self.assertIn("wrong: there were no orders to compare", lines)
        self.assertEqual(len(lines), 8)


class Times(unittest.TestCase):
    def test_the_longest_gap_begins_with_the_last_write_before_the_fault(self):
        books = Books("times", acknowledged=[(0, "a"), (5, "a"), (6, "b"), (19, "b"), (20, "a"), (21, "b")])
        self.assertEqual(longest_gap(books, 7, ["a", "b"]), 13)
        self.assertEqual(longest_gap(books, 7, ["a"]), 15)

    def test_a_place_that_never_acknowledged_again_has_no_end_of_its_gap(self):
        books = Books("times", acknowledged=[(5, "a"), (20, "a")])
        self.assertEqual(longest_gap(books, 7, ["b"]), float("inf"))
        self.assertEqual(longest_gap(books, 30, ["a"]), float("inf"))


class Answers(unittest.TestCase):
    def test_a_retry_says_that_it_is_one_and_repeats_all(self):
        first = Answer(201, b"{}", {"ETag": '"1"'}, False, "one")
        write = Write("order", "POST", "/orders", b"", "key", first)
        self.assertIsNone(difference_of(write, Answer(201, b"{}", {"ETag": '"1"'}, True, "again")))
        others = (Answer(200, b"{}", {"ETag": '"1"'}, True, ""), Answer(201, b"[]", {"ETag": '"1"'}, True, ""),
                  Answer(201, b"{}", {"ETag": '"2"'}, True, ""), Answer(201, b"{}", {"ETag": '"1"'}, False, ""))
        for other in others:
            self.assertIsNotNone(difference_of(write, other))


if __name__ == "__main__":
    unittest.main()
