#!/usr/bin/env python3
"""Holds the service to its contract: schemathesis makes requests from openapi.yaml, good ones and bad ones, sends them to
the real binary, and compares every answer with what the contract says.

    BIN=path/to/orders-inventory conformance.py EXAMPLES [SEED]

EXAMPLES is how many requests the fuzzing makes for each operation. The same seed makes the same requests; without one
it is drawn. Three callers are tried, each against a server and database of its own (see hooks.py).

CONFORMANCE_REPORT, if set, is the file that the summary is written to as well. Fails where schemathesis does, and where
an operation never succeeded, for then its answers were hardly tested.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CONTRACT = HERE.parent.parent / "openapi.yaml"

# The callers, and their part of the examples: whether strangers get nothing and anyone gets everything is settled before a
# request is looked at closely.
CALLERS = {"member": 1.0, "stranger": 0.1, "anyone": 0.1}


def schemathesis(caller, *options, contract=CONTRACT, quiet=False):
    """One run of schemathesis against a new server: its report, what was answered, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report, answers = f"{folder}/report.json", f"{folder}/answers.json"
        environment = os.environ | {
            "API_KEYS": "" if caller == "anyone" else "conformance-key",
            "WEBHOOK_SECRET": "conformance-secret",
            "RUST_LOG": "error",
            "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
            "CONFORMANCE_CALLER": caller,
            "CONFORMANCE_ANSWERS": answers,
        }
        command = [HERE.parent / "with-server.sh", "sh", "-c", 'exec "$@" --url "$BASE_URL"', "sh"]
        command += [sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "run", contract]
        command += ["--continue-on-failure", "--report-json-path", report, "--no-color", *options]
        output = subprocess.DEVNULL if quiet else None
        done = subprocess.run(command, env=environment, cwd=folder, stdout=output, stderr=output, check=False)
        read = [json.loads(pathlib.Path(path).read_text()) if os.path.exists(path) else {} for path in (report, answers)]
        return *read, done.returncode


def run(caller, examples, seed, *options):
    print(f"\n---- {caller}: {examples} examples an operation, seed {seed} {' '.join(options)} ----", flush=True)
    return caller, *schemathesis(caller, "--max-examples", str(examples), "--seed", str(seed), *options)


def documented(contract):
    """Every operation's label, and the statuses that it may answer."""
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", [str(status) for status in operation["responses"]]


def summary(runs, operations, seed, seconds):
    """The line that says it all, and what was answered how often."""
    requests = sum(count for _, _, answers, _ in runs for counts in answers.values() for count in counts.values())
    cases = sum(report.get("test_cases", {}).get("generated", 0) for _, report, _, _ in runs)
    failures = sum(report.get("test_cases", {}).get("unique_failures", 0) for _, report, _, _ in runs)
    yield (
        f"conformance: {len(operations)} operations, {cases} test cases, {requests} requests, {failures} failures,"
        f" seed {seed}, {seconds:.0f} s"
    )
    yield ""
    yield "| Operation | Answers (status × requests) | Documented, not reached |"
    yield "|---|---|---|"
    for label, statuses in operations:
        counts = total(runs, label)
        answers = ", ".join(f"{status} × {counts[status]}" for status in sorted(counts))
        yield f"| `{label}` | {answers} | {', '.join(status for status in statuses if status not in counts)} |"


def total(runs, label):
    counts = {}
    for _, _, answers, _ in runs:
        for status, count in answers.get(label, {}).items():
            counts[status] = counts.get(status, 0) + count
    return counts


def main(examples, seed=None):
    examples, seed = int(examples), int(seed or random.randrange(10**9))
    started = time.monotonic()
    runs = [run(caller, max(int(examples * part), 5), seed) for caller, part in CALLERS.items()]
    # A walk from link to link ends where a repetition of it meets other data, long before its examples are used up.
    runs += [run("member", examples, seed + more, "--phases", "stateful") for more in range(1, examples // 50)]
    operations = list(documented(yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))))
    text = "\n".join(summary(runs, operations, seed, time.monotonic() - started))
    print(f"\n{text}")
    if path := os.environ.get("CONFORMANCE_REPORT"):
        pathlib.Path(path).write_text(f"{text}\n", encoding="utf-8")
    failed = sorted({caller for caller, _, _, code in runs if code})
    untested = [label for label, _ in operations if not any(status < "300" for status in total([run for run in runs if run[0] == "member"], label))]
    if failed or untested:
        sys.exit(f"conformance FAILED; callers: {failed}, operations that never succeeded: {untested}")


if __name__ == "__main__":
    main(*sys.argv[1:])
