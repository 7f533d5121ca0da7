#!/usr/bin/env python3
"""Compares the service with its contract: schemathesis generates valid and invalid requests from openapi.yaml, sends them to
the real binary, and compares every response with the contract.

    BIN=path/to/orders-inventory conformance.py short|long [EXAMPLES [SEED]]

EXAMPLES is the number of fuzzed requests for each operation; `long` ensures that no operation has fewer. The same seed
makes the same requests; without one, a random seed is used. Three callers are tried, each with its own server and database
(see hooks.py).

CONFORMANCE_REPORT, if set, is a file for the summary. Fails where schemathesis fails, and where an operation never
succeeded, since its responses were hardly tested then.
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

# The callers, and their share of the examples. The last two need few, since the service checks credentials before it reads
# the rest of a request.
CALLERS = {"member": 1.0, "stranger": 0.1, "anyone": 0.1}
# How many sequences along links `long` adds. Each ends early, where a repeated request meets changed data.
WALKS = 20


@dataclasses.dataclass
class Run:
    """The result of one run of schemathesis."""

    caller: str
    code: int
    report: dict  # schemathesis's own
    answers: dict  # the number of responses by operation and status
    fuzzed: dict  # the number of fuzzed requests by operation


def schemathesis(caller, *options, contract=CONTRACT, quiet=False):
    """Runs schemathesis against a new server."""
    with tempfile.TemporaryDirectory() as folder:
        report, counts = pathlib.Path(folder, "report.json"), pathlib.Path(folder, "counts.json")
        environment = os.environ | {
            "API_KEYS": "" if caller == "anyone" else "conformance-key",
            "WEBHOOK_SECRET": "conformance-secret",
            "STRIPE_WEBHOOK_SECRET": "conformance-stripe-secret",
            "CURRENCY": "EUR",
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
        counted = {"answers": {}, "fuzzed": {}} | (json.loads(counts.read_text()) if counts.exists() else {})
        return Run(caller, done.returncode, json.loads(report.read_text()) if report.exists() else {}, **counted)


def run(caller, examples, seed, *options):
    print(f"\n---- {caller}: {examples} examples an operation, seed {seed} {' '.join(options)} ----", flush=True)
    return schemathesis(caller, "--max-examples", str(examples), "--seed", str(seed), *options)


def operations(contract):
    """Every operation: its label, its id, its documented statuses, and whether it has input to fuzz."""
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                has_input = "parameters" in item or "parameters" in operation or "requestBody" in operation
                statuses = [str(status) for status in operation["responses"]]
                yield f"{method.upper()} {path}", operation["operationId"], statuses, has_input


def seldom_fuzzed(runs, contract, examples):
    """The operations with fewer fuzzed requests of the member than required."""
    member = [run for run in runs if run.caller == "member"]
    for label, name, _, has_input in operations(contract):
        if has_input and sum(run.fuzzed.get(label, 0) for run in member) < examples:
            yield name


def answers_of(runs, label):
    return sum((collections.Counter(run.answers.get(label, {})) for run in runs), collections.Counter())


def summary(runs, contract, seed, seconds):
    """The summary line, and the table of responses."""
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
        # Fuzzing ends early where a repeated request cannot get the same response, for example after a deletion. Run alone
        # on an empty server, such operations have all their examples.
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
