"""Figures from samples: the median of the rounds with the lowest and the highest, and ratios within each round."""

import statistics

NAMES = {"base": "base", "service": "service", "constant": "constant bytes", "loop": "bare loop"}


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
        "wrk µs/req", "start ms", "idle MB", "peak MB", "to constant", "to base",
    ]
    rows = [head]
    idle = []
    for (scenario, connections, size, target), rounds in found.items():
        if scenario == "idle":
            share = spread(sample["idle_cpu_percent"] for sample in rounds)
            idle.append(f"idle, {size}, {NAMES[target]}: {{:.2f}} ({{:.2f}}..{{:.2f}}) % of a core".format(*share))
            continue
        median, least, most = spread(sample["per_second"] for sample in rounds)
        row = [scenario, str(connections) if target != "loop" else f"{connections}/commit", size, NAMES[target],
               number(median), f"{number(least)}..{number(most)}"]
        for member in ("p50_us", "p99_us", "p999_us"):
            row.append(f"{spread(sample[member] / 1e3 for sample in rounds)[0]:.2f}")
        for member in ("cpu_us", "generator_cpu_us", "start_ms", "idle_mb", "peak_mb"):
            row.append(number(spread(sample[member] for sample in rounds)[0]) if member in rounds[0] else "")
        for other in ("constant", "base"):
            # The constant bytes are measured once for all sizes, a base for each size.
            others = [
                one for key, of in found.items() for one in of
                if key[:2] == (scenario, connections) and key[3] == other and (other == "constant" or key[2] == size)
            ]
            shares = ratios(rounds, others) if target not in (other, "loop", "constant") else []
            row.append("{:.2f} ({:.2f}..{:.2f})".format(*spread(shares)) if shares else "")
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths))
        padded = (cell.ljust(width) if i in (0, 2, 3) else cell.rjust(width) for i, (cell, width) in cells)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines + idle)
