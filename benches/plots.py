"""The plots of docs/benchmarks.md."""

import textwrap

import matplotlib

import postgres
from scenarios import MAIN, SCENARIOS
from table import best_loop, groups, spread

matplotlib.use("svg")
# Fixed, so that the same results make the same bytes.
matplotlib.rcParams["svg.hashsalt"] = "orders-inventory"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"
import matplotlib.pyplot as plt  # noqa: E402  (after the backend is chosen)

LABEL_CHARACTERS = 13
SERVICE, CONSTANT, BIG, LOOP, TWO = "#1f6feb", "#c9d1d9", "#8250df", "#6e7781", "#2da44e"


def draw(samples, folder):
    found = groups(samples)
    if any(key[2:] == ("small", "service") for key in found):
        throughput(found, folder / "throughput.svg")
        latency(found, folder / "latency.svg")
        orders(found, folder / "orders.svg")
    if any(key[2] in postgres.PLACES for key in found):
        on_postgres(found, folder / "postgres.svg")


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def bars(axes, places, rounds_of_each, width, color, label):
    """Medians as bars, with a line from the lowest to the highest round."""
    for place, rounds in zip(places, rounds_of_each):
        if rounds:
            median, least, most = spread(sample["per_second"] for sample in rounds)
            axes.bar(place, median, width, color=color, label=label)
            axes.plot([place, place], [least, most], color="black", linewidth=1)
            label = None


def finish(axes, title, labels):
    axes.set_title(title, loc="left")
    axes.set_xticks(range(len(labels)), labels)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", " "))
    if axes.get_legend_handles_labels()[0]:
        # Above the bars, so that it covers none.
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)


def label_of(name):
    """A scenario's title, in lines that are no longer than the bars above are wide."""
    title = SCENARIOS[name].title.replace(" %", "\N{NO-BREAK SPACE}%")
    return textwrap.fill(title, LABEL_CHARACTERS, break_on_hyphens=False, break_long_words=False)


def throughput(found, path):
    connections = max(key[1] for key in found if key[3] == "service" and key[2] == "small")
    scenarios = [name for name in MAIN if (name, connections, "small", "service") in found]
    figure, axes = plt.subplots(figsize=(10, 4.5))
    kinds = [
        ("constant", "small", CONSTANT, "constant bytes"),
        ("service", "small", SERVICE, "service"),
        ("service", "big", BIG, "service, a million rows"),
    ]
    for offset, (target, size, color, label) in zip((-0.28, 0, 0.28), kinds):
        rounds = [found.get((name, connections, size, target), []) for name in scenarios]
        bars(axes, [place + offset for place in range(len(scenarios))], rounds, 0.26, color, label)
    finish(axes, f"Requests per second at {connections} connections", [label_of(name) for name in scenarios])
    save(figure, path)


def on_postgres(found, path):
    figure, all_axes = plt.subplots(1, len(postgres.PLACES), figsize=(11, 4.5), sharey=True)
    kinds = [("service", SERVICE, "one instance"), ("service-2", TWO, "two instances"), ("loop", LOOP, "bare loop")]
    for axes, place in zip(all_axes, postgres.PLACES.values()):
        for offset, (target, color, label) in zip((-0.28, 0, 0.28), kinds):
            rounds = [
                best_loop(found, name, place.name) if target == "loop" else
                next((them for key, them in found.items() if (key[0], key[2], key[3]) == (name, place.name, target)), [])
                for name in postgres.MEASURED
            ]
            bars(axes, [number + offset for number in range(len(rounds))], rounds, 0.26, color, label)
        finish(axes, f"The server is {place.title}", [label_of(name) for name in postgres.MEASURED])
        axes.tick_params("x", labelsize="small")
    save(figure, path)


def latency(found, path):
    counts = sorted({key[1] for key in found if key[2:] == ("small", "service") and key[0] in MAIN})
    figure, all_axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True)
    panels = ("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9")
    for axes, (member, title) in zip(all_axes, panels):
        for name in MAIN:
            measured = [(count, found.get((name, count, "small", "service"))) for count in counts]
            points = [
                (count, spread(sample[member] / 1e3 for sample in rounds)[0]) for count, rounds in measured if rounds
            ]
            if points:
                axes.plot(*zip(*points), marker="o", label=SCENARIOS[name].title)
        axes.set_title(title, loc="left")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("connections")
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0].set_ylabel("ms")
    all_axes[-1].legend(frameon=False, fontsize="small")
    save(figure, path)


def orders(found, path):
    loops = sorted((key[1], rounds) for key, rounds in found.items() if key[2:] == ("small", "loop"))
    cases = [key for key in found if key[0] == "order" and key[2:] == ("small", "service")]
    served = sorted((key[1], found[key]) for key in cases)
    figure, axes = plt.subplots(figsize=(10, 4.5))
    bars(axes, range(len(loops)), [rounds for _, rounds in loops], 0.6, LOOP, "bare loop")
    bars(axes, range(len(loops), len(loops) + len(served)), [rounds for _, rounds in served], 0.6, SERVICE, "service")
    labels = [f"{batch} to a\ncommit" for batch, _ in loops] + [f"{count}\nconnections" for count, _ in served]
    finish(axes, "Orders per second, every commit synced", labels)
    save(figure, path)
