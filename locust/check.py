#!/usr/bin/env python3
"""Runs the load tests of `make load-test` briefly, and tests that they detect a faulty service.

    BIN=… OPEN_LOOP=… locust/check.py
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

# About 90 purchases, a third of them of scarce products: enough for every kind of request to occur.
VISITORS, SECONDS = 20, 6
RATE = 200
FOLDER = tempfile.TemporaryDirectory()
os.environ |= {"DURATION": str(SECONDS), "SCARCE_EVERY": "3", "STEP_SECONDS": "1", "MIXES": "shop"}
os.environ["REPORTS_DIR"] = FOLDER.name
for name in ("BASE_BIN", "BASE_URL", "RENEW"):
    os.environ.pop(name, None)

import limit  # noqa: E402
import load  # noqa: E402
import report  # noqa: E402
import service as services  # noqa: E402
import traffic  # noqa: E402

KEYS = {"API_KEY": services.API_KEY, "WEBHOOK_SECRET": services.WEBHOOK_SECRET}


def want(what, expected, got):
    if expected != got:
        sys.exit(f"check-load FAILED: {what}: expected {expected}, got {got}")
    print(f"ok      {what}: {got}", flush=True)


def requests(prefix):
    """Locust's counts: requests and failures, by name."""
    *rows, _ = load.rows(pathlib.Path(f"{prefix}_stats.csv"))
    return {f"{row['Type']} {row['Name']}": (int(row["Request Count"]), int(row["Failure Count"])) for row in rows}


def failed(counts):
    return {name for name, (_, failures) in counts.items() if failures}


def goes_well(folder):
    """One scenario, one rate, and their report."""
    load.SCENARIOS = {"light": (VISITORS, VISITORS)}
    load.main("light")
    counts = requests(load.REPORTS / "light")
    want("Locust's requests", sorted(traffic.NAMES), sorted(counts))
    want("those of them that failed", set(), failed(counts))

    # Whether a debug build keeps the rate does not matter.
    limit.RATE_FIRST = limit.RATE_MAX = RATE
    limit.P99_MS_MAX = 60_000
    limit.main()
    # The pictures of Locust's own report need a Chromium.
    report.photograph.chromium = lambda: ""
    answers = folder / "REFLECTION.md"
    answers.write_text("before\n<!-- load-test:begin -->\nold\n<!-- load-test:end -->\nafter\n", encoding="utf-8")
    report.main()
    text = (folder / "load-test.md").read_text(encoding="utf-8")
    total = sum(count for count, _ in counts.values())
    row = re.search(rf"^\| `load-light` \| {VISITORS} \| {VISITORS} \| (\d+) \|.*\| (\S+) % \|$", text, re.MULTILINE)
    want("the report's requests and error rate", (str(total), "0.00"), row.groups() if row else None)
    latencies = re.findall(r"\d[.\d]*", row[0].rpartition("% |")[0])[-4:-1] if row else []
    want("a latency of 0 ms", False, any(float(latency) == 0 for latency in latencies))
    want("the tenths of its latencies below 10 ms", True, all("." in one for one in latencies if float(one) < 10))
    shown = answers.read_text(encoding="utf-8")
    want("the same row in the answers, and nothing old", (True, False), (bool(row) and row[0] in shown, "old" in shown))
    want("what is around it", ["before", "after"], [shown.splitlines()[0], shown.splitlines()[-1]])
    want("its limit", True, f"**service** keeps {RATE} requests a second, the most that is tried." in text)
    # In the open loop nothing is sold out, and its products are created before.
    steps = limit.step("service", os.environ["BIN"], "shop", RATE)
    want(
        "the open loop's requests", set(traffic.NAMES) - {traffic.SOLD_OUT, traffic.NEW_PRODUCT}, set(steps["by_name"])
    )


def goes_wrong(folder):
    """A wrong key and a wrong secret, which both generators must detect."""
    with services.fresh(os.environ["BIN"]) as service:
        for variable, users, problem, expected in (
            ("API_KEY", 2, "invalid-api-key", {traffic.NEW_PRODUCT}),
            ("WEBHOOK_SECRET", VISITORS, "invalid-signature", {traffic.PAYMENT, traffic.ORDER}),
        ):
            wrong = KEYS | {variable: "wrong"}
            status, _ = load.locust(service.base_url, folder / variable, users, users, 2, service, **wrong)
            want(f"with a wrong {variable}, what fails", expected, failed(requests(folder / variable)))
            want("Locust's exit status", 1, status)
            environment = os.environ | wrong | {"BASE_URL": service.base_url}
            command = [os.environ["OPEN_LOOP"], "--rate", str(RATE), "--seconds", "1"]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
            want(f"the open loop says {problem}", True, f"/problems/{problem}" in ran.stdout + ran.stderr)


def nobody_listens():
    """With a dead address there is one line, and no report."""
    dead = "http://127.0.0.1:1"
    environment = os.environ | KEYS | {"BASE_URL": dead}
    command = [sys.executable, load.HERE / "load.py", "light"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    lines = (ran.stdout + ran.stderr).splitlines()
    want("the lines about a dead address", [f"cannot connect to {dead}: [Errno 111] Connection refused"], lines)
    want("its exit status", 1, ran.returncode)
    want("whether it left a report", False, load.folder(dead).exists())


def committed_files_stay():
    """The Makefile names the folder of all reports: only with RENEW=1 is it the committed one."""
    root = load.HERE.parent
    for renew, folder in (("", "target/reports"), ("0", "target/reports"), ("1", "docs")):
        command = ["make", "--no-print-directory", "--eval", "where: ; @echo $(REPORTS_DIR)", "where", f"RENEW={renew}"]
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
        want(f"with RENEW={renew}, the folder of reports", str(root / folder), ran.stdout.strip())


def search_finds():
    """The search for a known limit; each rate is kept only at the second try."""
    for known in (130, 2000, 7000, 40_000):
        tries = []

        def step(contender, binary, mix, rate, known=known, tries=tries):
            tries.append(rate)
            return {"rate": rate, "kept": rate <= known and tries.count(rate) == 2}

        limit.step, actual = step, limit.step
        search = limit.Search("service", "", "shop")
        while search.advance():
            pass
        limit.step = actual
        want(f"a limit of {known} is found, nearly", True, known / limit.CLOSE <= search.best["rate"] <= known)


def main():
    committed_files_stay()
    nobody_listens()
    search_finds()
    with FOLDER as folder:
        goes_well(pathlib.Path(folder))
        goes_wrong(pathlib.Path(folder))


if __name__ == "__main__":
    main()
