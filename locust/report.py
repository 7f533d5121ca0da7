#!/usr/bin/env python3
"""Writes docs/load-test.md and its pictures from what load.py and limit.py left in docs/load-test/.

    [BASE_URL=…] locust/report.py

Every figure is read from those files, and every sentence about a limit is chosen by them. With BASE_URL it is the report
of the service there, docs/load-test-<its host>.md.
"""

import functools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import load
import matplotlib
import matplotlib.ticker
import traffic

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

WAIT_SECONDS_MEAN = statistics.mean(traffic.WAIT_SECONDS)
READS = "GET"
# From which share of it on something counts as used up.
USED_UP = 0.9
# What others may use of the machine without being spoken of; the sampling itself is in it.
NOISE_CORES_MAX = 0.25
SCREEN = (1280, 2600)
CHROMIUM_SECONDS_MAX = 60


def table(head, body):
    return [
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(map(str, row))} |" for row in body),
        "",
    ]


def total(row, number="Request Count"):
    return int(row[number])


def rate(value):
    return f"{value:,.0f}".replace(",", " ")


class Run:
    """One scenario of Locust, as it was kept."""

    def __init__(self, folder, name):
        self.name, self.outcome = name, json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        self.rows = load.rows(folder / f"{name}_stats.csv")
        self.all = self.rows[-1]
        self.history = load.rows(folder / f"{name}_stats_history.csv")
        self.users = self.outcome["users"]

    def count(self, name):
        method, _, route = name.partition(" ")
        return sum(total(row) for row in self.rows if (row["Type"], row["Name"]) == (method, route))

    def error_rate(self, row=None):
        row = row or self.all
        return f"{100 * total(row, 'Failure Count') / max(total(row), 1):.2f} %"

    def full_house_rate(self):
        """Requests a second while all visitors were there."""
        since, until = self.outcome["full_house"]
        counts = {int(row["Timestamp"]): total(row, "Total Request Count") for row in self.history}
        return (counts[until] - counts[since]) / (until - since)

    def waits_allow(self):
        """The requests a second that these visitors would make of a service that takes no time at all."""
        arrivals = self.count(traffic.NEW_PRODUCT)
        tasks = sum(map(self.count, (traffic.PAGES, traffic.NEW_ORDER, traffic.SOLD_OUT)))
        return self.users * (total(self.all) - arrivals) / tasks / WAIT_SECONDS_MEAN


def others(used):
    """The cores that neither the service nor the generator used."""
    return max(used["machine"] - used.get("service", 0) - used["generator"], 0)


def used_up(used, cores):
    """What was at its limit, in words."""
    if used["machine"] >= USED_UP * cores:
        shares = [f"{used['service']:.2f} by the service"] if "service" in used else []
        shares += [f"{used['generator']:.2f} by the load generator", f"{others(used):.2f} by everything else"]
        yield f"the processor ({used['machine']:.2f} of {cores} cores in use: {', '.join(shares)})"
    if used["generator"] >= USED_UP:
        yield f"the load generator, which has one thread ({used['generator']:.2f} cores)"
    if "writer" in used and used["writer"] + used["writer_ready"] + used["writer_disk"] >= USED_UP:
        yield (
            f"the service's one writer ({used['writer']:.0%} of the time at work, {used['writer_ready']:.0%} waiting for a core, "
            f"{used['writer_disk']:.0%} waiting for the disk)"
        )


def at_their_limit(used, cores):
    found = list(used_up(used, cores))
    if not found:
        return "Nothing that was measured was used up."
    return f"Used up: {'; '.join(found)}."


def what_was_used(used, cores):
    cells = [
        f"{used['service']:.2f}" if "service" in used else "–",
        f"{used['generator']:.2f}",
        f"{used['machine']:.2f} of {cores}",
    ]
    if "writer" not in used:
        return cells + ["–"] * 3
    return cells + [f"{used[name]:.0%}" for name in ("writer", "writer_ready", "writer_disk")]


USED_HEAD = [
    "Service, cores",
    "Generator, cores",
    "Machine, cores",
    "Writer at work",
    "Writer waits for a core",
    "Writer waits for the disk",
]


