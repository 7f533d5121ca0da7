#!/usr/bin/env python3
"""Writes docs/benchmarks.md from the results of a run. Every figure, and every sentence that says how something came out,
is made from the results.

    report.py docs/benchmarks/results.json     writes the document and its plots anew
"""

import json
import pathlib
import sys

from databases import BIG, SMALL
from scenarios import MAIN, SCENARIOS
from table import NAMES, groups, number, ratios, spread
from targets import verdicts

SIZES = {SMALL.name: SMALL, BIG.name: BIG}


def write(results, docs):
    """The document, its plots and the results beside it."""
    import plots  # here, for only this needs matplotlib

    folder = docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    results = rounded(results)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    plots.draw(results["samples"], folder)
    (docs / "benchmarks.md").write_text(document(results))


def rounded(value):
    """Four digits say all that such a measurement can."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(member) for key, member in value.items()}
    return [rounded(member) for member in value] if isinstance(value, list) else value


def markdown(head, rows, left=1):
    """A table; the first columns are words, the others figures."""
    lines = [head, ["---"] * left + ["--:"] * (len(head) - left), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def spreads(samples, member, scale=1.0):
    """The median of the rounds, and from where to where they went."""
    if not samples:
        return "–"
    median, least, most = spread(sample[member] * scale for sample in samples)
    return f"{number(median)} ({number(least)}–{number(most)})"


def median(samples, member, scale=1.0):
    return number(spread(sample[member] * scale for sample in samples)[0]) if samples else "–"


def share(samples, others):
    shares = ratios(samples, others)
    return "{:.2f} ({:.2f}–{:.2f})".format(*spread(shares)) if shares else "–"


def document(results):
    found = groups(results["samples"])
    parts = [heading(results), targets_part(results), throughput_part(found), latency_part(found), orders_part(found)]
    parts += [beside_part(found), big_part(found), resources_part(found), backup_part(found), method_part(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(results):
    machine, plan = results["machine"], results["plan"]
    return f"""# Benchmarks

The service with its defaults (every commit synced to the disk, log on, API keys on), measured beside two ceilings in one
run on one machine: **constant bytes**, the same routes on the same server library answering the same number of bytes out of memory, and
the **bare loop**, the same SQL on the same file with nothing around it.

    {plan["command"]}

wrote this page and [its plots and raw results](benchmarks/), on {machine["date"]}, of commit {machine["commit"]}. The machine:
{machine["cores"]} cores ({machine["processor"]}), {machine["memory_gib"]} GiB, {machine["kernel"]}, {machine["filesystem"]}. The load generator runs on the same
cores. Figures are the median of {plan["rounds"]} rounds of {plan["seconds"]} s, with the least and the most of them in brackets; ratios are taken
within a round, then their median. How far the rounds lie apart is the noise of the machine."""


def targets_part(results):
    all_of_them = verdicts(results["samples"])
    by = {}
    for one in all_of_them:
        by.setdefault(one.verdict.strip("*"), []).append(one)
    said = [f"{len(by[verdict])} {verdict}" for verdict in ("met", "missed", "within the noise", "not measured") if verdict in by]
    table = markdown(["Target", "wanted", "median", "rounds", ""], [one.row() for one in all_of_them])
    return f"""## Targets

Of {len(all_of_them)} targets: {", ".join(said)}. Where nothing else is said they are at 64 connections. *Within the noise*: the median is on the
wrong side, and at least one round on the right one.

{table}"""


def throughput_part(found):
    rows = []
    for scenario, connections in main_cases(found):
        service, constant = (found.get((scenario, connections, "small", target), []) for target in ("service", "constant"))
        rows.append([
            SCENARIOS[scenario].title, str(connections), spreads(service, "per_second"), spreads(constant, "per_second"),
            share(service, constant), median(service, "cpu_us"), median(constant, "cpu_us"), median(service, "generator_cpu_us"),
        ])
    table = markdown(
        ["Scenario", "connections", "requests/s", "constant bytes", "ratio", "CPU µs/request", "of constant bytes", "of the generator"],
        rows,
    )
    return f"""## Requests per second

On {SIZES["small"].title}.

![Requests per second](benchmarks/throughput.svg)

{table}"""


def main_cases(found):
    connections = sorted({key[1] for key in found if key[3] == "service" and key[0] in MAIN})
    return [(scenario, count) for scenario in MAIN for count in connections if (scenario, count, "small", "service") in found]


def latency_part(found):
    rows = []
    for scenario, connections in main_cases(found):
        service, constant = (found.get((scenario, connections, "small", target), []) for target in ("service", "constant"))
        rows.append([SCENARIOS[scenario].title, str(connections)] + [
            spreads(service, member, 1e-3) for member in ("p50_us", "p99_us", "p999_us")
        ] + [median(constant, member, 1e-3) for member in ("p50_us", "p99_us")])
    table = markdown(
        ["Scenario", "connections", "p50 ms", "p99 ms", "p99.9 ms", "constant bytes p50", "p99"], rows,
    )
    return f"""## Latency

In a closed load a connection sends its next request when it has its answer, so at more connections than cores most of a request's
time is waiting for its turn.

![Latency](benchmarks/latency.svg)

