#!/usr/bin/env python3
"""Writes load-test.md and its pictures from the results of load.py and limit.py, all in the folder REPORTS_DIR.

    [BASE_URL=…] locust/report.py

All figures and all sentences about limits follow from those files. With BASE_URL it writes the report of that service,
load-test-<its host>.md.
"""

import json
import os
import platform
import statistics
import sys

import charts
import load
import traffic

sys.path.append(str(load.HERE.parent / "tests" / "browser"))
import photograph  # noqa: E402

# The size of the picture of Locust's own report, in pixels.
SCREEN = (1280, 2600)
# The share from which a resource counts as used up.
USED_UP = 0.9
# Cores that other processes may use without a remark; includes the sampling itself.
NOISE_CORES_MAX = 0.25
USED_HEAD = [
    "Service, cores",
    "Generator, cores",
    "Machine, cores",
    "Writer: at work / waits for a core / waits for the disk",
]


def text(*lines):
    """A paragraph."""
    return [" ".join(lines), ""]


def table(head, rows):
    body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body, ""]


def number(value):
    return f"{value:,.0f}".replace(",", " ")


def latency_ms(figure):
    """A latency of Locust's: below 10 ms in tenths."""
    return f"{float(figure):.1f}" if float(figure) < 10 else f"{float(figure):.0f}"


def latencies_ms(row, *names):
    return [latency_ms(row[name]) for name in names]


def milliseconds(latency, *names):
    return ["–" if latency[name] is None else f"{latency[name]:.1f}" for name in names]


class Run:
    """The stored results of one scenario."""

    def __init__(self, folder, name):
        self.name, self.outcome = name, json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        *self.rows, self.all = load.rows(folder / f"{name}_stats.csv")
        self.history = load.rows(folder / f"{name}_stats_history.csv")
        self.requests, self.failures = int(self.all["Request Count"]), int(self.all["Failure Count"])

    def count(self, *names):
        return sum(int(row["Request Count"]) for row in self.rows if f"{row['Type']} {row['Name']}" in names)

    def reads(self):
        return sum(int(row["Request Count"]) for row in self.rows if row["Type"] == "GET")

    def rate_of_full_house(self):
        """Requests a second while all visitors were active."""
        since, until = self.outcome["full_house"]
        counts = {int(row["Timestamp"]): int(row["Total Request Count"]) for row in self.history}
        return (counts[until] - counts[since]) / (until - since)

    def rate_of_waits(self):
        """The requests a second that these visitors would make with a latency of zero."""
        tasks = self.count(traffic.PAGES, traffic.NEW_ORDER, traffic.SOLD_OUT)
        requests_per_task = (self.requests - self.count(traffic.NEW_PRODUCT)) / tasks
        return self.outcome["users"] * requests_per_task / statistics.mean(traffic.WAIT_SECONDS)


def others(used):
    """The cores that neither the service nor the generator used."""
    return max(used["machine"] - used.get("service", 0) - used["generator"], 0)


def used_up(used, cores):
    """The used-up resources, in words, or the resource nearest to its limit."""
    shares = [f"{used['service']:.2f} by the service"] if "service" in used else []
    shares += [f"{used['generator']:.2f} by the load generator", f"{others(used):.2f} by everything else"]
    kinds = [
        (used["machine"] / cores, f"the processor ({used['machine']:.2f} of {cores} cores: {', '.join(shares)})"),
        (used["generator"], f"the load generator, which has one thread ({used['generator']:.2f} cores)"),
    ]
    if "writer" in used:
        times = f"at work / waits for a core / waits for the disk: {writer(used)} of the time"
        kinds.append((used["writer"] + used["writer_ready"] + used["writer_disk"], f"the writer thread ({times})"))
    found = [what for share, what in kinds if share >= USED_UP]
    if not found:
        return f"Nothing that was measured was used up; nearest to it was {max(kinds)[1]}."
    return f"Used up: {'; '.join(found)}."


def writer(used):
    return (
        " / ".join(f"{used[name]:.0%}" for name in ("writer", "writer_ready", "writer_disk"))
        if "writer" in used
        else "–"
    )


def used_cells(used, cores):
    service = f"{used['service']:.2f}" if "service" in used else "–"
    return [service, f"{used['generator']:.2f}", f"{used['machine']:.2f} of {cores}", writer(used)]


def visitors(runs):
    locustfile = os.path.relpath(load.HERE / "locustfile.py", load.REPORTS.parent)
    shortest, longest = (f"{1000 * seconds:.0f}" for seconds in traffic.WAIT_SECONDS)
    yield from ["## What the visitors do", ""]
    yield from text(
        f"[`locustfile.py`]({locustfile}) has the visitors:",
        f"they browse {traffic.BROWSE} times while they buy {traffic.BUY} times, with {shortest} to {longest} ms between",
        "two tasks. Browsing is a page of products and one product of it; buying is an order, the signed webhook that pays",
        f"it (or, one time in {traffic.CANCELED_EVERY}, its cancellation), and a look at the order: four reads to a write.",
        "A shop has more reads than that, but reads are cheap and do not wait for each other, while every write goes",
        "through one queue and waits for the disk. Four to one is a day of sales, which tries both. SKUs are random, so no",
        "run and no visitor meets another's.",
    )
    for run in runs:
        writes = run.requests - run.reads()
        yield (
            f"- Measured in `load-{run.name}`, the orders that met sold-out stock and the products of the visitors"
            f" included: {number(run.reads())} reads to {number(writes)} writes, {run.reads() / writes:.1f}:1."
        )
    yield ""