def scenarios(runs):
    yield "## Locust"
    yield ""
    yield from table(
        [
            "Scenario",
            "Visitors",
            "a second",
            "Requests",
            "RPS",
            "Median, ms",
            "95th, ms",
            "99th, ms",
            "Error rate",
            "Sold out (409)",
        ],
        [
            [
                f"`make load-{run.name}`",
                run.users,
                run.outcome["spawn_rate"],
                total(run.all),
                f"{float(run.all['Requests/s']):.1f}",
                run.all["50%"],
                run.all["95%"],
                run.all["99%"],
                run.error_rate(),
                run.count(traffic.SOLD_OUT),
            ]
            for run in runs
        ],
    )
    yield (
        "From the CSV files of Locust, which counts in whole milliseconds. A 409 for stock that is sold out is an answer as "
        "expected and counts as no error; anything else that was not expected does, a wrong member of an answer too."
    )
    yield ""
    for run in runs:
        yield f"### {run.name.capitalize()}: {run.users} visitors for {run.outcome['seconds']} s"
        yield ""
        yield from table(
            ["Request", "Count", "Failures", "RPS", "Median, ms", "95th, ms", "99th, ms", "Max., ms"],
            [
                [
                    f"`{row['Type']} {row['Name']}`",
                    total(row),
                    total(row, "Failure Count"),
                    f"{float(row['Requests/s']):.1f}",
                    row["50%"],
                    row["95%"],
                    row["99%"],
                    row["100%"],
                ]
                for row in run.rows[:-1]
            ],
        )
        yield f"![Requests a second and latencies over time](load-test{run.place}/{run.name}-chart.png)"
        yield ""
        if run.picture:
            yield f"[![Locust's own report](load-test{run.place}/{run.name}-report.png)](load-test{run.place}/{run.name}.html)"
            yield ""


def bounds(runs):
    yield "### What bounds these runs"
    yield ""
    yield from table(
        ["Scenario", "RPS with all visitors there", "RPS that the waits allow", *USED_HEAD],
        [
            [
                run.name,
                f"{run.full_house_rate():.1f}",
                f"{run.waits_allow():.1f}",
                *what_was_used(run.outcome["used"], run.outcome["cores"]),
            ]
            for run in runs
        ],
    )
    yield (
        "What the waits allow: visitors × requests per task ÷ the mean wait, as if each answer took no time. The rest was read "
        "from the system while all visitors were there."
    )
    yield ""
    for run in runs:
        share = run.full_house_rate() / run.waits_allow()
        yield (
            f"- {run.name}: {share:.0%} of what the waits allow"
            + (", so the visitors' own waits are what bounds it. " if share >= USED_UP else ". ")
            + at_their_limit(run.outcome["used"], run.outcome["cores"])
        )
    yield ""


def last_step(steps, rate_, kept):
    """The last try of this rate with this outcome."""
    return next((step for step in reversed(steps) if (step["rate"], step["kept"]) == (rate_, kept)), None)


def step_row(step, cores):
    latency = step["latency_ms"]
    return [
        rate(step["rate"]),
        "kept" if step["kept"] else "not kept",
        *(f"{latency[name]:.1f}" if latency[name] is not None else "–" for name in ("p50", "p95", "p99", "p99.9")),
        step["failed"] + step["unanswered"],
        f"{1e6 * step['used']['service'] / step['rate']:.0f}",
        *what_was_used(step["used"], cores),
    ]


STEP_HEAD = [
    "Requests/s",
    "",
    "Median, ms",
    "95th, ms",
    "99th, ms",
    "99.9th, ms",
    "Failed",
    "Service's CPU µs per request",
    *USED_HEAD,
]


def every_step(limits):
    for found in limits["mixes"].values():
        for search in found["contenders"].values():
            yield from search["steps"]
        yield from found["compared"]


def limit(limits):
    yield "## The first bottleneck"
    yield ""
    yield (
        f"An open load: requests come at a constant rate, whether or not those before were answered, and a latency counts from when "
        f"its request was due. A rate is kept where the 99th percentile stays at or below {limits['p99_ms_max']} ms, "
        f"{limits['kept_min']:.0%} or more are answered and none fails; one that is not kept is tried twice. Each step is "
        f"{limits['step_seconds']} s at a fresh server, with a second before it that does not count, on the same machine as the "
        f"generator. The audit was clean after each."
    )
    yield ""
    if (most := max(others(step["used"]) for step in every_step(limits))) > NOISE_CORES_MAX:
        yield (
            f"**The machine was not idle:** up to {most:.2f} of its {limits['cores']} cores were used by others than the service and its "
            f"generator, so these limits are lower than the service's own."
        )
        yield ""
    for mix, found in limits["mixes"].items():
        yield from limit_of_mix(mix, found, limits["cores"])


