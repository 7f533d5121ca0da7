"""The pictures of the report: charts of the results of load.py and limit.py, and screenshots of Locust's own report."""

import functools
import pathlib
import subprocess
import tempfile

import matplotlib
import matplotlib.ticker

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ENSURE_CHROMIUM = pathlib.Path(__file__).resolve().parent.parent / "tests" / "browser" / "ensure-chromium.sh"
CHROMIUM_SECONDS_MAX = 60
# The size of Locust's report, in pixels.
SCREEN = (1280, 2600)
# No sandbox, since containers and root lack the privileges for it and the page is trusted; no network access; and time for
# the script that draws the report's charts.
CHROMIUM_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=5000"
).split()


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
    below.xaxis.set_major_formatter("{x:g}")
    below.xaxis.set_minor_formatter("{x:g}")
    below.tick_params(axis="x", which="minor", labelsize="small", rotation=45)
    finish(figure, path, above, below)


def finish(figure, path, *axes):
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    # Without the library's name and version, so that a picture changes only with its figures.
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


@functools.cache
def chromium():
    """The path of a Chromium; empty where none is installed or can be."""
    return subprocess.run([ENSURE_CHROMIUM], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def photograph(page, picture):
    """Takes a screenshot of a local page, if there is a Chromium; returns whether it did."""
    picture.unlink(missing_ok=True)
    if chromium():
        with tempfile.TemporaryDirectory() as profile:
            command = [chromium(), *CHROMIUM_OPTIONS, f"--user-data-dir={profile}"]
            command += [f"--window-size={SCREEN[0]},{SCREEN[1]}", f"--screenshot={picture}", page.as_uri()]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(command, timeout=CHROMIUM_SECONDS_MAX, check=True, **quiet)
    return picture.exists()
