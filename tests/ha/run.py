#!/usr/bin/env python3
"""Fails machines of a highly available set-up under load, and checks that nothing that was acknowledged is lost or done twice.

    BIN=path/to/orders-inventory tests/ha/run.py [ROUNDS]

It builds the set-up of ops/ha on this machine: three nodes of PostgreSQL with etcd and Patroni, HAProxy, two instances of the
service. A round has each fault once: customers shop, the fault strikes, writes must be acknowledged again within 30 s, the
fault is healed, the machine must take part again; then all answers are compared with what is there. The end is a table, and
status 1 where anything was lost, done twice, wrong or late.

FAULTS names some of them, with commas (`FAULTS='kill leader,switch over'`); SEED repeats the customers' choices. PROVE=1 proves
that this can fail: without synchronous replication it loses what was acknowledged, and only then the status is 0.
"""

import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import network
from check import Check, Findings
from cluster import Cluster
from faults import FAULTS, MORE_FAULTS, LoseWrites
from load import Books, Load
from machines import WAIT_SECONDS_MAX, Problem, wait_for

ROUNDS = 3
OUTAGE_SECONDS_MAX = 30
# How long customers shop before a fault, and after all is well again.
BEFORE_SECONDS = 2
AFTER_SECONDS = 2
LINES_MAX = 20
HERE = pathlib.Path(__file__).resolve().parent


@dataclass
class Outcome:
    """A row of the table."""

    name: str
    outages: dict
    books: Books
    found: Findings
    effect: float
    rejoined: float

    def cells(self):
        writes = self.books.writes
        return [self.name, f"{self.outages['anywhere']:.1f}", f"{max(self.outages.values()):.1f}", f"{self.effect:.1f}",
                f"{self.rejoined:.1f}", f"{self.books.slowest_seconds:.1f}",
                len(self.books.acknowledged), sum(write.tries > 1 for write in writes),
                sum(write.unknown > 0 for write in writes), sum(write.unanswered > 0 for write in writes),
                len(self.found.lost), len(self.found.twice), len(self.found.wrong)]

    def has_failed(self):
        return bool(self.found.all())


# outage: the longest time without an acknowledged write anywhere, and at one address of those that were to serve. effect: until
# another machine had taken over, or what the fault is about. rejoined: from healing until all take part again. slowest: the
# longest wait for an answer. Then numbers of writes, and of findings.
TITLES = ["fault", "outage s", "at one s", "effect s", "rejoined s", "slowest s", "acknowledged", "retried", "unknown", "unanswered",
          "lost", "twice", "wrong"]


def main(arguments):
    rounds = int(arguments[0]) if arguments else ROUNDS
    faults = FAULTS
    if names := os.environ.get("FAULTS"):
        faults = {name.strip(): (FAULTS | MORE_FAULTS)[name.strip()] for name in names.split(",")}
    is_proof = os.environ.get("PROVE", "0") not in ("", "0")
    if is_proof:
        rounds, faults = 1, {"lose writes": LoseWrites}
    seed = os.environ.get("SEED") or str(random.randrange(10**9))
    binary = str(pathlib.Path(os.environ["BIN"]).resolve())
    # Before it is in a network of its own, where no registry is reached.
    programs = servers()
    network.enter()
    wires = network.make()
    print(f"seed {seed}; {'each machine has a network of its own' if wires.can_cut else NO_NAMESPACES}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ha-")).resolve()
    cluster, outcomes, is_done = Cluster(wires, programs, binary, folder, not is_proof), [], False
    # Ending the test ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = time.monotonic()
        cluster.start()
        print(f"all machines run after {time.monotonic() - started:.0f} s, the leader is {cluster.leader()}", flush=True)
        for number in range(rounds):
            for name, fault in faults.items():
                outcome = strike(cluster, fault, name, number, seed)
                outcomes.append(outcome)
                print(f"round {number + 1}  " + "  ".join(f"{title} {cell}" for title, cell in zip(TITLES, outcome.cells(), strict=True)),
                      flush=True)
                for line in outcome.found.all()[:LINES_MAX]:
                    print(f"    {line}", flush=True)
        is_done = bool(outcomes) and all(bool(outcome.found.lost) if is_proof else not outcome.has_failed() for outcome in outcomes)
    except Problem as problem:
        print(f"FAILED: {problem}", flush=True)
    finally:
        stuck = cluster.stop()
        if is_done:
            shutil.rmtree(folder)
        else:
            show_logs(cluster)
    if stuck:
        print(f"FAILED: did not end within their time: {', '.join(stuck)}")
    if outcomes:
        print_table(outcomes)
    return 0 if is_done and not stuck else 1


