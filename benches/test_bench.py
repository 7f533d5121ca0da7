"""Tests of the benchmark's checks: each must be able to fail. Those of the measurements on PostgreSQL run where the
environment names a server, as in `make check-postgres`, and measure the programs of the debug build for some seconds."""

import copy
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import unittest.mock

import bench
import databases
import measure
import postgres
import report
import scenarios
import table
import targets
from postgres import FAR, NEAR
from processes import Failed
from scenarios import SCENARIOS

RESULTS = scenarios.HERE.parent / "docs" / "benchmarks" / "results.json"
LINE = {
    "requests": 600, "duration_us": 2_000_000, "sent": 610, "orders_sent": 0, "exhausted": 0,
    "refused": 0, "broken": 0, "p50_us": 10, "p99_us": 20, "p999_us": 30, "max_us": 40,
}


def printed(**changes):
    return f"Running 2s test\n  2 threads and 16 connections\nBENCH {json.dumps({**LINE, **changes})}\n"


class WrksOutput(unittest.TestCase):
    def test_a_result_is_read(self):
        result = scenarios.parse(printed())
        self.assertEqual((result["per_second"], result["p999_us"]), (300, 30))

    def test_missing_responses_and_refusals_fail(self):
        twice = printed() + printed()
        for broken in (printed(refused=1), printed(broken=1), printed(requests=0), "unable to connect", twice):
            with self.subTest(broken), self.assertRaises(Failed):
                scenarios.parse(broken)


class Requests(unittest.TestCase):
    def records(self, data):
        """The records that load.lua reads: the kind of each request and the request."""
        position = 0
        while position < len(data):
            length = int(data[position : position + 4])
            yield data[position + 4 : position + 5], data[position + 5 : position + 5 + length]
            position += 5 + length

    def test_a_tenth_of_the_mix_is_orders(self):
        lines = scenarios.requests_of(SCENARIOS["mix"], 1_000)
        found = list(self.records(b"".join(map(scenarios.record, lines))))
        orders = [request for kind, request in found if kind == b"o"]
        self.assertEqual(len(orders) * 10, len(found))
        self.assertTrue(all(request.startswith(b"POST /orders ") for request in orders))
        self.assertTrue(all(request.startswith(b"GET ") for kind, request in found if kind == b"-"))

    def test_content_length_is_the_length_of_the_body(self):
        head, _, body = scenarios.record(scenarios.post_order(7)).partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: %d" % len(body), head)
        self.assertEqual(json.loads(body), {"product_id": 7, "quantity": 1})

    def test_an_order_with_a_key_has_the_placeholder_where_load_lua_puts_the_key(self):
        (kind, request), = self.records(scenarios.record(scenarios.post_order_with_key(7)))
        self.assertEqual(kind, b"k")
        head, _, body = request.partition(b"\r\n\r\n")
        self.assertIn(b"\r\nIdempotency-Key: " + scenarios.NO_KEY + b"\r\n", head)
        self.assertEqual(request.count(scenarios.NO_KEY), 1)
        self.assertEqual(request.index(scenarios.NO_KEY), scenarios.KEY_OFFSET)
        self.assertEqual(json.loads(body), {"product_id": 7, "quantity": 1})

    def test_payments_are_signed_and_all_different(self):
        orders = [(number, 2_500) for number in range(5, 5_000)]
        for name, secret in (("webhook", scenarios.WEBHOOK_SECRET), ("stripe", scenarios.STRIPE_SECRET)):
            lines = scenarios.payments(SCENARIOS[name], orders, 1, 1)
            self.assertEqual(len(set(lines)), 4_995)
            _, _, signature, body = lines[0].split(" ", 3)
            time, v1 = (part.split("=")[1] for part in signature.split(","))
            mac = hmac.new(secret.encode(), f"{time}.{body}".encode(), hashlib.sha256)
            self.assertEqual(v1, mac.hexdigest())
            data = json.loads(body)["data"]
            self.assertEqual(data["order_id"] if name == "webhook" else data["object"]["metadata"]["order_id"],
                             5 if name == "webhook" else "5")
        self.assertEqual((data["object"]["amount_received"], data["object"]["id"]), (2_500, "pi_bench_5"))

    def test_each_webhook_has_its_header(self):
        head, _, _ = scenarios.record(scenarios.stripe_payment(5, 2_500, 5, 1)).partition(b"\r\n\r\n")
        self.assertIn(b"\r\nStripe-Signature: t=1,v1=", head)
        head, _, _ = scenarios.record(scenarios.payment(5, 5, 1)).partition(b"\r\n\r\n")
        self.assertIn(b"\r\nX-Webhook-Signature: t=1,v1=", head)


