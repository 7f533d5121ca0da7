"""One measurement at a time: starts a server on its database, runs a load, and compares the database with the responses."""

import dataclasses
import functools
import json
import pathlib
import time
from contextlib import contextmanager, nullcontext

import databases
import scenarios
from databases import BIG, PAYABLE, SMALL, service
from processes import Failed, Server, output
from scenarios import API_KEY, SCENARIOS, Wrk

# Wait after the first response, until the memory of the start is released.
SETTLE_SECONDS = 0.1
# Duration and connections of the warm-up with random orders before a measured load of orders: long enough for the largest
# database's write-ahead log to be reset once. Before that, each commit grows the file.
WARM_UP_SECONDS = 2
WARM_UP_CONNECTIONS = 64
# Headers that differ in each response, or that the server library sets.
NOT_RECORDED = {"date", "content-length", "connection", "transfer-encoding"}
BATCHES = (1, 16, 64, 256)
# Time limit for the backups of one run.
BACKUP_SECONDS_MAX = 300
# Wait after a load until its background work is done, and how long the idle service is then measured. The system counts
# CPU time in hundredths of a second, so the resolution is a thousandth of a core.
QUIET_SECONDS = 2
IDLE_SECONDS = 10
# How many connections read while others order.
READERS = 16


@dataclasses.dataclass(frozen=True)
class Target:
    """A build of the service."""

    name: str
    binary: pathlib.Path


def answered_and_sent(scenario, sample, connections):
    """The least number of a load's writes that were answered, and the largest number that were sent."""
    if scenario.name == "mix":
        # wrk does not say which responses were for orders. All requests except those in flight were answered; one more was
        # generated when wrk tried the script.
        return sample["orders_sent"] - connections - 1, sample["orders_sent"]
    return sample["requests"], sample["requests"] + connections


def check(loads, before, after):
    """Compares the database with the responses to these loads, of which the last was measured. Returns how many orders or
    payments they wrote, if that is what they do."""
    bounds = [answered_and_sent(*load) for load in loads]
    answered, sent = map(sum, zip(*bounds))
    scenario = loads[-1][0]
    if scenario.writes == "orders":
        return databases.check_orders(before, after, answered, sent)
    if scenario.writes == "payments":
        return databases.check_payments(before, after, answered, sent)
    if before != after:
        raise Failed(f"{scenario.name} only reads, but the database changed: {before} became {after}")
    return None