def scenarios(runs, place):
    yield from ["## Locust", ""]
    yield from summary(runs)
    yield from text(
        "From Locust's CSV files, in tenths of a millisecond below 10 ms. A 409 for stock that is sold out is an answer as",
        "expected and no error. Everything else that was not expected is one, a wrong member of an answer too.",
    )
    for run in runs:
        yield from [f"### {run.name.capitalize()}: {run.outcome['users']} visitors for {run.outcome['seconds']} s", ""]
        head = ["Request", "Count", "Failures", "RPS", "Median, ms", "95th, ms", "99th, ms", "Max., ms"]
        yield from table(head, [route(row) for row in run.rows])
        files = f"load-test{place}/{run.name}"
        yield from text(f"![Requests a second and latencies over time]({files}-chart.png)")
        if run.picture:
            yield from text(f"[![Locust's own report]({files}-report.png)]({files}.html)")


def summary(runs):
    """The table of the scenarios."""
    latencies = ["Median, ms", "95th, ms", "99th, ms"]
    head = ["Scenario", "Visitors", "More a second", "Requests", "RPS", *latencies, "Error rate"]
    return table(head, [scenario(run) for run in runs])


def scenario(run):
    figures = [f"{float(run.all['Requests/s']):.1f}", *latencies_ms(run.all, "50%", "95%", "99%")]
    errors = f"{100 * run.failures / max(run.requests, 1):.2f} %"
    return [f"`load-{run.name}`", run.outcome["users"], run.outcome["spawn_rate"], run.requests, *figures, errors]


def route(row):
    figures = [row["Request Count"], row["Failure Count"], f"{float(row['Requests/s']):.1f}"]
    return [f"`{row['Type']} {row['Name']}`", *figures, *latencies_ms(row, "50%", "95%", "99%", "100%")]


def bounds(runs):
    yield from ["### What bounds these runs", ""]
    rows = []
    for run in runs:
        rates = [f"{rate:.1f}" for rate in (run.rate_of_full_house(), run.rate_of_waits())]
        rows.append([f"`load-{run.name}`", *rates, *used_cells(run.outcome["used"], run.outcome["cores"])])
    yield from table(["Scenario", "RPS with all visitors there", "RPS that the waits allow", *USED_HEAD], rows)
    yield from text(
        "What the waits allow: visitors × requests per task ÷ the mean wait, as if each answer took no time. The rest was",
        "read from the system while all visitors were there.",
    )
    for run in runs:
        share = run.rate_of_full_house() / run.rate_of_waits()
        reason = ", so their waits are what bounds the load" if share >= USED_UP else ""
        end = used_up(run.outcome["used"], run.outcome["cores"])
        yield f"- `load-{run.name}`: the visitors made {share:.0%} of the requests that their waits allow{reason}. {end}"
    yield ""


def every_step(limits):
    for found in limits["mixes"].values():
        for search in found["contenders"].values():
            yield from search["steps"]
        yield from found["compared"]


def limit(limits):
    yield from ["## The first bottleneck", ""]
    yield from text(
        "An open load: requests come at a constant rate, whether or not those before them were answered, and a latency",
        "counts from when its request was due. A rate is kept where the 99th percentile is at most",
        f"{limits['p99_ms_max']} ms, at least {limits['kept_min']:.0%} were answered and none failed; one that is not kept",
        f"is tried twice. A step is {limits['step_seconds']} s at a fresh server, after a second that does not count.",
        "The audit of its database was clean each time.",
    )
    if (most := max(others(step["used"]) for step in every_step(limits))) > NOISE_CORES_MAX:
        yield from text(
            f"**The machine was not idle:** others than the service and its generator used up to {most:.2f} of its",
            f"{limits['cores']} cores, so these limits are lower than the service's own.",
        )
    for mix, found in limits["mixes"].items():
        yield from [f"### The mix `{mix}`", ""]
        for contender, search in found["contenders"].items():
            yield from limit_of(contender, search, limits["cores"])
        if found["compared"]:
            yield from compared(found)
        yield from text(f"![Latency and cores in use, by rate](load-test/limit-{mix}.png)")


