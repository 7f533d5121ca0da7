"""The targets of the service, and whether the samples of a run meet them. The median of the rounds counts."""

import dataclasses

from scenarios import MAIN, SCENARIOS
from postgres import FAR, INSTANCES, NEAR, shared_by
from table import best_loop, groups, number, ratios, spread

CONNECTIONS = 64


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One target and its measurements: a value for each round, which must be at least or at most `bound`."""

    what: str
    values: list
    bound: float
    is_floor: bool
    unit: str = ""

    def reaches(self, value):
        return value >= self.bound if self.is_floor else value <= self.bound

    @property
    def verdict(self):
        if not self.values:
            return "not measured"
        median, least, most = spread(self.values)
        if self.reaches(median):
            return "met"
        # Some rounds meet it and the median does not: the run is not conclusive.
        return "within the noise" if self.reaches(most if self.is_floor else least) else "**missed**"

    def row(self):
        wanted = f"{'≥' if self.is_floor else '≤'} {self._show(self.bound)}"
        if not self.values:
            return [self.what, wanted, "", "", self.verdict]
        median, least, most = spread(self.values)
        return [self.what, wanted, self._show(median), f"{self._show(least)} to {self._show(most)}", self.verdict]

    def line(self):
        """The same for a terminal."""
        what, wanted, median, rounds, verdict = self.row()
        return f"{what}: {median} ({rounds}), wanted {wanted}: {verdict.strip('*')}"

    def _show(self, value):
        return f"{value:.2f}" if not self.unit else f"{number(value)} {self.unit}"


def verdicts(samples):
    """Every target, in the document's order."""
    found = groups(samples)

    def of(scenario, target="service", size="small", connections=CONNECTIONS):
        return found.get((scenario, connections, size, target), [])

    def figures(samples, member, scale=1.0):
        return [sample[member] * scale for sample in samples]

    def every(size):
        """All runs on a database of this size, whatever the load."""
        kinds = [name for name in MAIN if not SCENARIOS[name].is_once]
        cases = [key for key in found if key[2:] == (size, "service") and key[0] in kinds]
        return [sample for key in cases for sample in found[key]]

    def to_constant(title, scenario, bound):
        values = ratios(of(scenario), of(scenario, "constant"))
        return Verdict(f"{title}, to constant bytes", values, bound, True)

    def to_small(title, scenario, bound):
        values = ratios(of(scenario, size="big"), of(scenario))
        return Verdict(f"{title} with a million, to the small database", values, bound, True)

    def to_loop(title, scenario, bound, place=NEAR):
        far = "" if place is NEAR else f", {place.title}"
        for instances in INSTANCES:
            rounds = of(scenario, shared_by("service", instances), place.name)
            values = ratios(rounds, best_loop(found, scenario, place.name))
            yield Verdict(f"{title} on PostgreSQL{by(instances)}{far}, to the bare loop", values, bound, True)

    def p99_on_postgres():
        for instances in INSTANCES:
            rounds = of("order", shared_by("service", instances), NEAR.name)
            yield Verdict(f"p99 of orders on PostgreSQL{by(instances)}", figures(rounds, "p99_us", 1e-3), 25, False, "ms")

    def by(instances):
        return " by two instances" if instances > 1 else ""

    return [
        to_constant("one product", "product", 0.60),
        to_constant("page of 20", "page", 0.45),
        to_constant("order", "order", 0.30),
        to_constant("mix", "mix", 0.45),
        Verdict("orders, to one order a commit", ratios(of("order"), of("order", "loop", connections=1)), 5, True),
        Verdict("order with an Idempotency-Key, to one without", ratios(of("keyed"), of("order")), 0.60, True),
        Verdict("signed payment of Stripe, to one of ours", ratios(of("stripe"), of("webhook")), 0.67, True),
        Verdict("p99 of orders", figures(of("order"), "p99_us", 1e-3), 10, False, "ms"),
        Verdict("p99 of reads beside full write load", figures(of("beside"), "p99_us", 1e-3), 5, False, "ms"),
        to_small("one product", "product", 0.75),
        to_small("page of 20", "page", 0.75),
        to_small("order", "order", 0.45),
        Verdict("p99 of orders with a million", figures(of("order", size="big"), "p99_us", 1e-3), 15, False, "ms"),
        Verdict("start to the first 200", figures(every("small"), "start_ms"), 50, False, "ms"),
        Verdict("idle memory", figures(every("small"), "idle_mb"), 25, False, "MB"),
        Verdict("idle memory with a million", figures(every("big"), "idle_mb"), 25, False, "MB"),
        Verdict("idle CPU", figures(of("idle", connections=0), "idle_cpu_percent"), 1, False, "% of a core"),
        *to_loop("order", "order", 4),
        *to_loop("order of one hot product", "hot", 15),
        *to_loop("order", "order", 8, FAR),
        *to_loop("one product", "product", 0.50),
        *to_loop("page of 20", "page", 0.50),
        *p99_on_postgres(),
    ]
