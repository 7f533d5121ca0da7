"""The charts of the report, from the results of load.py and limit.py."""

import matplotlib
import matplotlib.ticker

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def draw_run(name, outcome, history, path):
    """Visitors, requests and latencies over time, from Locust's history."""
    rows = [row for row in history if row["50%"] != "N/A" and int(row["Timestamp"]) <= outcome["full_house"][1]]
    began = int(history[0]["Timestamp"])
    seconds = [int(row["Timestamp"]) - began for row in rows]
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    for column, label in (("Requests/s", "requests a second"), ("Failures/s", "failures a second")):
        above.plot(seconds, [float(row[column]) for row in rows], label=label)
    above.plot(seconds, [int(row["User Count"]) for row in rows], linestyle="--", label="visitors")
    above.set(title=f"{name}: {outcome['users']} visitors, {outcome['spawn_rate']} more a second", ylim=(0, None))
    for column, label in (("50%", "median"), ("95%", "95th percentile"), ("99%", "99th percentile")):
        below.plot(seconds, [float(row[column]) for row in rows], label=label)
    below.set(xlabel="seconds", ylabel="latency of the last 10 s, ms", ylim=(0, None))
    finish(figure, path, above, below)


def draw_limit(mix, found, limits, path):
    """Latency and cores in use, by the rate of requests; failed rates are hollow."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 7), sharex=True, layout="constrained")
    for index, (contender, search) in enumerate(found["contenders"].items()):
        for step in search["steps"]:
            style = {"color": f"C{index}", "fillstyle": "full" if step["kept"] else "none"}
            # One entry in the legend for all steps: matplotlib ignores a label that begins with _.
            hidden = "_" if step is not search["steps"][0] else ""
            for name, marker in (("p50", "v"), ("p99", "o")):
                if step["latency_ms"][name]:
                    above.plot(
                        step["rate"], step["latency_ms"][name], marker, label=f"{hidden}{contender}, {name}", **style
                    )
            for name, marker in (("service", "o"), ("generator", "v")):
                below.plot(step["rate"], step["used"][name], marker, label=f"{hidden}{contender}, {name}", **style)
    above.axhline(limits["p99_ms_max"], color="gray", linestyle="--", linewidth=1)
    above.set(
        title=f"mix {mix}, at a constant rate; hollow: not kept", ylabel="latency, ms", xscale="log", yscale="log"
    )
    below.axhline(limits["cores"], color="gray", linestyle="--", linewidth=1)
    below.set(xlabel="requests a second", ylabel="cores in use", ylim=(0, None))
    above.yaxis.set_major_formatter("{x:g}")
    # Three labels to a decade, so that none covers another.
    below.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    below.xaxis.set_major_formatter(lambda rate, _: f"{rate:,.0f}".replace(",", " "))
    below.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    finish(figure, path, above, below)


def finish(figure, path, *axes):
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    # Without the library's name and version, so that a picture changes only with its figures.
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