def limit_of(contender, search, cores):
    steps = sorted(search["steps"], key=lambda step: step["rate"])
    broken = next((step for step in steps if not step["kept"] and step["rate"] > search["limit"]), None)
    if broken:
        slowest = max(broken["by_name"], key=lambda name: broken["by_name"][name]["p99"] or 0, default="none")
        yield from text(
            f"**{contender}** keeps {number(search['limit'])} requests a second, and {number(broken['rate'])} not.",
            f"At the latter: {used_up(broken['used'], cores)} The slowest kind of request was `{slowest}`.",
        )
    else:
        yield from text(f"**{contender}** keeps {number(search['limit'])} requests a second, the most that is tried.")
    head = ["Requests/s", "", "Median, ms", "99th, ms", "99.9th, ms", "Failed or unanswered", "CPU µs per request"]
    rows = []
    for step in steps:
        latencies = milliseconds(step["latency_ms"], "p50", "p99", "p99.9")
        failed = step["failed"] + step["unanswered"]
        kept = "kept" if step["kept"] else "not kept"
        cells = [number(step["rate"]), kept, *latencies, failed, f"{cpu_micros(step):.0f}"]
        rows.append([*cells, *used_cells(step["used"], cores)])
    yield from table([*head, *USED_HEAD], rows)


def cpu_micros(step):
    """The service's CPU time for a request, of those that it answered."""
    return 1e6 * step["used"]["service"] * step["seconds"] / max(step["succeeded"], 1)


def compared(found):
    """Both binaries at one rate."""
    rounds = len(found["compared"]) // len(found["contenders"])
    yield from text(
        f"Both at {number(found['compared'][0]['rate'])} requests a second, in turns, the medians of {rounds} rounds each:"
    )
    rows = []
    for contender, search in found["contenders"].items():
        steps = [step for step in found["compared"] if step["contender"] == contender]
        latency = {
            name: statistics.median(step["latency_ms"][name] or float("inf") for step in steps)
            for name in ("p50", "p95", "p99")
        }
        micros, memory = (
            statistics.median(figures)
            for figures in (map(cpu_micros, steps), (step["memory_peak_mib"] for step in steps))
        )
        limit_ = number(search["limit"])
        rows.append([contender, limit_, *milliseconds(latency, *latency), f"{micros:.0f}", f"{memory:.0f}"])
    head = ["", "Limit, requests/s", "Median, ms", "95th, ms", "99th, ms", "CPU µs per request", "Peak memory, MiB"]
    yield from table(head, rows)


def head(base_url, runs, limits):
    yield from [f"# Load test{f': {base_url}' if base_url else ''}", ""]
    yield from text("Made by `make load-test`, not by hand.")
    made = [(f"`make load-{run.name}`", run.outcome) for run in runs]
    made += [("`make load-limit`", limits)] if limits else []
    rows = []
    for target, outcome in made:
        disk = "–" if base_url else "{} / {}".format(*outcome["disk_sync_ms"])
        rows.append([target, outcome["at"], outcome["commit"], disk])
    commit = "Commit of the visitors" if base_url else "Commit"
    yield from table(["Measured by", "At", commit, "Sync of 4 KiB to the disk, median / 99th, ms"], rows)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from text(
        f"On {os.cpu_count()} cores ({platform.machine()}), {pages / 2**30:.0f} GiB of memory,",
        f"{platform.system()} {platform.release()};",
        "the service is elsewhere." if base_url else "the load generator has the same cores as the service.",
    )


def renew(page, runs):
    """Replaces the table of the scenarios in another page, where it is between two comments."""
    begin, end = "<!-- load-test:begin -->\n", "<!-- load-test:end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"{os.path.relpath(page)} has no place for the table of the scenarios")
    page.write_text("".join([before, begin, "\n".join(summary(runs)), end, after]), encoding="utf-8")


def main():
    base_url = os.environ.get("BASE_URL", "").rstrip("/")
    folder = load.folder(base_url)
    place = "" if folder == load.REPORTS else f"/{folder.name}"
    runs = [Run(folder, name) for name in load.SCENARIOS if (folder / f"{name}.json").exists()]
    limits = json.loads(path.read_text(encoding="utf-8")) if (path := folder / "limit.json").exists() else None
    if not runs and not limits:
        sys.exit("there is nothing to report yet; run make load-light, load-heavy or load-limit before")
    for run in runs:
        charts.draw_run(run.name, run.outcome, run.history, folder / f"{run.name}-chart.png")
        run.picture = photograph.photograph(folder / f"{run.name}.html", folder / f"{run.name}-report.png", *SCREEN)
    for mix, found in limits["mixes"].items() if limits else ():
        charts.draw_limit(mix, found, limits, folder / f"limit-{mix}.png")

    lines = [*head(base_url, runs, limits), *visitors(runs)]
    lines += [*scenarios(runs, place), *bounds(runs)] if runs else []
    lines += limit(limits) if limits else []
    path = load.REPORTS.parent / f"load-test{place.replace('/', '-')}.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written: {os.path.relpath(path)}")
    # The committed report of a local server goes with the answers, which show its table.
    answers = load.REPORTS.parent / "REFLECTION.md"
    if runs and not base_url and answers.exists():
        renew(answers, runs)


if __name__ == "__main__":
    main()