class Bench:
    """The shared state of all measurements: the programs, a folder on disk, and the databases in it."""

    def __init__(self, wrk, tools, folder, seconds):
        self.wrk, self.tools, self.folder = wrk, tools, folder
        # The duration of a load; during backups twice that, or until the first backup has ended.
        self.seconds, self.backup_seconds = seconds, 2 * seconds
        self.seeds = databases.Seeds(tools, folder)
        # The measurements on PostgreSQL, if there are any.
        self.postgres = None
        self.answers = None
        self.loads = {}

    def constant(self, scenario, connections):
        """Measures the constant bytes once."""
        server = Server([str(self.tools / "ceiling-http"), str(self.answers)], {}, self.folder / "ceiling.log")
        with server:
            idle = self._settle(server)
            return {**self._load(server, self._requests(scenario, SMALL, None, connections), connections), **idle}

    def run(self, target, size, scenario, connections, beside=None, seconds=None, meanwhile=None):
        """Measures a build of the service once. `beside` is a context that is entered while the load runs; `meanwhile` is
        called with the database while it runs, and ends it by returning."""
        database = self._database(target, size, scenario)
        before = databases.tally(self.tools, database)
        requests = self._requests(scenario, size, database, connections)
        with service(target.binary, database, self.folder) as server:
            idle = self._settle(server)
            warm_up = self._warm_up(server, size) if scenario.writes == "orders" else None
            with beside(server, database) if beside else nullcontext():
                work = meanwhile and functools.partial(meanwhile, database)
                sample = self._load(server, requests, connections, scenario.is_once, seconds, work)
        after = databases.tally(self.tools, database)
        loads = [(SCENARIOS["order"], warm_up, WARM_UP_CONNECTIONS)] if warm_up else []
        if written := check([*loads, (scenario, sample, connections)], before, after):
            sample["written"] = written
        # The audit of a big database takes very long, so `audit_big` runs it once at the end.
        if scenario.writes and size is not BIG:
            databases.audit(target.binary, database)
        return {**sample, **idle, "database_mb": database.stat().st_size / 1e6}

    def beside_orders(self, target, size, connections):
        """Reads, while this many connections place orders at full speed; the orders are compared with the database."""
        orders, reads = SCENARIOS["order"], SCENARIOS["beside"]
        reading = self._requests(reads, size, None, READERS)
        found = {}

        @contextmanager
        def read(server, _):
            load = Wrk(self.wrk, server.port, reading, READERS, self.seconds)
            try:
                yield
            finally:
                found.update(load.result())

        sample = self.run(target, size, orders, connections, read)
        about_orders = {"orders_per_second": sample["per_second"], "orders_p99_us": sample["p99_us"]}
        return {**found, **about_orders, "written": sample["written"]}

    def during_backups(self, target, size, connections):
        """Orders while backups run one after another without a pause. Each backup is audited and its numbers must agree."""
        made, seconds = [], []

        def back_up(database):
            until = time.perf_counter() + self.backup_seconds
            while not made or time.perf_counter() < until:
                path = self.folder / f"backup-{len(made)}.db"
                started = time.perf_counter()
                databases.backup(target.binary, database, path)
                seconds.append(time.perf_counter() - started)
                made.append(path)

        orders = SCENARIOS["order"]
        database = self._database(target, size, orders)
        before = databases.tally(self.tools, database)
        sample = self.run(target, size, orders, connections, seconds=BACKUP_SECONDS_MAX, meanwhile=back_up)
        for path in made:
            databases.check_orders(before, databases.tally(self.tools, path), 0, sample["written"])
            databases.audit(target.binary, path)
            databases.remove(path)
        return {**sample, "backups": len(made), "backup_seconds": sum(seconds) / len(made)}

    def idle(self, target, size):
        """CPU time of the idle service, after its start and some orders."""
        orders = SCENARIOS["order"]
        database = self._database(target, size, orders)
        before = databases.tally(self.tools, database)
        with service(target.binary, database, self.folder) as server:
            idle = self._settle(server)
            placed = self._warm_up(server, size)
            time.sleep(QUIET_SECONDS)
            cpu_before, started = server.cpu_seconds(), time.perf_counter()
            time.sleep(IDLE_SECONDS)
            share = (server.cpu_seconds() - cpu_before) / (time.perf_counter() - started)
            idle = {**idle, "idle_cpu_percent": 100 * share}
        after = databases.tally(self.tools, database)
        check([(orders, placed, WARM_UP_CONNECTIONS)], before, after)
        return idle

    def audit_big(self, target):
        """Audits the big database after all runs, if there was one."""
        if (target.binary, BIG) in self.seeds.made:
            databases.audit(target.binary, self.seeds.get(target.binary, BIG))

    def _database(self, target, size, scenario):
        """The database of a run. A big one is kept from run to run; a small one is new each time."""
        if size is BIG:
            return self.seeds.get(target.binary, BIG)
        size = PAYABLE if scenario.writes == "payments" else SMALL
        return self.seeds.copy(target.binary, size, f"{target.name}.db")

    def _settle(self, server):
        """The server's figures before its first request."""
        time.sleep(SETTLE_SECONDS)
        return {"start_ms": server.start_seconds * 1e3, "idle_mb": server.memory_mb()[0]}

    def _warm_up(self, server, size):
        """Places orders for a while; returns the result, for the comparison with the database."""
        requests = self._requests(SCENARIOS["order"], size, None, WARM_UP_CONNECTIONS)
        return Wrk(self.wrk, server.port, requests, WARM_UP_CONNECTIONS, WARM_UP_SECONDS).result()

    def _load(self, server, requests, connections, is_once=False, seconds=None, meanwhile=None):
        cpu_before = server.cpu_seconds()
        load = Wrk(self.wrk, server.port, requests, connections, seconds or self.seconds, is_once)
        if meanwhile:
            try:
                meanwhile()
            finally:
                load.end()
        sample = load.result()
        cpu = server.cpu_seconds() - cpu_before
        end_mb, peak_mb = server.memory_mb()
        if sample["exhausted"]:
            raise Failed(f"there were not enough signed payments for {self.seconds} s")
        return {
            **sample,
            "cpu_us": cpu * 1e6 / sample["requests"],
            "generator_cpu_us": sample["generator_cpu_seconds"] * 1e6 / sample["requests"],
            "end_mb": end_mb,
            "peak_mb": peak_mb,
        }

    def _requests(self, scenario, size, database, connections):
        """The file of requests for this run."""
        if not scenario.is_once:
            key = scenario.name, size.products
            if key not in self.loads:
                self.loads[key] = self.folder / f"requests-{scenario.name}-{size.products}"
                scenarios.write_requests(
                    self.loads[key], scenarios.requests_of(scenario, size.products), scenarios.THREADS_MAX
                )
            return self.loads[key]
        # The constant bytes have no database and respond to any id.
        orders = databases.unpaid(database) if database else [(number, 1) for number in range(1, PAYABLE.pending + 1)]
        path = self.folder / "requests-payments"
        lines = scenarios.payments(scenario, orders, self.seconds, connections)
        scenarios.write_requests(path, lines, scenarios.threads(connections))
        return path

    def record_answers(self, target):
        """Records one response of each kind from the service, for the constant bytes."""
        page = SMALL.products // 2
        asked = [
            ("/readyz", "GET /readyz -"),
            ("/products/{id}", scenarios.get_product(page)),
            ("/products", scenarios.get_page(page)),
            ("/orders", scenarios.post_order(page)),
        ]
        answers, database = [], self.seeds.copy(target.binary, SMALL, "answers.db")
        (order, _), (other, cents), *_ = databases.unpaid(database)
        asked += [
            ("/webhooks/payment", scenarios.payment(order, 0, int(time.time()))),
            ("/webhooks/stripe", scenarios.stripe_payment(other, cents, 0, int(time.time()))),
        ]
        with service(target.binary, database, self.folder) as server:
            for route, line in asked:
                method, path, signature, *body = line.split(" ", 3)
                headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
                if signature != "-":
                    headers[scenarios.signature_header(path)] = signature
                status, answered, content = server.ask(method, path, body[0] if body else None, headers)
                if status not in (200, 201):
                    raise Failed(f"{method} {path} was answered {status}: {content.decode(errors='replace')}")
                kept = [pair for pair in answered if pair[0].lower() not in NOT_RECORDED]
                answers.append({
                    "method": method, "route": route, "status": status, "headers": kept, "body": content.decode()
                })
        self.answers = self.folder / "answers.json"
        self.answers.write_text(json.dumps(answers))
        return answers

    def bare_loop(self, target, batch):
        """Orders of the bare loop on a small database, with this many in each commit."""
        database = self.seeds.copy(target.binary, SMALL, "loop.db")
        before = databases.tally(self.tools, database)
        sample = json.loads(output([
            self.tools / "ceiling-sqlite", database, f"--batch={batch}", f"--seconds={self.seconds}",
            f"--products={SMALL.products}",
        ]))
        after = databases.tally(self.tools, database)
        databases.check_orders(before, after, sample["orders"], sample["orders"])
        databases.audit(target.binary, database)
        return {**sample, "per_second": sample["orders"] / sample["seconds"]}
