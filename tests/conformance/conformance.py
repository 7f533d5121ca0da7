#!/usr/bin/env python3
"""Holds the service to its contract: schemathesis makes requests from openapi.yaml, good ones and bad ones, sends them to
the real binary, and compares every answer with what the contract says.

    BIN=path/to/orders-inventory conformance.py short|long [EXAMPLES [SEED]]

EXAMPLES is how many requests the fuzzing makes for each operation; `long` sees to it that it is no fewer. The same seed
makes the same requests; without one it is drawn. Three callers are tried, each against a server and database of its own
(see hooks.py).

CONFORMANCE_REPORT, if set, is the file that the summary is written to as well. Fails where schemathesis does, and where
an operation never succeeded, for then its answers were hardly tested.
"""

import collections
import dataclasses
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
# How many walks from link to link `long` adds: each ends where its repetition meets other data, long before its examples
# are used up.
WALKS = 20


@dataclasses.dataclass
class Run:
    """What came of one run of schemathesis."""

    caller: str
    code: int
    report: dict  # its own
    answers: dict  # how often each operation answered with each status
    fuzzed: dict  # how many requests the fuzzing made for each operation


def schemathesis(caller, *options, contract=CONTRACT, quiet=False):
    """Runs schemathesis against a new server."""
    with tempfile.TemporaryDirectory() as folder:
        report, counts = pathlib.Path(folder, "report.json"), pathlib.Path(folder, "counts.json")
        environment = os.environ | {
            "API_KEYS": "" if caller == "anyone" else "conformance-key",
            "WEBHOOK_SECRET": "conformance-secret",
            "RUST_LOG": "error",
            "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
            "CONFORMANCE_CALLER": caller,
            "CONFORMANCE_COUNTS": str(counts),
        }
        command = [HERE.parent / "with-server.sh", "sh", "-c", 'exec "$@" --url "$BASE_URL"', "sh"]
        command += [sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "run", contract]
        command += ["--continue-on-failure", "--report-json-path", report, "--no-color", *options]
        output = subprocess.DEVNULL if quiet else None
        done = subprocess.run(command, env=environment, cwd=folder, stdout=output, stderr=output, check=False)
        told = {"answers": {}, "fuzzed": {}} | (json.loads(counts.read_text()) if counts.exists() else {})
        return Run(caller, done.returncode, json.loads(report.read_text()) if report.exists() else {}, **told)


def run(caller, examples, seed, *options):
    print(f"\n---- {caller}: {examples} examples an operation, seed {seed} {' '.join(options)} ----", flush=True)
    return schemathesis(caller, "--max-examples", str(examples), "--seed", str(seed), *options)


def operations(contract):
    """Every operation: its label, its id, the statuses that it may answer, and whether there is anything to fuzz."""
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                has_input = "parameters" in item or "parameters" in operation or "requestBody" in operation
                statuses = [str(status) for status in operation["responses"]]
                yield f"{method.upper()} {path}", operation["operationId"], statuses, has_input


def seldom_fuzzed(runs, contract, examples):
    """The operations that the member did not fuzz as often as asked for."""
    member = [run for run in runs if run.caller == "member"]
    for label, name, _, has_input in operations(contract):
        if has_input and sum(run.fuzzed.get(label, 0) for run in member) < examples:
            yield name


def answers_of(runs, label):
    return sum((collections.Counter(run.answers.get(label, {})) for run in runs), collections.Counter())


def summary(runs, contract, seed, seconds):
    """The line that says it all, and what was answered how often."""
    every = list(operations(contract))
    requests = sum(answers_of(runs, label).total() for label, *_ in every)
    cases = [run.report.get("test_cases", {}) for run in runs]
    generated, failures = (sum(case.get(key, 0) for case in cases) for key in ("generated", "unique_failures"))
    yield (
        f"conformance: {len(every)} operations, {generated} test cases, {requests} requests, failures: {failures},"
        f" seed {seed}, {seconds:.0f} s"
    )
    yield ""
    yield "| Operation | Fuzzed | Answers (status × requests) | Documented, not reached |"
    yield "|---|---|---|---|"
    for label, _, statuses, _ in every:
        counts = answers_of(runs, label)
        fuzzed = sum(run.fuzzed.get(label, 0) for run in runs)
        answers = ", ".join(f"{status} × {counts[status]}" for status in sorted(counts))
        yield f"| `{label}` | {fuzzed} | {answers} | {', '.join(status for status in statuses if status not in counts)} |"


def main(length, examples="50", seed=None):
    examples, seed = int(examples), int(seed or random.randrange(10**9))
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    started = time.monotonic()
    runs = []
    for caller, part in CALLERS.items():
        runs.append(run(caller, max(int(examples * part), 5), seed))
    seldom = []
    if length == "long":
        runs += [run("member", examples, seed + walk, "--phases", "stateful") for walk in range(1, WALKS + 1)]
        # Fuzzing ends early where a repetition cannot have the same answer, as with what was deleted meanwhile. By
        # themselves, on a server without products and orders, such operations have all their examples.
        for name in seldom_fuzzed(runs, contract, examples):
            runs.append(run("member", examples, seed, "--phases", "fuzzing", "--include-operation-id", name))
        seldom = list(seldom_fuzzed(runs, contract, examples))
    text = "\n".join(summary(runs, contract, seed, time.monotonic() - started))
    print(f"\n{text}")
    if path := os.environ.get("CONFORMANCE_REPORT"):
        pathlib.Path(path).write_text(f"{text}\n", encoding="utf-8")

    failed = sorted({run.caller for run in runs if run.code})
    member = [run for run in runs if run.caller == "member"]
    never = [label for label, *_ in operations(contract) if not any(s < "300" for s in answers_of(member, label))]
    if failed or never or seldom:
        sys.exit(f"conformance FAILED; callers: {failed}, never succeeded: {never}, fuzzed too seldom: {seldom}")


if __name__ == "__main__":
    main(*sys.argv[1:])
