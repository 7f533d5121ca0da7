#!/usr/bin/env python3
"""Runs the steps of `make test`, each as `make STEP`: tests/run.py STEP…

After a failed step the next ones still run. At the end it prints a table of all steps and their counts; the status is 1 if
any failed. A step that takes longer than STEP_SECONDS_MAX (1200) is ended with all its processes, and has failed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

STEP_SECONDS_MAX = 1_200
# How long a step may take to end its processes after SIGTERM.
GRACE_SECONDS = 10
# Variables that make passes to a recursive make, such as the job server of `make -j`; the steps must not get them.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")


def main(steps):
    if not steps:
        sys.exit("run.py: no steps to run")
    # SIGTERM ends the running step, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    for number, step in enumerate(steps, 1):
        print(f"\n==== step {number} of {len(steps)}: {step}", flush=True)
        started = time.monotonic()
        problem = run(step)
        seconds = time.monotonic() - started
        print(f"==== {step}: {'FAILED, ' + problem if problem else 'passed'}, {seconds:.0f} s", flush=True)
        results.append((step, problem, seconds))
    failed = sum(1 for _, problem, _ in results if problem)
    print(f"\n{table(results)}\n\n{len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def run(step):
    """Runs one step; returns why it failed, or nothing."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    command = ["make", "--no-print-directory", step]
    try:
        # In its own session, so that all its processes can be ended.
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        return str(error)
    seconds_max = int(os.environ.get("STEP_SECONDS_MAX") or STEP_SECONDS_MAX)
    try:
        status = process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        end(process)
        return f"ended after {seconds_max} s"
    except BaseException:
        end(process)
        raise
    return f"status {status}" if status else ""


def end(process):
    """Ends a step with all its processes."""
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def table(results):
    width = max(len(step) for step, _, _ in results)
    lines = [f"{step:<{width}}  {'FAILED' if problem else 'passed'}  {seconds:5.0f} s" for step, problem, seconds in results]
    total = sum(seconds for _, _, seconds in results)
    return "\n".join([*lines, f"{'all steps':<{width}}          {total:5.0f} s"])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
