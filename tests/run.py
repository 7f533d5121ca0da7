#!/usr/bin/env python3
"""Runs the steps of `make test`, each as `make STEP`: tests/run.py STEP… [-- STEP…]

Steps before `--` run one after the other. Those behind it run two at a time: they need nothing of each other, and most of
them wait more than they compute. The output of such a step is printed whole when it ends.

A step that fails does not keep other steps from running. The end is a table of all steps and a line that counts them; the
status is 1 where any failed. A step that takes longer than STEP_SECONDS_MAX (1200) is ended, with all that it started, and
has failed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

STEP_SECONDS_MAX = 1_200
# How many steps run beside each other.
BESIDE = 2
# How long a step may take to end its processes after SIGTERM.
GRACE_SECONDS = 10
# Variables that make passes to a recursive make, such as the job server of `make -j`; the steps must not get them.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")


def main(arguments):
    at = arguments.index("--") if "--" in arguments else len(arguments)
    alone, beside = arguments[:at], arguments[at + 1 :]
    if not alone + beside:
        sys.exit("run.py: no steps to run")
    # Ending the runner ends the steps that are running, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell without job control starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    of = f"of {len(alone + beside)}"
    waiting = list(enumerate(alone + beside, 1))
    started, running, results = time.monotonic(), [], []
    try:
        while waiting or running:
            is_alone = len(results) < len(alone)
            if waiting and len(running) < (1 if is_alone else BESIDE):
                number, name = waiting.pop(0)
                running.append(Step(number, of, name, is_alone))
                continue
            for step in [step for step in running if step.has_ended()]:
                running.remove(step)
                results.append(step.report())
            time.sleep(0.02)
    finally:
        for step in running:
            step.end()
    results = [result for _, *result in sorted(results)]
    failed = sum(1 for _, problem, _ in results if problem)
    passed = len(results) - failed
    print(f"\n{table(results, time.monotonic() - started)}\n\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


class Step:
    """A step that is running."""

    def __init__(self, number, of, name, is_alone):
        self.number, self.name, self.line = number, name, f"step {number} {of}: {name}"
        self.started, self.problem = time.monotonic(), ""
        self.output = None if is_alone else tempfile.TemporaryFile()
        if is_alone:
            print(f"\n==== {self.line}", flush=True)
        environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
        command = ["make", "--no-print-directory", name]
        # In a session of its own, so that all its processes can be ended with it.
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=self.output and subprocess.STDOUT, start_new_session=True,
        )

    def has_ended(self):
        """Whether it has ended; one that takes too long is ended."""
        status = self.process.poll()
        seconds_max = int(os.environ.get("STEP_SECONDS_MAX") or STEP_SECONDS_MAX)
        if status is None and time.monotonic() - self.started > seconds_max:
            self.end()
            self.problem = f"ended after {seconds_max} s"
            return True
        if status:
            self.problem = f"status {status}"
        return status is not None

    def end(self):
        end(self.process)

    def report(self):
        """Prints what it came to, after its output where that was kept; its row of the table."""
        seconds = time.monotonic() - self.started
        if self.output:
            print(f"\n==== {self.line}", flush=True)
            self.output.seek(0)
            sys.stdout.buffer.write(self.output.read())
        came_to = f"FAILED, {self.problem}" if self.problem else "passed"
        print(f"==== {self.name}: {came_to}, {seconds:.0f} s", flush=True)
        return self.number, self.name, self.problem, seconds


def end(process):
    """Ends a step with all its processes."""
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def table(results, total):
    width = max(len(step) for step, _, _ in results)
    lines = [f"{step:<{width}}  {'FAILED' if problem else 'passed'}  {seconds:5.0f} s" for step, problem, seconds in results]
    return "\n".join([*lines, f"{'all steps':<{width}}          {total:5.0f} s"])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