def limit_of_mix(mix, found, cores):
    yield f"### The mix `{mix}`"
    yield ""
    for contender, search in found["contenders"].items():
        steps = search["steps"]
        broken = min(
            (step["rate"] for step in steps if not step["kept"] and step["rate"] > search["limit"]), default=None
        )
        yield f"**{contender}** keeps {rate(search['limit'])} requests a second" + (
            f", and not {rate(broken)}." if broken else ", the most that is tried."
        )
        if broken:
            step = last_step(steps, broken, False)
            slowest = max(step["by_name"].items(), key=lambda item: item[1]["p99"] or 0, default=None)
            yield f"At {rate(broken)}: {at_their_limit(step['used'], cores)}"
            if slowest:
                yield f"The slowest kind of request there is `{slowest[0]}`, 99th percentile {slowest[1]['p99']:.1f} ms."
        yield ""
        yield from table(STEP_HEAD, [step_row(step, cores) for step in sorted(steps, key=lambda step: step["rate"])])
    yield f"![Latency and what is used, by rate](load-test/limit-{mix}.png)"
    yield ""
    if found["compared"]:
        yield from compared(found)


def compared(found):
    """Before and after, at one rate."""
    rounds = len(found["compared"]) // len(found["contenders"])
    yield f"Both at {rate(found['compared'][0]['rate'])} requests a second, in turns, the median of {rounds} rounds each:"
    yield ""
    body = []
    for contender, search in found["contenders"].items():
        steps = [step for step in found["compared"] if step["contender"] == contender]

        def median(pick):
            return statistics.median(pick(step) for step in steps)

        body.append(
            [
                contender,
                rate(search["limit"]),
                *(
                    f"{median(lambda step: step['latency_ms'][name] or float('inf')):.1f}"
                    for name in ("p50", "p95", "p99")
                ),
                f"{median(lambda step: 1e6 * step['used']['service'] / step['rate']):.0f}",
                f"{median(lambda step: step['memory_peak_mib']):.0f}",
            ]
        )
    yield from table(
        [
            "",
            "Limit, requests/s",
            "Median, ms",
            "95th, ms",
            "99th, ms",
            "Service's CPU µs per request",
            "Peak memory, MiB",
        ],
        body,
    )


def draw_run(run, path):
    """Visitors, requests and latencies over time, as a picture."""
    _, until = run.outcome["full_house"]
    rows = [row for row in run.history if row["50%"] != "N/A" and int(row["Timestamp"]) <= until]
    begin = int(run.history[0]["Timestamp"])
    seconds = [int(row["Timestamp"]) - begin for row in rows]
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    above.plot(seconds, [float(row["Requests/s"]) for row in rows], label="requests a second")
    above.plot(seconds, [float(row["Failures/s"]) for row in rows], label="failures a second")
    above.plot(seconds, [int(row["User Count"]) for row in rows], linestyle="--", label="visitors")
    below.plot(seconds, [float(row["50%"]) for row in rows], label="median")
    below.plot(seconds, [float(row["95%"]) for row in rows], label="95th percentile")
    below.plot(seconds, [float(row["99%"]) for row in rows], label="99th percentile")
    below.set(xlabel="seconds", ylabel="latency of the last 10 s, ms", ylim=(0, None))
    above.set(title=f"{run.name}: {run.users} visitors, {run.outcome['spawn_rate']} more a second", ylim=(0, None))
    finish(figure, path, above, below)


def draw_limit(mix, found, limits, path):
    """Latency, and what is used, by the rate of the requests."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 7), sharex=True, layout="constrained")
    for index, (contender, search) in enumerate(found["contenders"].items()):
        steps = sorted((step for step in search["steps"] if step["latency_ms"]["p99"]), key=lambda step: step["rate"])
        rates = [step["rate"] for step in steps]
        for name, marker in (("p50", "v"), ("p99", "o")):
            above.plot(
                rates,
                [step["latency_ms"][name] for step in steps],
                marker,
                color=f"C{index}",
                label=f"{contender}, {name}",
                fillstyle="none",
            )
            kept = [step for step in steps if step["kept"]]
            above.plot(
                [step["rate"] for step in kept], [step["latency_ms"][name] for step in kept], marker, color=f"C{index}"
            )
        below.plot(
            rates, [step["used"]["service"] for step in steps], "o", color=f"C{index}", label=f"{contender}, cores"
        )
        below.plot(
            rates, [step["used"]["generator"] for step in steps], "x", color=f"C{index}", label=f"its generator, cores"
        )
    above.axhline(limits["p99_ms_max"], color="gray", linestyle="--", linewidth=1)
    above.set(title=f"mix {mix}, at a constant rate; filled: kept", xscale="log", yscale="log", ylabel="latency, ms")
    below.axhline(limits["cores"], color="gray", linestyle="--", linewidth=1)
    below.set(xlabel="requests a second", ylabel="cores in use", ylim=(0, None))
    for axis in (above.yaxis, below.xaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}" if axis is below.xaxis else matplotlib.ticker.NullFormatter())
    finish(figure, path, above, below)


def finish(figure, path, *axes):
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    # Without the version of the library that drew it, a picture changes with the figures alone.
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


@functools.cache
def chromium():
    found = subprocess.run(
        [load.HERE.parent / "tests" / "browser" / "ensure-chromium.sh"], stdout=subprocess.PIPE, text=True, check=False
    )
    return found.stdout.strip()


def photograph(report, picture):
    """Takes a picture of Locust's own report, where there is a Chromium; says whether there is one now."""
    picture.unlink(missing_ok=True)
    if chromium():
        with tempfile.TemporaryDirectory() as profile:
            # Its own sandbox needs privileges that containers and root do not have; the page is ours.
            command = [
                chromium(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={profile}",
                f"--window-size={SCREEN[0]},{SCREEN[1]}",
                "--virtual-time-budget=5000",
                f"--screenshot={picture}",
                report.as_uri(),
            ]
            subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=CHROMIUM_SECONDS_MAX, check=True
            )
    return picture.exists()


