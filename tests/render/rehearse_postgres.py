"""The rehearsal of render-postgres.yaml: two instances on one PostgreSQL database, and a deployment under load.

The database is a server of tests/postgres, which like Render's offers TLS with a certificate that nobody can verify, and whose
URL says nothing of it; a program that copies its log asynchronously stands in for Render's standby. What sends the load stands
in for Render's load balancer: it keeps connections to all live instances. A deployment replaces one instance after the other: the
new one gets requests when it is healthy, the old one no more from then on, and then SIGTERM (at Render after 60 seconds).
"""

import contextlib
import http.client
import itertools
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

import rehearse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "postgres"))

from server import Server  # noqa: E402

COPY_SECONDS_MAX = 20
# How long the load goes on before the deployment, between its steps, and after it. At Render it is a minute between them.
PHASE_SECONDS = 1
# Few enough for RATE_LIMIT_PER_MINUTE.
SENDERS, PAUSE_SECONDS = 4, 0.05
STOCK = 1_000_000


class Instance(rehearse.Rehearsal):
    """One of the instances. They share what Render generates, the database and the lines of the rehearsal."""

    def __init__(self, name, service, source, disk, commit, server, first=None):
        super().__init__(service, source, disk, commit, f"log-{name}")
        self.name, self.server = name, server
        if first:
            self.generated, self.lines = first.generated, first.lines
        self.variables |= self.generated | {"DATABASE_URL": url_of_render(server), "RENDER_INSTANCE_ID": f"srv-{name}"}

    @property
    def secret_values(self):
        return [*super().secret_values, self.server.passwords["shop"]]

    def is_untouched(self, variable):
        tables = self.server.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        if tables != "0":
            self.fail(f"no {variable}: it made {tables} tables before it refused")

    def audits(self):
        command = f"{self.service['startCommand']} audit"
        ran = self.command(command, 60)
        said = ran.stdout.strip().splitlines()
        if ran.returncode != 0:
            self.fail(f"shell: {command} ended with status {ran.returncode}: {ran.stdout}")
        self.ok(f"shell: {command}: {len(said)} lines, the last: {said[-1]}")


def url_of_render(server):
    """The URL as Render gives it: without a word about TLS."""
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(server.url())._replace(query=""))


