#!/usr/bin/env python3
"""Writes benchmarks.md from the results of a run: all figures, and all sentences about them. It goes to the folder
REPORTS_DIR (target/reports), which the Makefile sets to docs/ with RENEW=1.

report.py docs/benchmarks/results.json rewrites the document and its plots.
"""

import json
import os
import pathlib
import sys
import textwrap

import postgres
from databases import BIG, PAYABLE, SMALL
from measure import IDLE_SECONDS, QUIET_SECONDS, READERS, WARM_UP_CONNECTIONS, WARM_UP_SECONDS
from scenarios import HERE, MAIN, REQUESTS, SCENARIOS
from table import best_loop, groups, number, ratios, spread
from targets import CONNECTIONS, verdicts

SIZES = {SMALL.name: SMALL, BIG.name: BIG}


def folder():
    """Where the document of a run goes."""
    return pathlib.Path(os.environ.get("REPORTS_DIR") or HERE.parent / "target" / "reports").resolve()


def write(results, docs):
    """Writes the document, its plots and the results beside it; returns the document's path."""
    import plots  # here, since nothing else needs matplotlib

    beside = docs / "benchmarks"
    beside.mkdir(parents=True, exist_ok=True)
    results = rounded(results)
    (beside / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    plots.draw(results["samples"], beside)
    page = docs / "benchmarks.md"
    page.write_text(document(results))
    return page


def rounded(value):
    """Rounds to four digits; more would not be significant."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(member) for key, member in value.items()}
    return [rounded(member) for member in value] if isinstance(value, list) else value


def document(results):
    found = Found(results["samples"])
    parts = [heading(results), of_targets(results["samples"])]
    for part in (of_throughput, of_latency, of_orders, of_beside, of_big, of_resources, of_backups, of_postgres):
        parts.append(part(found))
    parts.append(of_method(results))
    return "\n\n".join(part for part in parts if part) + "\n"


class Found:
    """The samples by case; none for a case that was not measured."""

    def __init__(self, samples):
        self.groups = groups(samples)

    def get(self, scenario, connections=CONNECTIONS, size="small", target="service"):
        return self.groups.get((scenario, connections, size, target), [])

    def cases(self, scenarios=MAIN):
        """Scenario and connections of all that the service was measured with."""
        counts = sorted({key[1] for key in self.groups if key[3] == "service" and key[2] in SIZES})
        cases = [(scenario, count) for scenario in scenarios for count in counts]
        return [case for case in cases if self.get(*case)]

    def loops(self):
        """The bare loop on SQLite: how many to a commit, and its samples."""
        return sorted((key[1], rounds) for key, rounds in self.groups.items() if key[2:] == ("small", "loop"))

    def on_postgres(self):
        """Place, scenario, connections and samples of all that was measured on PostgreSQL: of one instance, of two, and of
        the bare loop on each number of connections."""
        for place in postgres.PLACES.values():
            for scenario in postgres.MEASURED:
                for key in self.groups:
                    if (key[0], key[2], key[3]) == (scenario, place.name, "service"):
                        served = [
                            self.get(scenario, key[1], place.name, postgres.shared_by("service", instances))
                            for instances in postgres.INSTANCES
                        ]
                        counts = postgres.loops(SCENARIOS[scenario], key[1])
                        loops = {count: self.get(scenario, count, place.name, "loop") for count in counts}
                        yield place, scenario, key[1], served, {count: them for count, them in loops.items() if them}


def section(title, *parts):
    return "\n\n".join([f"## {title}", *parts])


def paragraph(text, indent=""):
    text = " ".join(text.split())
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(head, rows, left=1):
    """The first columns are words, the others figures."""
    lines = [head, ["---"] * left + ["--:"] * (len(head) - left), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def spreads(samples, member, scale=1.0):
    """The median of the rounds, with the lowest and the highest."""
    if not samples:
        return "–"
    median, least, most = spread(sample[member] * scale for sample in samples)
    return f"{number(median)} ({number(least)}–{number(most)})"


def median(samples, member, scale=1.0):
    return number(spread(sample[member] * scale for sample in samples)[0]) if samples else "–"


def share(samples, others):
    shares = ratios(samples, others)
    return "{:.2f} ({:.2f}–{:.2f})".format(*spread(shares)) if shares else "–"


def heading(results):
    machine, plan = results["machine"], results["plan"]
    of_server = f", PostgreSQL {machine['postgres']}" if "postgres" in machine else ""
    return "\n\n".join([
        "# Benchmarks",
        paragraph("""The service with its defaults (every commit synced to the disk, log on) and with API keys, measured
            beside two ceilings in one run on one machine: **constant bytes**, the same routes on the same server
            library and as many threads, answering as many bytes and the same headers out of memory, and the **bare
            loop**, the same SQL on the same schema with nothing around it."""),
        f"    {plan['command']}",
        paragraph(f"""wrote this page and [its plots and raw results](benchmarks/), on {machine["date"]}, of commit
            {machine["commit"]}. The machine: {machine["cores"]} cores ({machine["processor"]}),
            {machine["memory_gib"]} GiB, {machine["kernel"]}, {machine["filesystem"]}{of_server}. The load generator runs on the
            same cores. Figures are the median of the rounds ({plan["rounds"]} of {plan["seconds"]} s each; on a million
            rows every second round), with the least and the most in brackets; ratios are taken within a round, and of
            these the median. How far the rounds lie apart is the noise of the machine."""),
    ])


def of_targets(samples):
    all_of_them = verdicts(samples)
    said = []
    for verdict in ("met", "missed", "within the noise", "not measured"):
        if count := sum(1 for one in all_of_them if one.verdict.strip("*") == verdict):
            said.append(f"{count} {verdict}")
    return section(
        "Floors",
        paragraph(f"""Of {len(all_of_them)} floors: {", ".join(said)}. A floor is what the service must not fall below,
            no goal to polish towards. Where they say nothing else they are at {CONNECTIONS} connections on the small
            database. *Within the noise*: the median is on the wrong side, and at least one round on the right one."""),
        table(["Floor", "wanted", "median", "rounds", ""], [one.row() for one in all_of_them]),
    )


def of_throughput(found):
    rows = []
    for scenario, connections in found.cases():
        service, constant = found.get(scenario, connections), found.get(scenario, connections, target="constant")
        row = [SCENARIOS[scenario].title, str(connections)]
        row += [spreads(service, "per_second"), spreads(constant, "per_second"), share(service, constant)]
        row += [median(service, "cpu_us"), median(constant, "cpu_us"), median(service, "generator_cpu_us")]
        rows.append(row)
    if not rows:
        return None
    head = ["Scenario", "connections", "requests/s", "constant bytes", "ratio"]
    head += ["CPU µs/request", "of constant bytes", "of the generator"]
    parts = [f"On {SMALL.title}.", "![Requests per second](benchmarks/throughput.svg)", table(head, rows)]
    return section("Requests per second", *parts, *use_of_cores(found))


def use_of_cores(found):
    """The use of the cores at the highest load of reads of one product."""
    rounds = found.get("product")
    if not rounds:
        return
    busy = [
        spread(sample[member] * sample["per_second"] / 1e6 for sample in rounds)[0]
        for member in ("cpu_us", "generator_cpu_us")
    ]
    yield paragraph(f"""With one product at {CONNECTIONS} connections the service kept {busy[0]:.2f} cores busy and the
        generator {busy[1]:.2f}: where they share what there is, a ratio to constant bytes compares the costs of both
        servers with the generator's added.""")


def of_latency(found):
    rows = []
    for scenario, connections in found.cases():
        service, constant = found.get(scenario, connections), found.get(scenario, connections, target="constant")
        row = [SCENARIOS[scenario].title, str(connections)]
        row += [spreads(service, member, 1e-3) for member in ("p50_us", "p99_us", "p999_us")]
        row += [median(constant, member, 1e-3) for member in ("p50_us", "p99_us")]
        rows.append(row)
    if not rows:
        return None
    head = ["Scenario", "connections", "p50 ms", "p99 ms", "p99.9 ms", "constant bytes p50", "p99"]
    return section(
        "Latency",
        paragraph("""In a closed load a connection sends its next request when it has its answer, so with more
            connections than cores a request mostly waits for its turn."""),
        "![Latency](benchmarks/latency.svg)",
        table(head, rows),
    )


def of_orders(found):
    loops = found.loops()
    if not loops:
        return None
    placed = [(f"bare loop, {batch} to a commit", rounds) for batch, rounds in loops]
    for scenario, connections in found.cases(["order"]):
        clients = f"{connections} connections" if connections > 1 else "a lone client"
        placed.append((f"service, {clients}", found.get(scenario, connections)))
    rows = [
        [by, spreads(rounds, "per_second"), share(rounds, loops[0][1])]
        + [median(rounds, member, 1e-3) for member in ("p50_us", "p99_us")]
        for by, rounds in placed
    ]
    return section(
        "Orders beside the bare loop",
        paragraph("""Each order is a stock update, an order and a movement, with their indexes; each commit is synced.
            The loop's latency is that of a whole commit."""),
        "![Orders per second](benchmarks/orders.svg)",
        table(["Orders placed by", "orders/s", "to the first line", "p50 ms", "p99 ms"], rows),
    )


def of_beside(found):
    rows = []
    for size in SIZES.values():
        if rounds := found.get("beside", size=size.name):
            row = [size.title, spreads(rounds, "per_second")]
            row += [spreads(rounds, member, 1e-3) for member in ("p50_us", "p99_us", "p999_us")]
            rows.append([*row, spreads(rounds, "orders_per_second"), spreads(rounds, "orders_p99_us", 1e-3)])
    head = ["Database", "reads/s", "p50 ms", "p99 ms", "p99.9 ms", "orders/s", "orders' p99 ms"]
    said = f"{READERS} connections read, two products to a page, while {CONNECTIONS} order."
    return section("Reads beside orders", said, table(head, rows)) if rows else None


def of_big(found):
    rows = []
    for scenario, connections in found.cases():
        small, big = found.get(scenario, connections), found.get(scenario, connections, "big")
        if big:
            row = [SCENARIOS[scenario].title, str(connections), spreads(big, "per_second"), share(big, small)]
            rows.append([*row, spreads(big, "p99_us", 1e-3), median(big, "cpu_us")])
    if not rows:
        return None
    sizes_mb = [
        sample["database_mb"] for key, rounds in found.groups.items() if key[2] == "big" for sample in rounds
        if "database_mb" in sample
    ]
    head = ["Scenario", "connections", "requests/s", "to the small database", "p99 ms", "CPU µs/request"]
    return section(
        "With a million",
        paragraph(f"""On {BIG.title}, of which {number(BIG.pending)} are unpaid at first: {number(max(sizes_mb))} MB
            at the end. Reads and orders draw from all products."""),
        table(head, rows),
    )


def of_resources(found):
    rows = []
    for size in SIZES.values():
        for scenario in ("product", "order"):
            if rounds := found.get(scenario, size=size.name):
                row = [size.title, f"{SCENARIOS[scenario].title}, {CONNECTIONS} connections"]
                rows.append(row + [spreads(rounds, member) for member in ("start_ms", "idle_mb", "end_mb", "peak_mb")])
    if not rows:
        return None
    head = ["Database", "load", "start to first 200, ms", "idle MB", "after the load MB", "peak MB"]
    parts = [
        paragraph("""From before the process is started until `/readyz` has answered 200, the check of the whole file
            included; the file was in the page cache. Memory is resident memory."""),
        table(head, rows, left=2),
    ]
    idle = [
        f"{spreads(rounds, 'idle_cpu_percent')} % of a core on {size.title}"
        for size in SIZES.values()
        if (rounds := found.get("idle", 0, size.name))
    ]
    if idle:
        parts.append(paragraph(f"""Idle, it uses {" and ".join(idle)}: watched for {IDLE_SECONDS} s, {QUIET_SECONDS} s after
            {WARM_UP_CONNECTIONS} connections ordered for {WARM_UP_SECONDS} s."""))
    return section("Start, memory and idle CPU", *parts)


def of_backups(found):
    rows = []
    for size in SIZES.values():
        quiet, during = found.get("quiet", size=size.name), found.get("backup", size=size.name)
        if during:
            row = [size.title, spreads(quiet, "per_second"), spreads(during, "per_second"), share(during, quiet)]
            made = sum(sample["backups"] for sample in during)
            rows.append([*row, str(made), spreads(during, "backup_seconds", 1e3)])
    if not rows:
        return None
    return section(
        "Backup under load",
        paragraph(f"""Orders on {CONNECTIONS} connections, without and with `orders-inventory backup` beside them: from
            the beginning of the first to the end of the last, one after the other without a pause. Each of these
            backups was audited and found clean, with as many units gone from its stock as it has new orders."""),
        table(["Database", "orders/s", "during backups", "ratio", "backups", "ms each"], rows),
    )


def of_postgres(found):
    rates, costs = [], []
    for place, scenario, connections, (one, two), loops in found.on_postgres():
        loop = best_loop(found.groups, scenario, place.name)
        title = [SCENARIOS[scenario].title, place.title]
        by_loop = ", ".join(f"{spreads(them, 'per_second')} on {count}" for count, them in loops.items())
        rates.append([
            *title, spreads(one, "per_second"), spreads(two, "per_second"), by_loop or "–", share(one, loop), share(two, loop)
        ])
        latencies = [spreads(them, member, 1e-3) for them in (one, two) for member in ("p50_us", "p99_us")]
        members = ("cpu_us", "database_cpu_us", "generator_cpu_us")
        spent = [median(one, member) for member in members] + [median(loop, member) for member in members[:2]]
        costs.append([*title, *latencies, median(loop, "p99_us", 1e-3), *spent])
    if not rates:
        return None
    trips = [
        f"{median(them, 'p50_us', 1e-3)} ms {place.title}" for place in postgres.PLACES.values()
        if (them := found.get(postgres.PING.name, 1, place.name, "loop"))
    ]
    return section(
        "On PostgreSQL",
        paragraph(f"""Orders and reads on {connections} connections in all, by one instance of the service and by two that
            share the database and the connections. The **bare loop** is a program in Rust with the same client library and
            prepared statements on some connections of its own: an order is five round trips (begin, the stock, the order,
            the movement, commit), a read is one. Ratios are to that number of its connections that was the best in the
            round. The server has its defaults, all data on the same disk, and every commit is synced; it, the service and
            the generator share the cores."""),
        *([paragraph(f"A round trip to the server took a lone client {' and '.join(trips)}.")] if trips else []),
        "![On PostgreSQL](benchmarks/postgres.svg)",
        table(["Scenario", "the server is", "one instance, requests/s", "two instances", "bare loop", "one to the loop",
               "two to the loop"], rates, left=2),
        table(["Scenario", "the server is", "one instance, p50 ms", "p99 ms", "two instances, p50 ms", "p99 ms",
               "bare loop, p99 ms", "CPU µs/request of one instance", "of PostgreSQL", "of the generator", "of the loop",
               "of PostgreSQL"], costs, left=2),
    )


def of_method(results):
    written = [sample["written"] for sample in results["samples"] if "written" in sample]
    points = [
        f"""The load is a closed one, by wrk, with a thread for each core at most. It goes through {number(REQUESTS)}
        requests that are drawn at random beforehand; payments are signed beforehand and each is sent once; an order with an
        `Idempotency-Key` gets a new random key when it is sent. wrk corrects its latencies for what a stalled connection did not send meanwhile, so one stall counts for all the requests
        that it kept away.""",
        """Each run has a process of its own on a database of its own; only the million rows are kept from run to run.
        In each round all that is compared stands next to each other, in the other order every second time.""",
        f"""Before a load that places orders, {WARM_UP_CONNECTIONS} connections order random products for {WARM_UP_SECONDS} s
        that are not measured: a new write-ahead log grows with each commit, later commits overwrite it.""",
        f"""After each run that writes, the units that left the stock, the orders, and the units and rows of the ledger
        must be one number, and it must be the number of orders that were answered with 201, give or take those on
        their way when the load stopped; payments likewise. Then `orders-inventory audit` must be clean (on the million
        rows once, at the end). In this run that held in all {len(written)} such runs, with {number(sum(written))}
        orders and payments; else there would be no page.""",
        f"""For payments the small database has {PAYABLE.title}.""",
        f"""On PostgreSQL each run has a database of its own, too, of the small size, and a checkpoint before it. Service and
        loop do the same for {postgres.WARM_UP_SECONDS} s before they are measured. Of two instances' latencies the worse
        one counts. The loop's ids come from sequences; it may leave gaps, and commits out of their order.""",
        """CPU is the process's user and system time, of all its threads. The log goes to a file on the same disk.""",
    ]
    return section("How it is measured", "\n".join(paragraph(f"- {point}", "  ") for point in points))


if __name__ == "__main__":
    (path,) = sys.argv[1:]
    results_file = pathlib.Path(path).resolve()
    write(json.loads(results_file.read_text()), results_file.parent.parent)