class Books(unittest.TestCase):
    before = {
        "stock": 1_000, "units_moved": 1_000, "orders": 5, "units_ordered": 5, "movements": 6, "payments_applied": 0
    }

    def after(self, count, off_by_one=None):
        """The counts after this many orders, with one of them wrong."""
        changes = {"stock": -count, "units_moved": -count, "orders": count, "units_ordered": count, "movements": count}
        return {
            name: value + changes.get(name, 0) + (1 if name == off_by_one else 0) for name, value in self.before.items()
        }

    def test_the_numbers_of_answered_and_sent_orders(self):
        sample = {"requests": 600, "orders_sent": 60}
        self.assertEqual(measure.answered_and_sent(SCENARIOS["order"], sample, 16), (600, 616))
        self.assertEqual(measure.answered_and_sent(SCENARIOS["mix"], sample, 16), (43, 60))

    def test_acknowledged_orders_are_found(self):
        self.assertEqual(databases.check_orders(self.before, self.after(100), 100, 116), 100)
        self.assertEqual(databases.check_orders(self.before, self.after(116), 100, 116), 116)

    def test_a_lost_order_is_found(self):
        with self.assertRaisesRegex(Failed, "99 orders were placed, but 100 to 116"):
            databases.check_orders(self.before, self.after(99), 100, 116)

    def test_an_additional_order_is_found(self):
        with self.assertRaisesRegex(Failed, "117 orders were placed"):
            databases.check_orders(self.before, self.after(117), 100, 116)

    def test_counts_that_differ_by_one_are_found(self):
        for name in ("stock", "units_moved", "orders", "units_ordered", "movements"):
            with self.subTest(name), self.assertRaisesRegex(Failed, "left the stock"):
                databases.check_orders(self.before, self.after(100, off_by_one=name), 100, 116)

    def test_payments_are_compared_with_their_responses(self):
        paid = {**self.before, "payments_applied": 10}
        self.assertEqual(databases.check_payments(self.before, paid, 10, 12), 10)
        for wrong in ({**paid, "payments_applied": 9}, {**paid, "payments_applied": 13}, {**paid, "stock": 999}):
            with self.subTest(wrong), self.assertRaises(Failed):
                databases.check_payments(self.before, wrong, 10, 12)


def samples(per_second):
    """Two rounds of one case for each target, with a rate for each (target, round)."""
    return [
        {
            "target": target, "size": "small", "scenario": "product", "connections": 64, "round": number,
            "per_second": rate, "p50_us": 100, "p99_us": 200, "p999_us": 300, "cpu_us": 10.0, "generator_cpu_us": 5.0,
            "start_ms": 8.0, "idle_mb": 9.0, "end_mb": 10.0, "peak_mb": 11.0,
        }
        for (target, number), rate in per_second.items()
    ]


class Targets(unittest.TestCase):
    def product(self, first, second):
        rates = {("service", 0): first, ("constant", 0): 100.0, ("service", 1): second, ("constant", 1): 200.0}
        return targets.verdicts(samples(rates))[0]

    def test_ratios_are_of_the_same_round(self):
        self.assertEqual(self.product(90.0, 160.0).values, [0.9, 0.8])

    def test_verdicts(self):
        self.assertEqual(self.product(90.0, 160.0).verdict, "met")
        self.assertEqual(self.product(40.0, 124.0).verdict, "within the noise")
        self.assertEqual(self.product(40.0, 110.0).verdict, "**missed**")
        self.assertEqual(targets.verdicts([])[0].verdict, "not measured")

    def test_idle_cpu_over_the_limit_is_missed(self):
        def verdict(percent):
            sample = {"target": "service", "size": "small", "scenario": "idle", "connections": 0, "round": 0}
            found = targets.verdicts([{**sample, "idle_cpu_percent": percent}])
            return next(one for one in found if one.what == "idle CPU")

        self.assertEqual(verdict(0.9).verdict, "met")
        self.assertEqual(verdict(1.1).verdict, "**missed**")
        self.assertIn("1.10 % of a core", verdict(1.1).row())

    def test_an_upper_bound_is_missed_when_exceeded(self):
        start = next(one for one in targets.verdicts(samples({("service", 0): 1.0})) if one.what.startswith("start"))
        self.assertEqual(start.verdict, "met")
        self.assertEqual(targets.Verdict("start", [51.0], 50, False, "ms").verdict, "**missed**")


def on_postgres(target, per_second, place=NEAR, scenario="order", connections=64):
    """A sample for each round, with these rates."""
    return [
        {
            "target": target, "size": place.name, "scenario": scenario, "connections": connections, "round": number,
            "per_second": rate, "p50_us": 1_000, "p99_us": 20_000, "p999_us": 30_000, "cpu_us": 10.0,
            "database_cpu_us": 20.0, "generator_cpu_us": 5.0, "peak_mb": 11.0,
        }
        for number, rate in enumerate(per_second)
    ]


