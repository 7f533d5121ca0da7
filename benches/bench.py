#!/usr/bin/env python3
"""Measures the service beside its ceilings: `make bench`, or a part of it with `make bench QUICK=1`.

The settings come from the environment; the Makefile lists them. All traffic stays on 127.0.0.1.
"""

import dataclasses
import itertools
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import table
from databases import BIG, SMALL
from measure import BATCHES, Bench, Target
from processes import Failed
from scenarios import HERE, SCENARIOS

ROOT = HERE.parent


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is measured, and how often."""

    scenarios: tuple[str, ...]
    sizes: tuple
    connections: tuple[int, ...]
    rounds: int
    seconds: int
    has_constant: bool

    def cases(self):
        """Each case with all its sizes next to each other, for they are compared."""
        for name, connections in itertools.product(self.scenarios, self.connections):
            for size in self.sizes:
                yield SCENARIOS[name], connections, size


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
    return Plan(
        scenarios=names("SCENARIOS", every, SCENARIOS),
        sizes=tuple(sizes[name] for name in names("SIZES", "small" if is_quick else "small,big", sizes)),
        connections=tuple(int(count) for count in setting("CONNS", "64" if is_quick else "1,16,64").split(",")),
        rounds=int(setting("ROUNDS", "3" if is_quick else "5")),
        seconds=int(setting("SECONDS", "2" if is_quick else "3")),
        has_constant=setting("CEILINGS", "1") == "1",
    )


def targets(has_constant):
    found = []
    for name, variable in (("base", "BASE_BIN"), ("service", "BIN")):
        if path := os.environ.get(variable):
            if not os.access(path, os.X_OK):
                raise Failed(f"{variable}: {path} cannot be run")
            found.append(Target(name, pathlib.Path(path).resolve()))
    if not found or found[-1].name != "service":
        raise Failed("BIN: must be the path of orders-inventory")
    return [*found, Target("constant")] if has_constant else found


def say(line):
    print(line, file=sys.stderr, flush=True)


def measure(bench, plan, targets):
    """All rounds. In each, what is compared runs one after the other, in the other order every second time."""
    samples = []
    service = next(target for target in targets if target.name == "service")
    for number in range(plan.rounds):
        for scenario, connections, size in plan.cases():
            # The constant bytes are the same whatever the database.
            chosen = [target for target in targets if target.binary or size is plan.sizes[0]]
            for target in chosen if number % 2 == 0 else reversed(chosen):
                sample = bench.run(target, size, scenario, connections)
                samples.append({
                    "target": target.name, "size": size.name, "scenario": scenario.name, "connections": connections,
                    "round": number, **sample,
                })
        if plan.has_constant and "order" in plan.scenarios:
            for batch in BATCHES:
                samples.append({
                    "target": "loop", "size": SMALL.name, "scenario": "order", "connections": batch, "round": number,
                    **bench.bare_loop(service, batch),
                })
        say(f"round {number + 1} of {plan.rounds} is done")
    return samples


def main():
    is_quick = setting("QUICK", "") not in ("", "0")
    chosen = plan(is_quick)
    compared = targets(chosen.has_constant)
    tools = pathlib.Path(os.environ["TOOLS"])
    wrk = subprocess.run([HERE / "ensure-wrk.sh"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    if not wrk:
        raise Failed("there is no wrk")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=tools))
    try:
        bench = Bench(wrk, tools, folder, chosen.seconds)
        bench.record_answers(compared[-2] if chosen.has_constant else compared[-1])
        samples = measure(bench, chosen, compared)
        print(table.text(samples))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (Failed, ValueError) as failed:
        sys.exit(f"bench: {failed}")
