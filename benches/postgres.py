"""The service and the bare loop on PostgreSQL: the server that the environment names (tests/postgres/server.py starts one),
a new database for each run, and a proxy that makes the server look far away.

What is stored is compared with what was answered as on SQLite.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import resource
import subprocess
import urllib.parse

import databases
import machine
import scenarios
from databases import SMALL, service
from measure import check
from processes import TICKS_PER_SECOND, Failed, output
from scenarios import API_KEY, SCENARIOS, Scenario, Wrk


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the server is. In a sample it stands in the place of a size."""

    name: str
    title: str
    added_ms: float


NEAR = Place("postgres", "beside it", 0)
FAR = Place("postgres-far", "1 ms away", 1)
PLACES = {place.name: place for place in (NEAR, FAR)}
# A statement that does nothing, by a lone client: how far away the server is.
PING = Scenario("ping", "a round trip")
# What is measured there.
MEASURED = ("order", "hot", "product", "page", "mix")
# How many instances of the service share the database, and the connections.
INSTANCES = (1, 2)
# How many connections of the bare loop order. It reads on as many as the service has clients.
LOOPS = (8, 32)
# How long each load runs before it is measured: connections are opened, statements prepared, and the log has its length.
WARM_UP_SECONDS = 2


def loops(scenario, connections):
    """On how many connections the bare loop does this."""
    if scenario.name == "mix":
        return ()
    return LOOPS if scenario.writes else (connections,)


def shared_by(target_name, instances):
    """The name under which a number of instances of a build is measured."""
    return target_name if instances == 1 else f"{target_name}-{instances}"


class Cluster:
    """The PostgreSQL server, as its superuser sees it."""

    def __init__(self, tools):
        self.tools = tools
        try:
            self.owner_url, self.admin_url = os.environ["TEST_POSTGRES_URL"], os.environ["TEST_POSTGRES_ADMIN_URL"]
        except KeyError as missing:
            raise Failed(f"there is no PostgreSQL: {missing} is not set; tests/postgres/server.py sets it") from None
        (self.version, self.fsync, self.data), = self.admin(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('data_directory')"
        )
        with open(pathlib.Path(self.data) / "postmaster.pid") as file:
            self.pid = int(file.readline())

    def insist_on_disk(self):
        """Fails where a commit does not wait for a disk: the figures would be of no use."""
        if self.fsync != "on":
            raise Failed("PostgreSQL runs with fsync off")
        if machine.filesystem(self.data) in machine.IN_MEMORY:
            raise Failed(f"PostgreSQL's data is in memory, where a sync costs nothing: {self.data}; set TMPDIR to a disk's")

    def admin(self, *statements):
        return json.loads(output([self.tools / "sql", self.admin_url, *statements]))

    def run(self, database, *statements):
        """The same in one of the databases, as their owner."""
        return json.loads(output([self.tools / "sql", self.url(database), *statements]))

    def url(self, database, port=None):
        """The URL of a database for the role that owns it."""
        parts = urllib.parse.urlsplit(self.owner_url)
        netloc = parts.netloc if port is None else f"{parts.netloc.rpartition(':')[0]}:{port}"
        return urllib.parse.urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))

    @property
    def port(self):
        return urllib.parse.urlsplit(self.owner_url).port

    @property
    def owner(self):
        return urllib.parse.urlsplit(self.owner_url).username

    def create(self, database, template="template0"):
        self.drop(database)
        self.admin(f"CREATE DATABASE {database} OWNER {self.owner} TEMPLATE {template}")

    def drop(self, database):
        self.admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def cpu_seconds(self):
        """The user and system time of all its processes so far, those that have ended included."""
        total = ticks(self.pid, [11, 12, 13, 14])
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            for pid in children.read().split():
                # It may have ended meanwhile; then it is counted with the server at the next call.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    total += ticks(pid, [11, 12])
        return total / TICKS_PER_SECOND


def ticks(pid, fields):
    """The sum of some of the times in /proc, which counts the fields after the process's name from 0."""
    with open(f"/proc/{pid}/stat") as stat:
        found = stat.read().rpartition(")")[2].split()
    return sum(int(found[field]) for field in fields)


