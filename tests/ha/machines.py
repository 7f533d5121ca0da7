"""Processes of the test's machines: how they are started, killed, frozen and ended.

Each is a child of ours or found through one, and is ended by its id, with all that it started.
"""

import contextlib
import signal
import subprocess
import time

import psutil

# How long the test waits for what should take less; longer than the outage that is allowed, so that it can be told.
WAIT_SECONDS_MAX = 90
END_SECONDS_MAX = 30


class Problem(Exception):
    """The test cannot go on; its text says why."""


def wait_for(what, condition, seconds=WAIT_SECONDS_MAX):
    """Waits until the condition is true; how long that took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise Problem(f"{what}: not within {seconds} s")
        time.sleep(0.2)
    return time.monotonic() - started


class Program:
    """One server: its command, its environment, its log, and its process while it runs."""

    def __init__(self, name, command, environment, folder):
        self.name, self.command, self.environment = name, command, environment
        self.log, self.process = folder / f"{name}.log", None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True, cwd=self.log.parent)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait(END_SECONDS_MAX)

    def stop(self):
        """Ends it as an operator does; one that does not end in time is killed, which is an error for the caller to tell."""
        if not self.is_running():
            return True
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True


class Node:
    """A machine with etcd, Patroni and PostgreSQL."""

    def __init__(self, name, host, etcd, patroni, data):
        self.name, self.host, self.etcd, self.patroni, self.data = name, host, etcd, patroni, data

    def start(self):
        for program in (self.etcd, self.patroni):
            if not program.is_running():
                program.start()

    def postmaster(self):
        """PostgreSQL's first process, which is no descendant of Patroni's; None where it does not run."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
            return process if process.cwd() == str(self.data) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def processes(self):
        """All of the machine, those first that would start others again."""
        roots = [program.process.pid for program in (self.patroni, self.etcd) if program.is_running()]
        postmaster = self.postmaster()
        found = []
        for root in [*map(psutil.Process, roots), *([postmaster] if postmaster else [])]:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [root, *root.children(recursive=True)]
        return [process for process in found if is_alive(process)]

    def signal_all(self, number, is_done):
        """Signals all processes until each of them is done, also those that came while it did."""
        deadline = time.monotonic() + END_SECONDS_MAX
        while left := [process for process in self.processes() if not is_done(process)]:
            if time.monotonic() > deadline:
                raise Problem(f"{self.name}: processes are left: {left}")
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            time.sleep(0.01)

    def kill(self):
        """What a loss of power does to its processes."""
        everything = self.processes()
        self.signal_all(signal.SIGKILL, lambda process: not is_alive(process))
        # The children of a killed postmaster are nobody's any more.
        psutil.wait_procs([process for process in everything if is_alive(process)], timeout=END_SECONDS_MAX)
        for program in (self.patroni, self.etcd):
            if program.process:
                program.process.wait(END_SECONDS_MAX)

    def freeze(self):
        self.signal_all(signal.SIGSTOP, lambda process: status_of(process) == psutil.STATUS_STOPPED)

    def thaw(self):
        self.signal_all(signal.SIGCONT, lambda process: status_of(process) != psutil.STATUS_STOPPED)


def status_of(process):
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD


def is_alive(process):
    return status_of(process) not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
