#!/usr/bin/env python3
"""Finds the highest rate of requests that the service keeps, and the resource that limits it.

    BIN=… OPEN_LOOP=… [BASE_BIN=… [BASE_NAME=…]] locust/limit.py

Each step starts a fresh server, sends it requests at a constant rate (see open-loop/) and audits its database. The rate
doubles until a step fails. Then a binary search (by ratio) between the highest kept and the lowest failed rate goes on
until they are close. With BASE_BIN, an older binary, both are searched in turns, so that other work of the machine affects
both, and then compared at a rate that both keep. BASE_NAME is its name in the report.

MIXES are the mixes of requests (shop; also reads, orders), STEP_SECONDS is the duration of a step (4). The result goes to
load-test/limit.json in the folder REPORTS_DIR. Fails where an audit fails or no rate is kept.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import load
import service as services

RATE_FIRST, RATE_MIN, RATE_MAX = 2000, 50, 64_000
# A step fails if the 99th percentile is above this, a request failed, or fewer responses than this share arrived. It is
# then repeated once, since the machine may have been busy.
P99_MS_MAX = 50
KEPT_MIN = 0.99
CLOSE = 1.1
COMPARED_AT, COMPARED_ROUNDS = 0.7, 3
STEP_SECONDS = int(os.environ.get("STEP_SECONDS") or 4)


def step(contender, binary, mix, rate):
    """Tries one rate on a fresh server."""
    with tempfile.TemporaryFile("w+") as output, services.fresh(binary) as service:
        environment = os.environ | {
            "BASE_URL": service.base_url,
            "API_KEY": services.API_KEY,
            "WEBHOOK_SECRET": services.WEBHOOK_SECRET,
        }
        command = [os.environ["OPEN_LOOP"], "--rate", str(rate), "--seconds", str(STEP_SECONDS), "--mix", mix]
        generator = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output)
        try:
            with services.Sampler(service, generator.pid) as sampler:
                status = generator.wait(STEP_SECONDS + 60)
        finally:
            if generator.poll() is None:
                generator.kill()
                generator.wait()
        if status != 0:
            raise SystemExit(f"open-loop ended with status {status}")
        service.audit()
        output.seek(0)
        outcome = json.loads(output.read())
        outcome |= {
            "contender": contender,
            "mix": mix,
            "used": sampler.used(outcome["from"], outcome["from"] + STEP_SECONDS),
        }
        outcome["memory_peak_mib"] = round(services.memory_peak_mib(service.pid), 1)
    kept = outcome["succeeded"] >= KEPT_MIN * outcome["offered"] and outcome["failed"] == 0
    outcome["kept"] = kept and outcome["latency_ms"]["p99"] <= P99_MS_MAX
    p99 = outcome["latency_ms"]["p99"]
    print(
        f"{contender} {mix:>6} {rate:>6}/s  p99 {p99 or 0:8.1f} ms  failed {outcome['failed']}, unanswered "
        f"{outcome['unanswered']}  {'kept' if outcome['kept'] else 'not kept'} {outcome['failures'] or ''}",
        flush=True,
    )
    return outcome


class Search:
    """The search for one contender's limit."""

    def __init__(self, contender, binary, mix):
        self.contender, self.binary, self.mix = contender, binary, mix
        self.best, self.broken, self.steps = None, None, []

    def rate(self):
        """The next rate to try; `None` once the limit is found."""
        if not self.broken:
            rate = self.best["rate"] * 2 if self.best else RATE_FIRST
            return rate if rate <= RATE_MAX else None
        if not self.best:
            rate = self.broken["rate"] // 2
            return rate if rate >= RATE_MIN else None
        low, high = self.best["rate"], self.broken["rate"]
        return round((low * high) ** 0.5) if high > low * CLOSE else None

    def advance(self):
        rate = self.rate()
        if rate is None:
            return False
        for _ in range(2):
            outcome = step(self.contender, self.binary, self.mix, rate)
            self.steps.append(outcome)
            if outcome["kept"]:
                self.best = outcome
                return True
        self.broken = outcome
        return True


def find(mix, binaries):
    """The limit of each binary, searched in turns, and a comparison at one rate."""
    searches = [Search(contender, binary, mix) for contender, binary in binaries.items()]
    while any([search.advance() for search in searches]):
        pass
    found = {
        search.contender: {"limit": search.best and search.best["rate"], "steps": search.steps} for search in searches
    }
    for search in searches:
        if not search.best:
            raise SystemExit(
                f"load-limit FAILED: {search.contender} kept no rate of {RATE_MIN} or more requests a second"
            )
    compared = []
    if len(searches) > 1:
        rate = round(COMPARED_AT * min(search.best["rate"] for search in searches))
        compared = [
            step(search.contender, search.binary, mix, rate) for _ in range(COMPARED_ROUNDS) for search in searches
        ]
    return {"contenders": found, "compared": compared}


def main():
    if os.environ.get("BASE_URL"):
        sys.exit("load-limit overloads the service, so it starts its own; BASE_URL must not be set")
    base_name = os.environ.get("BASE_NAME") or "base"
    binaries = {base_name: os.environ["BASE_BIN"]} if os.environ.get("BASE_BIN") else {}
    binaries["service"] = os.environ["BIN"]
    for binary in binaries.values():
        if not os.access(binary, os.X_OK):
            sys.exit(f"{binary} cannot be run")
    mixes = (os.environ.get("MIXES") or "shop").split()
    limits = {
        **load.circumstances(),
        "cores": services.CORES,
        "step_seconds": STEP_SECONDS,
        "p99_ms_max": P99_MS_MAX,
        "kept_min": KEPT_MIN,
        "mixes": {mix: find(mix, binaries) for mix in mixes},
    }
    load.REPORTS.mkdir(parents=True, exist_ok=True)
    pathlib.Path(load.REPORTS, "limit.json").write_text(json.dumps(limits, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