class PostgresFigures(unittest.TestCase):
    samples = [
        *on_postgres("service", [800, 1_200]), *on_postgres("service-2", [300, 700]),
        *on_postgres("loop", [100, 200], connections=8), *on_postgres("loop", [150, 180], connections=32),
        # Another place, which does not count.
        *on_postgres("loop", [9_000, 9_000], place=FAR, connections=8),
    ]

    def test_the_best_loop_of_each_round_counts(self):
        best = table.best_loop(table.groups(self.samples), "order", NEAR.name)
        self.assertEqual([sample["per_second"] for sample in best], [150, 200])

    def test_floors_are_of_the_best_loop_and_by_the_number_of_instances(self):
        found = {one.what: one for one in targets.verdicts(self.samples)}
        one = found["order on PostgreSQL, to the bare loop"]
        self.assertEqual((one.values, one.verdict), ([800 / 150, 6.0], "met"))
        two = found["order on PostgreSQL by two instances, to the bare loop"]
        self.assertEqual((two.values, two.verdict), ([2.0, 3.5], "**missed**"))
        self.assertEqual(found["order on PostgreSQL, 1 ms away, to the bare loop"].verdict, "not measured")
        self.assertEqual(found["p99 of orders on PostgreSQL"].verdict, "met")
        late = [{**sample, "p99_us": 26_000} for sample in self.samples]
        found = {one.what: one for one in targets.verdicts(late)}
        self.assertEqual(found["p99 of orders on PostgreSQL by two instances"].verdict, "**missed**")

    def test_the_table_for_a_terminal_has_ratios_to_the_loop(self):
        line = next(line for line in table.text(self.samples).splitlines() if "service, two" in line)
        self.assertIn("2.75 (2.00..3.50)", line)

    def test_loads_at_once_add_up(self):
        one = {"requests": 10, "sent": 11, "per_second": 5.0, "p99_us": 7, "duration_us": 2_000_000}
        two = {"requests": 20, "sent": 22, "per_second": 6.0, "p99_us": 9, "duration_us": 2_100_000}
        both = {"requests": 30, "sent": 33, "per_second": 11.0, "p99_us": 9, "duration_us": 2_100_000}
        self.assertEqual(postgres.together([one, two]), both)

    def test_two_instances_get_all_requests_and_none_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            measured = postgres.Postgres(unittest.mock.Mock(folder=pathlib.Path(folder)), None)
            files = [f"{measured._requests(SCENARIOS['order'], number, 2)}" for number in (0, 1)]
            parts = [
                sum(len(pathlib.Path(f"{file}.{thread + 1}").read_bytes()) for thread in range(scenarios.THREADS_MAX))
                for file in files
            ]
        whole = sum(len(scenarios.record(line)) for line in scenarios.requests_of(SCENARIOS["order"], 1_000))
        self.assertEqual((sum(parts), len(set(files))), (whole, 2))

    def test_a_round_has_all_that_is_compared_and_every_second_one_the_other_way_round(self):
        with unittest.mock.patch.dict(os.environ, {"SIZES": "postgres-far", "SCENARIOS": "order,mix,keyed", "CONNS": "64"}):
            plan = bench.plan(is_quick=False)
        builds = [measure.Target("base", "a"), measure.Target("service", "b")]

        def steps(number):
            seen = []
            for step in plan.steps(number, builds):
                step(unittest.mock.Mock(), lambda *case: seen.append((*case[:1], *case[2:4])))
            return seen

        orders = [
            ("base", "order", 64), ("base-2", "order", 64), ("service", "order", 64), ("service-2", "order", 64),
            ("loop", "order", 8), ("loop", "order", 32),
        ]
        mix = [("base", "mix", 64), ("base-2", "mix", 64), ("service", "mix", 64), ("service-2", "mix", 64)]
        ping = [("loop", "ping", 1)]
        self.assertEqual(steps(0), [*ping, *orders, *mix])
        self.assertEqual(steps(1), [*ping, *reversed(orders), *reversed(mix)])

    def test_without_a_server_it_says_what_is_missing(self):
        with unittest.mock.patch.dict(os.environ):
            os.environ.pop("TEST_POSTGRES_URL", None)
            with self.assertRaisesRegex(Failed, "TEST_POSTGRES_URL"):
                postgres.Cluster(pathlib.Path("/nowhere"))


