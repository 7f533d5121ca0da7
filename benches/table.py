"""Figures from samples: the median of the rounds with the lowest and the highest, and ratios within each round."""

import statistics

from postgres import PLACES

NAMES = {
    "base": "base", "service": "service", "constant": "constant bytes", "loop": "bare loop",
    # Several instances on one database.
    "base-2": "base, two", "service-2": "service, two",
}


def groups(samples):
    """The samples of each case: (scenario, connections, size, target) and its rounds."""
    found = {}
    for sample in samples:
        key = sample["scenario"], sample["connections"], sample["size"], sample["target"]
        found.setdefault(key, []).append(sample)
    return found


def spread(values):
    """Median, least and most."""
    values = list(values)
    return statistics.median(values), min(values), max(values)


def ratios(samples, others, member="per_second"):
    """The ratios of samples in the same round; only rounds with both count."""
    other = {sample["round"]: sample[member] for sample in others}
    return [sample[member] / other[sample["round"]] for sample in samples if other.get(sample["round"])]


def best_loop(found, scenario, size):
    """The bare loop in each round, on that number of connections that was the best in it."""
    rounds = {}
    for key, samples in found.items():
        if (key[0], key[2], key[3]) == (scenario, size, "loop"):
            for sample in samples:
                best = rounds.setdefault(sample["round"], sample)
                if sample["per_second"] > best["per_second"]:
                    rounds[sample["round"]] = sample
    return list(rounds.values())


def number(value):
    """A figure with three significant digits and separated thousands."""
    if value >= 1_000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def text(samples):
    """A table for a terminal."""
    found = groups(samples)
    head = [
        "scenario", "conns", "database", "target", "req/s", "min..max", "p50 ms", "p99 ms", "p99.9 ms", "cpu µs/req",
        "wrk µs/req", "PostgreSQL µs/req", "start ms", "idle MB", "peak MB", "to constant", "to loop", "to base",
    ]
    rows = [head]
    idle = []
    for (scenario, connections, size, target), rounds in found.items():
        if scenario == "idle":
            share = spread(sample["idle_cpu_percent"] for sample in rounds)
            idle.append(f"idle, {size}, {NAMES[target]}: {{:.2f}} ({{:.2f}}..{{:.2f}}) % of a core".format(*share))
            continue
        median, least, most = spread(sample["per_second"] for sample in rounds)
        per_commit = target == "loop" and size not in PLACES
        row = [scenario, f"{connections}/commit" if per_commit else str(connections), size, NAMES[target],
               number(median), f"{number(least)}..{number(most)}"]
        for member in ("p50_us", "p99_us", "p999_us"):
            row.append(f"{spread(sample[member] / 1e3 for sample in rounds)[0]:.2f}")
        for member in ("cpu_us", "generator_cpu_us", "database_cpu_us", "start_ms", "idle_mb", "peak_mb"):
            row.append(number(spread(sample[member] for sample in rounds)[0]) if member in rounds[0] else "")
        # The constant bytes are measured once for all SQLite files.
        constant = [] if size in PLACES else found.get((scenario, connections, "small", "constant"), [])
        loop = best_loop(found, scenario, size) if size in PLACES else []
        base = found.get((scenario, connections, size, target.replace("service", "base")), [])
        for others in (constant, loop, base if target.startswith("service") else []):
            shares = ratios(rounds, others) if target not in ("loop", "constant") else []
            row.append("{:.2f} ({:.2f}..{:.2f})".format(*spread(shares)) if shares else "")
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths))
        padded = (cell.ljust(width) if i in (0, 2, 3) else cell.rjust(width) for i, (cell, width) in cells)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines + idle)