NO_NAMESPACES = ("no network namespaces here (they need root, or user namespaces): no machine can be cut off, so `cut off leader` "
                 "freezes it")


def servers():
    done = subprocess.run([HERE / "ensure-servers.sh"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(1)
    return dict(line.split("=", 1) for line in done.stdout.splitlines()) | {"PYTHON": sys.executable}


def strike(cluster, kind, name, number, seed):
    """One fault, from a set-up that is whole to one that is whole again, and what came of it."""
    books = Books(f"{number}-{name.replace(' ', '-')}-{os.getpid()}")
    load = Load(cluster.addresses(), cluster.api_key, cluster.webhook_secret, books, seed)
    fault = kind(cluster, number)
    load.start()
    problem = None
    try:
        wait_for("customers: no writes are acknowledged", lambda: is_flowing(books, cluster, BEFORE_SECONDS), WAIT_SECONDS_MAX)
        struck = time.monotonic()
        fault.strike()
        effect = wait_for(f"{name}: it has no effect", fault.has_effect, WAIT_SECONDS_MAX)
        spared = [where for where in load.addresses if where not in cluster.instances or cluster.instances[where].is_running()]
        wait_for(f"{name}: writes are not acknowledged again", lambda: is_flowing(books, cluster, AFTER_SECONDS), WAIT_SECONDS_MAX)
        fault.heal()
        rejoined = wait_for(f"{name}: what was lost does not take part again", fault.is_healed, WAIT_SECONDS_MAX)
        wait_for("customers: no writes are acknowledged", lambda: is_flowing(books, cluster, AFTER_SECONDS), WAIT_SECONDS_MAX)
    except Problem as told:
        problem = told
    finally:
        load.stop()
    if problem:
        raise Problem(f"round {number + 1}: {problem}; {dict(books.statuses)}; {books.problems[:LINES_MAX]}")
    outages = {"anywhere": longest_gap(books, struck, spared)} | {where: longest_gap(books, struck, [where]) for where in spared}
    found = Check(cluster.addresses(), cluster.api_key, books, seed).run()
    if max(outages.values()) > OUTAGE_SECONDS_MAX:
        seconds = ", ".join(f"{where} {outage:.1f}" for where, outage in outages.items())
        found.wrong.append(f"more than {OUTAGE_SECONDS_MAX} s without an acknowledged write: {seconds}")
    if audit := cluster.audit():
        found.wrong.append(f"the audit is not clean: {audit}")
    return Outcome(name, outages, books, found, effect, rejoined)


def is_flowing(books, cluster, seconds):
    """Whether writes were acknowledged at each running instance in each of the last seconds."""
    now = time.monotonic()
    wanted = {(name, second) for name, instance in cluster.instances.items() if instance.is_running() for second in range(seconds)}
    for at, where in reversed(books.acknowledged):
        if now - at >= seconds:
            break
        wanted.discard((where, int(now - at)))
    return not wanted


def longest_gap(books, since, places):
    """The longest time between two writes that were acknowledged at these places, the first of them before this moment."""
    times = [at for at, where in books.acknowledged if where in places]
    first = max((at for at in times if at <= since), default=since)
    times = [first, *(at for at in times if at > since)]
    return max((later - sooner for sooner, later in zip(times, times[1:], strict=False)), default=float("inf"))


def print_table(outcomes):
    """A row for each fault: of times the median and the longest, of all else the sum."""
    rows = []
    for name in dict.fromkeys(outcome.name for outcome in outcomes):
        columns = list(zip(*(outcome.cells()[1:] for outcome in outcomes if outcome.name == name), strict=True))
        rows.append([name, *(f"{statistics.median(map(float, column)):.1f} ({max(map(float, column)):.1f})" if isinstance(column[0], str)
                             else sum(column) for column in columns)])
    widths = [max(len(str(row[column])) for row in [TITLES, *rows]) for column in range(len(TITLES))]
    print("\nOf times the median, and the longest in brackets:\n")
    for row in [TITLES, *rows]:
        print("  ".join(f"{row[0]:<{widths[0]}}" if not column else f"{cell!s:>{widths[column]}}" for column, cell in enumerate(row)))
    print(flush=True)


def show_logs(cluster):
    print(f"the logs are in {cluster.folder}; their ends:")
    for log in cluster.logs():
        if log.exists():
            lines = log.read_text(errors="replace").splitlines()[-LINES_MAX:]
            print("\n".join([f"-- {log.name}", *lines]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