def children_cpu_seconds():
    """The user and system time of the programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Proxy:
    """A running proxy that adds to each round trip, as a context manager."""

    def __init__(self, tools, port, added_ms):
        self.argv = [tools / "delay-proxy", str(port), f"--added-us={round(added_ms * 1_000)}"]
        self.process = self.port = None

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.__exit__()
            raise Failed("the delaying proxy does not start")
        self.port = int(line)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def cpu_seconds(self):
        return ticks(self.process.pid, [11, 12]) / TICKS_PER_SECOND


@dataclasses.dataclass(frozen=True)
class Postgres:
    """The measurements, each on a new database."""

    bench: object
    cluster: Cluster
    # The databases that runs begin with, one for each build.
    seeds: dict = dataclasses.field(default_factory=dict)

    def run(self, target, instances, place, scenario, connections):
        """Measures a build of the service once, as one or several instances that share the connections."""
        with self._database(target) as database, self._reached(place, database) as (url, proxy):
            before = self._tally(database)
            with contextlib.ExitStack() as running:
                servers = [
                    running.enter_context(service(target.binary, url, self.bench.folder, f"service-{number}.log"))
                    for number in range(instances)
                ]
                warm_up = self._load(servers, scenario, connections, WARM_UP_SECONDS)
                cpu_before = self._cpu_seconds(servers, proxy)
                measured = self._load(servers, scenario, connections, self.bench.seconds)
                cpu_after = self._cpu_seconds(servers, proxy)
                peak_mb = max(server.memory_mb()[1] for server in servers)
            sample = together(measured)
            share = connections // instances
            loads = [(scenario, one, share) for one in [*warm_up, *measured]]
            if written := check(loads, before, self._tally(database)):
                sample["written"] = written
        cpu = {name: (cpu_after[name] - before) * 1e6 / sample["requests"] for name, before in cpu_before.items()}
        cpu["generator_cpu_us"] = sample["generator_cpu_seconds"] * 1e6 / sample["requests"]
        return {**sample, **cpu, "peak_mb": peak_mb}

    def loop(self, target, place, scenario, connections):
        """Measures the bare loop once."""
        with self._database(target) as database, self._reached(place, database) as (url, proxy):
            before, cpu_before = self._tally(database), [self.cluster.cpu_seconds(), children_cpu_seconds()]
            sample = json.loads(output([
                self.bench.tools / "ceiling-postgres", url, scenario.name, f"--connections={connections}",
                f"--seconds={self.bench.seconds}", f"--warm-up={WARM_UP_SECONDS}", f"--products={SMALL.products}",
                f"--page={scenarios.PAGE}",
            ]))
            cpu_after = [self.cluster.cpu_seconds(), children_cpu_seconds()]
            placed = sample["in_all"] if scenario.writes else 0
            if written := databases.check_orders(before, self._tally(database), placed, placed):
                sample["written"] = written
        # The warm-up included, which differs in nothing else.
        cpu = [(after - before) * 1e6 / sample["in_all"] for before, after in zip(cpu_before, cpu_after)]
        return {
            **sample, "per_second": sample["requests"] / sample["seconds"], "database_cpu_us": cpu[0], "cpu_us": cpu[1]
        }

    def _seed(self, target):
        """The database that runs of this build begin with."""
        if target.name not in self.seeds:
            database = f"bench_seed_{target.name}"
            self.cluster.create(database)
            with service(target.binary, self.cluster.url(database), self.bench.folder) as server:
                fill(server)
            # So that all runs begin with the same statistics and visible rows.
            self.cluster.run(database, "VACUUM (ANALYZE, FREEZE)")
            self.seeds[target.name] = database
        return self.seeds[target.name]

    @contextlib.contextmanager
    def _database(self, target):
        """A new database for one run, whose pages are on the disk."""
        database = f"bench_{target.name}"
        self.cluster.create(database, self._seed(target))
        self.cluster.admin("CHECKPOINT")
        try:
            yield database
        finally:
            self.cluster.drop(database)

    @contextlib.contextmanager
    def _reached(self, place, database):
        """The URL of the database as seen from this place, and the proxy on the way there, if there is one."""
        if not place.added_ms:
            yield self.cluster.url(database), None
            return
        with Proxy(self.bench.tools, self.cluster.port, place.added_ms) as proxy:
            yield self.cluster.url(database, proxy.port), proxy

    def _tally(self, database):
        return databases.tally(self.bench.tools, self.cluster.url(database))

    def _load(self, servers, scenario, connections, seconds):
        """The same load on all instances at once, each with its share of the connections and requests of its own."""
        share = connections // len(servers)
        running = [
            Wrk(
                self.bench.wrk, server.port, self._requests(scenario, number, len(servers)), share, seconds,
                thread_count=max(1, scenarios.THREADS_MAX // len(servers)),
            )
            for number, server in enumerate(servers)
        ]
        return [load.result() for load in running]

    def _requests(self, scenario, number, count):
        """The file of requests for one of so many instances: each has its part of all requests."""
        path = self.bench.folder / f"requests-{scenario.name}-{number}-of-{count}"
        if not pathlib.Path(f"{path}.1").exists():
            lines = scenarios.requests_of(scenario, SMALL.products)
            scenarios.write_requests(path, lines[number % len(lines)::count], scenarios.THREADS_MAX)
        return path

    def _cpu_seconds(self, servers, proxy):
        """So far, by who spent it."""
        return {
            "cpu_us": sum(server.cpu_seconds() for server in servers),
            "database_cpu_us": self.cluster.cpu_seconds(),
            **({"proxy_cpu_us": proxy.cpu_seconds()} if proxy else {}),
        }


def fill(server):
    """Fills an empty database through the service, with the products and as many orders as the small one has."""
    headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}

    def post(path, body):
        status, _, answered = server.ask("POST", path, json.dumps(body), headers)
        if status != 201:
            raise Failed(f"POST {path} was answered {status}: {answered.decode(errors='replace')}")

    for number in range(1, SMALL.products + 1):
        stock = 1_000_000_000 if number == scenarios.HOT_PRODUCT else 1_000_000
        post("/products", {
            "sku": f"SKU-{number:07}", "name": f"Enamel mug, blue, number {number}", "price": (199 + number) / 100,
            "stock": stock,
        })
    draw = random.Random(20260301)
    for _ in range(SMALL.orders):
        post("/orders", {"product_id": draw.randint(1, SMALL.products), "quantity": 1})


def together(samples):
    """One sample of several loads that ran at once: rates add up, of latencies the worst counts."""
    sums = ("requests", "sent", "orders_sent", "exhausted", "refused", "broken", "per_second", "generator_cpu_seconds")
    return {
        name: sum(sample[name] for sample in samples) if name in sums else max(sample[name] for sample in samples)
        for name in samples[0]
    }
