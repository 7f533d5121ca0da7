#!/usr/bin/env python3
"""Runs the Locust file and the open-loop generator briefly, and shows that they notice
a service that does not do as it should.

BIN=… OPEN_LOOP=… locust/check.py
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["STEP_SECONDS"] = "1"
os.environ["SCARCE_EVERY"] = "3"  # so that some orders surely meet sold-out stock

import limit  # noqa: E402
import load  # noqa: E402
import service as services  # noqa: E402
import traffic  # noqa: E402

# With these there are about 90 purchases, so that a kind of request that never came is no accident.
VISITORS, SECONDS = 20, 6
# Requests a second of the open loop.
RATE = 200
KEYS = {"API_KEY": services.API_KEY, "WEBHOOK_SECRET": services.WEBHOOK_SECRET}


def want(what, expected, got):
    if expected != got:
        sys.exit(f"check-load FAILED: {what}: expected {expected}, got {got}")
    print(f"ok      {what}: {got}", flush=True)


def visit(service, folder, name, users, seconds, **environment):
    """A run of Locust: its exit status, and the requests of each name, with the failed ones."""
    prefix = folder / name
    status, _ = load.locust(service.base_url, prefix, users, users, seconds, service, **KEYS | environment)
    rows = load.rows(pathlib.Path(f"{prefix}_stats.csv"))
    return status, {
        f"{row['Type']} {row['Name']}": (int(row["Request Count"]), int(row["Failure Count"])) for row in rows[:-1]
    }


def failed(counts):
    return {name for name, (_, failures) in counts.items() if failures}


def main():
    with tempfile.TemporaryDirectory() as temporary, services.fresh(os.environ["BIN"]) as service:
        folder = pathlib.Path(temporary)
        status, counts = visit(service, folder, "good", VISITORS, SECONDS)
        want("Locust's requests", sorted(traffic.NAMES), sorted(counts))
        want("those of them that failed", set(), failed(counts))
        want("its exit status", 0, status)
        status, counts = visit(service, folder, "key", 2, 2, API_KEY="a-wrong-key")
        want("with a wrong API key, what fails", {traffic.NEW_PRODUCT}, failed(counts))
        want("its exit status", 1, status)
        status, counts = visit(service, folder, "secret", VISITORS, 2, WEBHOOK_SECRET="a-wrong-secret")
        want("with a wrong webhook secret, what fails", {traffic.PAYMENT, traffic.ORDER}, failed(counts))
        want("its exit status", 1, status)
        service.audit()
        want_of_open_loop(service)
    step = limit.step("debug", os.environ["BIN"], "shop", RATE)
    # Nothing is sold out there, and the products are made before.
    want(
        "the open loop's requests",
        sorted(set(traffic.NAMES) - {traffic.SOLD_OUT, traffic.NEW_PRODUCT}),
        sorted(step["by_name"]),
    )
    want("those of them that failed or were not answered", (0, 0), (step["failed"], step["unanswered"]))


def want_of_open_loop(service):
    """It, too, has to notice."""
    for variable, expected in (("API_KEY", "invalid-api-key"), ("WEBHOOK_SECRET", "invalid-signature")):
        environment = os.environ | KEYS | {"BASE_URL": service.base_url, variable: "wrong"}
        command = [os.environ["OPEN_LOOP"], "--rate", str(RATE), "--seconds", "1"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        want(
            f"the open loop with a wrong {variable} says {expected}",
            True,
            f"/problems/{expected}" in ran.stdout + ran.stderr,
        )


if __name__ == "__main__":
    main()
