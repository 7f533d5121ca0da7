#!/usr/bin/env python3
"""Checks ops/ against a running service: BIN=path/to/orders-inventory tests/ops/check.py

promtool checks the configuration, the rules and their unit tests. Then the smoke test runs against a service, which a real
Prometheus scrapes with ops/prometheus.yml: one instance with SQLite, then two that share a PostgreSQL database. Every query of
the dashboard must find series, every rule must be healthy, every selector in a rule must select series, and every alert must
have its section in ops/slo.md and unit tests in which it fires and does not fire. In the end the PostgreSQL server is killed,
which alerts must say. Everything is on the loopback address; only processes that are started here are ended.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/postgres"))

from server import Server  # noqa: E402

OPS = ROOT / "ops"
PATIENCE_SECONDS = 60
SECRET = "ops-secret"
# Panels that show nothing with PostgreSQL.
OF_SQLITE = {"Free disk"}
# Metrics that Prometheus itself adds at a scrape.
OF_PROMETHEUS = {"up"}
# A selector: a metric of the service or a recording rule, and its matchers.
SELECTOR = re.compile(r"\b((?:http|shop|process)[a-z_:0-9]*|up)\b(\{[^}]*\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')

failures = []


def expect(holds, message):
    if not holds:
        failures.append(message)


def run(*command, **options):
    """Runs a command that must succeed; returns its output."""
    done = subprocess.run(command, text=True, capture_output=True, timeout=300, **options)
    if done.returncode != 0:
        sys.exit(f"FAILED  {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def program(name):
    done = subprocess.run([ROOT / "tests/unpacked.sh", "prometheus", f"usr/bin/{name}"], text=True, stdout=subprocess.PIPE)
    return done.stdout.strip() if done.returncode == 0 else sys.exit(1)


@contextlib.contextmanager
def running(command, log, **options):
    """A process that ends with the block."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def eventually(what, ask, process, log):
    """Repeats `ask` until it returns something, and returns that."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            if found := ask():
                return found
        time.sleep(0.2)
    sys.exit(f"FAILED  {what}; the end of its log:\n{log.read_text(errors='replace')[-3000:]}")


def get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return answer.read().decode()


class Prometheus:
    def __init__(self, address):
        self.api = f"http://{address}/api/v1"

    def query(self, expression):
        """The labels of each series that the expression finds."""
        url = f"{self.api}/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            return [series["metric"] for series in json.loads(get(url))["data"]["result"]]
        except urllib.error.HTTPError as error:
            expect(False, f"not a query: {expression}: {error.read().decode()[:300]}")
            return []

    def rules(self):
        groups = json.loads(get(f"{self.api}/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


def selectors(expression):
    """Every selector of an expression, and where a matcher has several values, one selector for each of them."""
    for name, matchers in SELECTOR.findall(re.sub(r"\[[^]]*\]", "", expression)):
        yield name + matchers
        parts = MATCHER.findall(matchers)
        for part in parts:
            label, operator, value = part
            others = "".join(f', {label}{operator}"{value}"' for label, operator, value in parts if (label, operator, value) != part)
            for one in value.split("|") if "~" in operator else []:
                yield f'{name}{{{label}=~"{one}"{others}}}'


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def check_dashboard(prometheus, described, empty):
    dashboard = json.loads((OPS / "grafana-dashboard.json").read_text())
    queries = 0
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            queries += 1
            where = f"dashboard, {panel['title']!r}"
            expression = target["expr"].replace("$__rate_interval", "1m")
            expect("$" not in expression, f"{where}: a variable is left in {expression}")
            found = prometheus.query(expression)
            if panel["title"] in empty:
                expect(not found, f"{where}: something for {expression}")
            else:
                expect(found, f"{where}: nothing for {expression}")
                for label in re.findall(r"{{(.*?)}}", target["legendFormat"]):
                    expect(any(label in series for series in found), f"{where}: no label {label} in {expression}")
            # Lines of several instances are told apart by their names.
            names = [tuple(series.get(label) for label in re.findall(r"{{(.*?)}}", target["legendFormat"])) for series in found]
            expect(len(names) == len(set(names)), f"{where}: lines of one name for {expression}")
            check_selectors(prometheus, where, expression, described)
    expect(queries > 20, f"the dashboard has only {queries} queries")
    return queries


def check_selectors(prometheus, where, expression, described):
    for selector in selectors(expression):
        expect(prometheus.query(selector), f"{where}: nothing is selected by {selector}")
        name = selector.split("{")[0]
        metric = re.sub(r"_(bucket|sum|count)$", "", name) if name not in described else name
        known = metric in described or name in OF_PROMETHEUS or name.startswith("shop:")
        expect(known, f"{where}: the service has no metric {name}")


def check_rules(prometheus, described):
    rules = prometheus.rules()
    for rule in rules:
        expect(rule["health"] == "ok", f"rule {rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        check_selectors(prometheus, f"rule {rule['name']}", rule["query"], described)
    return [rule for rule in rules if rule["type"] == "alerting"]


def check_runbook(alerts):
    text = (OPS / "slo.md").read_text()
    sections = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    names = [alert["name"] for alert in alerts]
    for name in set(names) ^ set(sections):
        expect(False, f"slo.md and alerts.yml do not both have {name}")
    for alert in alerts:
        wanted = f"ops/slo.md#{alert['name'].lower()}"
        expect(alert["annotations"].get("runbook") == wanted, f"alert {alert['name']}: its runbook is not {wanted}")
        expect(alert["labels"].get("severity") in ("page", "ticket"), f"alert {alert['name']} has no severity")


def check_unit_tests(alerts):
    tests = "".join(path.read_text() for path in OPS.glob("*_test.yml"))
    cases = re.findall(r"alertname: (\w+)\n +eval_time: \S+\n +exp_alerts:(.*)\n", tests)
    for alert in alerts:
        fires = any(name == alert["name"] and rest == "" for name, rest in cases)
        expect(fires, f"alert {alert['name']}: in no unit test does it fire")
    # In tests with several instances, promtool itself expects no alert for the others.
    silent = {name for name, rest in cases if rest.strip() == "[]"}
    several = set(re.findall(r"instance: '\w+:9464'[^\n]*\n(?:.*\n)*? +runbook: ops/slo.md#(\w+)", tests))
    for alert in alerts:
        is_seen = alert["name"] in silent or alert["name"].lower() in several
        expect(is_seen, f"alert {alert['name']}: in no unit test does it not fire")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def configuration(folder, addresses):
    """ops/prometheus.yml, with the addresses of these instances and shorter intervals."""
    text = (OPS / "prometheus.yml").read_text()
    for old, new in [
        ("- targets: ['127.0.0.1:9464']", f"- targets: {addresses}"),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ("- alerts.yml", f"- {OPS / 'alerts.yml'}"),
    ]:
        expect(text.count(old) == 1, f"prometheus.yml has {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    path = folder / "prometheus.yml"
    path.write_text(text)
    return path


@contextlib.contextmanager
def instance(log, database):
    """An instance of the service; the addresses of its API and of its metrics."""
    environment = {"PATH": os.environ["PATH"], "PORT": "0", "METRICS_ADDR": "127.0.0.1:0", "WEBHOOK_SECRET": SECRET}
    environment["DATABASE_URL"] = database
    with running([os.environ["BIN"]], log, env=environment) as service:
        printed = eventually(
            "the service does not say where its metrics are",
            lambda: re.search(r"API   (http\S+)(?s:.*)Stats http://(\S+)/metrics", log.read_text()),
            service,
            log,
        )
        yield printed.groups()


@contextlib.contextmanager
def scraped(folder, database, count):
    """Instances of the service and a Prometheus that scrapes them, after a day of the shop: their addresses, what their metrics
    are, the Prometheus, and what waits for something that it sees."""
    with contextlib.ExitStack() as stack:
        instances = [stack.enter_context(instance(folder / f"service-{index}.log", database)) for index in range(count)]
        scrapes = [get(f"http://{metrics}/metrics") for _, metrics in instances]
        for scrape in scrapes:
            run(program("promtool"), "check", "metrics", input=scrape)
        described = set(re.findall(r"^# TYPE (\S+)", scrapes[0], re.MULTILINE))

        address, log = f"127.0.0.1:{free_port()}", folder / "prometheus.log"
        config = configuration(folder, [metrics for _, metrics in instances])
        command = [program("prometheus"), f"--config.file={config}", f"--web.listen-address={address}"]
        command.append(f"--storage.tsdb.path={folder / 'tsdb'}")
        process = stack.enter_context(running(command, log, cwd=folder))
        prometheus = Prometheus(address)
        eventually("Prometheus is not ready", lambda: get(f"http://{address}/-/ready"), process, log)

        def sees(what, expression):
            eventually(what, lambda: prometheus.query(expression), process, log)

        sees("the instances are not seen", f"count(up == 1) == {count}")
        smoke = {**os.environ, "BASE_URL": instances[-1][0], "WEBHOOK_SECRET": SECRET}
        smoke.pop("API_KEY", None)
        run(sys.executable, ROOT / "tests/smoke.py", env=smoke)
        # Counts become a rate at the next scrape, which the rules evaluate at their next interval.
        rates = "sum(rate(shop_orders_shipped_total[1m])) > 0 and on() count_over_time(shop:requests_slow:ratio_rate3d[1h]) > 2"
        sees("the day of the shop is not seen", rates)
        yield [base_url for base_url, _ in instances], described, prometheus, sees


def check_sqlite(folder):
    """Returns the numbers of queries and alerts."""
    with scraped(folder, f"sqlite://{folder}/shop.db", 1) as (_, described, prometheus, _):
        queries = check_dashboard(prometheus, described, set())
        alerts = check_rules(prometheus, described)
    check_runbook(alerts)
    check_unit_tests(alerts)
    return queries, len(alerts)


def check_postgres(folder):
    with Server() as server, scraped(folder, server.url(), 2) as (base_urls, described, prometheus, sees):
        check_dashboard(prometheus, described, OF_SQLITE)
        check_rules(prometheus, described)
        firing = [series["alertname"] for series in prometheus.query('ALERTS{alertstate="firing"}')]
        expect(not firing, f"with PostgreSQL and nothing wrong: {firing}")
        server.kill()
        # Nobody asks anything yet.
        sees("a database that is gone fires no ReadsFail", 'count(ALERTS{alertname="ReadsFail"}) == 2')
        # What a load balancer and a customer ask.
        for base_url in base_urls:
            for path, body in [("/readyz", None), ("/products", b'{"sku":"OPS","name":"ops","price":1,"stock":1}')]:
                with contextlib.suppress(urllib.error.HTTPError):
                    request = urllib.request.Request(base_url + path, body, {"Content-Type": "application/json"})
                    urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()
                    expect(False, f"{path}: answered, and the database's server was killed")
        sees("a database that is gone fires no StorageFails", 'count(ALERTS{alertname="StorageFails", alertstate="firing"}) == 2')
        sees("a database that is gone is not to become NotReady", 'count(ALERTS{alertname="NotReady"}) == 2')


def main():
    promtool = program("promtool")
    run(promtool, "check", "config", OPS / "prometheus.yml")
    run(promtool, "check", "rules", "--lint-fatal", OPS / "alerts.yml")
    tests = sorted(OPS.glob("*_test.yml"))
    run(promtool, "test", "rules", *tests)
    with tempfile.TemporaryDirectory() as folder:
        queries, alerts = check_sqlite(pathlib.Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_postgres(pathlib.Path(folder))
    if failures:
        sys.exit("\n".join(f"FAILED  {failure}" for failure in failures))
    print(f"ops: {queries} queries of the dashboard and {alerts} alerts work with SQLite, and with two instances on PostgreSQL")


if __name__ == "__main__":
    main()