@contextlib.contextmanager
def standby(server):
    """Something that copies the server's log, and that no commit waits for. The copy is never read."""
    copy = server.folder / "standby"
    copy.mkdir(exist_ok=True)
    environment = {"PGPASSWORD": server.passwords["postgres"], "PGSSLMODE": "disable", "PATH": "/usr/bin:/bin"}
    command = [server.programs / "pg_receivewal", "--directory", copy, "--no-password", "--host=127.0.0.1", f"--port={server.port}",
               "--username=postgres"]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + COPY_SECONDS_MAX
        while server.admin("SELECT count(*) FROM pg_stat_replication") == "0":
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                sys.exit(f"no standby: {process.communicate()[1]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def connections():
    """The kept connections of one sender, by port."""
    opened = {}
    try:
        yield opened
    finally:
        for connection in opened.values():
            connection.close()


class Load:
    """Senders that place orders and read them, each at the next live instance. All that is not answered as it should be is
    kept in `failed`."""

    def __init__(self, key, live):
        self.headers = {"X-API-Key": key, "Content-Type": "application/json"}
        self.live, self.turn = live, itertools.count()
        self.orders, self.failed, self.by_port = [], [], {}
        self.stopped, self.lock = threading.Event(), threading.Lock()
        self.product = None
        self.senders = [threading.Thread(target=self.send) for _ in range(SENDERS)]

    def __enter__(self):
        product = {"sku": f"LOAD-{uuid.uuid4()}", "name": "load", "price": 1, "stock": STOCK}
        with connections() as opened:
            self.product = self.ask(opened, "POST", "/products", product)["id"]
        for sender in self.senders:
            sender.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopped.set()
        for sender in self.senders:
            sender.join()

    def send(self):
        with connections() as opened:
            while not self.stopped.is_set():
                try:
                    order = self.ask(opened, "POST", "/orders", {"product_id": self.product, "quantity": 1})
                    # Mostly at another instance.
                    read = self.ask(opened, "GET", f"/orders/{order['id']}")
                    if read != order:
                        raise ValueError(f"{read} is not {order}")
                    with self.lock:
                        self.orders.append(order["id"])
                except (OSError, http.client.HTTPException, ValueError, KeyError) as failure:
                    self.failed.append(repr(failure))
                time.sleep(PAUSE_SECONDS)

    def stock(self):
        with connections() as opened:
            return self.ask(opened, "GET", f"/products/{self.product}")["stock"]

    def ask(self, opened, method, path, body=None):
        """Asks the next live instance on a connection that is kept; what it answered."""
        with self.lock:
            port = self.live[next(self.turn) % len(self.live)]
            self.by_port[port] = self.by_port.get(port, 0) + 1
        connection = opened.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        key = {"Idempotency-Key": str(uuid.uuid4())} if body else {}
        try:
            connection.request(method, path, json.dumps(body) if body else None, self.headers | key)
            answer = connection.getresponse()
            text = answer.read().decode()
        except BaseException:
            connection.close()
            raise
        if answer.status not in (200, 201):
            raise ValueError(f"{method} {path} is {answer.status}: {text}")
        return json.loads(text)


class Service:
    """All instances."""

    def __init__(self, service, source, disk, commit, server):
        self.made = itertools.count(1)
        self.make = lambda first=None: Instance(f"instance-{next(self.made)}", service, source, disk, commit, server, first)
        self.server, self.first = server, self.make()
        self.all = [self.first]
        self.live = []
        # What `head` and `main` use.
        self.lines, self.source, self.say = self.first.lines, source, self.first.say

    def new(self):
        self.all.append(self.make(self.first))
        return self.all[-1]

    def kill(self):
        for instance in self.all:
            instance.kill()

    def first_deploy(self):
        """All instances at once, on an empty database: one makes the tables, and the others wait for it."""
        count = self.first.service["numInstances"]
        self.live = [self.first, *(self.new() for _ in range(count - 1))]
        for instance in self.live:
            instance.start()
        for instance in self.live:
            instance.is_live(f"first deploy, {instance.name}")

    def next_deploy(self):
        """Replaces all instances, one after the other, under load."""
        with Load(self.first.generated["API_KEYS"], [instance.port for instance in self.live]) as load:
            time.sleep(PHASE_SECONDS)
            for old in list(self.live):
                new = self.new()
                new.goes_live(f"next deploy, {new.name}")
                self.live = [new if instance is old else instance for instance in self.live]
                load.live = [instance.port for instance in self.live]
                time.sleep(PHASE_SECONDS)
                old.stops(f"next deploy, {old.name}")
            time.sleep(PHASE_SECONDS)
            load.stop()
        if load.failed or not load.orders:
            self.first.fail(f"next deploy: of {len(load.orders)} orders {len(load.failed)} failed: {load.failed[:3]}")
        idle = [instance.name for instance in self.all if load.by_port.get(instance.port, 0) == 0]
        if idle:
            self.first.fail(f"next deploy: nothing was asked of {', '.join(idle)}")
        stock = load.stock()
        if len(set(load.orders)) != len(load.orders) or stock != STOCK - len(load.orders):
            self.first.fail(f"next deploy: {len(load.orders)} orders, and {STOCK - stock} units were taken")
        self.first.ok(f"next deploy: no request failed of {sum(load.by_port.values())}, at {len(load.by_port)} instances;"
                      f" {len(load.orders)} orders took {STOCK - stock} units, and each could be read at once")


def rehearse_service(service, fast):
    first = service.first
    if not fast:
        first.build()
    before = rehearse.files(first.source)
    with standby(service.server):
        for variable in [*sorted(first.generated), "ALLOW_ASYNC_REPLICATION"]:
            first.refuses_without(variable)
        service.first_deploy()
        first.is_reached_from_outside()
        # Each accepts what is signed with the one secret, with the one key.
        for instance in list(service.live):
            order = instance.smoke()
            for other in service.live:
                other.has_order(f"{other.name} after {instance.name}", order)
        first.audits()
        service.next_deploy()
        for instance in service.live:
            instance.has_order(f"next deploy, {instance.name}", order)
        first.audits()
        for instance in service.live:
            instance.stops(f"end, {instance.name}")
    first.left_nothing(before)
    for instance in service.all:
        instance.logs_well()
    first.say("passed")


@contextlib.contextmanager
def on_a_database(service, database, source, commit):
    """The rehearsal of render-postgres.yaml, its places, and its steps."""
    (disk := source.parent / "disk").mkdir()
    with Server() as server:
        instances = Service(service, source, disk, commit, server)
        places = f"a free port of each instance stands in for 10000, a server of this machine for the database {database['name']}"
        try:
            yield instances, places, rehearse_service
        finally:
            instances.kill()