def machine():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores ({platform.machine()}), {pages / 2**30:.0f} GiB of memory, {platform.system()} {platform.release()}"


def main():
    base_url = os.environ.get("BASE_URL", "").rstrip("/")
    folder = load.folder(base_url)
    place = "" if folder == load.REPORTS else f"/{folder.name}"
    runs = [Run(folder, name) for name in load.SCENARIOS if (folder / f"{name}.json").exists()]
    limits = (
        json.loads((folder / "limit.json").read_text(encoding="utf-8")) if (folder / "limit.json").exists() else None
    )
    if not runs and not limits:
        sys.exit("there is nothing to report yet; run make load-light, load-heavy or load-limit before")
    for run in runs:
        run.place = place
        draw_run(run, folder / f"{run.name}-chart.png")
        run.picture = photograph(folder / f"{run.name}.html", folder / f"{run.name}-report.png")
    for mix, found in (limits or {"mixes": {}})["mixes"].items():
        draw_limit(mix, found, limits, folder / f"limit-{mix}.png")

    lines = [f"# Load test{f': {base_url}' if base_url else ''}", "", "Made by `make load-test`, not by hand.", ""]
    made = [(f"`make load-{run.name}`", run.outcome) for run in runs] + (
        [("`make load-limit`", limits)] if limits else []
    )
    lines += table(
        ["Measured by", "at", "Commit" + " of the visitors" * bool(base_url), "Disk: sync of 4 KiB, median / 99th"],
        [
            [
                target,
                outcome["at"],
                outcome["commit"],
                "–" if base_url else "{} / {} ms".format(*outcome["disk_sync_ms"]),
            ]
            for target, outcome in made
        ],
    )
    lines += [
        f"On {machine()}; the load generator {'is this machine' if base_url else 'shares it with the service'}.",
        "",
    ]
    lines += visitors(runs)
    lines += [*scenarios(runs), *bounds(runs)] if runs else []
    lines += limit(limits) if limits else []
    path = load.REPORTS.parent / f"load-test{place.replace('/', '-')}.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(load.HERE.parent)}")


def visitors(runs):
    yield "## What the visitors do"
    yield ""
    yield (
        f"[`locustfile.py`](../locust/locustfile.py) has the visitors: they browse {traffic.BROWSE} times while they buy {traffic.BUY} times, with "
        f"{1000 * traffic.WAIT_SECONDS[0]:.0f} to {1000 * traffic.WAIT_SECONDS[1]:.0f} ms between two tasks. Browsing is a page of products and one product of it; buying is an order, the signed webhook that pays it "
        f"(or, one time in {traffic.CANCELED_EVERY}, its cancellation), and a look at the order. That is four reads to a write. A shop has more reads than that, but "
        "reads are cheap and do not wait for each other, while every write goes through one queue and waits for the disk: four "
        "to one is a day of sales, which tries both. SKUs are random, so no run and no visitor meets another's."
    )
    yield ""
    if runs:
        told = []
        for run in runs:
            reads = sum(total(row) for row in run.rows[:-1] if row["Type"] == READS)
            told.append(
                f"{reads} reads to {total(run.all) - reads} writes ({reads / (total(run.all) - reads):.1f}:1) in `load-{run.name}`"
            )
        yield f"Measured: {', '.join(told)}; the orders that met sold-out stock and the visitors' own products included."
        yield ""


if __name__ == "__main__":
    main()
