"""One measurement at a time: a server fresh on its database, a load, and whether what it wrote is what was answered."""

import dataclasses
import json
import pathlib
import time

import databases
import scenarios
from databases import BIG, PAYABLE, SMALL, service
from processes import Failed, Server, output
from scenarios import API_KEY, HERE, SCENARIOS, Wrk

# After the first answer, until what starting takes is given back.
SETTLE_SECONDS = 0.1
# What differs in each answer, or what the server library sets itself.
NOT_RECORDED = {"date", "content-length", "connection", "transfer-encoding"}
BATCHES = (1, 16, 64, 256)


@dataclasses.dataclass(frozen=True)
class Target:
    """What is measured: a build of the service, or where there is no binary the constant bytes."""

    name: str
    binary: pathlib.Path | None = None


class Bench:
    """What all measurements share: the programs, a folder on the disk, and the databases in it."""

    def __init__(self, wrk, tools, folder, seconds):
        self.wrk, self.tools, self.folder, self.seconds = wrk, tools, folder, seconds
        self.seeds = databases.Seeds(tools, folder)
        self.answers = None
        self.loads, self.unpaid = {}, {}

    def run(self, target, size, scenario, connections):
        """Measures one target once."""
        if target.binary is None:
            return self._load(Server(
                [str(self.tools / "ceiling-http"), str(self.answers)], {}, self.folder / "ceiling.log"
            ), self._requests(scenario, size, None, connections), connections)
        database = self.database(target, size, scenario)
        before = databases.tally(self.tools, database)
        requests = self._requests(scenario, size, database, connections)
        sample = self._load(
            service(target.binary, database, self.folder), requests, connections, scenario.is_once
        )
        self._check(target, database, before, sample, scenario, connections)
        sample["database_mb"] = database.stat().st_size / 1e6
        return sample

    def database(self, target, size, scenario):
        """The database of a run. A big one is kept from run to run; a small one is new each time."""
        if size is BIG:
            return self.seeds.get(target.binary, BIG)
        size = PAYABLE if scenario.writes == "payments" else SMALL
        return self.seeds.copy(target.binary, size, f"{target.name}.db")

    def _load(self, server, requests, connections, is_once=False):
        with server:
            time.sleep(SETTLE_SECONDS)
            idle_mb, _ = server.memory_mb()
            cpu_before = server.cpu_seconds()
            sample = Wrk(self.wrk, server.port, requests, connections, self.seconds, is_once).result()
            cpu = server.cpu_seconds() - cpu_before
            end_mb, peak_mb = server.memory_mb()
        if sample["exhausted"]:
            raise Failed(f"there were not enough signed payments for {self.seconds} s")
        return {
            **sample,
            "cpu_us": cpu * 1e6 / sample["requests"],
            "generator_cpu_us": sample["generator_cpu_seconds"] * 1e6 / sample["requests"],
            "start_ms": server.start_seconds * 1e3,
            "idle_mb": idle_mb,
            "end_mb": end_mb,
            "peak_mb": peak_mb,
        }

    def _check(self, target, database, before, sample, scenario, connections):
        after = databases.tally(self.tools, database)
        if scenario.writes == "orders":
            if scenario.name == "mix":
                # Which answers were of orders wrk does not say; but what was handed out before those on their way is
                # answered. One more was handed out where wrk tried the script.
                answered, sent = sample["orders_sent"] - connections - 1, sample["orders_sent"]
            else:
                answered, sent = sample["requests"], sample["requests"] + connections
            sample["written"] = databases.check_orders(before, after, answered, sent)
        elif scenario.writes == "payments":
            sent = sample["requests"] + connections
            sample["written"] = databases.check_payments(before, after, sample["requests"], sent)
            # The threads take turns in the list, so further than this none came.
            self.unpaid[database] = self.unpaid[database][sample["most_sent"] * connections:]
        elif before != after:
            raise Failed(f"{scenario.name} only reads, but the database changed: {before} became {after}")
        if scenario.writes and database.name != self._seed_name(target):
            databases.audit(target.binary, database)

    def _seed_name(self, target):
        return self.seeds.get(target.binary, BIG).name if (target.binary, BIG) in self.seeds.made else None

    def _requests(self, scenario, size, database, connections):
        """The file of requests for this run."""
        if not scenario.is_once:
            key = scenario.name, size.products
            if key not in self.loads:
                self.loads[key] = self.folder / f"requests-{scenario.name}-{size.products}"
                self.loads[key].write_text("\n".join(scenarios.requests_of(scenario, size.products)) + "\n")
            return self.loads[key]
        if size is not BIG:
            size = PAYABLE
        newest = list(range(size.orders - size.pending + 1, size.orders + 1))
        if size is BIG and database:
            orders = self.unpaid.setdefault(database, newest)
        else:
            orders = self.unpaid[database] = newest
        path = self.folder / "requests-payments"
        path.write_text("\n".join(scenarios.payments(orders, self.seconds, connections)) + "\n")
        return path

    def record_answers(self, target):
        """Asks the service once for each kind of answer, for the constant bytes."""
        page = SMALL.products // 2
        asked = [
            ("/readyz", "GET /readyz -"),
            ("/products/{id}", scenarios.get_product(page)),
            ("/products", scenarios.get_page(page)),
            ("/orders", scenarios.post_order(page)),
            ("/webhooks/payment", scenarios.payment(SMALL.orders, 0, int(time.time()))),
        ]
        answers = []
        with service(target.binary, self.seeds.copy(target.binary, SMALL, "answers.db"), self.folder) as server:
            for route, line in asked:
                method, path, signature, *body = line.split(" ", 3)
                headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
                if signature != "-":
                    headers["X-Webhook-Signature"] = signature
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
        """The orders of the bare loop, so many to a commit, on a small database."""
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