{table}"""


def orders_part(found):
    loops = [(key[1], rounds) for key, rounds in sorted(found.items()) if key[3] == "loop"]
    if not loops:
        return ""
    one = loops[0][1]
    rows = [
        [f"bare loop, {batch} to a commit", spreads(rounds, "per_second"), share(rounds, one), median(rounds, "p50_us", 1e-3), median(rounds, "p99_us", 1e-3)]
        for batch, rounds in loops
    ]
    for connections in sorted({key[1] for key in found if key[0] == "order" and key[3] == "service"}):
        rounds = found["order", connections, "small", "service"]
        rows.append([
            f"service, {connections} connection{'s' if connections > 1 else ''}", spreads(rounds, "per_second"),
            share(rounds, one), median(rounds, "p50_us", 1e-3), median(rounds, "p99_us", 1e-3),
        ])
    table = markdown(["Orders placed by", "orders/s", "to one a commit", "p50 ms", "p99 ms"], rows)
    return f"""## Orders beside the bare loop

Each order is a stock update, an order and a movement, with their indexes; each commit is synced. The loop's latency is that of a whole
commit.

![Orders per second](benchmarks/orders.svg)

{table}"""


def beside_part(found):
    rows = [
        [SIZES[size].title, spreads(rounds, "per_second"), spreads(rounds, "p50_us", 1e-3), spreads(rounds, "p99_us", 1e-3),
         spreads(rounds, "p999_us", 1e-3), spreads(rounds, "orders_per_second"), spreads(rounds, "orders_p99_us", 1e-3)]
        for (scenario, _, size, target), rounds in found.items() if scenario == "beside" and target == "service"
    ]
    if not rows:
        return ""
    table = markdown(["Database", "reads/s", "p50 ms", "p99 ms", "p99.9 ms", "orders/s", "orders' p99 ms"], rows)
    return f"""## Reads beside orders

16 connections read (two products to a page) while 64 order.

{table}"""


def big_part(found):
    rows = []
    for scenario, connections in main_cases(found):
        small, big = (found.get((scenario, connections, size, "service"), []) for size in ("small", "big"))
        if big:
            rows.append([SCENARIOS[scenario].title, str(connections), spreads(big, "per_second"), share(big, small),
                         spreads(big, "p99_us", 1e-3), median(big, "cpu_us")])
    if not rows:
        return ""
    size = number(max(sample["database_mb"] for key, rounds in found.items() if key[2] == "big" for sample in rounds if "database_mb" in sample))
    table = markdown(["Scenario", "connections", "requests/s", "to the small database", "p99 ms", "CPU µs/request"], rows)
    return f"""## With a million

On {SIZES["big"].title}, half of them unpaid: {size} MB at the end. Reads and orders draw from all products.

{table}"""


def resources_part(found):
    rows = []
    for size in ("small", "big"):
        for scenario in ("product", "order"):
            rounds = found.get((scenario, 64, size, "service"), [])
            if rounds:
                rows.append([SIZES[size].title, f"{SCENARIOS[scenario].title}, 64 connections"] + [
                    spreads(rounds, member) for member in ("start_ms", "idle_mb", "end_mb", "peak_mb")
                ])
    table = markdown(["Database", "load", "start to first 200, ms", "idle MB", "after the load MB", "peak MB"], rows, left=2)
    return f"""## Start and memory

From before the process is started until `/readyz` has answered 200, the check of the whole file included. Memory is resident memory.

{table}"""


def backup_part(found):
    rows = []
    for size in ("small", "big"):
        quiet, during = (found.get((scenario, 64, size, "service"), []) for scenario in ("quiet", "backup"))
        if during:
            rows.append([SIZES[size].title, spreads(quiet, "per_second"), spreads(during, "per_second"), share(during, quiet),
                         str(sum(sample["backups"] for sample in during)), spreads(during, "backup_seconds", 1e3)])
    if not rows:
        return ""
    table = markdown(["Database", "orders/s", "during backups", "ratio", "backups", "ms each"], rows)
    return f"""## Backup under load

Orders on 64 connections, without and with `orders-inventory backup` beside them, one after the other without a pause. Each of
these backups was audited and found clean, with as many units gone from its stock as it has new orders.

{table}"""


def method_part(results):
    written = sum(sample.get("written", 0) for sample in results["samples"])
    checked = sum(1 for sample in results["samples"] if "written" in sample)
    return f"""## How it is measured

- The load is a closed one, by wrk with at most as many threads as there are cores. Requests are drawn at random from a prepared list; payments are
  signed beforehand and each is sent once. wrk corrects its latencies for what a stalled connection did not send meanwhile.
- Each run has a process of its own, on a database of its own; only the million rows are kept from run to run. The rounds go through everything
  that is compared, one next to the other, and every second one in the other order.
- After each run that writes, the stock sold, the orders, and the units and rows of the ledger must be the same number, and that must be the number of
  orders that were answered with 201, give or take the requests on their way when the load stopped; payments likewise. Then
  `orders-inventory audit` must be clean (on the million rows once, at the end). In this run that held in all {checked} such runs, with {number(written)} orders and payments;
  else there would be no page.
- CPU is the process's user and system time, of all its threads. The service's log goes to a file, its requests carry an API key.
- The bare loop, too, writes to a fresh small database, made by the service."""


if __name__ == "__main__":
    (path,) = sys.argv[1:]
    results_file = pathlib.Path(path).resolve()
    write(json.loads(results_file.read_text()), results_file.parent.parent)