@unittest.skipUnless("TEST_POSTGRES_ADMIN_URL" in os.environ, "there is no PostgreSQL")
class OnPostgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(unittest.mock.patch.object(postgres, "WARM_UP_SECONDS", 1))
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.binary = pathlib.Path(os.environ["BIN"])
        found = subprocess.run([scenarios.HERE / "ensure-wrk.sh"], stdout=subprocess.PIPE, text=True, check=True)
        cls.measured = postgres.Postgres(
            measure.Bench(found.stdout.strip(), cls.binary.parent, folder, 1), postgres.Cluster(cls.binary.parent)
        )
        cls.target = measure.Target("service", cls.binary)

    def test_two_instances_and_the_loop_are_measured(self):
        samples = []
        for scenario in (SCENARIOS["order"], SCENARIOS["mix"], SCENARIOS["page"]):
            for target, sample in (
                ("service-2", self.measured.run(self.target, 2, FAR, scenario, 4)),
                *(("loop", self.measured.loop(self.target, FAR, scenario, 2)) for _ in postgres.loops(scenario, 2)[:1]),
            ):
                self.assertGreater(sample["per_second"], 0)
                self.assertEqual("written" in sample, bool(scenario.writes))
                case = {"target": target, "size": FAR.name, "scenario": scenario.name, "connections": 2, "round": 0}
                samples.append({**case, **sample})
        page = samples[-2]
        self.assertGreater(min(page["cpu_us"], page["database_cpu_us"], page["proxy_cpu_us"]), 0)
        # The same requests of a round are compared.
        self.assertRegex(table.text(samples), r"order .*service, two.*\(\d+\.\d\d\.\.\d+\.\d\d\)")

    def test_the_proxy_adds_a_millisecond_to_a_round_trip(self):
        near, far = (self.measured.loop(self.target, place, postgres.PING, 1)["p50_us"] for place in (NEAR, FAR))
        self.assertGreater(far - near, 1_000)
        self.assertLess(far - near, 10_000)

    def test_an_order_that_was_lost_is_found(self):
        tally = databases.tally

        def one_less(tools, database):
            counts = tally(tools, database)
            self.measured.cluster.run("bench_service", "DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)")
            return counts

        with unittest.mock.patch.object(databases, "tally", one_less), self.assertRaisesRegex(Failed, "left the stock"):
            self.measured.run(self.target, 1, NEAR, SCENARIOS["order"], 4)


class Document(unittest.TestCase):
    results = {
        "machine": {
            "date": "2026-01-01 00:00 UTC", "commit": "abc", "cores": 2, "processor": "P", "memory_gib": 8,
            "kernel": "Linux 6", "filesystem": "ext4",
        },
        "plan": {"command": "make bench", "rounds": 2, "seconds": 1},
        "samples": samples(
            {("service", 0): 90.0, ("constant", 0): 100.0, ("service", 1): 160.0, ("constant", 1): 200.0}
        ),
    }

    def test_the_document_has_the_measured_figures(self):
        document = report.document(self.results)
        self.assertIn("| one product, to constant bytes | ≥ 0.60 | 0.85 | 0.80 to 0.90 | met |", document)
        self.assertIn("Of 29 floors: 3 met, 26 not measured.", document)
        slower = copy.deepcopy(self.results)
        for sample in slower["samples"]:
            sample["per_second"] /= 2 if sample["target"] == "service" else 1
        self.assertIn("Of 29 floors: 2 met, 1 missed, 26 not measured.", report.document(slower))

    def test_the_document_has_the_figures_on_postgresql(self):
        self.assertNotIn("## On PostgreSQL", report.document(self.results))
        document = report.document({**self.results, "samples": [*self.results["samples"], *PostgresFigures.samples]})
        row = "1 000 (800–1 200) | 500 (300–700) | 150 (100–200) on 8, 165 (150–180) on 32 | 5.67 (5.33–6.00) | 2.75 (2.00–3.50) |"
        self.assertIn(f"| order of a random product | beside it | {row}", document)
        # The loop on PostgreSQL is none on SQLite.
        self.assertNotIn("## Orders beside the bare loop", document)

    def test_a_run_writes_into_the_folder_that_is_asked_for(self):
        with unittest.mock.patch.dict(os.environ, {"REPORTS_DIR": "/somewhere"}):
            self.assertEqual(report.folder(), pathlib.Path("/somewhere"))
        with unittest.mock.patch.dict(os.environ):
            os.environ.pop("REPORTS_DIR", None)
            self.assertEqual(report.folder(), RESULTS.parent.parent.parent / "target" / "reports")

    def test_the_page_in_docs_follows_from_its_results(self):
        if not RESULTS.exists():
            self.skipTest("nothing was measured yet")
        page = pathlib.Path(RESULTS.parent.parent / "benchmarks.md").read_text()
        self.assertEqual(page, report.document(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    unittest.main()
