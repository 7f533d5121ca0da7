#!/usr/bin/env python3
"""Measures the service and its ceilings: `make bench`, or a part of it with `make bench QUICK=1`.

The settings come from the environment; the Makefile lists them. All traffic stays on 127.0.0.1.
"""

import dataclasses
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
import postgres
import report
import table
import targets
from databases import BIG, SMALL
from measure import BATCHES, Bench, Target
from processes import Failed
from scenarios import HERE, SCENARIOS

ROOT = HERE.parent
# The settings that choose what is measured and how often.
SETTINGS = ("SCENARIOS", "SIZES", "CONNS", "ROUNDS", "SECONDS", "CEILINGS")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is measured, and how often."""

    scenarios: tuple[str, ...]
    sizes: tuple
    places: tuple
    connections: tuple[int, ...]
    rounds: int
    seconds: int
    has_constant: bool

    def steps(self, number, builds):
        """The measurements of one round, as functions of the bench and of the function that stores a sample."""
        turn = (lambda them: them) if number % 2 == 0 else (lambda them: list(reversed(them)))
        # Runs on a big database are expensive because of its start, so only every second round has them.
        sizes = [size for size in self.sizes if size is not BIG or number % 2 == 0]
        for scenario in map(SCENARIOS.get, self.scenarios if self.sizes else ()):
            if scenario.name == "idle":
                yield from (idle_step(target, size) for size, target in itertools.product(sizes, turn(builds)))
                continue
            if scenario.name in ("beside", "backup"):
                of_one = beside_steps if scenario.name == "beside" else backup_steps
                for size, target in itertools.product(sizes, turn(builds)):
                    yield from turn(of_one(target, size, max(self.connections)))
                continue
            for connections in self.connections:
                # Compared measurements are adjacent: the builds on each database, and the constant bytes.
                steps = [run_step(target, size, scenario, connections) for size in sizes for target in builds]
                if self.has_constant:
                    steps.insert(len(builds), constant_step(scenario, connections))
                yield from turn(steps)
                # The loop with one order per commit is adjacent to the single client, with which it is compared.
                if scenario.name == "order" and self.has_constant and connections == self.connections[0]:
                    yield from (loop_step(builds[-1], batch) for batch in BATCHES)
        for place in self.places:
            yield from self.postgres_steps(place, builds, turn)

    def postgres_steps(self, place, builds, turn):
        """The measurements on PostgreSQL at one place: the instances and the bare loop are adjacent."""
        connections = max(self.connections)
        if self.has_constant:
            yield postgres_loop_step(builds[-1], place, postgres.PING, 1)
        for scenario in (SCENARIOS[name] for name in postgres.MEASURED if name in self.scenarios):
            steps = [
                postgres_step(target, instances, place, scenario, connections)
                for target in builds for instances in postgres.INSTANCES
            ]
            if self.has_constant:
                counts = postgres.loops(scenario, connections)
                steps += [postgres_loop_step(builds[-1], place, scenario, count) for count in counts]
            yield from turn(steps)


def run_step(target, size, scenario, connections):
    return lambda bench, keep: keep(
        target.name, size.name, scenario.name, connections, bench.run(target, size, scenario, connections)
    )


def constant_step(scenario, connections):
    return lambda bench, keep: keep(
        "constant", SMALL.name, scenario.name, connections, bench.constant(scenario, connections)
    )


def loop_step(target, batch):
    return lambda bench, keep: keep("loop", SMALL.name, "order", batch, bench.bare_loop(target, batch))


def postgres_step(target, instances, place, scenario, connections):
    name = postgres.shared_by(target.name, instances)
    return lambda bench, keep: keep(
        name, place.name, scenario.name, connections, bench.postgres.run(target, instances, place, scenario, connections)
    )


def postgres_loop_step(target, place, scenario, connections):
    return lambda bench, keep: keep(
        "loop", place.name, scenario.name, connections, bench.postgres.loop(target, place, scenario, connections)
    )


def idle_step(target, size):
    return lambda bench, keep: keep(target.name, size.name, "idle", 0, bench.idle(target, size))


def beside_steps(target, size, connections):
    return [lambda bench, keep: keep(
        target.name, size.name, "beside", connections, bench.beside_orders(target, size, connections)
    )]


def backup_steps(target, size, connections):
    orders = SCENARIOS["order"]
    return [
        lambda bench, keep: keep(
            target.name, size.name, "quiet", connections, bench.run(
                target, size, orders, connections, seconds=bench.backup_seconds
            )
        ),
        lambda bench, keep: keep(
            target.name, size.name, "backup", connections, bench.during_backups(target, size, connections)
        ),
    ]


def setting(name, default):
    return os.environ.get(name) or default


def names(name, default, known):
    chosen = tuple(setting(name, default).split(","))
    for one in chosen:
        if one not in known:
            raise Failed(f"{name}: there is no {one}; there are {', '.join(known)}")
    return chosen


def plan(is_quick):
    every = ",".join(SCENARIOS)
    sizes = {SMALL.name: SMALL, BIG.name: BIG}
    default = f"{SMALL.name},{postgres.NEAR.name}" if is_quick else ",".join([*sizes, *postgres.PLACES])
    chosen = names("SIZES", default, [*sizes, *postgres.PLACES])
    return Plan(
        scenarios=names("SCENARIOS", every, SCENARIOS),
        sizes=tuple(sizes[name] for name in chosen if name in sizes),
        places=tuple(postgres.PLACES[name] for name in chosen if name in postgres.PLACES),
        connections=tuple(int(count) for count in setting("CONNS", "64" if is_quick else "1,16,64").split(",")),
        rounds=int(setting("ROUNDS", "3" if is_quick else "5")),
        seconds=int(setting("SECONDS", "2" if is_quick else "3")),
        has_constant=setting("CEILINGS", "1") == "1",
    )


def builds():
    found = []
    for name, variable in (("base", "BASE_BIN"), ("service", "BIN")):
        if path := os.environ.get(variable):
            if not os.access(path, os.X_OK):
                raise Failed(f"{variable}: {path} cannot be run")
            found.append(Target(name, pathlib.Path(path).resolve()))
    if not found or found[-1].name != "service":
        raise Failed("BIN: must be the path of orders-inventory")
    return found


def command():
    """The command line that repeats this run."""
    chosen = (f"{name}={os.environ[name]}" for name in SETTINGS if os.environ.get(name))
    return " ".join(["make bench", *chosen])


def say(line):
    print(line, file=sys.stderr, flush=True)


def measure(bench, plan, builds):
    """All rounds. Compared measurements run one after the other, in reverse order in every second round."""
    samples = []
    for number in range(plan.rounds):
        def keep(name, size, scenario, connections, sample):
            case = {"target": name, "size": size, "scenario": scenario, "connections": connections, "round": number}
            samples.append({**case, **sample})

        for step in plan.steps(number, builds):
            step(bench, keep)
        say(f"round {number + 1} of {plan.rounds} is done")
    for target in builds:
        bench.audit_big(target)
    return samples


def main():
    is_quick = setting("QUICK", "") not in ("", "0")
    chosen = plan(is_quick)
    compared = builds()
    tools = pathlib.Path(os.environ["TOOLS"])
    if not is_quick and compared[-1].binary != (tools / "orders-inventory").resolve():
        raise Failed("BIN: the document is of a build of this source; to measure another one, use QUICK=1")
    wrk = subprocess.run([HERE / "ensure-wrk.sh"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    if not wrk:
        raise Failed("there is no wrk")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=tools))
    # SIGTERM ends the processes that this has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cluster = postgres.Cluster(tools) if chosen.places else None
        described = machine.describe(ROOT, folder, cluster and cluster.version)
        if described["filesystem"] in machine.IN_MEMORY:
            raise Failed(f"{tools} is in memory, where a sync costs nothing: set CARGO_TARGET_DIR to one on a disk")
        bench = Bench(wrk, tools, folder, chosen.seconds)
        if chosen.sizes:
            bench.record_answers(compared[-1])
        if cluster:
            cluster.insist_on_disk()
            bench.postgres = postgres.Postgres(bench, cluster)
        results = {
            "machine": described,
            "plan": {"command": command(), "rounds": chosen.rounds, "seconds": chosen.seconds},
            "samples": measure(bench, chosen, compared),
        }
        print(table.text(results["samples"]))
        print(*(verdict.line() for verdict in targets.verdicts(results["samples"]) if verdict.values), sep="\n")
        if not is_quick:
            print(f"written: {os.path.relpath(report.write(results, report.folder()))}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (Failed, ValueError) as failed:
        sys.exit(f"bench: {failed}")
