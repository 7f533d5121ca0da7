#!/usr/bin/env python3
"""Runs the Locust file and keeps its results: HTML and CSV reports, and the resources used, as JSON.

    BIN=path/to/orders-inventory locust/load.py light|heavy                 a fresh server
    BASE_URL=… API_KEY=… WEBHOOK_SECRET=… locust/load.py light|heavy        the service at BASE_URL

DURATION is the duration in seconds (60). The files go to load-test/ in the folder REPORTS_DIR (target/reports), with
BASE_URL to a subfolder named after the host. Fails where nobody answers at BASE_URL, where a request failed, or the audit
of a fresh server's database.
"""

import contextlib
import csv
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import service as services

HERE = pathlib.Path(__file__).resolve().parent
# The Makefile sets it; to docs/, which is committed, only with RENEW=1.
REPORTS = pathlib.Path(os.environ.get("REPORTS_DIR") or HERE.parent / "target" / "reports", "load-test").resolve()
SCENARIOS = {"light": (25, 5), "heavy": (200, 20)}  # visitors, and how many of them start a second
WAKE_SECONDS_MAX = 90  # a free instance sleeps until its first request


def folder(base_url):
    """The folder of the reports."""
    host = urllib.parse.urlsplit(base_url).hostname if base_url else ""
    if base_url and not re.fullmatch(r"[A-Za-z0-9.:-]*[A-Za-z0-9]", host or ""):
        raise SystemExit(f"BASE_URL has no host: {base_url}")
    return REPORTS / host


def connect(base_url):
    """Fails with one line where nobody answers at this address. Any answer will do."""
    try:
        urllib.request.urlopen(f"{base_url}/healthz", timeout=WAKE_SECONDS_MAX).close()
    except urllib.error.HTTPError:
        pass
    except OSError as error:
        raise SystemExit(f"cannot connect to {base_url}: {getattr(error, 'reason', error)}") from None


def circumstances():
    """Time and commit of a measurement."""

    def git(*arguments):
        ran = subprocess.run(["git", *arguments], cwd=HERE.parent, capture_output=True, text=True, check=False)
        return ran.stdout.strip() if ran.returncode == 0 else None

    changed = git("status", "--porcelain", "--", ".", ":!docs")
    commit = (git("rev-parse", "--short=12", "HEAD") or "unknown") + (
        ", and changes that were not committed" if changed else ""
    )
    at = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"
    return {"at": at, "commit": commit, "disk_sync_ms": services.disk_sync_ms()}


def locust(base_url, prefix, users, spawn_rate, seconds, service=None, **environment):
    """Runs Locust; returns its exit status and the sampler of the run."""
    command = [
        sys.executable,
        "-m",
        "locust",
        "--locustfile",
        HERE / "locustfile.py",
        "--headless",
        "--only-summary",
        "--host",
        base_url,
        "--users",
        users,
        "--spawn-rate",
        spawn_rate,
        "--run-time",
        f"{seconds}s",
        "--csv",
        prefix,
        "--html",
        f"{prefix}.html",
        "--exit-code-on-error",
        1,
    ]
    process = subprocess.Popen([str(part) for part in command], env=os.environ | environment, stdin=subprocess.DEVNULL)
    try:
        with services.Sampler(service, process.pid) as sampler:
            return process.wait(seconds + 60), sampler
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def full_house(prefix, users):
    """The time during which all visitors were active."""
    times = [
        int(row["Timestamp"])
        for row in rows(pathlib.Path(f"{prefix}_stats_history.csv"))
        if row["User Count"] == str(users)
    ]
    if len(times) < 2:
        raise SystemExit("the run ended before all visitors were there; DURATION must be longer")
    return times[0], times[-1]


def main(scenario):
    users, spawn_rate = SCENARIOS[scenario]
    seconds = int(os.environ.get("DURATION") or 60)
    base_url = os.environ.get("BASE_URL", "").rstrip("/")
    if base_url:
        connect(base_url)
    reports = folder(base_url)
    reports.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        prefix = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()), scenario)
        service = None if base_url else stack.enter_context(services.fresh(os.environ["BIN"]))
        ours = {"API_KEY": services.API_KEY, "WEBHOOK_SECRET": services.WEBHOOK_SECRET} if service else {}
        status, sampler = locust(
            service.base_url if service else base_url, prefix, users, spawn_rate, seconds, service, **ours
        )
        since, until = full_house(prefix, users)
        outcome = {
            **circumstances(),
            "users": users,
            "spawn_rate": spawn_rate,
            "seconds": seconds,
            "full_house": [since, until],
            "cores": services.CORES,
            "used": sampler.used(since, until),
            "memory_peak_mib": round(services.memory_peak_mib(service.pid), 1) if service else None,
            "audit": service.audit() if service else None,
        }
        for file in prefix.parent.iterdir():
            (reports / file.name).write_bytes(file.read_bytes())
        (reports / f"{scenario}.json").write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    if status != 0:
        report = os.path.relpath(reports / f"{scenario}.html")
        raise SystemExit(f"load-{scenario} FAILED: Locust ended with status {status}; {report} says why")
    print(f"load-{scenario}: no request failed" + (", the audit is clean" if service else ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
